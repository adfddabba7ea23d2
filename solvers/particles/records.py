"""What recorders leave behind, and the sums and counts that become it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray

from .recorders import Histogram, Moments, TestFunctions


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
class Counts:
    """Counts of one histogram: a row of cells, the outside last, per time or for all of them."""

    recorder: Histogram
    rows: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def add(self, counts: npt.NDArray[np.int64]) -> None:
        """``counts`` (cells + 1,), of one time or already of several."""
        if self.recorder.over_time and self.rows:
            self.rows[0] += counts
        else:
            self.rows.append(counts.copy())

    def record(self, times: FloatArray) -> HistogramRecord:
        """What was counted at these times."""
        rows = np.array(self.rows, dtype=np.int64).reshape(len(self.rows), self.recorder.size + 1)
        edges = (np.linspace(a, b, int(n) + 1) for a, b, n in self.recorder.edges)
        return HistogramRecord(
            times=times[-1:] if self.recorder.over_time else times,
            counts=rows[:, :-1].reshape(len(rows), *self.recorder.shape),
            outside=rows[:, -1],
            edges=tuple(edges),
        )


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
