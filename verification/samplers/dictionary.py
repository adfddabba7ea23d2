"""Bounded test functions of a target, in units of its own location and scale.

All have range at most 1, so that paired differences f(x') - f(x) lie in [-1, 1] and may be bet on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from .targets.exact_target import ExactTarget

FloatArray = npt.NDArray[np.float64]

_FAR = 1e6
#: events so rare that their own deviation is smaller are measured in this unit
RARE = 0.1
#: coordinates whose location and scale are looked at; of larger spaces so many, evenly spread
MOST_COORDINATES = 10


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Test functions f_1, ..., f_m on the target's space.

    Parameters
    ----------
    target : ExactTarget
    """

    target: ExactTarget

    @property
    def coordinates(self) -> list[int]:
        """Coordinates looked at closely: the first, the middle and the last."""
        d = self.target.dim
        return sorted({0, d // 2, d - 1})

    @property
    def others(self) -> list[int]:
        """Coordinates of which location and scale alone are looked at."""
        return [i for i in spread_over(self.target.dim) if i not in self.coordinates]

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        chosen = self.coordinates
        return [(i, j) for k, i in enumerate(chosen) for j in chosen[k + 1 :]]

    @cached_property
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
        for i in self.others:
            found += [f"location of x{i}", f"scale of x{i}"]
        found += [f"correlation of x{i} and x{j}" for i, j in self._pairs]
        found += ["energy", "low energy", "high energy", "size of the gradient", "virial"]
        if self.target.dim > 1:
            found += ["sum of all coordinates", "radius"]
        return tuple(found)

    @cached_property
    def _of_gradient(self) -> tuple[float, float, float, float]:
        """Median and spread of log |grad U| and of <x - m, grad U>, by the pilot."""
        size, virial = self._gradient_features(self.target.pilot)
        marks = []
        for values in (size, virial):
            low, mid, high = np.quantile(values, [0.25, 0.5, 0.75])
            marks += [float(mid), max(float(high - low) / 1.349, 1e-12)]
        return marks[0], marks[1], marks[2], marks[3]

    def _gradient_features(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        g = self.target.energy.gradient(x)
        size = np.log((g * g).sum(axis=1) + 1e-300) / 2
        return size, ((x - self.target.scale[0]) * g).sum(axis=1)

    @cached_property
    def deviations(self) -> FloatArray:
        """Standard deviations (m,) of the functions under pi, by the pilot: units only."""
        return np.asarray(np.maximum(self(self.target.pilot).std(axis=0), RARE))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Values (n, m) in [-1/2, 1/2] at x (n, d); not-a-number counts as the far end."""
        centre, spread, middle, width = self.target.scale
        size_mid, size_width, virial_mid, virial_width = self._of_gradient
        with np.errstate(all="ignore"):
            kept = np.nan_to_num(x, nan=_FAR, posinf=_FAR, neginf=-_FAR)
            y = np.clip((kept - centre) / spread, -_FAR, _FAR)
            e = _tamed((self.target.energy.potential(kept) - middle) / max(width, 1e-300))
            size, virial = self._gradient_features(kept)
            size = _tamed((size - size_mid) / size_width)
            virial = _tamed((virial - virial_mid) / virial_width)
            columns: list[FloatArray] = []
            for i in self.coordinates:
                columns += _of_one(y[:, i])
            for i in self.others:
                columns += _of_one(y[:, i])[:2]
            columns += [np.tanh(y[:, i] * y[:, j] / 2) / 2 for i, j in self._pairs]
            columns += [
                np.tanh(e / 2) / 2,
                np.exp(-np.clip(e + 1, 0, 50)) - 0.5,
                np.clip(e - 2, 0, 1) - 0.5,
                np.tanh(size / 2) / 2,
                np.tanh(virial / 2) / 2,
            ]
            if self.target.dim > 1:
                d = self.target.dim
                r = (y * y).sum(axis=1) / d
                columns += [np.tanh(y.sum(axis=1) / np.sqrt(d)) / 2, r / (r + 1.5) - 0.5]
        return np.stack(columns, axis=1)


def spread_over(number: int, most: int = MOST_COORDINATES) -> list[int]:
    """Indices below ``number``, all of them or ``most`` that are evenly spread."""
    return sorted({round(i) for i in np.linspace(0, number - 1, min(number, most))})


def _tamed(values: FloatArray) -> FloatArray:
    return np.clip(np.nan_to_num(values, nan=_FAR, posinf=_FAR, neginf=-_FAR), -_FAR, _FAR)


def _of_one(t: FloatArray) -> list[FloatArray]:
    squares = t * t
    cubes = np.abs(t) * squares
    bounded = np.tanh(t) / 2
    return [
        bounded,
        squares / (squares + 2) - 0.5,
        np.sign(t) * cubes / (1 + cubes) / 2 - bounded,
        np.clip(t - 1.5, 0, 1) - 0.5,
        np.clip(-t - 1.5, 0, 1) - 0.5,
        np.cos(3 * t) / 2,
    ]


@lru_cache(maxsize=128)
def dictionary_of(target: ExactTarget) -> Dictionary:
    """The dictionary of a target, made once."""
    return Dictionary(target)
