"""Propagation of chaos: theta of N particles scatters around the mean field like N^{-1/2}.

Replicates of the particle trainer at several N against the mean-field limit on grids and against
the variance that its linearisation predicts (an adjoint equation on the same grids, no particles).
Gaussian location family: the variance in closed form at every N. Learners that all draw the same
noise are refuted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import polygamma
from scipy.stats import norm

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.learning import propagation_of_chaos as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, third_of_distance
from ...controls.variants import quantities_replaced, sentences, value_multiplied
from ...measurement import Measurement

if TYPE_CHECKING:
    from solvers.learning.fluctuations import Fluctuations
    from solvers.learning.settings import LearningSettings


NAME = "propagation-of-chaos"
SIZES = (32, 128, 512)
MIDDLE = SIZES[1]  # where mean and variance are read, with four times the replicates
PARTS = {
    "slope": statements.theorem,
    "variance": statements.limit,
    "mean": statements.mean,
    "gaussian variance": statements.fluctuation,
}
VARIANTS = {
    "rate-one": value_multiplied(2.0, "an error of order 1/N, variance of order 1/N^2"),
    "joint-phase-forgotten": quantities_replaced(
        lambda q: {"from_pool": 0.0}, "the variance without the noise of the joint phase"
    ),
}
BELONGS = {"rate-one": "slope", "joint-phase-forgotten": "variance"}
MUTANTS = {
    "one-noise-for-all": "replicates that all draw the same noise: nothing scatters",
}


def settings() -> list[Setting]:
    """A posterior with two modes, and the family where the variance is known exactly."""
    from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
    from lvebm_theory.energies.location_family import location_family

    return [
        Setting(
            name="bimodal-posterior",
            subject=bimodal_posterior(t=0.4, b=1.0, noise=0.5),
            times=(0.5,),
            options={
                "eta": 1.0,
                "step": 0.01,
                "learned": ("t",),
                "data": (0.1, -0.6),
                "latent_start": InitialLaw.normal(0.2, 0.5),
                "pool_start": InitialLaw.normal([0.0, 0.3], [0.7, 0.5]),
                "parts": ("slope", "variance", "mean"),
            },
            with_controls=True,
        ),
        Setting(
            name="gaussian-location",
            subject=location_family(theta_1=1.0, theta_2=0.0, stiffness=1.0, coupling=0.0),
            times=(0.5, 2.0),
            options={
                "eta": 0.5,
                "step": 0.02,
                "learned": ("theta_1",),
                "data": (0.3,),
                "latent_start": InitialLaw.normal(0.0, 1.0),
                "pool_start": InitialLaw.normal([1.0, 0.0], [0.6, 1.0]),
                "parts": ("gaussian variance",),
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Slope, variance and mean at the last time; the exact variance at every time."""
    # replicates are a compiled loop; there is no torch twin of it
    found = []
    for part in setting.options["parts"]:
        if part == "gaussian variance":
            witnesses: tuple[Witness, ...] = ("closed-form", "numba")
            found += [
                Case(quantity="theta", part=part, relation=Relation.EQUAL, witness=w, time=time)
                for w in witnesses
                for time in setting.times
            ]
            continue
        relation = Relation.RATE if part == "slope" else Relation.EQUAL
        found.append(
            Case(
                quantity="theta",
                part=part,
                relation=relation,
                witness="numba",
                time=setting.times[-1],
            )
        )
    if setting.with_controls:
        found += [
            Case(
                quantity="theta",
                part=part,
                relation=Relation.RATE if part == "slope" else Relation.EQUAL,
                witness="numba",
                time=setting.times[-1],
                control=variant,
            )
            for variant, part in BELONGS.items()
        ]
        found += [
            Case(
                quantity="theta",
                part=part,
                relation=Relation.RATE if part == "slope" else Relation.EQUAL,
                witness="numba",
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant, part in (("one-noise-for-all", "variance"),)
        ]
    return found


def _data(setting: Setting) -> FloatArray:
    return np.array(setting.options["data"], dtype=float)[:, None]


def _learner(setting: Setting, particles: int, step: float) -> LearningSettings:
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings

    return LearningSettings(
        latents=particles,
        pool=particles,
        latent_step=step,
        pool_step=step,
        rate=Constant(setting.options["eta"] * step),
        order="simultaneous",
        learned=setting.options["learned"],
    )


def _final(
    setting: Setting, particles: int, step: float, replicates: int, context: Context, run: str = ""
) -> FloatArray:
    """theta of independent learners at every time of the setting, (T, R)."""
    from solvers.learning.replicates import train_replicates
    from solvers.noise import Noise

    options = setting.options
    updates = [round(time / step) for time in setting.times]
    every = math.gcd(*updates)
    name = f"{NAME}/{setting.name}/{particles}/{step}/{run}/{context.look}"
    done = train_replicates(
        setting.subject,
        _data(setting),
        _learner(setting, particles, step),
        noise=Noise(context.seed, name),
        updates=updates[-1],
        replicates=2 if run == "one-noise-for-all" else replicates,
        latent_start=options["latent_start"],
        pool_start=options["pool_start"],
        record_every=every,
    )
    place = list(setting.subject.parameters).index(options["learned"][0])
    rows = np.stack([done.theta[k // every - 1, :, place] for k in updates])
    if run == "one-noise-for-all":
        return np.repeat(rows[:, :1], replicates, axis=1)
    return rows


def slope_of_scatter(scatter: dict[int, FloatArray], alpha: float) -> Measurement:
    """Least-squares slope of log standard deviation against log N, with its interval.

    For normal theta_N the log of a sample variance of R draws has variance psi'((R - 1)/2), the
    same bias at every N, and skewness (psi''/psi'^1.5), whose first Edgeworth term is added.
    """
    logs = np.log(sorted(scatter))
    weights = (logs - logs.mean()) / ((logs - logs.mean()) ** 2).sum()
    deviations = np.array([0.5 * math.log(scatter[n].var(ddof=1)) for n in sorted(scatter)])
    halves = np.array([(scatter[n].size - 1) / 2 for n in sorted(scatter)])
    spread = 0.25 * polygamma(1, halves)
    third = 0.125 * np.abs(polygamma(2, halves))
    deviation = math.sqrt(float((weights**2 * spread).sum()))
    skewness = float((np.abs(weights) ** 3 * third).sum()) / deviation**3
    quantile = float(norm.isf(alpha / 2))
    edgeworth = skewness * (2 * quantile**2 + 1) / 6
    return Measurement(
        value=float(weights @ deviations),
        statistical=deviation * (quantile + edgeworth),
        confidence=1 - alpha,
    )


def _predicted(setting: Setting) -> Fluctuations:
    from solvers.learning.fluctuations import predict_fluctuations

    options = setting.options
    return predict_fluctuations(
        setting.subject,  # type: ignore[arg-type]
        _data(setting),
        latent_start=options["latent_start"],
        pool_start=options["pool_start"],
        eta=options["eta"],
        times=setting.times,
        learned=options["learned"],
    )


def _bimodal(
    setting: Setting, parts: Sequence[str], run: str, context: Context
) -> tuple[dict[str, Measurement], dict[str, Any]]:
    from ...estimate.averages import mean, variance

    step = setting.options["step"]
    replicates = max(64, context.particles // 200)
    alpha = context.alpha / 3  # three means
    scatter = {
        n: _final(setting, n, step, replicates * (4 if n == MIDDLE else 1), context, run)[-1]
        for n in (SIZES if "slope" in parts or "mean" in parts else (MIDDLE,))
    }
    coarse = _final(setting, MIDDLE, 2 * step, 4 * replicates, context, run)[-1]
    found: dict[str, Measurement] = {}
    if "slope" in parts:
        found["slope"] = slope_of_scatter(scatter, context.alpha)
    fine = scatter[MIDDLE]
    widest = abs(MIDDLE * (coarse.var(ddof=1) - fine.var(ddof=1)))
    spread = variance(fine, context.alpha) if np.ptp(fine) > 0 else Measurement(value=0.0)
    found["variance"] = Measurement(
        value=MIDDLE * spread.value,
        statistical=MIDDLE * spread.statistical,
        numerical=widest,
        confidence=spread.confidence,
    )
    if "mean" in parts:
        at, other = mean(fine, alpha), mean(coarse, alpha)
        smaller = mean(scatter[SIZES[0]], alpha)
        # first order in the step and in 1/N: what is left after one halving, one fourth
        left = abs(other.value - at.value) + abs(smaller.value - at.value) / 3
        found["mean"] = Measurement(
            value=at.value,
            # of the value, and of both differences in what is left
            statistical=at.statistical
            + (other.statistical + at.statistical)
            + (smaller.statistical + at.statistical) / 3,
            numerical=left,
            confidence=1 - context.alpha,
        )
    predicted = _predicted(setting)
    quantities = {
        "smooth": True,
        "from_pool": float(predicted.from_pool[-1, 0, 0]),
        "from_latents": float(predicted.from_latents[-1, 0, 0]) / predicted.count,
        "mean_field": float(predicted.mean_field.theta[-1, 0]),
    }
    own = float(predicted.from_pool_width[-1, 0, 0] + predicted.from_latents_width[-1, 0, 0])
    inherited = {"variance": own, "mean": float(predicted.mean_field.theta_width[-1, 0])}
    for part, width in inherited.items():
        if part in found:
            m = found[part]
            found[part] = Measurement(
                value=m.value,
                statistical=m.statistical,
                numerical=m.numerical + width,
                confidence=m.confidence,
            )
    return found, quantities


def _gaussian(
    setting: Setting, witness: Witness, context: Context
) -> dict[float, tuple[Measurement, dict[str, Any]]]:
    from solvers.learning.finite_pools import finite_pool_path
    from solvers.learning.finite_pools_flow import flow_covariance

    from ...estimate.averages import variance

    options, particles, step = setting.options, SIZES[0], setting.options["step"]
    latent, joint = options["latent_start"], options["pool_start"]
    flow = flow_covariance(
        setting.subject,  # type: ignore[arg-type]
        _data(setting),
        latents=particles,
        pool=particles,
        latent_start=latent,
        pool_start=joint,
        eta=options["eta"],
        times=setting.times,
        learned=options["learned"],
    )
    found: dict[float, tuple[Measurement, dict[str, Any]]] = {}
    if witness != "closed-form":
        replicates = max(64, context.particles // 10)
        rows = _final(setting, particles, step, replicates, context)
        path = finite_pool_path(
            setting.subject,  # type: ignore[arg-type]
            _data(setting),
            _learner(setting, particles, step),
            latent_start=latent,
            pool_start=joint,
            updates=round(setting.times[-1] / step),
        )
    for k, time in enumerate(setting.times):
        exact = float(flow.covariance[k, 0, 0])
        if witness == "closed-form":
            m = Measurement(value=particles * exact, numerical=1e-8)
        else:
            spread = variance(rows[k], context.alpha)
            # how far steps of this size stand from the flow is known exactly
            shift = abs(float(path.covariance[round(time / step), 0, 0]) - exact)
            m = Measurement(
                value=particles * spread.value,
                statistical=particles * spread.statistical,
                numerical=particles * shift,
                confidence=spread.confidence,
            )
        found[time] = (
            m,
            {
                "gaussian_location": True,
                "time": time,
                "eta": options["eta"],
                "stiffness": setting.subject.parameters["stiffness"],
                "initial_variance": float(joint.covariance[0, 0]),
            },
        )
    return found


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Scatter of the trainer's theta over replicates, against both predictions."""
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    if "gaussian variance" in setting.options["parts"]:
        by_time = _gaussian(setting, asked[0].witness, context)
        for case in asked:
            measurement, quantities = by_time[float(case.time or 0.0)]
            theorem = PARTS["gaussian variance"]
            true = theorem.forced_bound(**quantities)
            outcomes[case] = confront(
                case,
                measurement,
                theorem,
                quantities,
                resolution=(1e-6 if case.witness == "closed-form" else 0.15) * true,
                perturbed=larger(theorem, quantities),
            )
        return Evidence(outcomes=outcomes)
    parts = sorted({case.part for case in asked})
    measured, quantities = _bimodal(setting, parts, asked[0].run, context)
    for case in asked:
        theorem = PARTS[case.part]
        true = theorem.forced_bound(**quantities)
        if case.part == "slope":
            resolution = 0.15
        elif case.part == "variance":
            resolution = third_of_distance(
                true, VARIANTS["joint-phase-forgotten"].bound(theorem, quantities)
            )
        else:
            resolution = 0.03
        outcomes[case] = confront(
            case,
            measured[case.part],
            theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Theta of N particles around its mean field: rate and variance",
    theorems=(statements.theorem, statements.limit, statements.mean, statements.fluctuation),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
