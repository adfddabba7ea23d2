r"""Holley-Stroock in the plane by supporting planes on a grid, in outward rounded floats.

Let V = U - m |x|^2/2 be convex outside a set K of cells inside a rectangle R, and

    W = max_s (<s, x> - c_s) <= V on R   over finitely many slopes s,
    V - W <= delta on a neighbourhood of K,      W < V - delta on the boundary of R.

Then G = W on K, max(W, V - delta) on R without K, V - delta outside R is convex, since it is so
near every point, and 0 <= V - G <= delta. So m |x|^2/2 + G has curvature m, and

    rho >= m exp(-delta)                                               (Holley and Stroock 1987).

All is seen on the nodes of a grid: in a cell V lies below its bilinear interpolation by at most
(h_x^2 sup V_xx + h_y^2 sup V_yy)/8, suprema over the cell, and above it by the same of -V.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray
from .convex_outside import Convexity, Jets
from .subject import Potential, precisely

Pair = tuple[FloatArray, FloatArray]

_TOGETHER = 8192
# of the sums of three terms that are compared
_ROUNDING = 1e-14
_PIECES = 4


class _Known(NamedTuple):
    """V at the nodes from below and above, how far it strays from them in the cells, and K."""

    low: FloatArray
    high: FloatArray
    falls: FloatArray
    rises: FloatArray
    bent: BoolArray


@precisely
def envelope_oscillation(
    potential: Potential, axes: Pair, slopes: Pair, guess: float
) -> float | None:
    """delta, proved, for the V given; None where a step fails.

    Parameters
    ----------
    potential : Potential
        V.
    axes : (array, array)
        Rising coordinates of the nodes; their ends bound R.
    slopes : (array, array)
        Every pair of them is a slope s unless its plane meets V - guess on the boundary of R.
    guess : float
        What delta is expected to be at most.
    """
    convexity = Convexity(potential)
    known = _known(convexity, axes)
    # a plane below these values at the nodes is below V in the cells around
    floor = known.low - _around(known.falls)
    if not np.isfinite(floor).all():
        return None
    sizes = [np.abs(a).max() * np.abs(s).max() for a, s in zip(axes, slopes, strict=True)]
    rounding = _ROUNDING * float(np.abs(floor).max() + sum(sizes))
    offsets = _largest(-floor, axes, slopes) + rounding
    edge = np.full_like(floor, np.inf)
    for side in (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1]):
        edge[side] = floor[side]
    kept = _largest(guess - edge, axes, slopes) + rounding < offsets
    delta = _shortfall(known, axes, slopes, np.where(kept, offsets, np.inf)) + rounding
    low, high = (np.array([a[end] for a in axes]) for end in (0, -1))
    return delta if delta < guess and convexity.outside(low, high) else None


def _known(convexity: Convexity, axes: Pair) -> _Known:
    jets = convexity.jets
    shape = tuple(len(a) - 1 for a in axes)
    nodes = _corners(*axes)
    u = np.stack(_over(jets, nodes, nodes)[0])
    low, high = _corners(*(a[:-1] for a in axes)), _corners(*(a[1:] for a in axes))
    cells = _over(jets, low, high)
    xx, yy = cells[3], cells[5]
    reach = (high - low) ** 2 / 8 * (1 + 1e-12)
    with np.errstate(all="ignore"):
        falls, rises = (
            sum(r * np.maximum(part, 0.0) for r, part in zip(reach.T, parts, strict=True))
            for parts in ((xx[1], yy[1]), (-xx[0], -yy[0]))
        )
    bent = ~convexity.of_jets(cells, low, high)
    bent[bent] = ~_convex_in_pieces(convexity, low[bent], high[bent])
    at = u.reshape(2, *(n + 1 for n in shape))
    return _Known(at[0], at[1], *(np.reshape(c, shape) for c in (falls, rises, bent)))


def _convex_in_pieces(convexity: Convexity, low: FloatArray, high: FloatArray) -> BoolArray:
    """Boxes on whose sixteenths U is convex."""
    found = np.ones(len(low), dtype=bool)
    # neighbours share a rounded edge
    cuts = [low + (high - low) * (k / _PIECES) for k in range(_PIECES)] + [high]
    for i, j in np.ndindex(_PIECES, _PIECES):
        least = np.stack([cuts[i][:, 0], cuts[j][:, 1]], axis=1)
        most = np.stack([cuts[i + 1][:, 0], cuts[j + 1][:, 1]], axis=1)
        found &= convexity.on_boxes(least, most)
    return found


def _over(jets: Jets, low: FloatArray, high: FloatArray) -> list[Pair]:
    pieces = [
        np.array(jets(low[start : start + _TOGETHER], high[start : start + _TOGETHER]))
        for start in range(0, len(low), _TOGETHER)
    ]
    if not pieces:
        return [(np.zeros(0), np.zeros(0))] * 6
    return [(entry[0], entry[1]) for entry in np.concatenate(pieces, axis=2)]


def _corners(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.stack([g.ravel() for g in np.meshgrid(x, y, indexing="ij")], axis=1)


def _around(cells: FloatArray) -> FloatArray:
    """At each node the largest value of the cells around it."""
    wide = np.pad(cells, 1, mode="edge")
    found: FloatArray = np.maximum.reduce(
        [wide[:-1, :-1], wide[1:, :-1], wide[:-1, 1:], wide[1:, 1:]]
    )
    return found


def _largest(v: FloatArray, places: Pair, slopes: Pair) -> FloatArray:
    """max over places (x, y) of s x + t y + v, for all slopes; one axis after the other."""
    first = np.stack([(s * places[0][:, None] + v).max(axis=0) for s in slopes[0]])
    second = [(t * places[1] + first).max(axis=1) for t in slopes[1]]
    return np.stack(second, axis=1)


def _shortfall(known: _Known, axes: Pair, slopes: Pair, offsets: FloatArray) -> float:
    """max over K and the cells around of V - (s x + t y - c) with the best plane per cell."""
    x, y = axes
    # the plane on top at each node: first over t, then over s
    values = (slopes[1][:, None] * y - row[:, None] for row in offsets)
    best = [(v.argmax(axis=0), v.max(axis=0)) for v in values]
    over_t = np.stack([value for _, value in best])
    which_s = np.stack([(slopes[0][:, None] * a + over_t).argmax(axis=0) for a in x])
    which_t = np.stack([which for which, _ in best])[which_s, np.arange(len(y))]
    s, t, c = slopes[0][which_s], slopes[1][which_t], offsets[which_s, which_t]
    near = _around(known.bent.astype(float)) > 0
    near = near[:-1, :-1] | near[1:, :-1] | near[:-1, 1:] | near[1:, 1:]
    i, j = np.nonzero(near)
    shortest = np.full(len(i), np.inf)
    corners = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)]
    for own in corners:
        plane = (s[own] * x[k] + t[own] * y[m] - c[own] for k, m in corners)
        over = (known.high[corner] - p for corner, p in zip(corners, plane, strict=True))
        shortest = np.minimum(shortest, np.maximum.reduce(list(over)))
    return float((shortest + known.rises[i, j]).max(initial=0.0))
