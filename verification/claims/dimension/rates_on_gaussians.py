"""Rates against dimension on Gaussians: the rate of KL is 2m in every d, the time grows like log d.

Closed form: the exact flow of mean and covariance. Particles: the shift of the ensemble's mean in
all d coordinates, from which KL of a translate follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.dimension import product_gaussian_rates as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences, value_multiplied
from ...measurement import Measurement
from ...subjects import energy_of, start_of

NAME = "dimension"
PRECISION, SHIFT, ACCURACY = 1.0, 2.0, 1e-3


def _time_variant(theorem: Any, q: Mapping[str, Any]) -> float:
    if theorem is statements.theorem:
        return float(theorem.forced_bound(**q) / q["dim"])
    # time proportional to d
    one = theorem.forced_bound(**{**q, "dim": 1})
    return float(q["dim"] * one)


VARIANTS = {
    "linear-in-dimension": FalseVariant(
        sentence="a rate that falls, and a time that grows, in proportion to d",
        bound=_time_variant,
    ),
    "rate-doubled": value_multiplied(2.0, "twice the rate, or twice the time"),
}


def settings() -> list[Setting]:
    """d = 1, 10, 100; controls where the dimension matters."""
    from lvebm_theory.energies.quadratic import quadratic

    return [
        Setting(
            name=f"d{d}",
            subject=quadratic(dim=d, precision=PRECISION),
            start=InitialLaw.normal([SHIFT] * d, [PRECISION**-0.5] * d),
            with_controls=d == 10,
        )
        for d in (1, 10, 100)
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Rate by closed form and particles, time to accuracy in closed form."""
    plan: list[tuple[str, str, Relation, Witness]] = [
        ("rate", "rate", Relation.RATE, "closed-form"),
        ("time", "time", Relation.EQUAL, "closed-form"),
        ("rate", "rate", Relation.RATE, backend),
    ]
    controls = (None, *(VARIANTS if setting.with_controls else ()))
    return [
        Case(quantity=quantity, part=part, relation=relation, witness=witness, control=control)
        for quantity, part, relation, witness in plan
        for control in controls
    ]


def _in_closed_form(setting: Setting) -> dict[str, Measurement]:
    from scipy.optimize import brentq

    from lvebm_theory import gaussian

    start = gaussian.Gaussian.matching(start_of(setting))
    d = energy_of(setting).dim
    target = gaussian.Gaussian(np.zeros(d), np.eye(d) / PRECISION)

    def entropy(time: float) -> float:
        return gaussian.relative_entropy(gaussian.langevin_flow(start, target, time), target)

    s, t = 0.5, 1.5
    rate = -math.log(entropy(t) / entropy(s)) / (t - s)
    reached = brentq(lambda time: math.log(entropy(time) / ACCURACY), 0.0, 50.0, xtol=1e-13)
    return {
        "rate": Measurement(value=rate, numerical=1e-11),
        "time": Measurement(value=float(reached), numerical=1e-10),
    }


def _by_particles(setting: Setting, context: Context) -> dict[str, Measurement]:
    from ...estimate.averages import mean
    from ...particle_witness import snapshots

    energy = energy_of(setting)
    s, t = 0.5, 1.5
    per_dimension = max(2_000, context.particles // energy.dim)
    ensemble = snapshots(
        energy,
        start_of(setting),
        [s, t],
        context,
        stream=f"{NAME}/{setting.name}/{context.look}",
        step_size=0.01,
        particles=per_dimension,
    )
    rates = []
    for positions in (ensemble.fine, ensemble.coarse):
        # KL of a translate is m |mean|^2/2; the mean over coordinates estimates the common shift
        early, late = (mean(x.mean(axis=1), context.alpha / 2) for x in positions)
        width = 2.0 * (early.statistical / early.value + late.statistical / late.value) / (t - s)
        rates.append((-2.0 * math.log(late.value / early.value) / (t - s), width))
    (fine, width), (coarse, _) = rates
    return {
        "rate": Measurement(
            value=fine,
            statistical=width,
            numerical=abs(fine - coarse),
            confidence=context.confidence,
        )
    }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Rate and time by the witness of these cases."""
    closed = asked[0].witness == "closed-form"
    measured = _in_closed_form(setting) if closed else _by_particles(setting, context)
    quantities = {
        "log_sobolev": Constant.exact(PRECISION, "pi = N(0, I/m)"),
        "translate_of_gaussian": True,
        "dim": energy_of(setting).dim,
        "shift": SHIFT,
        "accuracy": ACCURACY,
    }
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = statements.theorem if case.part == "rate" else statements.time_to_accuracy
        true = theorem.forced_bound(**quantities)
        outcomes[case] = confront(
            case,
            measured[case.part],
            theorem,
            quantities,
            resolution=true * (1e-3 if closed else 0.1),
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="On Gaussians the rate is free of the dimension and the time grows like its logarithm",
    theorems=(statements.theorem, statements.time_to_accuracy),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
