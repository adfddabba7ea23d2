"""Bounded test functions of a target, in units of its own location and scale.

All have range at most 1, so that paired differences f(x') - f(x) lie in [-1, 1] and may be bet on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .targets import ExactTarget

FloatArray = npt.NDArray[np.float64]

_COORDINATES = 3
_CROSS = 3


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Test functions f_1, ..., f_m on the target's space.

    Parameters
    ----------
    target : ExactTarget
    """

    target: ExactTarget

    @property
    def coordinates(self) -> range:
        """Coordinates looked at one by one."""
        return range(min(self.target.dim, _COORDINATES))

    @property
    def names(self) -> tuple[str, ...]:
        """In words, in the order of the columns."""
        found: list[str] = []
        for i in self.coordinates:
            found += [
                f"location of x{i}",
                f"scale of x{i}",
                f"skewness of x{i}",
                f"upper tail of x{i}",
                f"lower tail of x{i}",
                f"fine scale of x{i}",
            ]
        found += [f"correlation of x{i} and x{j}" for i, j in self._pairs]
        found += ["energy", "low energy", "high energy"]
        if self.target.dim > 1:
            found += ["sum of all coordinates", "radius"]
        return tuple(found)

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        d = self.target.dim
        return [(i, j) for i in range(d) for j in range(i + 1, d)][:_CROSS]

    def __call__(self, x: FloatArray) -> FloatArray:
        """Values (n, m) in [-1/2, 1/2] at x (n, d); not-a-number counts as the far end."""
        centre, spread, middle, width = self.target.scale
        with np.errstate(over="ignore", invalid="ignore"):
            y = np.nan_to_num((x - centre) / spread, nan=1e6, posinf=1e6, neginf=-1e6)
            energy = self.target.energy.potential(
                np.nan_to_num(x, nan=1e6, posinf=1e6, neginf=-1e6)
            )
            e = np.nan_to_num((energy - middle) / max(width, 1e-300), nan=1e6, posinf=1e6)
        y = np.clip(y, -1e6, 1e6)
        e = np.clip(e, -1e6, 1e6)
        columns: list[FloatArray] = []
        for i in self.coordinates:
            t = y[:, i]
            squares = t * t
            columns += [
                np.tanh(t) / 2,
                squares / (squares + 2) - 0.5,
                t**3 / (1 + np.abs(t) ** 3) / 2 - np.tanh(t) / 2,
                np.clip(t - 1.5, 0, 1) - 0.5,
                np.clip(-t - 1.5, 0, 1) - 0.5,
                np.cos(3 * t) / 2,
            ]
        columns += [np.tanh(y[:, i] * y[:, j] / 2) / 2 for i, j in self._pairs]
        columns += [
            np.tanh(e / 2) / 2,
            np.exp(-np.clip(e + 1, 0, 50)) - 0.5,
            np.clip(e - 2, 0, 1) - 0.5,
        ]
        if self.target.dim > 1:
            d = self.target.dim
            r = (y * y).sum(axis=1) / d
            columns += [np.tanh(y.sum(axis=1) / np.sqrt(d)) / 2, r / (r + 1.5) - 0.5]
        return np.stack(columns, axis=1)
