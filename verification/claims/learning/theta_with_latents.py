"""Theta of the particle trainer, exactly: moments after k updates, stationary variance, four pools.

Latents and pool are finite and persistent. Against the recursion of the averages stand the trainer
itself (many replicates, whole algorithm) and the closed form of the learning solvers, which knows
quadratic energies in general and shares no code with the statement. A trainer with the wrong
noise, with latents that do not persist, with a stale joint phase, or with the other order of
updates is refuted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.learning import theta_with_latents as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, third_of_distance
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement

if TYPE_CHECKING:
    from solvers.learning.settings import LearningSettings
    from solvers.learning.update import Update


NAME = "theta-with-latents"
POOLS = (4, 8, 16, 32)
CONTROL_POOL = 16
WALKED_POOL = 64
OTHER = {"sequential": "simultaneous", "simultaneous": "sequential"}
THEOREMS = {
    "stationary variance": statements.theorem,
    "mean": statements.mean,
    "variance": statements.variance,
}


def _other_order(theorem: Any, q: Mapping[str, Any]) -> float:
    return float(theorem.forced_bound(**{**q, "order": OTHER[q["order"]]}))


def _continuous(theorem: Any, q: Mapping[str, Any]) -> float:
    # the same learner with steps a hundred times finer in the same time
    fine = {name: q[name] / 100 for name in ("latent_step", "pool_step", "step_size")}
    more = {"updates": 100 * q["updates"]} if "updates" in q else {}
    return float(theorem.forced_bound(**{**q, **fine, **more}))


VARIANTS = {
    "continuous-time": FalseVariant(
        sentence="the law of the flow in place of that of the algorithm at its step sizes",
        bound=_continuous,
    ),
}
MUTANTS = {
    "noise-sqrt-h": "a trainer with noise sqrt(h) xi in place of sqrt(2h) xi in both phases",
    "latents-not-persistent": "a trainer whose latents start anew before every update",
    "stale-joint-phase": "a trainer whose joint phase is one step older than the conditional one",
    "other-order": "a trainer that moves particles first where the statement moves theta with them",
}
IN_ORDER = {
    "noise-sqrt-h": "sequential",
    "latents-not-persistent": "sequential",
    "stale-joint-phase": "sequential",
    "other-order": "simultaneous",
}


def settings() -> list[Setting]:
    """Coarse updates, at which the orders differ by a third and discretisation by a half."""
    from lvebm_theory.energies.gaussian_location import gaussian_location

    return [
        Setting(
            name=f"{order}-updates",
            subject=gaussian_location(theta=1.5, noise=0.5),
            times=(1.0, 4.0, 8.0),
            options={"order": order, "step": 0.2, "step_size": 0.3, "data": (0.4, -0.9)},
            with_controls=True,
        )
        for order in OTHER
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Moments along the way at one pool, stationary variance at four; mutants at the former."""
    # replicates are a compiled loop; there is no torch twin of it
    witnesses: tuple[Witness, ...] = ("closed-form", "numba")
    found = [
        Case(quantity="theta", part=part, relation=Relation.EQUAL, witness=witness, time=time)
        for witness in witnesses
        for part in ("mean", "variance")
        for time in setting.times
    ]
    found += [
        Case(
            quantity="stationary variance",
            part=f"M={pool}",
            relation=Relation.EQUAL,
            witness=witness,
            run=f"stationary/{pool}",
        )
        for witness in witnesses
        for pool in POOLS
    ]
    found += [
        Case(
            quantity="stationary variance",
            part=f"M={CONTROL_POOL}",
            relation=Relation.EQUAL,
            witness=witness,
            run=f"stationary/{CONTROL_POOL}",
            control=variant,
        )
        for witness in ("closed-form",)
        for variant in VARIANTS
    ]
    found += [
        Case(
            quantity="stationary variance",
            part=f"M={CONTROL_POOL}",
            relation=Relation.EQUAL,
            witness="numba",
            run=f"stationary/{CONTROL_POOL}/{mutant}",
            control=mutant,
        )
        for mutant, order in IN_ORDER.items()
        if order == setting.options["order"]
    ]
    return found


def _starts(setting: Setting) -> tuple[InitialLaw, InitialLaw]:
    return InitialLaw.normal(0.3, 0.5), InitialLaw.normal([0.0, 0.5], [1.0, 0.7])


def _quantities(setting: Setting, pool: int) -> dict[str, Any]:
    latent, joint = _starts(setting)
    options = setting.options
    return {
        "gaussian_location": True,
        "noise": setting.subject.parameters["noise"],
        "latent_step": options["step"],
        "pool_step": options["step"],
        "step_size": options["step_size"],
        "inner_steps": 1,
        "order": options["order"],
        "latents": len(options["data"]) * (pool // 2),
        "pool": pool,
        "data_mean": float(np.mean(options["data"])),
        "theta_start": setting.subject.parameters["theta"],
        "latent_mean": float(latent.mean[0]),
        "latent_variance": float(latent.covariance[0, 0]),
        "pool_mean_x": float(joint.mean[0]),
        "pool_mean_z": float(joint.mean[1]),
        "pool_variance_x": float(joint.covariance[0, 0]),
        "pool_variance_z": float(joint.covariance[1, 1]),
    }


def _learner(setting: Setting, pool: int) -> LearningSettings:
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings

    options = setting.options
    return LearningSettings(
        latents=pool // 2,
        pool=pool,
        latent_step=options["step"],
        pool_step=options["step"],
        rate=Constant(options["step_size"]),
        order=options["order"],
        learned=("theta",),
    )


def _data(setting: Setting) -> FloatArray:
    return np.array(setting.options["data"], dtype=float)[:, None]


def _by_closed_form(setting: Setting, steps: Sequence[int], pool: int) -> dict[Any, Measurement]:
    from solvers.learning.finite_pools import finite_pool_path, stationary_law

    latent, joint = _starts(setting)
    learner, data = _learner(setting, pool), _data(setting)
    found: dict[Any, Measurement] = {}
    if steps:
        path = finite_pool_path(
            setting.subject,  # type: ignore[arg-type]
            data,
            learner,
            latent_start=latent,
            pool_start=joint,
            updates=max(steps),
        )
        for k in steps:
            value, spread = float(path.theta[k, 0]), float(path.covariance[k, 0, 0])
            found["mean", k] = Measurement(value=value, numerical=1e-11)
            found["variance", k] = Measurement(value=spread, numerical=1e-11)
    law = stationary_law(setting.subject, data, learner)  # type: ignore[arg-type]
    found["stationary"] = Measurement(value=law.variance([1.0]), numerical=1e-11)
    return found


def _update(setting: Setting, mutant: str) -> Update:
    from ...controls.learning import UPDATE_MUTANTS

    return UPDATE_MUTANTS[mutant](setting.options["order"])


def _by_trainer(
    setting: Setting, steps: Sequence[int], pool: int, mutant: str, context: Context
) -> dict[Any, Measurement]:
    from solvers.learning.replicates import train_replicates
    from solvers.noise import Noise

    from ...estimate.averages import mean, variance

    latent, joint = _starts(setting)
    stationary = not steps
    # each replicate is an average over time; a mutant is far off, and fewer of them show it
    enough = max(300, context.particles // 800) if mutant else max(500, context.particles // 400)
    replicates = enough if stationary else context.particles // 20
    name = f"{NAME}/{setting.name}/{pool}/{mutant}/{stationary}/{context.look}"
    run = train_replicates(
        setting.subject,
        _data(setting),
        _learner(setting, pool),
        noise=Noise(context.seed, name),
        updates=BURN_IN + AVERAGED if stationary else max(steps),
        replicates=replicates,
        latent_start=latent,
        pool_start=joint,
        record_every=BURN_IN if stationary else 1,
        moments_after=BURN_IN if stationary else None,
        update=_update(setting, mutant) if mutant else None,
    )
    found: dict[Any, Measurement] = {}
    if stationary:
        assert run.moments is not None
        centres = run.moments.mean[:, 0]
        # the learned parameter's expectation is the same in every replicate
        offsets = (centres - centres.mean()) ** 2 * replicates / (replicates - 1)
        found["stationary"] = mean(run.moments.covariance[:, 0, 0] + offsets, context.alpha)
        return found
    for k in steps:
        theta = run.theta[k - 1, :, 0]
        found["mean", k] = mean(theta, context.alpha)
        found["variance", k] = variance(theta, context.alpha)
    return found


# ten relaxation times of the slowest mode, then some fifty
BURN_IN, AVERAGED = 400, 2_000


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Moments of theta by the trainer or the closed form, against the recursion."""
    run = asked[0].run
    _, _, tail = run.partition("stationary/")
    text, _, mutant = tail.partition("/")
    pool = int(text) if text else WALKED_POOL
    steps = [] if run else sorted({round(case.time or 0.0) for case in asked})
    if asked[0].witness == "closed-form":
        measured = _by_closed_form(setting, steps, pool)
    else:
        measured = _by_trainer(setting, steps, pool, mutant, context)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        quantities = _quantities(setting, pool)
        key: Any = "stationary"
        if not run:
            quantities["updates"] = round(case.time or 0.0)
            key = case.part, quantities["updates"]
        theorem = THEOREMS[case.part if not run else "stationary variance"]
        true = theorem.forced_bound(**quantities)
        wrong = _other_order(theorem, quantities)
        if case.witness == "closed-form":
            resolution = 1e-9 * (1.0 + abs(true))
        elif theorem is statements.mean:
            resolution = 0.03
        else:
            resolution = 0.15 * true if steps else min(third_of_distance(true, wrong), 0.1 * true)
        outcomes[case] = confront(
            case,
            measured[key],
            theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Theta with finitely many persistent latents and pool particles",
    theorems=(statements.theorem, statements.mean, statements.variance),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
