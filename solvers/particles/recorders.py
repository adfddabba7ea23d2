"""What is remembered of a run without storing its trajectories.

A recorder says what to observe and when; the run returns one record per recorder, by name. Sums
over particles are formed pairwise within blocks and with compensation between them, so that they
depend on neither the number of threads nor the number of particles' order of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

FloatArray = npt.NDArray[np.float64]
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
    """

    edges: tuple[tuple[float, float, int], ...]
    axes: tuple[int, ...] = (0,)
    every: int | None = None
    times: Sequence[float] | None = None
    after: float = 0.0
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


@dataclass(frozen=True, kw_only=True)
class MeanRecord:
    """Means over particles.

    Attributes
    ----------
    times : array (T,)
    names : tuple of str, length q
    count : int
        Independent replicates behind each mean: particles, or groups of them.
    mean, second : array (T, q)
        Means of f and of f^2 (of the groups' averages, when averaged over time).
    """

    times: FloatArray
    names: tuple[str, ...]
    count: int
    mean: FloatArray
    second: FloatArray

    @property
    def variance(self) -> FloatArray:
        """Unbiased variance over replicates, shape (T, q)."""
        n = self.count
        return np.asarray(np.maximum(self.second - self.mean**2, 0.0) * (n / max(1, n - 1)))

    @property
    def standard_error(self) -> FloatArray:
        """Standard error of the mean, shape (T, q)."""
        return np.asarray(np.sqrt(self.variance / self.count))

    def of(self, name: str) -> FloatArray:
        """Mean of one function over time, shape (T,)."""
        return np.asarray(self.mean[:, self.names.index(name)])


@dataclass(frozen=True, kw_only=True)
class MomentRecord(MeanRecord):
    """Moments over particles; ``dim`` coordinates."""

    dim: int

    @property
    def position(self) -> FloatArray:
        """Mean position, shape (T, d)."""
        return self.mean[:, : self.dim]

    @property
    def covariance(self) -> FloatArray:
        """Covariance with divisor n, shape (T, d, d); unknown entries are nan."""
        d = self.dim
        result = np.full((len(self.times), d, d), np.nan)
        for k, name in enumerate(self.names[d:], start=d):
            i, j = (int(part[1:]) for part in name.split())
            value = self.mean[:, k] - self.mean[:, i] * self.mean[:, j]
            result[:, i, j] = result[:, j, i] = value
        return result


@dataclass(frozen=True, kw_only=True)
class HistogramRecord:
    """Counts (T, *cells), and how many particles fell outside, (T,)."""

    times: FloatArray
    counts: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]
    edges: tuple[FloatArray, ...]

    @property
    def masses(self) -> FloatArray:
        """Fractions of all particles, shape (T, *cells)."""
        axes = tuple(range(1, self.counts.ndim))
        total = self.counts.sum(axis=axes) + self.outside
        return np.asarray(self.counts / total.reshape(-1, *[1] * len(axes)))


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord:
    """Positions (T, n, d) at times (T,)."""

    times: FloatArray
    positions: npt.NDArray[Any]


@dataclass
class Sums:
    """Sums of f and f^2 over particles at every recorded time, or one running sum over time."""

    recorder: TestFunctions | Moments
    dim: int
    count: int
    rows: list[FloatArray] = field(default_factory=list)
    running: FloatArray | None = None
    lost: FloatArray | None = None
    observed: int = 0

    def add(self, groups: FloatArray) -> None:
        """``groups`` (g, q, 2): sums over each group of particles."""
        self.observed += 1
        if not self.recorder.over_time:
            self.rows.append(compensated_sum(groups))
            return
        if self.running is None or self.lost is None:
            self.running, self.lost = np.zeros_like(groups), np.zeros_like(groups)
        total = self.running + groups  # Neumaier's compensation, group by group
        larger = np.abs(self.running) >= np.abs(groups)
        self.lost += np.where(
            larger, (self.running - total) + groups, (groups - total) + self.running
        )
        self.running = total


def compensated_sum(groups: FloatArray) -> FloatArray:
    """Sum over axis 0 with Neumaier's compensation."""
    from .record_kernel import neumaier

    return np.asarray(neumaier(np.ascontiguousarray(groups.reshape(len(groups), -1)))).reshape(
        groups.shape[1:]
    )


def finish(sums: Sums, times: FloatArray, sizes: npt.NDArray[np.int64]) -> MeanRecord:
    """The record of finished sums; ``sizes`` (g,) are the groups' numbers of particles."""
    names = tuple(sums.recorder.parts(sums.dim))
    if sums.recorder.over_time:
        assert sums.running is not None
        assert sums.lost is not None
        whole = sizes == sizes.max()  # groups of equal size are exchangeable replicates
        means = ((sums.running + sums.lost)[whole, :, 0]) / (sizes.max() * sums.observed)
        count = int(whole.sum())
        mean, second = means.mean(axis=0)[None], (means**2).mean(axis=0)[None]
        times = times[-1:]
    else:
        stacked = np.array(sums.rows).reshape(len(sums.rows), len(names), 2) / sums.count
        mean, second, count = stacked[..., 0], stacked[..., 1], sums.count
    if isinstance(sums.recorder, Moments):
        return MomentRecord(
            times=times, names=names, count=count, mean=mean, second=second, dim=sums.dim
        )
    return MeanRecord(times=times, names=names, count=count, mean=mean, second=second)
