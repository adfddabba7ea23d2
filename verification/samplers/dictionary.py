"""Bounded test functions of a target, in units of its own location and scale.

All have range at most 1, so that paired differences f(x') - f(x) lie in [-1, 1] and may be bet on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from lvebm_theory.arrays import FloatArray

from .targets.exact_target import ExactTarget

_FAR = 1e6
#: events so rare that their own deviation is smaller are measured in this unit
RARE = 0.1
#: coordinates whose location and scale are looked at; of larger spaces so many, drawn by the seed
MOST_COORDINATES = 64
#: coordinates looked at closely are the first, the middle and the last of spaces of at most so many
SMALL = 10
#: directions drawn by the seed whose location and scale are looked at in larger spaces
PROJECTIONS = 4


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Test functions f_1, ..., f_m on the target's space.

    Parameters
    ----------
    target : ExactTarget
    seed : int
        Draws the coordinates that are looked at where there are many.
    """

    target: ExactTarget
    seed: int = 0

    @property
    def _moving(self) -> int:
        """Coordinates that a step moves: data come after them."""
        return self.target.dim - self.target.data

    @cached_property
    def coordinates(self) -> list[int]:
        """Coordinates looked at closely: three, drawn by the seed in larger spaces."""
        d = self._moving
        if d <= SMALL:
            return sorted({0, d // 2, d - 1})
        looked = drawn(d, seed=self.seed)
        return [looked[i] for i in drawn(len(looked), 3, self.seed)]

    @cached_property
    def others(self) -> list[int]:
        """Coordinates of which location and scale alone are looked at."""
        return [i for i in drawn(self._moving, seed=self.seed) if i not in self.coordinates]

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        chosen = self.coordinates
        inside = [(i, j) for k, i in enumerate(chosen) for j in chosen[k + 1 :]]
        data = [self._moving + j for j in drawn(self.target.data, 3, self.seed)]
        return inside + [(i, j) for i in chosen for j in data]

    @cached_property
    def _directions(self) -> FloatArray:
        """Unit vectors (d, k), none where every coordinate is looked at."""
        d = self._moving
        number = PROJECTIONS if d > MOST_COORDINATES else 0
        w = np.random.default_rng((self.seed, 17)).standard_normal((d, number))
        return np.asarray(w / np.sqrt((w * w).sum(axis=0)))

    @property
    def looked(self) -> tuple[int, int]:
        """How many coordinates are looked at one by one, and how many there are."""
        return len({*self.coordinates, *self.others}), self._moving

    def _name(self, i: int) -> str:
        return f"x{i}" if i < self._moving else f"y{i - self._moving}"

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
        for k in range(self._directions.shape[1]):
            found += [f"location along direction {k}", f"scale along direction {k}"]
        found += [f"correlation of {self._name(i)} and {self._name(j)}" for i, j in self._pairs]
        found += ["energy", "low energy", "high energy"]
        if self.target.has_gradient:
            found += ["size of the gradient", "virial"]
        if self._moving > 1:
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
        d = self._moving
        with np.errstate(all="ignore"):
            kept = np.nan_to_num(x, nan=_FAR, posinf=_FAR, neginf=-_FAR)
            y = np.clip((kept - centre) / spread, -_FAR, _FAR)
            e = _tamed((self.target.energy.potential(kept) - middle) / max(width, 1e-300))
            columns: list[FloatArray] = []
            for i in self.coordinates:
                columns += _of_one(y[:, i])
            for i in self.others:
                columns += _place_and_size(y[:, i])
            for along in (y[:, :d] @ self._directions).T:
                columns += _place_and_size(along)
            columns += [np.tanh(y[:, i] * y[:, j] / 2) / 2 for i, j in self._pairs]
            columns += [
                np.tanh(e / 2) / 2,
                np.exp(-np.clip(e + 1, 0, 50)) - 0.5,
                np.clip(e - 2, 0, 1) - 0.5,
            ]
            if self.target.has_gradient:
                columns += self._slopes(kept)
            if d > 1:
                r = (y[:, :d] ** 2).sum(axis=1) / d
                columns += [
                    np.tanh(y[:, :d].sum(axis=1) / np.sqrt(d)) / 2,
                    r / (r + 1.5) - 0.5,
                ]
        return np.stack(columns, axis=1)

    def _slopes(self, x: FloatArray) -> list[FloatArray]:
        """Functions of the gradient."""
        size_mid, size_width, virial_mid, virial_width = self._of_gradient
        size, virial = self._gradient_features(x)
        return [
            np.tanh(_tamed((size - size_mid) / size_width) / 2) / 2,
            np.tanh(_tamed((virial - virial_mid) / virial_width) / 2) / 2,
        ]


def drawn(number: int, most: int = MOST_COORDINATES, seed: int = 0) -> list[int]:
    """Indices below ``number``: all of them, or ``most`` drawn by the seed."""
    if number <= most:
        return list(range(number))
    chosen = np.random.default_rng((seed, 16)).choice(number, most, replace=False)
    return sorted(int(i) for i in chosen)


def _tamed(values: FloatArray) -> FloatArray:
    return np.clip(np.nan_to_num(values, nan=_FAR, posinf=_FAR, neginf=-_FAR), -_FAR, _FAR)


def _place_and_size(t: FloatArray) -> list[FloatArray]:
    squares = t * t
    return [np.tanh(t) / 2, squares / (squares + 2) - 0.5]


def _of_one(t: FloatArray) -> list[FloatArray]:
    bounded, sized = _place_and_size(t)
    cubes = np.abs(t) * t * t
    return [
        bounded,
        sized,
        np.sign(t) * cubes / (1 + cubes) / 2 - bounded,
        np.clip(t - 1.5, 0, 1) - 0.5,
        np.clip(-t - 1.5, 0, 1) - 0.5,
        np.cos(3 * t) / 2,
    ]


@lru_cache(maxsize=128)
def dictionary_of(target: ExactTarget, seed: int = 0) -> Dictionary:
    """The dictionary of a target, made once."""
    return Dictionary(target, seed)
