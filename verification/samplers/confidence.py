r"""Confidence sequences for means of bounded payoffs: true at every look at once.

For G_i with |G_i| <= r and conditional mean mu, every number m and every fixed stake l,

    W_n(m, l) = prod_{i <= n} (1 + l (m - G_i))

is a non-negative martingale when mu = m, provided l |m - G_i| < 1; so the m for which the average
of W_n over a fixed set of stakes stays below 1/a contain mu for all n with probability 1 - a
(Ville). The product need not be kept for every m: for |z| <= 1/2

    log(1 + z) >= z - z^2/2 + z^3/3 - z^4/2,

so four power sums of the G_i bound W_n(m, l) from below for every m and l at once. Stakes are
powers of a half times the largest for which |z| <= 1/2. Every function of every trial has its own
share of a, so that all the intervals hold together.

Source: Waudby-Smith and Ramdas, JRSS B 86 (2024) 1, section 4; the power sums [derived]: the fourth
order remainder of log(1 + z) is at least -z^4/2 on [-1/2, 1/2].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

STAKES = 9
FARTHEST = 0.5  # means farther from zero, in units of the range, are not told apart
USUAL_LOG_LEVEL = 26.0
_BISECTIONS = 40


@dataclass
class ConfidenceSequence:
    """Intervals for the means of m payoffs.

    Parameters
    ----------
    ranges : array (m,)
        Bounds of |G|, at most 1.
    """

    ranges: FloatArray
    sums: FloatArray = field(init=False)
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.ranges = np.asarray(self.ranges, dtype=float)
        if self.ranges.ndim != 1 or self.ranges.size == 0 or not np.all(self.ranges > 0):
            raise ArgumentError(f"ranges must be positive, at least one, got {self.ranges}")
        self.sums = np.zeros((5, self.ranges.size))

    def observe(self, payoffs: FloatArray) -> None:
        """Takes in a batch (n, m)."""
        g = payoffs / self.ranges
        squares = g * g
        self.sums[0] += len(g)
        self.sums[1] += g.sum(axis=0)
        self.sums[2] += squares.sum(axis=0)
        self.sums[3] += np.einsum("nm,nm->m", squares, g)
        self.sums[4] += np.einsum("nm,nm->m", squares, squares)
        self.count += len(g)

    def _log_wealth(self, m: FloatArray, side: float) -> FloatArray:
        """A lower bound of the log wealth against the means m (m,), for bets on one side."""
        n, s1, s2, s3, s4 = self.sums
        # power sums of d = m - G
        d1 = n * m - s1
        d2 = n * m**2 - 2 * m * s1 + s2
        d3 = n * m**3 - 3 * m**2 * s1 + 3 * m * s2 - s3
        d4 = n * m**4 - 4 * m**3 * s1 + 6 * m**2 * s2 - 4 * m * s3 + s4
        largest = 0.5 / (1 + FARTHEST)
        l = side * largest * 0.5 ** np.arange(STAKES)[:, None]
        logs = l * d1 - l**2 * d2 / 2 + l**3 * d3 / 3 - l**4 * d4 / 2
        return np.asarray(np.logaddexp.reduce(logs, axis=0) - math.log(STAKES))

    def interval(self, log_level: float) -> tuple[FloatArray, FloatArray]:
        """Ends (m,) of the intervals that fail with probability exp(-log_level) each."""
        if self.count == 0:
            return -self.ranges, self.ranges.copy()
        level = log_level + math.log(2)
        mean = np.clip(self.sums[1] / self.count, -FARTHEST, FARTHEST)
        ends = []
        for side in (-1.0, 1.0):
            inner, outer = mean.copy(), np.full_like(mean, side * FARTHEST)
            excluded = self._log_wealth(outer, side) >= level
            for _ in range(_BISECTIONS):
                middle = (inner + outer) / 2
                out = self._log_wealth(middle, side) >= level
                inner, outer = np.where(out, inner, middle), np.where(out, middle, outer)
            ends.append(np.where(excluded, outer, side) * self.ranges)
        return ends[0], ends[1]

    def rough_width(self) -> FloatArray:
        """About half the length (m,) of the intervals, by moments: for choosing where to look."""
        n = max(self.count, 1)
        variance = np.maximum(self.sums[2] / n - (self.sums[1] / n) ** 2, 0.0)
        level = USUAL_LOG_LEVEL
        return np.asarray(self.ranges * (np.sqrt(2 * level * variance / n) + 3 * level / n))

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, JSON only."""
        return {"ranges": self.ranges.tolist(), "sums": self.sums.tolist(), "count": self.count}

    @classmethod
    def resumed(cls, state: dict[str, Any]) -> ConfidenceSequence:
        """The sequence that ``state`` described."""
        again = cls(np.asarray(state["ranges"], dtype=float))
        again.sums = np.asarray(state["sums"], dtype=float)
        again.count = int(state["count"])
        return again
