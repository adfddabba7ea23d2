"""Local finiteness: U is real and bounded on a box, proved by bisection."""

from __future__ import annotations

from collections.abc import Sequence

from .interval import Interval
from .subject import Potential

MOST_BOXES = 4000
Box = tuple[tuple[float, float], ...]


def bisect(box: Box) -> tuple[Box, Box]:
    """The box cut across its longest side."""
    widths = [b - a for a, b in box]
    j = widths.index(max(widths))
    a, b = box[j]
    middle = (a + b) / 2
    return (
        (*box[:j], (a, middle), *box[j + 1 :]),
        (*box[:j], (middle, b), *box[j + 1 :]),
    )


def intervals(box: Box) -> list[Interval]:
    """The box as intervals."""
    return [Interval.between(a, b) for a, b in box]


def unbounded_near(potential: Potential, box: Box) -> Sequence[float] | None:
    """None when U is proved real and bounded on the box; else a point near which it was not."""
    evaluate = potential.on_intervals()
    pending = [box]
    seen = 0
    while pending:
        piece = pending.pop()
        seen += 1
        if evaluate(intervals(piece))[0].finite:
            continue
        width = max(b - a for a, b in piece)
        size = max(1.0, *(abs(c) for side in piece for c in side))
        if width < 1e-9 * size or seen > MOST_BOXES:
            return [(a + b) / 2 for a, b in piece]
        pending.extend(bisect(piece))
    return None
