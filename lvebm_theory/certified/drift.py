r"""A drift condition in the plane by branch and bound: outside a set no unseen mode can hide.

With V = q (1 - q) |grad U|^2 - q Lap U for a power q in (0, 1), and heights u = U - min U,

    V >= c + a(u)^2 |grad U|^2    where the height exceeds ``inner``; a(u) = 0 above ``outer``,
    |grad U|^2 <= steepest        on heights from ``inner`` to ``inner`` + ``ramp``,
    the height exceeds ``outer``  outside a set D.

W = e^{q U} has -L W / W = V, so this is a Lyapunov condition. q = 1/2 is the ground-state
transformation; slanted valleys, where |grad U| is small and Lap U is not, want a smaller one.
``constants.confinement`` draws the conclusion for the gap. Inside a square boxes are halved until
intervals show all three; beyond it ``drift_outward`` treats whole boxes of directions and all
radii at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arrays import BoolArray, FloatArray
from .array_intervals import ARRAY_INTERVALS, Intervals, array_hull, array_meet
from .drift_outward import Outward
from .evaluation import bind
from .jets import JetAlgebra, NotSmooth
from .subject import Potential, precisely

Covered = Callable[[FloatArray, FloatArray], BoolArray]

#: boxes looked at before giving up
MOST_BOXES = 120_000
#: boxes evaluated together, which bounds the memory
_TOGETHER = 4096
_NARROWEST = 2.0**-22


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The condition; see the module.

    Parameters
    ----------
    rate : float
        c.
    minimum : float
        The least U, from which heights are counted.
    inner, outer, ramp : float
        Heights.
    shares : array (k,)
        a on k bands of equal width from ``inner`` to ``outer``.
    steepest : float
        Bound of |grad U|^2 on the ramp.
    power : float
        q, a dyadic number.
    """

    rate: float
    minimum: float
    inner: float
    outer: float
    ramp: float
    shares: FloatArray
    steepest: float
    power: float = 0.5

    @property
    def of_square(self) -> float:
        """q (1 - q), exact in doubles."""
        return self.power * (1.0 - self.power)

    def largest_share(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """The largest a on heights from low (n,) to high (n,)."""
        k = len(self.shares)
        width = (self.outer - self.inner) / k
        table = np.concatenate([[0.0], self.shares, [0.0]])
        # one band more on either side, whatever the rounding
        with np.errstate(invalid="ignore"):
            first = np.clip(np.floor((low - self.inner) / width - 1e-9), -1, k).astype(int) + 1
            last = np.clip(np.floor((high - self.inner) / width + 1e-9), -1, k).astype(int) + 1
        largest = np.array(
            [[table[i : j + 1].max(initial=0.0) for j in range(k + 2)] for i in range(k + 2)]
        )
        return np.asarray(largest[first, np.maximum(first, last)])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether the condition was proved; else why not, and points (k, 2) where it fails or may."""

    proved: bool
    reason: str
    places: FloatArray


_NOWHERE = np.zeros((0, 2))


@precisely
def prove_drift(potential: Potential, drift: Drift, covered: Covered, radius: float) -> Outcome:
    """Tries to prove a drift condition over the plane.

    Parameters
    ----------
    potential : Potential
        In two smooth coordinates.
    drift : Drift
    covered : callable
        Corners (n, 2), (n, 2) of boxes to whether D is sure to hold them.
    radius : float
        Half the width of a square around the origin that holds D.
    """
    try:
        outward = Outward(potential)
        for times in (1.0, 4.0, 64.0, 2048.0):
            if outward.proved(
                power=drift.power,
                rate=drift.rate,
                value=drift.minimum + drift.outer,
                radius=times * radius,
            ):
                return _inside(potential, drift, covered, times * radius)
    except NotSmooth:
        return Outcome(proved=False, reason="U has kinks", places=_NOWHERE)
    reason = "no drift was proved far out in every direction"
    return Outcome(proved=False, reason=reason, places=_NOWHERE)


def _inside(potential: Potential, drift: Drift, covered: Covered, radius: float) -> Outcome:
    jets = JetAlgebra(ARRAY_INTERVALS, hull=array_hull, meet=array_meet)
    evaluate = bind(potential.program(potential.expression), jets)

    def jet(low: FloatArray, high: FloatArray) -> list[Intervals]:
        sides = [(low[:, i], high[:, i]) for i in (0, 1)]
        (found,) = evaluate(jets.coordinates(*sides))
        shape = low[:, 0].shape
        return [(np.broadcast_to(a, shape), np.broadcast_to(b, shape)) for a, b in found]

    cuts = np.linspace(-radius, radius, 17)
    a, b = (c.ravel() for c in np.meshgrid(cuts[:-1], cuts[:-1], indexing="ij"))
    low = np.stack([a, b], axis=1)
    high = low + (cuts[1] - cuts[0])
    seen = 0
    while len(low):
        seen += len(low)
        if seen > MOST_BOXES:
            reason = f"the drift was not proved with {MOST_BOXES} boxes"
            return Outcome(proved=False, reason=reason, places=((low + high) / 2)[:64])
        open_boxes, failing = [], []
        for start in range(0, len(low), _TOGETHER):
            piece = slice(start, start + _TOGETHER)
            with np.errstate(all="ignore"):
                open_here, fails = _judge(jet, drift, covered, low[piece], high[piece])
            open_boxes.append(open_here)
            failing.append(fails)
        fails = np.concatenate(failing)
        if fails.any():
            return Outcome(
                proved=False,
                reason="the drift condition fails outside the mesh",
                places=((low + high) / 2)[fails],
            )
        left = np.concatenate(open_boxes)
        low, high = halved(low[left], high[left])
        if len(low) and (high - low).max() < _NARROWEST * radius:
            return Outcome(
                proved=False, reason="the drift is borderline", places=((low + high) / 2)[:64]
            )
    return Outcome(proved=True, reason="", places=_NOWHERE)


def _judge(
    jet: Callable[[FloatArray, FloatArray], list[Intervals]],
    drift: Drift,
    covered: Covered,
    low: FloatArray,
    high: FloatArray,
) -> tuple[BoolArray, BoolArray]:
    """Boxes that stay open, and those whose middle breaks the condition."""
    middle = (low + high) / 2
    u, x, y, xx, xy, yy = jet(low, high)
    point = jet(middle, middle)
    # a middle is rounded, and the half-widths cover that
    reach = [np.nextafter(np.maximum(high - middle, middle - low)[:, i], np.inf) for i in (0, 1)]
    x = _mean_value(x, point[1], (xx, xy), reach)
    y = _mean_value(y, point[2], (xy, yy), reach)
    u = _mean_value(u, point[0], (x, y), reach)
    square = _sum_of_squares(x, y)
    base = drift.minimum
    share = (drift.of_square - drift.largest_share(u[0] - base, u[1] - base) ** 2) * (1 - 1e-14)
    drifts = share * square[0] - drift.power * _upper_sum(xx, yy) >= drift.rate * (1 + 1e-12)
    within = u[1] <= base + drift.inner
    beyond = u[0] > base + drift.outer
    shell = (u[1] > base + drift.inner) & (u[0] < base + drift.inner + drift.ramp)
    gentle = ~shell | (square[1] <= drift.steepest)
    inside = covered(low, high)
    done = (inside | beyond) & (within | drifts) & gentle
    middle_square = _sum_of_squares(point[1], point[2])
    height = point[0][0] - base
    here = drift.of_square - drift.largest_share(height, height) ** 2
    falls = here * middle_square[1] - drift.power * (point[3][0] + point[5][0]) < drift.rate
    high_up = point[0][0] > base + drift.inner
    outside = (point[0][1] < base + drift.outer) & ~covered(middle, middle)
    return ~done, (falls & high_up) | outside


def _upper_sum(xx: Intervals, yy: Intervals) -> FloatArray:
    """An upper bound of the sum, with room for the rounding of this and the next steps."""
    return xx[1] + yy[1] + 2e-13 * (np.abs(xx[1]) + np.abs(yy[1]))


def _mean_value(
    natural: Intervals, at: Intervals, slopes: tuple[Intervals, ...], reach: list[FloatArray]
) -> Intervals:
    """natural range and f(m) + sum slopes [-reach, reach], intersected."""
    sizes = [np.maximum(np.abs(s[0]), np.abs(s[1])) * r for s, r in zip(slopes, reach, strict=True)]
    spread = (sizes[0] + sizes[1]) * (1 + 1e-14)
    low, high = at[0] - spread, at[1] + spread
    slack = 1e-15 * (np.abs(at[0]) + np.abs(at[1]) + spread)
    low, high = low - slack, high + slack
    return (
        np.where(np.isnan(low), natural[0], np.maximum(natural[0], low)),
        np.where(np.isnan(high), natural[1], np.minimum(natural[1], high)),
    )


def _sum_of_squares(x: Intervals, y: Intervals) -> Intervals:
    squares = ARRAY_INTERVALS.power(x, 2), ARRAY_INTERVALS.power(y, 2)
    low, high = ARRAY_INTERVALS.add(*squares)
    return np.maximum(low, 0.0), high


def halved(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Every box cut across its longer side."""
    axis = np.argmax(high - low, axis=1)
    rows = np.arange(len(low))
    cut = (low[rows, axis] + high[rows, axis]) / 2
    first_high, second_low = high.copy(), low.copy()
    first_high[rows, axis] = cut
    second_low[rows, axis] = cut
    return np.concatenate([low, second_low]), np.concatenate([first_high, high])
