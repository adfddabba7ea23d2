"""Numbers that shrink to a simple one: positions on a ladder, the simple value in the middle."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lvebm_theory.errors import ArgumentError

#: rungs on either side of the simple value
RUNGS = 6


def around(simple: float, low: float, high: float) -> SearchStrategy[float]:
    """Positive numbers in [low, high], in even ratios, that shrink to ``simple``.

    Hypothesis shrinks a float to a round one, which need not be a simple setting: a precision of 1
    is simpler than one of 0. Ladders are finite, so that what was made for one parameter serves
    again.

    Raises
    ------
    ArgumentError
        Unless 0 < low <= simple <= high < infinity.
    """
    if not 0 < low <= simple <= high < math.inf:
        raise ArgumentError(
            f"a ladder needs 0 < low <= simple <= high, got {low}, {simple} and {high}"
        )

    def value(rung: int) -> float:
        end = high if rung > 0 else low
        return round_to(simple * (end / simple) ** (abs(rung) / RUNGS), low, high)

    downwards = RUNGS if low < simple else 0
    upwards = RUNGS if high > simple else 0
    return st.integers(-downwards, upwards).map(value)


def round_to(value: float, low: float, high: float) -> float:
    """Three digits, as a reader wants them, but not beyond the ends."""
    return min(max(float(f"{value:.3g}"), low), high)
