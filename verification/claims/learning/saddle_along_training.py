"""J along a whole training run: the identity, its slope, and when J lies above or below L.

Grid: the mean-field equations on grids; J from expected energies and entropies, L by quadrature,
relative entropies from the densities. Closed form: the same run of a linear-Gaussian energy, and
the slope of J against Fisher informations. Every finding says on which side of L it found J.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.latent import saddle_identity
from lvebm_theory.theorems.learning import saddle_along_training as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import quantities_replaced, sentences
from ...curves import Curve, dataset
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint

if TYPE_CHECKING:
    import xarray


NAME = "saddle-along-training"
IDENTITY, SLOPE = "identity", "slope"
THEOREMS: dict[str, Theorem] = {IDENTITY: saddle_identity.theorem, SLOPE: statements.theorem}
VARIANTS = {
    "elbo-reading": quantities_replaced(
        lambda q: {"model_relative_entropy": 0.0}, "J read as an ELBO: the pool forgotten"
    ),
    "pool-ascends": quantities_replaced(
        lambda q: {"model_fisher": -q["model_fisher"]}, "a slope to which the pool adds"
    ),
}
_CONTROLLED = {"elbo-reading": IDENTITY, "pool-ascends": SLOPE}
MUTANTS = {"frozen-pool": "a run whose slope leaves out that the pool moves"}
SPREAD = 0.02
CURVE = 20


def settings() -> list[Setting]:
    """A linear-Gaussian energy by both witnesses, and one with two-moded posteriors on grids."""
    from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected

    start = InitialLaw.normal([0.2, 0.1], [0.8, 0.8])
    shared: dict[str, Any] = {
        "data": (0.6, -0.6),
        "eta": 0.3,
        "conditional_start": InitialLaw.normal(0.3, 0.8),
    }
    return [
        Setting(
            name="linear-gaussian",
            subject=linear_gaussian_undirected(a=1.0, b=0.5),
            start=start,
            times=(0.2, 1.0, 4.0),
            options={**shared, "learned": ("a", "b"), "cells": 48, "closed_form": True},
            with_controls=True,
        ),
        Setting(
            name="two-modes",
            subject=bimodal_posterior(t=0.8, b=1.0, noise=0.2),
            start=start,
            times=(0.2, 1.0),
            options={**shared, "learned": ("t",), "cells": (48, 64, 64), "closed_form": False},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The identity at every time by every witness; the slope, and what is false, in closed form."""
    witnesses: list[Witness] = ["grid"]
    if setting.options["closed_form"]:
        witnesses.append("closed-form")
    found = [_case(IDENTITY, w, time) for w in witnesses for time in setting.times]
    if setting.options["closed_form"]:
        found += [_case(SLOPE, "closed-form", time) for time in setting.times]
    if setting.with_controls:
        first = setting.times[0]
        found += [_case(part, "closed-form", first, name) for name, part in _CONTROLLED.items()]
        found += [_case(IDENTITY, "grid", first, "elbo-reading")]
        found += [_case(SLOPE, "closed-form", first, name, name) for name in MUTANTS]
    return found


def _case(
    part: str, witness: Witness, time: float, control: str | None = None, run: str = ""
) -> Case:
    return Case(
        quantity="J",
        part=part,
        relation=Relation.EQUAL,
        witness=witness,
        time=time,
        control=control,
        run=run,
    )


def _path(setting: Setting, witness: str, times: Sequence[float] | FloatArray) -> Any:
    """The mean-field run by a witness."""
    options = setting.options
    assert setting.start is not None
    shared: dict[str, Any] = {
        "latent_start": options["conditional_start"],
        "pool_start": setting.start,
        "eta": options["eta"],
        "times": times,
        "learned": options["learned"],
    }
    energy, data = as_joint(NAME, setting.subject), np.array(options["data"])[:, None]
    if witness == "grid":
        from solvers.learning.mean_field import solve_mean_field

        return solve_mean_field(energy, data, **shared, cells=options["cells"], step=0.2)
    from solvers.learning.closed_form import solve_closed_form

    return solve_closed_form(energy, data, **shared)


def _curves(path: Any, times: FloatArray) -> dict[str, Curve]:
    """J, L and both relative entropies along the run."""
    functions = {
        "J": path.saddle,
        "log_likelihood": path.log_likelihood,
        "posterior_relative_entropy": path.posterior_relative_entropy,
        "model_relative_entropy": path.model_relative_entropy,
    }
    found = {}
    for name, function in functions.items():
        values, widths = function()
        found[name] = Curve(quantity=name, times=times, values=values, numerical=widths)
    return found


def _value_at(curve: Curve, time: float) -> float:
    return curve.at(time).value


def _slopes(setting: Setting, times: Sequence[float]) -> tuple[Curve, list[dict[str, Any]]]:
    """dJ/dt by fourth-order differences, and the quantities of the theorem, at these times."""
    shifts = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) * SPREAD
    asked = np.array([t + s for t in times for s in shifts])
    path = _path(setting, "closed-form", asked)
    j = path.saddle()[0].reshape(-1, 5)
    narrow = (j[:, 3] - j[:, 1]) / (2.0 * SPREAD)
    wide = (j[:, 4] - j[:, 0]) / (4.0 * SPREAD)
    directions = path.gradient()
    quantities = [
        _fisher(path, 5 * k + 2, setting, directions[5 * k + 2]) for k in range(len(times))
    ]
    slopes = Curve(
        quantity="slope of J",
        times=np.asarray(times),
        values=(4.0 * narrow - wide) / 3.0,
        numerical=0.2 * np.abs(narrow - wide) + 1e-9,
    )
    return slopes, quantities


def _fisher(path: Any, index: int, setting: Setting, direction: FloatArray) -> dict[str, Any]:
    """eta, |g| and Fisher informations of both phases, all laws Gaussian."""
    state = path.states[index]
    model = path.family.model(state.theta)
    pool = gaussian.Gaussian(state.pool_mean, state.pool_covariance)
    data = setting.options["data"]
    posterior = [
        gaussian.fisher_information(
            gaussian.Gaussian(
                state.latent_slope @ np.array([x]) + state.latent_shift, state.latent_covariance
            ),
            model.conditional([0], [x]),
        )
        for x in data
    ]
    return {
        "eta": setting.options["eta"],
        "direction": direction,
        "latent_speed": 1.0,
        "posterior_fisher": float(np.mean(posterior)),
        "model_fisher": gaussian.fisher_information(pool, model),
        "smooth": True,
    }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """J (measured) against L - E KL + KL, and dJ/dt against Fisher informations."""
    times = sorted({float(case.time or 0.0) for case in asked})
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    shown: xarray.Dataset | None = None
    if any(case.part == IDENTITY for case in asked):
        # a curve through the times that are asked about, dense where it is steep
        between = times[-1] * np.linspace(0.0, 1.0, CURVE + 1) ** 2
        moments = np.union1d(between.round(6), times)
        curves = _curves(_path(setting, asked[0].witness, moments), moments)
        shown = dataset(
            curves["J"],
            {name: partial(_value_at, curve) for name, curve in curves.items() if name != "J"},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        )
        for case in asked:
            if case.part == IDENTITY:
                outcomes[case] = _identity(case, curves)
    if any(case.part == SLOPE for case in asked):
        slopes, quantities = _slopes(setting, times)
        for case in asked:
            if case.part == SLOPE:
                k = times.index(float(case.time or 0.0))
                outcomes[case] = _slope(case, slopes.at(times[k]), quantities[k])
    return Evidence(outcomes=outcomes, dataset=shown)


def _identity(case: Case, curves: Mapping[str, Curve]) -> Outcome:
    time = float(case.time or 0.0)
    quantities = {name: curve.at(time).value for name, curve in curves.items() if name != "J"}
    inherited = sum(curve.at(time).numerical for name, curve in curves.items() if name != "J")
    measured = curves["J"].at(time, extra_numerical=inherited + 1e-11)
    theorem = saddle_identity.theorem
    side = "above" if measured.value > quantities["log_likelihood"] else "below"
    return confront(
        case,
        measured,
        theorem,
        quantities,
        # what the nearest false reading leaves out
        resolution=max(quantities["model_relative_entropy"] / 3.0, 1e-4),
        variants=VARIANTS,
        perturbed=lambda p: theorem.forced_bound(
            **{
                **quantities,
                "model_relative_entropy": (1 + p) * quantities["model_relative_entropy"],
            }
        ),
        note=f"J lies {side} L by {abs(measured.value - quantities['log_likelihood']):.3g} nats",
    )


def _slope(case: Case, measured: Measurement, quantities: dict[str, Any]) -> Outcome:
    theorem = statements.theorem
    if case.run in MUTANTS:  # the measured slope without what the pool dissipates
        measured = Measurement(
            value=measured.value + quantities["model_fisher"], numerical=measured.numerical
        )
    true = theorem.forced_bound(**quantities)
    return confront(
        case,
        measured,
        theorem,
        quantities,
        resolution=min(0.01 * abs(true), quantities["model_fisher"] / 3.0) + 1e-7,
        variants=VARIANTS,
        perturbed=larger(theorem, quantities),
    )


claim = Claim(
    name=NAME,
    title="The saddle functional along a training run",
    theorems=(saddle_identity.theorem, statements.theorem),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
