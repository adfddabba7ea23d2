"""Histogram cells that suit a reference law: as fine as asked, none nearly empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError

MANY = 60.0  # P(Poisson(10) >= 60) < 1e-26


def balanced_partition(
    masses: npt.ArrayLike,
    widths: Sequence[float],
    least: float,
    counts: npt.ArrayLike | None = None,
    *,
    many: float = MANY,
) -> IntArray:
    """Label the cells of a tensor grid by the box that each belongs to.

    Boxes are cut across their longest side (in units of the asked width) as near to the middle as
    leaves both sides enough: a reference mass of ``least``, or ``many`` counts. A sample from the
    reference practically never has so many where ``least`` forbids a cut, so that at equality the
    boxes do not depend on it; a sample from elsewhere is resolved where it is.

    Parameters
    ----------
    masses : array (n_1, ..., n_d)
        Reference cell masses.
    widths : d numbers
        Asked side of a box along each axis, in grid cells.
    least : float
        Smallest reference mass of a box; ten expected counts are usual.
    counts : array (n_1, ..., n_d), optional
        The sample's grid histogram.
    many : float
        Sixty counts where ``least`` asks for ten expected ones.

    Returns
    -------
    array (n_1, ..., n_d) of int, labels 0, 1, ...
    """
    mass = np.asarray(masses, dtype=float)
    total = mass.sum()
    if len(widths) != mass.ndim or not total > 0:
        raise ArgumentError("a partition needs one width per axis and some mass")
    enough = [mass / (total * least)]
    if counts is not None:
        enough.append(np.asarray(counts, dtype=float) / many)
    labels = np.zeros(mass.shape, dtype=np.int64)
    stack, count = [tuple((0, n) for n in mass.shape)], 0
    while stack:
        box = stack.pop()
        halves = _cut(enough, box, widths)
        if halves is None:
            labels[tuple(slice(*side) for side in box)] = count
            count += 1
        else:
            stack.extend(halves)
    return labels


def box_widths(masses: FloatArray, counts: FloatArray, cells: int) -> list[float]:
    """Sides, in grid cells, that put ``cells`` boxes across the bulk of each marginal.

    The bulk holds all but 2e-4 of the reference's or the sample's marginal, whichever is narrower;
    no box is narrower than a grid cell.
    """
    if cells < 1:
        raise ArgumentError(f"a histogram needs at least one cell, got {cells}")
    return [
        max(1.0, min(_central_cells(a, axis) for a in (masses, counts)) / cells)
        for axis in range(masses.ndim)
    ]


def _central_cells(mass: FloatArray, axis: int) -> float:
    """Number of grid cells between the 1e-4 and the 1 - 1e-4 quantile of a marginal."""
    marginal = mass.sum(axis=tuple(a for a in range(mass.ndim) if a != axis))
    below = np.cumsum(marginal) / marginal.sum()
    low, high = np.searchsorted(below, [1e-4, 1 - 1e-4])
    return float(high - low + 1)


Box = tuple[tuple[int, int], ...]


def _cut(enough: Sequence[FloatArray], box: Box, widths: Sequence[float]) -> tuple[Box, Box] | None:
    """Both halves of a box, or None when it should stay whole.

    A half has enough when at least one of the measures gives it one.
    """
    inside = [measure[tuple(slice(*side) for side in box)] for measure in enough]
    lengths = np.array([(b - a) / w for (a, b), w in zip(box, widths, strict=True)])
    for axis in np.argsort(-lengths, kind="stable"):
        low, high = box[axis]
        # a side of one asked width is kept; up to sqrt 2 rounds to one
        if lengths[axis] < np.sqrt(2) or high - low < 2:
            continue
        others = tuple(a for a in range(len(box)) if a != axis)
        below = np.stack([np.cumsum(measure.sum(axis=others)) for measure in inside])
        left, right = below[:, :-1], below[:, -1:] - below[:, :-1]
        allowed = np.flatnonzero((left.max(0) >= 1) & (right.max(0) >= 1))
        if allowed.size == 0:
            continue
        middle = (high - low) / 2 - 1
        at = low + 1 + int(allowed[np.argmin(np.abs(allowed - middle))])
        first, second = ((*box[:axis], side, *box[axis + 1 :]) for side in ((low, at), (at, high)))
        return first, second
    return None
