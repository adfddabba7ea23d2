"""An interval of the line that holds every place where U is low, proved."""

from __future__ import annotations

from typing import Any

from flint import arb

from .enclosure import LineRange
from .interval import Interval
from .subject import Potential, precisely
from .tail import Tail, radial_tail

MOST_PIECES = 20_000


@precisely
def sublevel_interval(
    potential: Potential, height: float, inside: float, slack: float
) -> tuple[float, float] | None:
    """(low, high) with U > height proved outside; None for tails too slow, or too many pieces.

    Parameters
    ----------
    potential : Potential
        In one dimension.
    height : float
    inside : float
        A point where U <= height.
    slack : float
        How much higher than ``height`` U may be next to the ends.
    """
    tail = radial_tail(potential)
    if not isinstance(tail, Tail) or tail.algebraic:
        return None
    radius = max(tail.radius, 2.0 * abs(inside))
    while not all(leaf.amplitude > height for leaf in tail.beyond(radius).leaves):
        radius *= 2
        if radius > 2.0**60:
            return None
    evaluate = LineRange(potential)
    ends = [
        _outermost(evaluate, arb(height), arb(slack), inside, sign * radius) for sign in (-1, 1)
    ]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _outermost(
    evaluate: LineRange, height: Any, slack: Any, inside: float, far: float
) -> float | None:
    """The outer end of the outermost piece between ``far`` and ``inside`` not proved high."""

    def high(value: Interval) -> bool:
        return bool(value.low > height)

    pending = [(inside, far)]
    for _ in range(MOST_PIECES):
        if not pending:
            return inside
        near, out = pending.pop()
        value = evaluate(min(near, out), max(near, out), high)
        if high(value):
            continue
        if value.high <= height + slack:
            return out
        middle = (near + out) / 2
        if middle in (near, out):
            return out
        pending.extend([(near, middle), (middle, out)])
    return None
