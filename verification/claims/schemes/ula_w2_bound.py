"""Dalalyan-Karagulyan: W2(mu_k, pi) <= (1-mh)^k W2_0 + (7 sqrt 2/6)(L/m) sqrt(hd). Loose.

Closed form: Bures distance on an anisotropic Gaussian in the plane. Quadrature: the transition
kernel on a lattice, for a convex energy that is not quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.schemes import ula_w2_bound as statement

from ...claim import Case, Claim, Context, Evidence, Setting
from ...controls.variants import sentences
from ...subjects import adapted, energy_of, start_of
from .bounds_along_steps import (
    bound_cases,
    bound_outcomes,
    closed_form,
    gaussian_target,
    steps_of,
)
from .ula_relative_entropy_bound import floor_multiplied

NAME = "ula-w2-bound"
VARIANTS = {
    "no-floor": floor_multiplied(0.0, "the discretisation term left out"),
    "floor-times-1e-3": floor_multiplied(1e-3, "the discretisation term a thousand times smaller"),
}


def settings() -> list[Setting]:
    """An anisotropic Gaussian in the plane, and a convex energy on the line."""
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.parse import parse_potential

    return [
        Setting(
            name="anisotropic-gaussian",
            subject=quadratic(precision=[[0.5, 0.0], [0.0, 2.0]]),
            start=InitialLaw.normal([2.0, -1.0], [1.0, 0.5]),
            options={"only_closed_form": True, "step_size": 1.0 / 16.0},
            with_controls=True,
        ),
        Setting(
            name="quadratic-plus-log-cosh",
            subject=parse_potential("x**2/2 + log(cosh(x))"),
            start=InitialLaw.normal(2.0, 0.5),
            options={"step_size": 1.0 / 16.0},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """W2 early, in the middle and late."""
    return bound_cases(setting, "W2", VARIANTS)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """W2 along ULA against the bound, with the Lipschitz and convexity constants of the energy."""
    from lvebm_theory import gaussian
    from lvebm_theory.constants import constants_of
    from lvebm_theory.errors import AssumptionError

    energy, start = energy_of(setting), start_of(setting)
    constants = constants_of(energy)
    m, smoothness = constants.convexity, constants.smoothness
    limit = 2.0 / (m.lower + smoothness.upper) if m.lower > 0 else 1.0
    h = min(float(setting.options.get("step_size", 1.0)), limit)
    fixed = {"convexity": m, "smoothness": smoothness, "dim": energy.dim, "step_size": h}
    if broken := statement.theorem.broken_assumptions(fixed):
        raise AssumptionError(statement.theorem.name, broken)
    steps = steps_of(m.lower * h)
    if asked[0].witness == "closed-form":
        target = gaussian_target(energy)
        measured = closed_form(start, target, h, list(steps.values()), gaussian.wasserstein)
        initial = gaussian.wasserstein(gaussian.Gaussian.matching(start), target)
    else:
        from .lattice_witness import distances, initial_w2

        measured = distances(energy, start, h, list(steps.values()), "W2")
        initial = initial_w2(energy, start)
    return Evidence(
        outcomes=bound_outcomes(
            asked,
            dict(zip(steps, measured, strict=True)),
            statement.theorem,
            lambda part: {**fixed, "steps": steps[part], "initial_w2": initial},
            VARIANTS,
        )
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth strongly convex energy on the line with a Lipschitz gradient."""
    return adapted(NAME, subject, start, times, largest_dimension=1, with_times=False)


claim = Claim(
    name=NAME,
    title="W2 of ULA under strong convexity (Dalalyan-Karagulyan; loose)",
    theorems=(statement.theorem,),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
