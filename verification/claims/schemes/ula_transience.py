"""ULA on a superlinear gradient diverges, and the solver notices.

What is measured is whether an ensemble stops with a SolverError that carries its last finite
state: 1 if so, 0 if it runs to the end. The controls are runs that must not diverge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lvebm_theory.errors import SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.schemes import ula_transience as statement

from ...claim import Case, Claim, Context, Evidence, Setting, Witness
from ...confront import confront, larger
from ...measurement import Measurement
from ...subjects import energy_of, start_of

NAME = "ula-transience"
CONTROLS = {
    "tamed-scheme": "tamed ULA, which stays finite, taken to diverge",
    "lipschitz-gradient": "ULA on a quadratic energy, which stays finite, taken to diverge",
}
STEPS = 2_000


def settings() -> list[Setting]:
    """A deep quartic well at a step at which |x| > 3.06 overshoots."""
    from lvebm_theory.energies.double_well import double_well

    return [
        Setting(
            name="double-well-b6-step-0.01",
            subject=double_well(b=6.0),
            start=InitialLaw.normal(0.0, 1.0),
            options={"step_size": 0.01},
            with_controls=True,
        )
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One case by particles, and the two runs that stay finite."""
    witness: Witness = backend
    return [
        Case(
            quantity="divergence",
            relation=Relation.EQUAL,
            witness=witness,
            control=control,
            run=control or "",
        )
        for control in (None, *(CONTROLS if setting.with_controls else ()))
    ]


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """1 if the run stopped with its last finite state in hand, else 0."""
    from lvebm_theory.constants import constants_of
    from lvebm_theory.energies.quadratic import quadratic
    from solvers.evolve import simulate
    from solvers.noise import Noise
    from solvers.particles.tamed_ula import tamed_ula
    from solvers.particles.ula import ula

    run = asked[0].run
    energy = quadratic(precision=1.0) if run == "lipschitz-gradient" else energy_of(setting)
    diverged = 0.0
    try:
        simulate(
            energy,
            tamed_ula if run == "tamed-scheme" else ula,
            start_of(setting),
            step_size=setting.options["step_size"],
            steps=STEPS,
            particles=min(context.particles, 100_000),
            noise=Noise(context.seed, f"{NAME}/{setting.name}/{run}"),
            backend=context.backend,
            device=context.device,
        )
    except SolverError as error:
        if error.last_state is not None and bool(np.all(np.isfinite(error.last_state))):
            diverged = 1.0
    quantities = {"smoothness": constants_of(energy_of(setting)).smoothness}
    return Evidence(
        outcomes={
            case: confront(
                case,
                Measurement(value=diverged),
                statement.theorem,
                quantities,
                resolution=0.3,
                perturbed=larger(statement.theorem, quantities),
            )
            for case in asked
        }
    )


claim = Claim(
    name=NAME,
    title="ULA diverges on superlinear gradients, and the solver says so",
    theorems=(statement.theorem,),
    controls=CONTROLS,
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
