"""W2 contraction: W2(mu_t, nu_t) <= e^{-mt} W2(mu_0, nu_0) if Hess U >= m > 0.

Grid: exact quantile transport between two evolved copies, or toward pi; in two dimensions bounds
from both sides. Particles: two clouds
that start as translates and share all noise; the root mean square of their distance bounds W2
from above and obeys the same bound path by path. Companion EQUAL: translated copies of a
quadratic flow. Forced control: the same form with a log-Sobolev constant, on two wells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.transport import w2_contraction as statements

from ...claim import Case, Claim, Context, Evidence, Setting
from ...confront import require
from ...controls.variants import quantities_replaced, rate_multiplied, sentences
from ...curves import Curve, dataset
from ...decay import DecayStatement, decay_cases
from ...defaults import frame, length_of
from ...grid_witness import LARGEST_DIMENSION
from ...subjects import adapted, energy_of, start_of

NAME = "w2-contraction"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the rate m replaced by 2m"),
}
FORCED = {
    "log-sobolev-for-convexity": quantities_replaced(
        lambda q: {"convexity": q["log_sobolev"]},
        "e^{-rho t} W2_0 with a log-Sobolev constant, where U is not convex",
    ),
}
MUTANTS = {
    "half-drift": "a solver with half the drift",
    "own-noise": "a coupling in which the two clouds do not share their noise",
}
# two clouds with noise of their own stay 2 apart in mean square per unit of 1/m; the grid sees
# W2 down to the rounding of its cell masses; in lengths of the energy
FLOORS = {"grid": 1e-4, "particles": 0.02}
# root mean square distance of the coupled clouds: never below W2 of their laws
COUPLED = "coupled distance"


def settings() -> list[Setting]:
    """Translated quadratics, a convex energy that is not quadratic, and two wells, forced."""
    from lvebm_theory.energies.cosine_perturbed import cosine_perturbed
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.parse import parse_potential

    between_wells = InitialLaw.mixture((0.5, -1.0, 0.1), (0.5, -0.3, 0.1))
    return [
        Setting(
            name="translated-quadratics",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 0.5),
            times=(0.2, 0.5, 1.0, 2.0),
            options={
                "second_start": InitialLaw.normal(1.0, 0.5),
                "equality": True,
                "control_times": (1.0,),
            },
            with_controls=True,
        ),
        Setting(
            name="convex-two-copies",
            subject=cosine_perturbed(amplitude=0.15),
            start=InitialLaw.normal(2.0, 0.5),
            times=(0.2, 1.0, 3.0),
            options={"second_start": InitialLaw.normal(1.0, 0.5)},
        ),
        Setting(
            name="convex-toward-pi",
            subject=cosine_perturbed(amplitude=0.15),
            start=InitialLaw.normal(2.0, 0.5),
            times=(0.2, 1.0, 3.0),
            options={"particles": False},
        ),
        Setting(
            name="convex-in-two-dimensions",
            subject=parse_potential("(x**2 + y**2)/2 + 3*x*y/10 + cos(x + y)/10"),
            start=InitialLaw.normal([1.4, -1.2], [0.5, 0.6]),
            times=(0.3, 1.0),
            options={
                "second_start": InitialLaw.normal([0.2, -0.4], [0.7, 0.5]),
                "particles": False,
            },
            with_controls=True,
        ),
        Setting(
            name="two-wells-forced",
            subject=double_well(b=4.0),
            start=between_wells,
            times=(0.3,),
            options={"particles": False, "forced": True},
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Grid; coupled particles unless the setting says otherwise."""
    forced = bool(setting.options.get("forced", False))
    planned: list[Case] = []
    if energy_of(setting).dim <= LARGEST_DIMENSION:
        planned += decay_cases(
            setting,
            quantity="W2",
            witnesses=["grid"],
            variants=FORCED if forced else VARIANTS,
            mutants={},
        )
    if setting.options.get("particles", True):
        coupled = decay_cases(
            setting,
            quantity=COUPLED,
            witnesses=[backend],
            variants=VARIANTS,
            mutants=dict.fromkeys(MUTANTS, backend),
            part="coupling",
        )
        planned += [replace(case, upper_bound_of=_bounded(setting)) for case in coupled]
    return planned


def _bounded(setting: Setting) -> str | None:
    """W2 where the grid measures two copies too; toward pi it measures another distance."""
    return "W2" if "second_start" in setting.options else None


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """W2 along the flow by the witness of these cases, against the bound from W2 at time 0."""
    from lvebm_theory.constants import constants_of

    constants = constants_of(energy_of(setting))
    if not any(case.control in FORCED for case in asked):
        require(statements.theorem, convexity=constants.convexity)
    if asked[0].witness == "grid":
        curve, initial, width = _on_grid(setting)
        floor = FLOORS["grid"]
    else:
        curve, initial, width = _coupled(setting, asked, context)
        floor = FLOORS["particles"]
    statement = DecayStatement(
        upper=statements.theorem,
        equal=statements.translates,
        quantities=lambda time: {
            "convexity": constants.convexity,
            "log_sobolev": constants.log_sobolev,
            "time": time,
            "initial_w2": initial,
            "translates": setting.options.get("equality", False),
        },
        variants=VARIANTS,
        forced=FORCED,
        floor=floor * length_of(energy_of(setting)),
        relative_width=width / initial,
    )
    return Evidence(
        outcomes=statement.outcomes(asked, curve),
        dataset=dataset(
            curve,
            {NAME: statement.bound},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
            **({} if asked[0].witness == "grid" else {"upper_bound_of": "W2"}),
        ),
    )


def _on_grid(setting: Setting) -> tuple[Curve, float, float]:
    """W2 between two copies, or to pi; its value and width at time 0."""
    from ...grid_witness import (
        curve,
        density_path,
        on_one_grid,
        w2_between_paths,
        with_shown,
    )

    energy, start = energy_of(setting), start_of(setting)
    second = setting.options.get("second_start")
    times = with_shown(setting) if energy.dim == 1 else setting.times
    if second is None:
        found = curve(density_path(energy, start, times, claim=NAME), "W2")
    else:
        paths = on_one_grid(energy, [start, second], times, claim=NAME)
        found = w2_between_paths(*paths)
    initial = found.at(0.0)
    return found, initial.value, initial.numerical


def _coupled(
    setting: Setting, asked: Sequence[Case], context: Context
) -> tuple[Curve, float, float]:
    """Root mean square distance of two synchronously coupled clouds, translates at time 0."""
    from solvers.noise import Noise

    from ...controls.schemes import with_drift_scaled
    from ...particle_witness import snapshots, step_for

    energy, start, run = energy_of(setting), start_of(setting), asked[0].run
    _, length = frame(energy)
    shift = length / np.sqrt(energy.dim)
    stream = f"{NAME}/{setting.name}/{run}"
    noise = Noise(context.seed, stream).derive("start")
    number = context.particles // 4
    x = start.push_normals(
        noise.uniforms(number, 0, backend="numba")[:, 0],
        noise.normals(number, 0, energy.dim, backend="numba"),
    )
    step = step_for(energy, start, setting.times)
    mutate = (lambda scheme: with_drift_scaled(scheme, 0.5)) if run == "half-drift" else None
    times = sorted({case.time for case in asked if case.time is not None})
    first, second = (
        snapshots(
            energy,
            position,
            times,
            context,
            stream=name,
            step_size=step,
            mutate=mutate,
            particles=number,
            companion=run != "half-drift",
        )
        for position, name in (
            (x, stream),
            (x - shift, stream + ("/own" if run == "own-noise" else "")),
        )
    )
    squared = replace(
        first, fine=first.fine - second.fine, coarse=first.coarse - second.coarse
    ).mean(lambda apart: np.einsum("nd,nd->n", apart, apart), COUPLED)
    return squared.mapped(np.sqrt, 0.0), float(np.linalg.norm(shift)), 0.0


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy; on the grid (toward pi) and by coupled particles."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="W2 between two copies contracts at rate m if Hess U >= m > 0",
    theorems=(statements.theorem, statements.translates),
    controls={**sentences(VARIANTS), **sentences(FORCED), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
