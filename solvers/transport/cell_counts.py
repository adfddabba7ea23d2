"""How many samples fall into each cell of a grid: one pass, no sorting, any number of threads."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError

from .threads import run_all

_PART = 1 << 17  # samples counted at once by one thread
_PER_CELL = 8  # buckets of the lookup table for each cell


def count_cells(x: npt.ArrayLike, edges: Sequence[FloatArray]) -> IntArray:
    """Counts of particles x (n, d) in the cells of a tensor grid.

    Those outside are in no cell: they are n minus the sum of the counts.
    Even cells are found by a multiplication, others by a lookup table of even buckets and a
    bisection within the bucket. A particle within rounding of an edge may be on either side.

    Parameters
    ----------
    x : array (n, d), or (n,) in one dimension
    edges : d increasing arrays (n_i + 1,)

    Returns
    -------
    array (n_1, ..., n_d) of int

    Raises
    ------
    ArgumentError
        When shapes differ, edges do not increase, or a particle is not finite.
    """
    points = np.asarray(x, dtype=float)
    points = points[:, None] if points.ndim == 1 and len(edges) == 1 else points
    if points.ndim != 2 or points.shape[1] != len(edges):
        raise ArgumentError(
            f"need finite particles (n, {len(edges)}) for {len(edges)} axes, got {points.shape}"
        )
    axes = [np.ascontiguousarray(e, dtype=float) for e in edges]
    shape = tuple(e.size - 1 for e in axes)
    if any(e.ndim != 1 or e.size < 2 or not e[0] < e[-1] for e in axes):
        raise ArgumentError("grid edges must be finite and increasing")
    cells = int(np.prod(shape))
    if len(axes) <= 2 and cells < 2**30 and all(_is_even(e) for e in axes):
        count = functools.partial(_even, axes=axes)
    else:
        count = functools.partial(_uneven, axes=axes, tables=[_table(e) for e in axes])
    found = run_all(count, [(points[k : k + _PART],) for k in range(0, len(points), _PART)])
    if any(bad for _, bad in found):
        raise ArgumentError("need finite particles")
    total = np.sum([counts for counts, _ in found] or np.zeros((1, cells), int), 0)
    return np.asarray(total.reshape(shape), dtype=np.int64)


def _is_even(edges: FloatArray) -> bool:
    step = (edges[-1] - edges[0]) / (edges.size - 1)
    return bool(np.abs(np.diff(edges) - step).max() <= 1e-12 * max(step, np.abs(edges).max()))


def _even(points: FloatArray, axes: Sequence[FloatArray]) -> tuple[IntArray, int]:
    from .counting_kernels import count_even, count_plane

    ends = [(e[0], e[-1], (e.size - 1) / (e[-1] - e[0])) for e in axes]
    counts = np.zeros([e.size + 1 for e in axes], dtype=np.int64)
    if len(axes) == 1:
        bad = count_even(np.ascontiguousarray(points[:, 0]), *ends[0], counts)
        return counts[1:-1], bad
    lows, highs, scales = np.array(ends).T
    pairs = np.ascontiguousarray(points).reshape(-1)
    bad = count_plane(pairs, lows, highs, scales, counts.shape[1], counts.reshape(-1))
    return counts[1:-1, 1:-1].reshape(-1), bad


def _uneven(
    points: FloatArray, axes: Sequence[FloatArray], tables: Sequence[npt.NDArray[np.uint64]]
) -> tuple[IntArray, int]:
    from .counting_kernels import count_found, find_cells

    shape = [e.size - 1 for e in axes]
    found, bad, stride = np.zeros(len(points), dtype=np.int64), 0, 1
    for axis in reversed(range(len(axes))):
        edges, table = axes[axis], tables[axis]
        scale = (table.size - 1) / (edges[-1] - edges[0])
        column = np.ascontiguousarray(points[:, axis])
        bad += find_cells(column, edges, table, scale, stride, found)
        stride *= shape[axis]
    counts = np.zeros(stride, dtype=np.int64)
    count_found(found, counts)
    return counts, bad


def _table(edges: FloatArray) -> npt.NDArray[np.uint64]:
    """The cell of the left end of each of the even buckets, and of the right end of the last."""
    if np.any(np.diff(edges) <= 0) or not np.all(np.isfinite(edges)):
        raise ArgumentError("grid edges must be finite and increasing")
    ends = np.linspace(edges[0], edges[-1], _PER_CELL * (edges.size - 1) + 1)
    found = np.searchsorted(edges, ends, side="right") - 1
    return np.clip(found, 0, edges.size - 2).astype(np.uint64)


def merge_thin_cells(
    counts: npt.ArrayLike, reference: npt.ArrayLike, *, least: float = 10.0, many: float = 60.0
) -> tuple[FloatArray, FloatArray]:
    """Counts and reference masses of cells, thin ones united; in one or two dimensions.

    A cell is thin that expects fewer than ``least`` counts from the reference and holds fewer than
    ``many``. Thin cells go up a quadtree until their union is not; so unions are of neighbours,
    hardly ever depend on the sample at equality, and resolve a sample from elsewhere where it is.

    Parameters
    ----------
    counts, reference : arrays (n,) or (n_1, n_2)
        Reference masses; normalised here.

    Returns
    -------
    two arrays (k,), summing to the number of samples and to one
    """
    number, mass = np.asarray(counts, dtype=float), np.asarray(reference, dtype=float)
    if number.shape != mass.shape or number.ndim not in (1, 2) or not 0 < mass.sum() < np.inf:
        raise ArgumentError(
            f"need counts and reference masses of one shape in one or two dimensions, got "
            f"{number.shape} and {mass.shape}"
        )
    from .counting_kernels import merge_thin

    total, mass = number.sum(), mass / mass.sum()
    held, wanted = np.empty((2, number.size))
    plane = (len(number), -1)
    found = merge_thin(
        number.reshape(plane), (total * mass).reshape(plane), least, many, held, wanted
    )
    return held[:found], wanted[:found] / total
