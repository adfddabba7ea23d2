"""The decision rule: an interval against a bound, with a resolution declared in advance."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

from lvebm_theory.constant import How
from lvebm_theory.errors import ArgumentError
from lvebm_theory.theorem import Relation

from .measurement import Measurement

LADDER = (0.01, 0.03, 0.10, 0.30, 1.00)


class Verdict(Enum):
    """Outcome of one confrontation; ``sentence`` is what a reader sees."""

    HOLDS = "HOLDS"
    VIOLATED = "VIOLATED"
    UNDECIDED = "UNDECIDED"
    CONSTANT_CONTRADICTED = "CONSTANT_CONTRADICTED"
    NOT_TOLD_APART = "NOT_TOLD_APART"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    SOLVER_FAILED = "SOLVER_FAILED"

    @property
    def sentence(self) -> str:
        """One sentence for the reader."""
        return {
            Verdict.HOLDS: "The measurement agrees with the statement within the resolution.",
            Verdict.VIOLATED: "The measurement contradicts the statement.",
            Verdict.UNDECIDED: "The measurement is too wide, or a constant too weakly known.",
            Verdict.CONSTANT_CONTRADICTED: "A constant that was computed is contradicted.",
            Verdict.NOT_TOLD_APART: "The two agree, but are known too coarsely to tell.",
            Verdict.NOT_APPLICABLE: "An assumption of the statement fails here.",
            Verdict.SOLVER_FAILED: "A solver stopped before there was anything to compare.",
        }[self]


def decide(
    measurement: Measurement,
    relation: Relation,
    bound: float,
    resolution: float,
    *,
    grade: How = How.EXACT,
) -> Verdict:
    """HOLDS, VIOLATED or UNDECIDED for the interval [l, u] against the bound b.

    AT_MOST: VIOLATED iff l > b, HOLDS iff u <= b + delta. AT_LEAST: mirrored.
    EQUAL and RATE: VIOLATED iff b lies outside [l, u], HOLDS iff [l, u] lies in
    [b - delta, b + delta]. VIOLATED is asked first. A bound that rests on an ESTIMATED constant
    supports neither: UNDECIDED.

    Parameters
    ----------
    measurement : Measurement
    relation : Relation
    bound : float
        May be infinite for the one-sided relations.
    resolution : float
        delta >= 0, declared before measuring.
    grade : How
        Weakest grade among the constants that entered the bound.
    """
    if math.isnan(bound):
        raise ArgumentError("the bound is not a number")
    if not (math.isfinite(resolution) and resolution >= 0):
        raise ArgumentError(f"resolution must be finite and >= 0, got {resolution}")
    if grade is How.ESTIMATED:
        return Verdict.UNDECIDED
    low, high = measurement.lower, measurement.upper
    if relation is Relation.AT_MOST:
        if low > bound:
            return Verdict.VIOLATED
        return Verdict.HOLDS if high <= bound + resolution else Verdict.UNDECIDED
    if relation is Relation.AT_LEAST:
        if high < bound:
            return Verdict.VIOLATED
        return Verdict.HOLDS if low >= bound - resolution else Verdict.UNDECIDED
    if not low <= bound <= high:
        return Verdict.VIOLATED
    inside = bound - resolution <= low and high <= bound + resolution
    return Verdict.HOLDS if inside else Verdict.UNDECIDED


def sensitivity(
    measurement: Measurement, relation: Relation, perturbed: Callable[[float], float]
) -> float | None:
    """The smallest rung p of 1, 3, 10, 30, 100 per cent whose perturbed bound is VIOLATED.

    ``perturbed(p)`` is the bound of the statement made false by the fraction p (a rate that is
    (1 + p) times too fast, a value (1 + p) times too large). None when no rung is caught.
    """
    for fraction in LADDER:
        bound = perturbed(fraction)
        if decide(measurement, relation, bound, 0.0) is Verdict.VIOLATED:
            return fraction
    return None
