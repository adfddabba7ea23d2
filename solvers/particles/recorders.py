"""What is remembered of a run without storing its trajectories.

A recorder says what to observe and when; the run returns one record per recorder, by name. Sums
over particles are formed pairwise within blocks and with compensation between them, so that they
depend on neither the number of threads nor the number of particles' order of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

Function = Callable[[Any], Any]


def step_of(time: float, step_size: float, what: str) -> int:
    """The step that ends at a time.

    Raises
    ------
    ArgumentError
        If the time is not a whole number of steps (to 1e-6 of a step).
    """
    step = round(time / step_size)
    if step < 0 or abs(time / step_size - step) > 1e-6 * max(1.0, step * 1e-6):
        raise ArgumentError(
            f"{what} {time!r} is not a whole number of steps of {step_size!r}; "
            f"steps of {time / max(1, step)!r} reach it"
        )
    return step


@dataclass(frozen=True, kw_only=True)
class When:
    """Either every so many steps (the start included), or at given times."""

    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0

    def steps(self, total: int, step_size: float) -> list[int]:
        """Increasing steps from 0 (the start) to ``total``."""
        if (self.every is None) == (self.times is None):
            raise ArgumentError("a recorder takes either every=... (steps) or times=...")
        if self.every is not None:
            if self.every < 1:
                raise ArgumentError(f"every needs to be at least 1, got {self.every}")
            start = -(-step_of(self.after, step_size, "the time") // self.every) * self.every
            return list(range(start, total + 1, self.every))
        assert self.times is not None
        steps = sorted({step_of(float(t), step_size, "the time") for t in self.times})
        if steps and steps[-1] > total:
            raise ArgumentError(f"the run ends at step {total}, before step {steps[-1]}")
        return steps


@runtime_checkable
class Recorder(Protocol):
    """One thing to remember."""

    @property
    def name(self) -> str:
        """Key of the record."""

    @property
    def when(self) -> When:
        """When it is observed."""


@dataclass(frozen=True, kw_only=True)
class TestFunctions:
    """Means over particles of functions of the position, with their variances.

    Parameters
    ----------
    functions : mapping of name to callable
        Each takes x with ``x[j]`` the coordinates and returns one value per particle, in the
        words of ``solvers.particles.language`` (or numpy's functions of the same names).
    every, times, after
        See ``When``.
    over_time : bool
        Average over the recorded times too; the record then has one row, and its standard error
        comes from independent groups of particles.
    """

    functions: Mapping[str, Function]
    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0
    over_time: bool = False
    name: str = "functions"

    __test__ = False  # not a test, whatever its name

    @property
    def when(self) -> When:
        """When it is observed."""
        return When(every=self.every, times=self.times, after=self.after)

    def parts(self, dim: int) -> dict[str, Function]:
        """Name to function."""
        return dict(self.functions)


def _monomial(*coordinates: int) -> Function:
    def product(x: Any) -> Any:
        value = x[coordinates[0]]
        for j in coordinates[1:]:
            value = value * x[j]
        return value

    return product


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean vector and covariance matrix over particles (diagonal only if ``cross`` is False)."""

    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0
    cross: bool = True
    over_time: bool = False
    name: str = "moments"

    @property
    def when(self) -> When:
        """When it is observed."""
        return When(every=self.every, times=self.times, after=self.after)

    def parts(self, dim: int) -> dict[str, Function]:
        """x_i, then x_i x_j for i <= j."""
        first = {f"x{i}": _monomial(i) for i in range(dim)}
        pairs = [(i, j) for i in range(dim) for j in range(i, dim) if self.cross or i == j]
        return first | {f"x{i} x{j}": _monomial(i, j) for i, j in pairs}


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of particles in the cells of a uniform grid over some coordinates.

    Parameters
    ----------
    edges : tuple of (low, high, cells), one for each of ``axes``
    axes : tuple of int
        The coordinates that are binned; the others are summed out.
    over_time : bool
        Add up over the recorded times too; the record then has one row, however long the run.
    """

    edges: tuple[tuple[float, float, int], ...]
    axes: tuple[int, ...] = (0,)
    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0
    over_time: bool = False
    name: str = "histogram"

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.axes) or not self.axes:
            raise ArgumentError("a histogram needs one (low, high, cells) per axis")
        for low, high, cells in self.edges:
            if not (np.isfinite(low) and np.isfinite(high) and low < high and cells >= 1):
                raise ArgumentError(
                    f"a histogram needs low < high and cells >= 1, got {self.edges}"
                )

    @property
    def when(self) -> When:
        """When it is observed."""
        return When(every=self.every, times=self.times, after=self.after)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells per axis."""
        return tuple(int(cells) for _, _, cells in self.edges)

    def arrays(self) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
        """Lower ends, cells per unit length, and numbers of cells."""
        lows, highs, cells = (np.array(column) for column in zip(*self.edges, strict=True))
        return lows.astype(float), cells / (highs - lows), cells.astype(np.int64)

    @property
    def size(self) -> int:
        """Cells in all."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """Whole ensembles at a few times."""

    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0
    name: str = "snapshots"

    @property
    def when(self) -> When:
        """When it is observed."""
        return When(every=self.every, times=self.times, after=self.after)
