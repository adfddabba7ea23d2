"""From finitely many particles to the best likelihood: expected gaps against their bounds.

Closed form: mean and covariance of theta of the particle system itself, exact for location
families, in continuous time and for the algorithm with its steps. The bounds are loose: they do not
know that theta averages the noise of the pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import finite_pool_convergence as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, smaller
from ...controls.variants import quantities_replaced, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint
from .learning_constants import learning_constants

NAME = "finite-pool-convergence"
FLOW, STEPS = "flow", "algorithm"
THEOREMS: dict[str, Theorem] = {FLOW: statements.theorem, STEPS: statements.steps}
VARIANTS = {
    "infinite-pool": quantities_replaced(
        lambda q: {"pool": 10**12}, "the bound without the pool's fluctuations"
    ),
    "pool-at-the-model": quantities_replaced(
        lambda q: {"initial_w2": 0.0}, "the bound of a pool that starts at the model"
    ),
}
_TIMES = {"infinite-pool": -1, "pool-at-the-model": 0}


def settings() -> list[Setting]:
    """A pool of 20 that starts beyond the data: early the start decides, late the fluctuations."""
    from lvebm_theory.energies.location_family import location_family

    mean = 0.3
    return [
        Setting(
            name="pool-of-20",
            subject=location_family(theta_1=mean + 1.0, theta_2=0.0, stiffness=1.0, coupling=0.0),
            start=InitialLaw.normal([mean - 1.0, 0.0], [1.0, 1.0]),
            times=(2.0, 100.0),
            options={"eta": 0.1, "pool": 20, "data": (mean + 0.5, mean - 0.5), "pool_step": 0.05},
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Both forms early and late; the false bounds of the flow where each must fail."""
    found = [_case(part, time) for part in THEOREMS for time in setting.times]
    if setting.with_controls:
        found += [_case(FLOW, setting.times[_TIMES[name]], name) for name in VARIANTS]
    return found


def _case(part: str, time: float, control: str | None = None) -> Case:
    return Case(
        quantity="root gap",
        part=part,
        relation=Relation.AT_MOST,
        witness="closed-form",
        time=time,
        control=control,
    )


def _root_gap(setting: Setting, mean: FloatArray, covariance: FloatArray) -> FloatArray:
    """sqrt(E(L* - L)) for L = -m (theta - data mean)^2/2."""
    stiffness = as_joint(NAME, setting.subject).parameters["stiffness"]
    offset = mean - float(np.mean(setting.options["data"]))
    return np.asarray(np.sqrt(stiffness * (offset**2 + covariance) / 2.0))


def _flow(setting: Setting, times: Sequence[float]) -> FloatArray:
    from solvers.learning.finite_pools_flow import flow_covariance

    assert setting.start is not None
    path = flow_covariance(
        as_joint(NAME, setting.subject),
        np.array(setting.options["data"])[:, None],
        latents=1,
        pool=setting.options["pool"],
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        eta=setting.options["eta"],
        times=times,
        learned=("theta_1",),
        tolerance=1e-9,
    )
    return _root_gap(setting, path.theta[:, 0], path.covariance[:, 0, 0])


def _algorithm(setting: Setting, updates: Sequence[int]) -> FloatArray:
    from solvers.learning.finite_pools import finite_pool_path
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings

    options = setting.options
    assert setting.start is not None
    path = finite_pool_path(
        as_joint(NAME, setting.subject),
        np.array(options["data"])[:, None],
        LearningSettings(
            latents=1,
            pool=options["pool"],
            latent_step=options["pool_step"],
            pool_step=options["pool_step"],
            inner_steps=_INNER,
            rate=Constant(options["eta"] * options["pool_step"] * _INNER),
            learned=("theta_1",),
        ),
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        updates=max(updates),
    )
    return _root_gap(setting, path.theta[:, 0], path.covariance[:, 0, 0])[list(updates)]


_INNER = 4


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """sqrt(E(L* - L)) of the particle system."""
    options = setting.options
    energy = as_joint(NAME, setting.subject)
    assert setting.start is not None
    constants = learning_constants(NAME, energy, ("theta_1",))
    update = options["pool_step"] * _INNER
    start, theta = setting.start, energy.parameters["theta_1"]
    spread = math.sqrt(1.0 / energy.parameters["stiffness"])
    shared: dict[str, Any] = {
        **constants,
        "location_family": True,
        "eta": options["eta"],
        "step_size": options["eta"] * update,
        "pool_step": options["pool_step"],
        "inner_steps": _INNER,
        "dim": 2,
        "pool": options["pool"],
        # E (d_u U)^2 = E d_uu U = m under the centred model
        "fluctuation": math.sqrt(energy.parameters["stiffness"]),
        "initial_root_gap": float(_root_gap(setting, np.array([theta]), np.zeros(1))[0]),
        "initial_w2": math.hypot(
            *(start.mean - np.array([theta, energy.parameters["theta_2"]])),
            *(start.sds[0] - spread),
        ),
    }
    times = sorted({float(case.time or 0.0) for case in asked})
    updates = [round(time / update) for time in times]
    measured = {FLOW: _flow(setting, times), STEPS: _algorithm(setting, updates)}
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        k = times.index(float(case.time or 0.0))
        theorem = THEOREMS[case.part]
        quantities = {**shared, "time": times[k], "steps": updates[k]}
        outcomes[case] = confront(
            case,
            Measurement(value=float(measured[case.part][k]), numerical=1e-7),
            theorem,
            quantities,
            resolution=1e-3 * theorem.forced_bound(**quantities),
            variants=VARIANTS,
            perturbed=smaller(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="From finitely many particles to the best likelihood",
    theorems=tuple(THEOREMS.values()),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
