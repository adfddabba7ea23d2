"""Variance of theta with finitely many particles: the O(1/N) law by Lyapunov equations.

Closed form: the covariance of theta, averages and registers under the update itself, whose
derivative is taken by imaginary steps; its stationary point, and its path in continuous time. The
formulas know two averages and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Theorem
from lvebm_theory.theorems.learning import finite_pool_variance as statements
from lvebm_theory.theorems.learning import propagation_of_chaos

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint

NAME = "finite-pool-lyapunov"
FLOW, TOGETHER, AFTER, ON_THE_WAY = "flow", "simultaneous", "sequential", "on the way"
THEOREMS: dict[str, Theorem] = {
    FLOW: statements.theorem,
    TOGETHER: statements.simultaneous,
    AFTER: statements.sequential,
    ON_THE_WAY: propagation_of_chaos.fluctuation,
}
VARIANTS = {
    "first-order": FalseVariant(
        sentence="(a/(h K))/(r N), the variance to first order in the step sizes",
        bound=lambda theorem, q: (
            q["step_size"] / (q["pool_step"] * q["inner_steps"] * q["stiffness"] * q["pool"])
        ),
    ),
    "other-order": FalseVariant(
        sentence="the formula of simultaneous updates for sequential ones",
        bound=lambda theorem, q: statements.simultaneous.forced_bound(**q),
    ),
}
MUTANTS = {"stale-pool": "sequential updates whose direction reads the pool before it has moved"}


def settings() -> list[Setting]:
    """One inner step, several inner steps with noise on theta, and a stiff pool."""
    from lvebm_theory.energies.location_family import location_family

    def setting(name: str, stiffness: float, controls: bool = False, **options: Any) -> Setting:
        return Setting(
            name=name,
            subject=location_family(theta_1=0.7, theta_2=0.0, stiffness=stiffness, coupling=0.0),
            start=InitialLaw.normal([0.2, 0.0], [0.5, 1.0]),
            times=(0.5, 3.0),
            options={"stiffness": stiffness, "data": (0.7, -0.3), "noise": 0.0, **options},
            with_controls=controls,
        )

    return [
        setting("one-inner-step", 1.0, True, step=0.2, pool_step=0.1, inner=1, pool=4),
        setting(
            "inner-steps-and-noise", 1.3, step=0.3, pool_step=0.15, inner=3, pool=25, noise=0.01
        ),
        setting("stiff", 2.5, step=0.1, pool_step=0.3, inner=1, pool=100),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Stationary variances of flow and both orders, N Var on the way, and what is false."""
    found = [_case(part) for part in (FLOW, TOGETHER, AFTER)]
    found += [_case(ON_THE_WAY, time=time) for time in setting.times]
    if setting.with_controls:
        found += [_case(AFTER, control) for control in VARIANTS]
        found += [_case(AFTER, name, name) for name in MUTANTS]
    return found


def _case(part: str, control: str | None = None, run: str = "", time: float | None = None) -> Case:
    return Case(
        quantity="Var theta",
        part=part,
        relation=THEOREMS[part].relation,
        witness="closed-form",
        time=time,
        control=control,
        run=run,
    )


def _stationary(setting: Setting, part: str, run: str) -> float:
    """Var theta at rest."""
    from solvers.learning.finite_pools import stationary_law
    from solvers.learning.finite_pools_flow import flow_stationary_law
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings
    from solvers.learning.update import SEQUENTIAL, Stage, Update

    options = setting.options
    energy, data = as_joint(NAME, setting.subject), np.array(options["data"])[:, None]
    if part == FLOW:
        law = flow_stationary_law(
            energy,
            data,
            theta=[float(data.mean())],
            latents=1,
            pool=options["pool"],
            eta=_eta(options),
            gradient_noise=options["noise"],
            learned=("theta_1",),
        )
        return law.variance([1.0])
    stale = Update(
        name="stale pool",
        stages=(Stage.AVERAGE_POOL, *(s for s in SEQUENTIAL.stages if s is not Stage.AVERAGE_POOL)),
    )
    law = stationary_law(
        energy,
        data,
        LearningSettings(
            latents=1,
            pool=options["pool"],
            latent_step=options["pool_step"],
            pool_step=options["pool_step"],
            inner_steps=options["inner"],
            rate=Constant(options["step"]),
            order="sequential" if part == AFTER else "simultaneous",
            gradient_noise=options["noise"],
            learned=("theta_1",),
        ),
        update=stale if run in MUTANTS else None,
    )
    return law.variance([1.0])


def _eta(options: Mapping[str, Any]) -> float:
    """a/(h K)."""
    return float(options["step"] / (options["pool_step"] * options["inner"]))


def _on_the_way(setting: Setting) -> FloatArray:
    """N Var theta at the setting's times, without noise on theta."""
    from solvers.learning.finite_pools_flow import flow_covariance

    assert setting.start is not None
    path = flow_covariance(
        as_joint(NAME, setting.subject),
        np.array(setting.options["data"])[:, None],
        latents=1,
        pool=setting.options["pool"],
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        eta=_eta(setting.options),
        times=setting.times,
        learned=("theta_1",),
    )
    return np.asarray(setting.options["pool"] * path.covariance[:, 0, 0])


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Var theta at rest, or N Var theta on the way, against the formulas."""
    options = setting.options
    assert setting.start is not None
    quantities: dict[str, Any] = {
        "gaussian_location": True,
        "stiffness": options["stiffness"],
        "pool": options["pool"],
        "pool_step": options["pool_step"],
        "inner_steps": options["inner"],
        "step_size": options["step"],
        "eta": _eta(options),
        "gradient_noise": options["noise"],
        "initial_variance": float(setting.start.covariance[0, 0]),
    }
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = THEOREMS[case.part]
        here = {**quantities, "time": float(case.time or 0.0)}
        if case.part == ON_THE_WAY:
            value = float(_on_the_way(setting)[setting.times.index(here["time"])])
        else:
            value = _stationary(setting, case.part, case.run)
        outcomes[case] = confront(
            case,
            Measurement(value=value, numerical=1e-7 * value),
            theorem,
            here,
            resolution=1e-3 * theorem.forced_bound(**here),
            variants=VARIANTS,
            perturbed=larger(theorem, here),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Variance of theta with finitely many particles, by Lyapunov equations",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
