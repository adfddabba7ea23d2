"""Projections of theta onto sets on which the model stays normalisable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError


@runtime_checkable
class Projection(Protocol):
    """A map of theta to the nearest point of a set (or to some point of it).

    ``function`` names a function of ``projection_steps`` that changes theta in place from two
    arrays, so that compiled loops and Python run the same text; ``arrays`` makes these.
    """

    @property
    def function(self) -> str:
        """Name of a function in ``projection_steps``."""

    def arrays(self, names: Sequence[str]) -> tuple[IntArray, FloatArray]:
        """The function's whole numbers and reals, for parameters of these names."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """lower <= theta <= upper, by name; the Euclidean projection."""

    lower: Mapping[str, float] = field(default_factory=dict)
    upper: Mapping[str, float] = field(default_factory=dict)
    function = "box"

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        for name in set(self.lower) & set(self.upper):
            if not self.lower[name] <= self.upper[name]:
                raise ArgumentError(
                    f"the box of {name} needs lower <= upper, got {self.lower[name]} and "
                    f"{self.upper[name]}"
                )

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.lower.items())), tuple(sorted(self.upper.items()))))

    def arrays(self, names: Sequence[str]) -> tuple[IntArray, FloatArray]:
        """Indices; then all lower and all upper bounds."""
        bounded = sorted({*self.lower, *self.upper})
        index = np.array([_index(name, names) for name in bounded], dtype=np.int64)
        low = [float(self.lower.get(name, -np.inf)) for name in bounded]
        high = [float(self.upper.get(name, np.inf)) for name in bounded]
        return index, np.array([*low, *high])


@dataclass(frozen=True, kw_only=True)
class AboveSquare:
    """a - b^2 >= margin > 0: the Euclidean projection onto a region above a parabola.

    The nearest point (m + t^2, t) to (a, b) solves 2 t^3 + (1 + 2 (m - a)) t - b = 0.
    """

    a: str = "a"
    b: str = "b"
    margin: float
    function = "above_square"

    def __post_init__(self) -> None:
        _positive("the margin of a - b^2", self.margin)

    def arrays(self, names: Sequence[str]) -> tuple[IntArray, FloatArray]:
        """Indices of a and b; the margin."""
        index = np.array([_index(self.a, names), _index(self.b, names)], dtype=np.int64)
        return index, np.array([float(self.margin)])


@dataclass(frozen=True, kw_only=True)
class PositiveDefinite:
    """A symmetric matrix parameter with eigenvalues >= margin > 0; the Frobenius projection.

    Parameters
    ----------
    matrix : str
        Name of the array parameter, with entries ``matrix_i_j``.
    margin : float
    """

    matrix: str
    margin: float
    function = "positive_definite"

    def __post_init__(self) -> None:
        _positive("the least eigenvalue", self.margin)

    def arrays(self, names: Sequence[str]) -> tuple[IntArray, FloatArray]:
        """Indices of the entries row by row; the margin."""
        index = [k for k, name in enumerate(names) if name.startswith(f"{self.matrix}_")]
        size = round(len(index) ** 0.5)
        wanted = [f"{self.matrix}_{i}_{j}" for i in range(size) for j in range(size)]
        if not index or [names[k] for k in index] != wanted:
            raise ArgumentError(
                f"a square matrix parameter {self.matrix!r} is required, the energy has "
                f"{list(names)}"
            )
        return np.array(index, dtype=np.int64), np.array([float(self.margin)])


def _index(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise ArgumentError(f"the projection names {name!r}, the energy has {list(names)}")
    return list(names).index(name)


def _positive(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ArgumentError(f"{what} needs to be positive and finite, got {value}")
