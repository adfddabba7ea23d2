"""Vempala-Wibisono: KL(mu_k|pi) <= e^{-rho h k} KL_0 + 8 h d L^2/rho. A loose bound, named so.

Closed form: the Gaussian law of ULA on a quadratic. Quadrature: the transition kernel on a
lattice. The floor is real: without it, or a hundred thousand times smaller, the bound is refuted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.schemes import ula_relative_entropy_bound as statement

from ...claim import Case, Claim, Context, Evidence, Setting
from ...controls.variants import FalseVariant, sentences
from ...subjects import adapted, energy_of, start_of
from .bounds_along_steps import (
    bound_cases,
    bound_outcomes,
    closed_form,
    gaussian_target,
    steps_of,
)

NAME = "ula-kl-bound"


def floor_multiplied(factor: float, sentence: str) -> FalseVariant:
    """The discretisation term (all of the bound that grows with d) times ``factor``."""

    def bound(theorem: Any, q: Any) -> float:
        whole, kept = theorem.forced_bound(**q), theorem.forced_bound(**{**q, "dim": 0})
        return float(kept + factor * (whole - kept))

    return FalseVariant(sentence=sentence, bound=bound)


VARIANTS = {
    "no-floor": floor_multiplied(0.0, "the discretisation term 8 h d L^2/rho left out"),
    "floor-times-1e-5": floor_multiplied(
        1e-5, "the discretisation term a hundred thousand times smaller"
    ),
}


def settings() -> list[Setting]:
    """A Gaussian at the largest step that the theorem allows, and a non-convex energy."""
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.parse import parse_potential

    return [
        Setting(
            name="gaussian-at-the-largest-step",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 1.0),
            options={"gaussian": True},
            with_controls=True,
        ),
        Setting(
            name="non-convex-cosine",
            subject=parse_potential("x**2/2 + a*cos(k*x)", parameters={"a": 0.4, "k": 2.0}),
            start=InitialLaw.normal(1.0, 0.5),
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """KL early, in the middle and late, by quadrature and, on Gaussians, in closed form."""
    return bound_cases(setting, "KL", VARIANTS)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """KL along ULA at the largest step that the theorem allows, h = rho/(4 L^2)."""
    from lvebm_theory import gaussian
    from lvebm_theory.constants import constants_of, spectrum
    from lvebm_theory.errors import AssumptionError

    energy, start = energy_of(setting), start_of(setting)
    constants = constants_of(energy)
    rho, smoothness = constants.log_sobolev, constants.smoothness
    h = rho.lower / (4.0 * smoothness.upper**2)
    fixed = {"log_sobolev": rho, "smoothness": smoothness, "dim": energy.dim, "step_size": h}
    if not h > 0:
        broken = statement.theorem.broken_assumptions(fixed)
        raise AssumptionError(statement.theorem.name, broken)
    steps = steps_of(rho.lower * h)
    if asked[0].witness == "closed-form":
        target = gaussian_target(energy)
        measured = closed_form(start, target, h, list(steps.values()), gaussian.relative_entropy)
        initial = gaussian.relative_entropy(gaussian.Gaussian.matching(start), target)
    else:
        from .lattice_witness import distances

        measured = distances(energy, start, h, list(steps.values()), "KL")
        initial = float(spectrum(energy, 1).relative_entropy_curve(start, [0.0])[0])
    return Evidence(
        outcomes=bound_outcomes(
            asked,
            dict(zip(steps, measured, strict=True)),
            statement.theorem,
            lambda part: {
                **fixed,
                "steps": steps[part],
                "initial_relative_entropy": initial,
            },
            VARIANTS,
        )
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy on the line with a Lipschitz gradient and a known LSI."""
    return adapted(NAME, subject, start, times, largest_dimension=1, with_times=False)


claim = Claim(
    name=NAME,
    title="Relative entropy of ULA under LSI (Vempala-Wibisono; loose)",
    theorems=(statement.theorem,),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
