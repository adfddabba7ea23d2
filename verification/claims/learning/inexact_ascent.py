"""Ascent of a log-likelihood with gradients that are wrong in a known way, by quadrature.

L(theta_1) of a location family, by quadrature over the latent; a quadratic for coupling 0. Errors
of fixed size: always pointing away from the optimum, of alternating sign, or +-s with equal
chances, whose expectation is taken over all sign patterns. Constants of L are exact
(Brascamp-Lieb).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import inexact_ascent as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger, smaller
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint
from .location_likelihood import LocationLikelihood, likelihood_of, location_constants

NAME = "inexact-ascent"
MEAN_SQUARE, ROOT, ATTAINED, FLOOR, NOISE = "mean square", "root", "attained", "floor", "noise"
THEOREMS: dict[str, Theorem] = {
    MEAN_SQUARE: statements.theorem,
    ROOT: statements.root,
    ATTAINED: statements.root_equality,
    FLOOR: statements.floor,
    NOISE: statements.unbiased,
}
TOO_LONG = "step-too-long"


def _doubled(theorem: Theorem, q: Any) -> float:
    return theorem.forced_bound(**{**q, "steps": 2 * q["steps"]})


VARIANTS = {
    "rate-doubled": FalseVariant(sentence="twice the rate, once the error", bound=_doubled),
    "error-halved": FalseVariant(
        sentence="the floor of half the gradient's error",
        bound=lambda theorem, q: theorem.forced_bound(
            **{
                **q,
                "mean_square_error": q["mean_square_error"] / 4.0,
                "root_mean_square_error": q["root_mean_square_error"] / 2.0,
            }
        ),
    ),
}
MUTANTS = {"half-step": "an ascent that moves by half the step it declares"}
LATE = 200
# outcomes are means over 2^steps patterns of signs
PATTERNS = 8


def settings() -> list[Setting]:
    """A quadratic L, one that is not, and a step beyond 1/Lambda."""
    from lvebm_theory.energies.location_family import location_family

    gaussian = location_family(theta_1=0.0, theta_2=0.0, stiffness=1.3, coupling=0.0)
    base = {"data": (1.2, 0.3, -0.4), "start": 2.5, "error": 0.4, "steps": (1, 4, 8)}
    return [
        Setting(
            name="quadratic",
            subject=gaussian,
            options={**base, "step": 0.3, "parts": tuple(THEOREMS)},
            with_controls=True,
        ),
        Setting(
            name="cosines",
            subject=location_family(theta_1=0.0, theta_2=0.0, stiffness=1.3, coupling=0.5),
            options={**base, "step": 0.3, "parts": (MEAN_SQUARE, ROOT, NOISE)},
        ),
        Setting(
            name="long-step",
            subject=gaussian,
            options={**base, "start": 0.4, "step": 1.8 / 1.3, "parts": (ROOT,), "steps": (40,)},
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Every part at every number of steps; what must be refuted at the quadratic."""
    found = []
    for part in setting.options["parts"]:
        steps = (LATE,) if part == FLOOR else setting.options["steps"]
        relation = THEOREMS[part].relation
        found += [_case(part, relation, k) for k in steps]
    if not setting.with_controls:
        return found
    if setting.name == "long-step":
        return [*found, _case(MEAN_SQUARE, Relation.AT_MOST, 40, control=TOO_LONG)]
    found += [_case(ATTAINED, Relation.EQUAL, 4, control=control) for control in VARIANTS]
    return [
        *found,
        *(_case(ATTAINED, Relation.EQUAL, 4, control=name, run=name) for name in MUTANTS),
    ]


def _case(
    part: str, relation: Relation, steps: int, control: str | None = None, run: str = ""
) -> Case:
    return Case(
        quantity="root gap" if part in (ROOT, ATTAINED) else "gap",
        part=part,
        relation=relation,
        witness="quadrature",
        time=float(steps),
        control=control,
        run=run,
    )


def _ascend(
    likelihood: LocationLikelihood,
    theta: FloatArray,
    step: float,
    steps: int,
    error: Callable[[int, FloatArray], FloatArray],
) -> FloatArray:
    """theta + step (L' + error), ``steps`` times, for many theta at once."""
    for k in range(steps):
        theta = theta + step * (likelihood.slope(theta) + error(k, theta))
    return theta


def _gap(setting: Setting, case: Case, likelihood: LocationLikelihood) -> float:
    """E(L* - L) after the steps of a case."""
    options = setting.options
    size, steps = options["error"], round(case.time or 0.0)
    step = options["step"] * (0.5 if case.run in MUTANTS else 1.0)
    start = np.array([likelihood.best + options["start"]])
    if case.part == NOISE:
        patterns = np.array(np.meshgrid(*[[-1.0, 1.0]] * steps)).reshape(steps, -1)
        start = np.repeat(start, patterns.shape[1])
        ends = _ascend(likelihood, start, step, steps, lambda k, _: size * patterns[k])
    elif case.part in (ATTAINED, FLOOR) or (case.control is not None and case.control != TOO_LONG):
        ends = _ascend(likelihood, start, step, steps, lambda _, t: np.full_like(t, size))
    elif setting.name == "long-step":
        ends = _ascend(
            likelihood, start, step, steps, lambda k, t: np.full_like(t, size * (-1) ** k)
        )
    else:  # away from the optimum, wherever theta is
        ends = _ascend(
            likelihood, start, step, steps, lambda _, t: size * np.sign(t - likelihood.best)
        )
    return float(likelihood.gap(ends).mean())


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """L* - L after ascents with inexact gradients."""
    likelihood = likelihood_of(as_joint(NAME, setting.subject), setting.options["data"])
    constants = location_constants(NAME, setting.subject, ("theta_1",))
    start = likelihood.best + setting.options["start"]
    size = setting.options["error"]
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        quantities = {
            **constants,
            "step_size": setting.options["step"],
            "steps": round(case.time or 0.0),
            "initial_gap": float(likelihood.gap(start)[0]),
            "mean_square_error": size**2,
            "root_mean_square_error": size,
            "noise_variance": size**2,
            "quadratic": setting.options["parts"] == tuple(THEOREMS),
        }
        theorem = THEOREMS[case.part]
        gap = _gap(setting, case, likelihood)
        if case.quantity == "root gap":
            # a difference of two values of L carries their rounding
            value, rounding = gap**0.5, 1e-13 / max(gap**0.5, 1e-7)
        else:
            value, rounding = gap, 1e-13
        outcomes[case] = confront(
            case,
            Measurement(value=value, numerical=rounding + 1e-11 * value),
            theorem,
            quantities,
            resolution=1e-3 * theorem.forced_bound(**quantities),
            variants=VARIANTS,
            forced=case.control == TOO_LONG,
            perturbed=(larger if case.relation is Relation.EQUAL else smaller)(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Ascent with inexact gradients under a Polyak-Lojasiewicz inequality",
    theorems=tuple(THEOREMS.values()),
    controls={
        **sentences(VARIANTS),
        **MUTANTS,
        TOO_LONG: "the mean-square bound for a step of 1.8/Lambda, its assumption ignored",
    },
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
