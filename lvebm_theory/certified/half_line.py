"""Inequalities on a whole half-line: growth arithmetic far out, bisection before."""

from __future__ import annotations

import functools
from typing import Any

from flint import arb

from .interval import INFINITY, Interval
from .subject import Potential
from .tail import RADII, Directions

MOST_PIECES = 3000


def at_least_beyond(
    potential: Potential, expression: Any, threshold: float, *, sign: int, start: float
) -> bool:
    """Whether expression >= threshold on {x : sign x >= sign start} was proved.

    Parameters
    ----------
    potential : Potential
        In one dimension; gives the coordinate.
    expression : SymPy expression in that coordinate
    threshold, start : float
    sign : {1, -1}
        1 for [start, inf), -1 for (-inf, start].
    """
    far = _proved_far(potential, expression, threshold, sign, start)
    if far is None:
        return False
    if sign * start >= far:
        return True
    low, high = sorted((start, sign * far))
    return at_least_between(potential, expression, threshold, low, high)


def _proved_far(
    potential: Potential, expression: Any, threshold: float, sign: int, start: float
) -> float | None:
    inner = [r for r in RADII if r <= sign * start]
    for radius in (*inner[-1:], *(r for r in RADII if r > abs(start)), RADII[-1]):
        if _least_far(potential, expression, sign, radius) >= threshold:
            return float(radius)
    return None


@functools.lru_cache(maxsize=4096)
def _least_far(potential: Potential, expression: Any, sign: int, radius: int) -> Any:
    """A lower bound of the expression on the rays from this radius; thresholds share it."""
    (value,) = potential.on_rays(arb(radius), expression)(
        Directions(axis=0, sign=sign, others=()).coordinates(arb(radius), (0.0,))
    )
    low = value.range().low if value.defined else -INFINITY
    return low if low == low else -INFINITY


def at_least_between(
    potential: Potential, expression: Any, threshold: float, low: float, high: float
) -> bool:
    """Whether expression >= threshold on [low, high] was proved."""
    evaluate = potential.on_intervals(expression)
    pending = [(low, high)]
    for _ in range(MOST_PIECES):
        if not pending:
            return True
        a, b = pending.pop()
        if evaluate([Interval.between(a, b)])[0].low >= threshold:
            continue
        middle = (a + b) / 2
        if not evaluate([Interval.between(middle, middle)])[0].high >= threshold:
            return False
        pending.extend([(a, middle), (middle, b)])
    return False
