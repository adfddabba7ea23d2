"""Whether a piecewise polynomial knows a potential: no well and no barrier between its nodes.

On pieces [a, b] of a panel the range of U is enclosed in interval arithmetic and compared with the
values of the interpolating polynomial there. Where all ranges agree with the polynomial to within
twice ``UNSEEN``, every well or barrier that the mesh does not see is shallower than that. High
up, where a gap is at most of the order e^-(U - min U) if U comes down again, the tolerance grows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import FloatArray
from .enclosure import LineRange
from .interval import Interval
from .subject import Potential, precisely

#: in units of U, hence powers of e of the density
UNSEEN = 0.5
#: above this height over the least value the tolerance is UNSEEN U / HIGH
HIGH = 60.0
MOST_PIECES = 20_000


@precisely
def unseen_places(
    potential: Potential, edges: FloatArray, polynomial: Callable[[FloatArray], FloatArray]
) -> FloatArray | None:
    """Where |U - polynomial| <= 2 UNSEEN was not proved on [edges[0], edges[-1]]; empty: nowhere.

    Parameters
    ----------
    potential : Potential
        In one dimension.
    edges : array (E + 1,)
        Of the panels of the polynomial.
    polynomial : callable
        Points (n,) to values (n,), a low-degree polynomial on each panel.

    Returns
    -------
    array of points, or None
        None when the range of U could not be enclosed with the pieces allowed.
    """
    evaluate = LineRange(potential)
    least = float(np.min(polynomial(edges)))

    def narrow(value: Interval) -> bool:
        return value.finite and value.high - value.low <= _tolerance(float(value.low) - least)

    pending = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    pieces: list[tuple[float, float, float, float]] = []
    for _ in range(MOST_PIECES):
        if not pending:
            return _disagreeing(np.array(pieces), least, polynomial)
        a, b = pending.pop()
        value = evaluate(a, b, narrow)
        if narrow(value):
            pieces.append((a, b, float(value.low), float(value.high)))
            continue
        middle = (a + b) / 2
        if not a < middle < b:
            return None
        pending.extend([(a, middle), (middle, b)])
    return None


def _tolerance(height: float) -> float:
    return UNSEEN * max(1.0, height / HIGH)


def _disagreeing(
    pieces: FloatArray, least: float, polynomial: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    a, b, low, high = pieces.T
    inside = np.linspace(0.0, 1.0, 5)[:, None]
    values = polynomial((a + (b - a) * inside).ravel()).reshape(len(inside), -1)
    allowed = UNSEEN * np.maximum(1.0, (low - least) / HIGH)
    agree = np.all((values >= high - 2 * allowed) & (values <= low + 2 * allowed), axis=0)
    return np.asarray((a + b)[~agree] / 2)
