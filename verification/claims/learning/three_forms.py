"""One learner in three forms: particles, mean-field densities, moment equations.

The statement is the mean-field flow as differential equations. Against it stand the coupled
Fokker-Planck equations on grids, the closed form of the learning solvers (any quadratic energy,
other code), and the particle trainer, whose distance from the flow by its step and by its finite
numbers is known exactly from the recursions of the algorithm and enters as width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import norm

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.learning import directed_flow as statement

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import quantities_replaced, sentences
from ...measurement import Measurement

if TYPE_CHECKING:
    import xarray

    from solvers.learning.settings import LearningSettings


NAME = "three-forms"
VARIANTS = {
    "posterior-exact": quantities_replaced(
        lambda q: {"latent_variance": q["noise"] / (q["noise"] + q["theta_start"] ** 2)},
        "latents that start in the posterior's width",
    ),
    "half-speed": quantities_replaced(lambda q: {"eta": 0.5 * q["eta"]}, "theta at half its rate"),
}
MUTANTS = {
    "latents-not-persistent": "a trainer whose latents start anew before every update",
}
PARTICLES = 60_000
CURVE = 16


def settings() -> list[Setting]:
    """A start from below and one beyond the saddle at zero."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_directed

    return [
        Setting(
            name="from-below",
            subject=linear_gaussian_directed(t=0.6, noise=0.5),
            times=(0.4, 1.0, 2.0),
            options={
                "eta": 0.8,
                "step": 0.02,
                "data": (0.4, -0.9, 1.5),
                "latent_start": InitialLaw.normal(0.0, 1.4),
                "pool_start": InitialLaw.normal([0.2, -0.3], [1.0, 0.9]),
            },
            with_controls=True,
        ),
        Setting(
            name="negative-branch",
            subject=linear_gaussian_directed(t=-0.2, noise=0.4),
            times=(0.6, 1.6),
            options={
                "eta": 0.5,
                "step": 0.02,
                "data": (1.1, -1.6),
                "latent_start": InitialLaw.normal(0.0, 0.6),
                "pool_start": InitialLaw.normal([0.0, 0.0], [1.3, 0.8]),
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """theta at every time by every form; variants and mutants in the middle."""
    witnesses: tuple[Witness, ...] = ("closed-form", "grid", backend)
    found = [
        Case(quantity="theta", relation=Relation.EQUAL, witness=witness, time=time)
        for witness in witnesses
        for time in setting.times
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity="theta",
                relation=Relation.EQUAL,
                witness=witness,
                time=setting.times[1],
                control=variant,
            )
            for witness in witnesses
            for variant in VARIANTS
        ]
        found += [
            Case(
                quantity="theta",
                relation=Relation.EQUAL,
                witness=backend,
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
        ]
    return found


def _times(setting: Setting) -> list[float]:
    """The times asked, and some between them for the curves; multiples of the step."""
    step, last = setting.options["step"], setting.times[-1]
    between = [step * round(last * k / (CURVE * step)) for k in range(1, CURVE + 1)]
    kept = [t for t in between if min(abs(t - asked) for asked in setting.times) > step / 2]
    return sorted([*setting.times, *kept])


def _data(setting: Setting) -> FloatArray:
    return np.array(setting.options["data"], dtype=float)[:, None]


def _flow_arguments(setting: Setting) -> dict[str, Any]:
    options = setting.options
    return {
        "latent_start": options["latent_start"],
        "pool_start": options["pool_start"],
        "eta": options["eta"],
        "times": _times(setting),
        "learned": ("t",),
    }


def _learner(setting: Setting) -> LearningSettings:
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings

    step = setting.options["step"]
    return LearningSettings(
        latents=PARTICLES // len(setting.options["data"]),
        pool=PARTICLES,
        latent_step=step,
        pool_step=step,
        rate=Constant(setting.options["eta"] * step),
        learned=("t",),
    )


def _by_particles(setting: Setting, run: str, context: Context) -> tuple[FloatArray, FloatArray]:
    """theta (T, 2): of the run and its shift by the step, both known; and its deviation (T,)."""
    from solvers.learning.closed_form import solve_closed_form
    from solvers.learning.finite_pools import finite_pool_path
    from solvers.learning.train import train
    from solvers.noise import Noise

    from ...controls.learning import UPDATE_MUTANTS

    subject: Any = setting.subject
    learner, data, options = _learner(setting), _data(setting), setting.options
    updates = [round(time / options["step"]) for time in _times(setting)]
    done = train(
        subject,
        data,
        learner,
        noise=Noise(context.seed, f"{NAME}/{setting.name}/{run}/{context.look}"),
        updates=updates[-1],
        latent_start=options["latent_start"],
        pool_start=options["pool_start"],
        backend=context.backend,
        device=context.device,
        update=UPDATE_MUTANTS[run](learner.order) if run else None,
    )
    place = list(subject.parameters).index("t")
    theta = done.theta[np.array(updates) - 1, place]
    path = finite_pool_path(
        subject,
        data,
        learner,
        latent_start=options["latent_start"],
        pool_start=options["pool_start"],
        updates=updates[-1],
    )
    flow = solve_closed_form(subject, data, **_flow_arguments(setting))
    shift = path.theta[updates, 0] - flow.theta[:, 0]
    deviation = np.sqrt(path.covariance[updates, 0, 0])
    return np.stack([theta, shift], axis=1), deviation


def _measure(setting: Setting, witness: Witness, run: str, context: Context) -> list[Measurement]:
    subject: Any = setting.subject
    if witness in ("closed-form", "grid"):
        from solvers.learning.closed_form import solve_closed_form
        from solvers.learning.mean_field import solve_mean_field

        solve: Any = solve_closed_form if witness == "closed-form" else solve_mean_field
        path = solve(subject, _data(setting), **_flow_arguments(setting))
        # the statement's own integration is good to 1e-8
        return [
            Measurement(value=float(v), numerical=float(w) + 1e-7)
            for v, w in zip(path.theta[:, 0], path.theta_width[:, 0], strict=True)
        ]
    rows, deviation = _by_particles(setting, run, context)
    # the deviation is of leading order: its error, and the bias of theta, are O(1/N)
    quantile = float(norm.isf(context.alpha / 2)) * (1.0 + 100.0 / PARTICLES)
    return [
        Measurement(
            value=float(theta - shift),
            statistical=float(quantile * d),
            numerical=10.0 / PARTICLES,
            confidence=1 - context.alpha,
        )
        for (theta, shift), d in zip(rows, deviation, strict=True)
    ]


def _quantities(setting: Setting, time: float) -> dict[str, Any]:
    options = setting.options
    latent, pool = options["latent_start"], options["pool_start"]
    return {
        "directed_gaussian": True,
        "time": time,
        "noise": setting.subject.parameters["noise"],
        "eta": options["eta"],
        "second_moment": float(np.mean(np.square(options["data"]))),
        "theta_start": setting.subject.parameters["t"],
        "latent_variance": float(latent.covariance[0, 0]),
        "pool_mean": pool.mean,
        "pool_covariance": pool.covariance,
    }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """theta(t) in the form of these cases, against the moment equations."""
    witness, run = asked[0].witness, asked[0].run
    times = _times(setting)
    measured = _measure(setting, witness, run, context)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        quantities = _quantities(setting, float(case.time or 0.0))
        resolution = {"closed-form": 1e-6, "grid": 1e-3}.get(witness, 0.05)
        outcomes[case] = confront(
            case,
            measured[times.index(float(case.time or 0.0))],
            statement.theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS,
            perturbed=larger(statement.theorem, quantities),
        )
    return Evidence(outcomes=outcomes, dataset=None if run else _curve(setting, witness, measured))


def _curve(setting: Setting, witness: Witness, measured: Sequence[Measurement]) -> xarray.Dataset:
    from ...curves import Curve, dataset

    curve = Curve(
        quantity="theta",
        times=np.array(_times(setting)),
        values=np.array([m.value for m in measured]),
        numerical=np.array([m.numerical for m in measured]),
        statistical=np.array([m.statistical for m in measured]),
        confidence=measured[0].confidence,
    )
    flow = {"moment-equations": lambda time: statement.theta_at(**_quantities(setting, time))}
    return dataset(curve, flow, setting=setting.name, witness=witness)


claim = Claim(
    name=NAME,
    title="Theta by particles, by densities and by moments",
    theorems=(statement.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
