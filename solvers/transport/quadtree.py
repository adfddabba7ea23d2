"""A plane law made constant on few boxes, at a known transport distance from the original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray


class Boxes(NamedTuple):
    """A law constant on boxes.

    mass (k,), centre (k, 2), side (k, 2); ``distance`` bounds W2 to the law it came from.
    """

    mass: FloatArray
    centre: FloatArray
    side: FloatArray
    distance: float


class _Level(NamedTuple):
    mass: FloatArray  # (m_1, m_2)
    edges: tuple[FloatArray, FloatArray]
    cost: FloatArray  # mass-weighted squared distance, box by box, from the finest law


def boxes_of(law: FloatArray, axes: Sequence[FloatArray], most: int) -> Boxes:
    """Merge the cells of a grid law into at most ``most`` boxes, cheapest first.

    A box of 2 x 2 children is reached from them at the cost of Knothe's coupling, and from the
    finest cells by the triangle inequality within the box; costs of disjoint boxes add. A box is
    kept whole when its cost is below a threshold, found by bisection.
    """
    levels = _levels(law, axes)
    low, high = 0.0, float(levels[-1].cost.sum()) + 1e-300
    chosen = _leaves(levels, high)
    for _ in range(40):
        middle = np.sqrt(max(low, 1e-12 * high) * high)
        leaves = _leaves(levels, middle)
        if sum(int(keep.sum()) for keep in leaves) <= most:
            high, chosen = middle, leaves
        else:
            low = middle
    mass, centre, side, cost = [], [], [], 0.0
    for level, keep in zip(levels, chosen, strict=True):
        i, j = np.nonzero(keep)
        mass.append(level.mass[i, j])
        sides = [np.diff(e) for e in level.edges]
        middles = [(e[1:] + e[:-1]) / 2 for e in level.edges]
        centre.append(np.stack([middles[0][i], middles[1][j]], 1))
        side.append(np.stack([sides[0][i], sides[1][j]], 1))
        cost += float(level.cost[i, j].sum())
    return Boxes(
        np.concatenate(mass), np.concatenate(centre), np.concatenate(side), float(np.sqrt(cost))
    )


def _levels(law: FloatArray, axes: Sequence[FloatArray]) -> list[_Level]:
    """From the finest law to one box; an odd last row stays a box of its own height."""
    edges = (np.asarray(axes[0]), np.asarray(axes[1]))
    levels = [_Level(law, edges, np.zeros_like(law))]
    while max(levels[-1].mass.shape) > 1:
        levels.append(_merged(levels[-1]))
    return levels


def _merged(fine: _Level) -> _Level:
    """Boxes of 2 x 2, with sides as they come."""
    mass, edges = fine.mass, list(fine.edges)
    merge_cost = np.zeros(tuple((n + 1) // 2 for n in mass.shape))
    for axis in (0, 1):
        mass, edges[axis], cost = _merge_axis(mass, edges[axis], axis)
        # axis 0 is merged column by column; those columns' costs are then summed over the pair
        merge_cost += cost if axis == 1 else _sum_pairs(cost, 1)
    children = _sum_pairs(_sum_pairs(fine.cost, 0), 1)
    return _Level(mass, (edges[0], edges[1]), (np.sqrt(children) + np.sqrt(merge_cost)) ** 2)


def _sum_pairs(a: FloatArray, axis: int) -> FloatArray:
    if a.shape[axis] % 2:
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 1)
        a = np.pad(a, pad)
    return np.asarray(np.add.reduceat(a, np.arange(0, a.shape[axis], 2), axis=axis))


def _merge_axis(
    mass: FloatArray, edges: FloatArray, axis: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Merge neighbours along an axis: masses, edges, and mass-weighted squared distances.

    Two cells of shares s, 1 - s of the mass and t, 1 - t of the length w become uniform at the
    squared distance (s - t)^2 w^2 / 3.
    """
    shape = [1, 1]
    shape[axis] = -1
    merged = _sum_pairs(mass, axis)
    first = np.take(mass, np.arange(0, mass.shape[axis], 2), axis=axis)
    starts = edges[:-1:2]
    ends = np.append(edges[2::2], edges[-1:]) if mass.shape[axis] % 2 else edges[2::2]
    length = ends - starts
    middles = edges[1::2] if mass.shape[axis] % 2 == 0 else np.append(edges[1:-1:2], edges[-1])
    part = ((middles - starts) / length).reshape(shape)
    share = np.divide(
        first, merged, out=np.broadcast_to(part, merged.shape).copy(), where=merged > 0
    )
    cost = merged * (share - part) ** 2 * (length.reshape(shape)) ** 2 / 3
    return merged, np.append(starts, edges[-1]), cost


def _leaves(levels: Sequence[_Level], threshold: float) -> list[npt.NDArray[np.bool_]]:
    """Which boxes of each level are kept whole: the largest with cost below the threshold."""
    keep: list[npt.NDArray[np.bool_]] = []
    open_ = np.ones(levels[-1].mass.shape, dtype=bool)
    for depth in range(len(levels) - 1, -1, -1):
        level = levels[depth]
        whole = open_ & (level.cost <= threshold) if depth else open_
        keep.append(whole & (level.mass > 0))
        if depth:
            split = np.repeat(np.repeat(open_ & ~whole, 2, 0), 2, 1)
            open_ = split[: levels[depth - 1].mass.shape[0], : levels[depth - 1].mass.shape[1]]
    return keep[::-1]
