"""Simultaneous flows of latents, pool and theta: the gap to the best likelihood and its bound.

Closed form: the mean-field equations of Gaussian families. Grid: those of a family that is not
Gaussian, with L* by quadrature over the latent. The bound knows only constants, eta and the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import single_loop as statements
from lvebm_theory.theorems.learning.gradient_error_relative_entropy import direction_error

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, smaller
from ...controls.variants import FalseVariant, rate_multiplied, sentences
from ...curves import Curve, dataset
from ..latent.joint_subjects import as_joint
from .learning_constants import learning_constants
from .location_likelihood import likelihood_of

NAME = "single-loop"
GAP, LYAPUNOV = "gap", "Lyapunov function"
THEOREMS: dict[str, Theorem] = {GAP: statements.theorem, LYAPUNOV: statements.lyapunov_decay}


def _exact_gradient(theorem: Theorem, q: Any) -> float:
    rate = q["eta"] * q["pl"].lower
    return float(math.exp(-rate * q["time"]) * q["initial_root_gap"])


VARIANTS = {
    "exact-gradient": FalseVariant(
        sentence="the bound of exact gradient ascent: inner errors forgotten", bound=_exact_gradient
    ),
    "rate-doubled": rate_multiplied(2.0, "both flows and theta twice as fast"),
}
MUTANTS = {"slow-pool": "pool and latents at a quarter of their speed"}
SLOWER = 4.0


def settings() -> list[Setting]:
    """Without latents, from a pool at theta and from one beyond the data; and with latents."""
    from lvebm_theory.energies.gaussian_location import gaussian_location
    from lvebm_theory.energies.location_family import location_family

    data = (1.1, 0.4, -0.6)
    mean = sum(data) / len(data)
    visible = location_family(theta_1=mean + 1.0, theta_2=0.0, stiffness=1.0, coupling=0.0)
    root = 2.0**-0.5
    return [
        Setting(
            name="no-latents-well-prepared",
            subject=visible,
            start=InitialLaw.normal([mean + 1.0, 0.0], [1.0, 1.0]),
            times=(2.0, 20.0, 40.0),
            options={
                "data": data,
                "learned": ("theta_1",),
                "eta": 0.05,
                "conditional_start": InitialLaw.normal(0.0, 1.0),
            },
        ),
        Setting(
            name="no-latents-ill-prepared",
            subject=visible,
            start=InitialLaw.normal([mean - 1.0, 0.0], [1.0, 1.0]),
            times=(2.0, 20.0, 40.0),
            options={
                "data": data,
                "learned": ("theta_1",),
                "eta": 0.05,
                "conditional_start": InitialLaw.normal(0.0, 1.0),
            },
            with_controls=True,
        ),
        Setting(
            name="latents",
            subject=gaussian_location(theta=mean + 1.5, noise=1.0),
            start=InitialLaw.normal([mean + 1.5, mean + 1.5], [2.0**0.5, 1.0]),
            times=(10.0, 50.0, 150.0),
            options={
                "data": data,
                "learned": ("theta",),
                "eta": 0.03,
                "latent_speed": 2.0,
                "conditional_start": InitialLaw.normal(mean + 0.75, root),
            },
        ),
        Setting(
            name="cosines",
            subject=location_family(theta_1=mean + 1.0, theta_2=0.2, stiffness=1.0, coupling=0.2),
            start=InitialLaw.normal([mean + 0.5, 0.0], [1.0, 1.0]),
            times=(3.0, 12.0),
            options={
                "data": data,
                "learned": ("theta_1",),
                "eta": 0.1,
                "conditional_start": InitialLaw.normal(0.2, 1.0),
                "witness": "grid",
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Gap and Lyapunov function at every time; what must be refuted at the sharp setting."""
    found = [_case(setting, part, time) for part in THEOREMS for time in setting.times]
    if setting.with_controls:
        middle = setting.times[1]
        found += [_case(setting, GAP, middle, control=control) for control in VARIANTS]
        found += [_case(setting, GAP, middle, control=name, run=name) for name in MUTANTS]
    return found


def _case(
    setting: Setting, part: str, time: float, control: str | None = None, run: str = ""
) -> Case:
    return Case(
        quantity="root gap",
        part=part,
        relation=Relation.AT_MOST,
        witness=setting.options.get("witness", "closed-form"),
        time=time,
        control=control,
        run=run,
    )


def _solve(setting: Setting, times: Sequence[float], slower: float) -> Any:
    """The mean-field path; a pool ``slower`` times slower is theta as much faster, sooner."""
    options = setting.options
    shared: dict[str, Any] = {
        "latent_start": options["conditional_start"],
        "pool_start": setting.start,
        "eta": slower * options["eta"],
        "times": np.array(times) / slower,
        "latent_speed": options.get("latent_speed", 1.0),
        "learned": options["learned"],
    }
    energy, data = as_joint(NAME, setting.subject), np.array(options["data"])[:, None]
    if options.get("witness") == "grid":
        from solvers.learning.mean_field import solve_mean_field

        return solve_mean_field(energy, data, **shared, cells=40, step=0.2)
    from solvers.learning.closed_form import solve_closed_form

    return solve_closed_form(energy, data, **shared, tolerance=1e-10)


def _gap(setting: Setting, path: Any) -> tuple[FloatArray, FloatArray]:
    """L* - L along the path, and its half-width."""
    if setting.options.get("witness") == "grid":
        likelihood = likelihood_of(as_joint(NAME, setting.subject), setting.options["data"])
        theta, width = path.theta[:, 0], path.theta_width[:, 0]
        slope = np.abs(likelihood.slope(theta)) + width
        return likelihood.gap(theta), slope * width + 1e-13
    from solvers.learning.gaussian_values import log_likelihood

    best = log_likelihood(path.family, np.array([path.data.first[0]]), path.data)
    value, width = path.log_likelihood()
    return best - value, width + 1e-14


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """sqrt(L* - L), alone and with the inner errors, along the flow."""
    options = setting.options
    constants = learning_constants(NAME, setting.subject, options["learned"])
    last = max(float(case.time or 0.0) for case in asked)
    times = sorted(
        {*np.linspace(0.0, last, 9).tolist(), *(float(case.time or 0.0) for case in asked)}
    )
    path = _solve(setting, times, SLOWER if asked[0].run in MUTANTS else 1.0)
    root, root_width = _root(*_gap(setting, path))
    posterior, model = (
        _root(*f()) for f in (path.posterior_relative_entropy, path.model_relative_entropy)
    )
    inner = [
        direction_error(conditional_root_entropy=q, joint_root_entropy=p, **constants)
        for q, p in zip(posterior[0], model[0], strict=True)
    ]
    spread = [
        direction_error(conditional_root_entropy=q, joint_root_entropy=p, **constants)
        for q, p in zip(posterior[1], model[1], strict=True)
    ]
    shared: dict[str, Any] = {
        **constants,
        "eta": options["eta"],
        "latent_speed": options.get("latent_speed", 1.0),
        "initial_root_gap": float(root[0]),
        "initial_direction_error": float(inner[0]),
    }
    weighted = np.array(
        [
            statements.lyapunov(root_gap=d, direction_error=w, **shared)
            for d, w in zip(root, inner, strict=True)
        ]
    )
    curves = {
        GAP: Curve(
            quantity="root gap", times=np.asarray(times), values=root, numerical=root_width + 1e-9
        ),
        LYAPUNOV: Curve(
            quantity="root gap",
            times=np.asarray(times),
            values=weighted,
            numerical=root_width + np.array(spread) + 1e-9,
        ),
    }
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem, time = THEOREMS[case.part], float(case.time or 0.0)
        quantities = {**shared, "time": time}
        true = theorem.forced_bound(**quantities)
        outcomes[case] = confront(
            case,
            curves[case.part].at(time, extra_numerical=float(root_width[0])),
            theorem,
            quantities,
            resolution=1e-3 * true,
            variants=VARIANTS,
            perturbed=smaller(theorem, quantities),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            curves[GAP],
            {NAME: lambda t: statements.theorem.forced_bound(**shared, time=t)},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


def _root(value: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
    high, low = (np.sqrt(np.maximum(value + s * width, 0.0)) for s in (1.0, -1.0))
    return (high + low) / 2.0, (high - low) / 2.0


claim = Claim(
    name=NAME,
    title="Simultaneous flows of latents, pool and theta: the gap to the best likelihood",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
