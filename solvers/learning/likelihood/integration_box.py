"""A box that holds the mass of exp(-U), found by looking; and the blocks of it that matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

Potential = Callable[[FloatArray], FloatArray]
Box = tuple[tuple[float, float], ...]

#: points per axis of the search, by dimension
_POINTS = {1: 257, 2: 65, 3: 25, 4: 13, 5: 9}
_ROUNDS = 40
_SLOWEST = 0.9  # of a shell's mass to that of the one before
_CHUNK = 1 << 17


def checked_box(box: Sequence[Sequence[float]], dim: int) -> Box:
    """The box as floats; refuses what is not d increasing pairs."""
    pairs = tuple((float(a), float(b)) for a, b in box)
    if len(pairs) != dim or not all(np.isfinite([a, b]).all() and a < b for a, b in pairs):
        raise ArgumentError(f"a box needs {dim} finite increasing pairs, got {pairs}")
    return pairs


def box_around(points: npt.ArrayLike, margin: float = 0.5) -> Box:
    """The bounding box of points (n, d), wider by ``margin`` of each side at both ends."""
    x = np.asarray(points, dtype=float)
    if x.ndim != 2 or x.size == 0 or not np.all(np.isfinite(x)):
        raise ArgumentError(f"need finite points (n, d), got shape {x.shape}")
    low, high = x.min(0), x.max(0)
    reach = margin * np.maximum(high - low, 1e-3)
    return tuple(zip((low - reach).tolist(), (high + reach).tolist(), strict=True))


def axes_of(box: Box, count: int) -> list[FloatArray]:
    """``count`` equally spaced points along each side, both ends included."""
    return [np.linspace(low, high, count) for low, high in box]


def mesh(axes: Sequence[FloatArray]) -> FloatArray:
    """All points of the tensor grid, last axis fastest: (prod n_i, d)."""
    grids = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.ravel() for g in grids], axis=1)


def in_chunks(potential: Potential, points: FloatArray) -> FloatArray:
    """U at many points in slices of bounded memory; infinite where it is not a number."""
    parts = [potential(points[i : i + _CHUNK]) for i in range(0, len(points), _CHUNK)]
    values = np.concatenate([np.asarray(p, dtype=float) for p in parts])
    return np.where(np.isnan(values), np.inf, values)


def mass_box(potential: Potential, start: Box, drop: float) -> Box:
    """The bounding box of {U < min U + drop}, from a first guess that meets it.

    The box grows at a side that the set touches and shrinks to the set elsewhere, until it is
    stable. A part of the set that no grid of the search meets is missed.

    Raises
    ------
    SolverError
        The set keeps growing: exp(-U) does not decay, or too slowly for a box.
    """
    box = start
    for _ in range(_ROUNDS):
        axes = axes_of(box, _POINTS[len(box)])
        values = in_chunks(potential, mesh(axes)).reshape(*(a.size for a in axes))
        least = values.min()
        if least == -np.inf or not np.isfinite(least):
            raise SolverError(f"the potential is {least} within {box}", last_state=box)
        inside = values < least + drop
        new = []
        for axis, (at, (low, high)) in enumerate(zip(axes, box, strict=True)):
            others = tuple(a for a in range(len(box)) if a != axis)
            hit = np.flatnonzero(inside.any(axis=others))
            first, last = int(hit[0]), int(hit[-1])
            left = at[first - 1] if first > 0 else low - 0.5 * (high - low)
            right = at[last + 1] if last + 1 < at.size else high + 0.5 * (high - low)
            new.append((float(left), float(right)))
        old, box = box, tuple(new)
        moved = max(
            max(abs(a - c), abs(b - d)) / (d - c) for (a, b), (c, d) in zip(old, box, strict=True)
        )
        if moved < 0.1:
            return box
    raise SolverError(
        f"no box holds exp(-U): after {_ROUNDS} rounds {{U < min U + {drop:g}}} still grows",
        last_state=box,
    )


def mass_beyond(potential: Potential, box: Box) -> float:
    """log int exp(-U) outside a box, at most, from two shells around it.

    Of the boxes 2 and 4 times as large, the shell from one to the next holds s_1 and then s_2; as
    U goes on growing along the rays the rest falls at least like s_2 / s_1, and the sum is
    s_1 / (1 - s_2 / s_1). Doubled, since the shells are sampled coarsely.

    Raises
    ------
    SolverError
        The shells hardly fall: the tails are too heavy for any box.
    """
    shells, inner = [], box
    for _ in range(2):
        outer = tuple(((3 * a - b) / 2, (3 * b - a) / 2) for a, b in inner)
        axes = axes_of(outer, 2 * _POINTS[len(box)])
        points = mesh(axes)
        held = np.all([(a <= x) & (x <= b) for x, (a, b) in zip(points.T, inner, strict=True)], 0)
        cell = sum(float(np.log(axis[1] - axis[0])) for axis in axes)
        with np.errstate(over="ignore"):
            shells.append(float(logsumexp(-in_chunks(potential, points[~held]))) + cell)
        inner = outer
    ratio = float(np.exp(min(shells[1] - shells[0], 0.0))) if shells[0] > -np.inf else 0.0
    if ratio > _SLOWEST:
        raise SolverError(
            f"the tails of exp(-U) are too heavy for a box: twice as far out lies {ratio:.3g} of "
            f"what lies outside {box}",
            last_state=box,
        )
    return shells[0] - float(np.log1p(-ratio)) + float(np.log(2.0))


def blocks_that_matter(
    potential: Potential, box: Box, blocks: int, drop: float
) -> npt.NDArray[np.bool_]:
    """Which of blocks^d equal blocks meet {U < min U + drop}, by their corners and neighbours.

    Returns
    -------
    array (blocks, ..., blocks) of bool
    """
    dim = len(box)
    axes = axes_of(box, 2 * blocks + 1)
    values = in_chunks(potential, mesh(axes)).reshape(*(a.size for a in axes))
    inside = values < values.min() + drop
    for axis in range(dim):
        # a block spans two intervals of this grid: its three points, and one more on either side
        padded = np.concatenate([np.zeros_like(inside.take([0], axis)), inside], axis)
        padded = np.concatenate([padded, np.zeros_like(inside.take([0], axis))], axis)
        index = 2 * np.arange(blocks)
        inside = np.logical_or.reduce([padded.take(index + k, axis) for k in range(5)])
    return np.asarray(inside, dtype=bool)
