"""Smooth maps of an axis that put cells where a narrow start or a heavy tail needs them.

    xi(x) proportional to (x - low)/W + sum_k c_k asinh((x - m_k)/l_k)

Close to a feature (m_k, l_k) the cells have size about l_k/(n c_k), away from it they grow like
the distance. Kinks of the potential are moved onto edges that all resolutions share. The map does
not depend on the number of cells, so grids of different n are samplings of one map and errors
expand in even powers of 1/n.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

_CELLS_PER_SD = 3.2  # so that even three eighths of the cells resolve a normal law
_START_WIDTH = 4.0  # standard deviations over which the cells of a start are small
_LARGEST_SHARE = 0.25
_LONG_TAIL = 50.0  # ratio of interval to bulk from which cells grow along the tails
_TAIL_SHARE = 4.0  # cells spent on geometric growth, relative to equal cells


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A place that needs small cells: centre, length scale, weight c."""

    centre: float
    length: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class AxisMap:
    """Increasing map from [0, 1] onto [low, high]."""

    low: float
    high: float
    features: tuple[Feature, ...] = ()
    fixed: tuple[tuple[float, float], ...] = ()

    @classmethod
    def through(
        cls,
        interval: tuple[float, float],
        features: tuple[Feature, ...],
        kinks: FloatArray,
        blocks: int,
    ) -> AxisMap:
        """The map that takes multiples of 1/blocks to the kinks (to the nearest it can)."""
        low, high = interval
        free = cls(low=low, high=high, features=features)
        if kinks.size == 0:
            return free
        start, end = free._coordinate(np.array([low, high]))
        wanted = (free._coordinate(kinks) - start) / (end - start) * blocks
        slots = np.round(wanted).astype(int)
        fixed, last = [], 0
        for kink, slot, left in zip(kinks, slots, range(kinks.size, 0, -1), strict=True):
            last = min(max(int(slot), last + 1), blocks - left)
            fixed.append((last / blocks, float(kink)))
        return cls(low=low, high=high, features=features, fixed=tuple(fixed))

    def nodes(self, cells: int) -> FloatArray:
        """Images of the 2 cells + 1 half-integers."""
        xi = np.linspace(0.0, 1.0, 2 * cells + 1)
        start, end = self._coordinate(np.array([self.low, self.high]))
        places = [0.0, *(share for share, _ in self.fixed), 1.0]
        kinks = self._coordinate(np.array([kink for _, kink in self.fixed]))
        target = np.interp(xi, places, [start, *kinks, end])
        low, high = np.full(xi.size, self.low), np.full(xi.size, self.high)
        x = low + xi * (self.high - self.low)
        # Newton, falling back to bisection whenever it leaves the bracket, and now and then in case
        # it goes to and fro around a feature
        for turn in range(300):
            value = self._coordinate(x) - target
            high = np.where(value > 0, x, high)
            low = np.where(value <= 0, x, low)
            step = value / self._slope(x)
            settled = np.abs(step) <= 1e-15 * (self.high - self.low)
            if np.all(settled):
                break
            new = x - step
            inside = (new > low) & (new < high) & (turn % 8 != 7)
            new = np.where(inside, new, (low + high) / 2)
            # a settled node stands on its own bracket: bisection would throw it out
            x = np.where(settled, x, new)
        x[0], x[-1] = self.low, self.high
        for share, kink in self.fixed:
            x[round(share * 2 * cells)] = kink
        return np.asarray(x)

    def share(self, x: FloatArray) -> FloatArray:
        """The inverse map, without regard to kinks, continued beyond the interval."""
        start, end = self._coordinate(np.array([self.low, self.high]))
        return np.asarray((self._coordinate(x) - start) / (end - start))

    def _coordinate(self, x: FloatArray) -> FloatArray:
        total = (x - self.low) / (self.high - self.low)
        for f in self.features:
            total = total + f.weight * np.arcsinh((x - f.centre) / f.length)
        return np.asarray(total)

    def _slope(self, x: FloatArray) -> FloatArray:
        total = np.full(x.shape, 1.0 / (self.high - self.low))
        for f in self.features:
            total += f.weight / np.hypot(f.length, x - f.centre)
        return total


def start_features(
    base: AxisMap, laws: Iterable[tuple[float, float]], cells: int
) -> tuple[Feature, ...] | None:
    """What to add to a map so that this many cells resolve normal laws (mean, sd).

    Returns None when these cells are too few for that.
    """
    width = base.high - base.low
    ends = base._coordinate(np.array([base.low, base.high]))
    total = float(ends[1] - ends[0])
    missing = []
    for mean, sd in sorted(set(laws)):
        slope = float(base._slope(np.array([mean]))[0])
        if cells * sd * slope / total < _CELLS_PER_SD:
            missing.append((mean, sd, slope))
    features = []
    for mean, sd, slope in missing:
        length = _START_WIDTH * sd
        span = 2 * len(missing) * math.asinh(width / (2 * length))
        room = cells / _START_WIDTH - _CELLS_PER_SD * span
        if room <= 0:
            return None
        weight = (_CELLS_PER_SD * total - cells * sd * slope) / room
        if weight > _LARGEST_SHARE * total:
            return None
        features.append(Feature(centre=mean, length=length, weight=weight))
    return tuple(features)


def tail_features(interval: tuple[float, float], bulk: tuple[float, float]) -> tuple[Feature, ...]:
    """A feature at the bulk of a law whose tails need an interval many times as long."""
    width = interval[1] - interval[0]
    length = (bulk[1] - bulk[0]) / 2
    if width < _LONG_TAIL * 2 * length:
        return ()
    weight = _TAIL_SHARE / (2 * math.asinh(width / (2 * length)))
    return (Feature(centre=(bulk[0] + bulk[1]) / 2, length=length, weight=weight),)
