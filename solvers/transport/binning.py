"""The binned W2 of two samples: one pass over each, then a walk along the bins."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError

from .interval import DistanceInterval
from .threads import run_all

_LOOK = 1024  # samples looked at to choose the range of the bins
_MOST = 1 << 20


class _Bins(NamedTuple):
    """Equal bins from ``low``; ``within`` bits of a sample's place tell where in its bin it is."""

    low: float
    width: float
    number: int
    within: int


class _Atoms(NamedTuple):
    """A binned sample: counts and means in increasing order, and a bound on E Var(X | bin)."""

    number: IntArray
    place: FloatArray
    variance: float


def binned_interval(x: npt.ArrayLike, y: npt.ArrayLike, number: int) -> DistanceInterval:
    """See ``one_dimensional.w2_samples_binned``."""
    from .quantile_kernels import monotone_spread

    samples = [np.ascontiguousarray(s, dtype=float).reshape(-1) for s in (x, y)]
    if not 1 <= number <= _MOST or min(s.size for s in samples) == 0:
        raise ArgumentError(f"need 1 to {_MOST} bins and at least one sample on each side")
    bins = _bulk(samples, number)
    found = _binned(samples, bins, 8)
    if found is None:
        bins = _range(samples, number)
        found = _binned(samples, bins, 1)
    if found is None:
        raise ArgumentError("W2 needs finite samples")
    a, b = found
    n, m = (s.size for s in samples)
    common = math.gcd(n, m)
    cost, within_b, within_a = (
        sum_ / (n // common * m)
        for sum_ in monotone_spread(
            a.number * (m // common), a.place, b.number * (n // common), b.place
        )
    )
    triangle = math.sqrt(a.variance) + math.sqrt(b.variance)
    error = (
        2 * math.sqrt(a.variance * within_b) + 2 * math.sqrt(b.variance * within_a) + triangle**2
    )
    ends = [*a.place[[0, -1]], *b.place[[0, -1]]]
    # each place is off by half a unit at most, which moves each sample's law by as much
    rounding = bins.width / 2**bins.within + 1e-13 * (max(ends) - min(ends))
    middle = math.sqrt(cost)
    lower = max(math.sqrt(max(cost - error, 0.0)), middle - triangle) - rounding
    upper = min(math.sqrt(cost + error), middle + triangle) + rounding
    return DistanceInterval(lower=max(lower, 0.0), upper=upper, how="binned")


def _bulk(samples: list[FloatArray], number: int) -> _Bins:
    """Bins over what a look at some samples says holds nearly all of them."""
    ends = []
    for sample in samples:
        some = np.sort(sample[:: max(sample.size // _LOOK, 1)])
        skip = some.size // 200
        ends += [some[skip], some[-1 - skip]]
    margin = 0.35 * (max(ends) - min(ends))
    return _bins(min(ends) - margin, max(ends) + margin, number)


def _range(samples: list[FloatArray], number: int) -> _Bins:
    """Bins over all samples."""
    low, high = min(s.min() for s in samples), max(s.max() for s in samples)
    return _bins(float(low), float(high), number)


def _bins(low: float, high: float, number: int) -> _Bins:
    if not math.isfinite(high - low):
        raise ArgumentError("W2 needs finite samples")
    from .counting_kernels import PLACE

    within = PLACE - (number - 1).bit_length()
    # a unit of place stays above what the samples themselves resolve
    least = 2.0**within * float(np.spacing(max(abs(low), abs(high), 1e-290)))
    return _Bins(low, max((high - low) / number, least), number, within)


def _binned(samples: list[FloatArray], bins: _Bins, share: int) -> list[_Atoms] | None:
    """Both binned samples; None when more than one in ``share`` of a part was outside."""
    from .counting_kernels import CHUNK

    tasks = [(s[k : k + CHUNK], bins, share) for s in samples for k in range(0, s.size, CHUNK)]
    found = run_all(_counted, tasks)
    if any(part is None for part in found):
        return None
    first = -(-samples[0].size // CHUNK)
    return [_atoms(several, bins) for several in (found[:first], found[first:])]


def _counted(
    x: FloatArray, bins: _Bins, share: int
) -> tuple[IntArray, IntArray, FloatArray] | None:
    """Counts per bin, sums of places within bins, and the samples outside."""
    from .counting_kernels import bin_places

    counts, places = np.zeros((2, bins.number), dtype=np.int64)
    outside = np.empty(x.size // share + 64)
    lost = bin_places(x, bins.low, bins.width, bins.within, counts, places, outside)
    return None if lost > outside.size else (counts, places, outside[:lost])


def _atoms(parts: list[tuple[IntArray, IntArray, FloatArray]], bins: _Bins) -> _Atoms:
    from .counting_kernels import bin_atoms

    counts, places = (sum(part[k] for part in parts[1:]) + parts[0][k] for k in (0, 1))
    outside = np.sort(np.concatenate([part[2] for part in parts]))
    if outside.size and not math.isfinite(outside[-1] - outside[0]):
        raise ArgumentError("W2 needs finite samples")
    size, place = np.empty(bins.number, dtype=np.int64), np.empty(bins.number)
    full, spread = bin_atoms(counts, places, bins.low, bins.width, bins.within, size, place)
    size, place = size[:full], place[:full]
    variance = float(spread) * bins.width**2 / (int(size.sum()) + outside.size)
    if outside.size:
        below = int(np.searchsorted(outside, bins.low))
        ones = np.ones(outside.size, dtype=np.int64)
        size = np.concatenate([ones[:below], size, ones[below:]])
        place = np.concatenate([outside[:below], place, outside[below:]])
    return _Atoms(size, place, variance)
