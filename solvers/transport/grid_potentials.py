"""A lower bound on W2 between plane grid laws from potentials, proved on the whole plane.

For convex conjugates phi, phi* on the plane, x . y <= phi(x) + phi*(y), so

    W2^2 >= E|X|^2 + E|Y|^2 - 2 E phi(X) - 2 E phi*(Y).

phi is the largest of the planes x -> x . y_j - psi_j over grid nodes y_j. At nodes, phi(x_i) is a
discrete transform of psi, and phi*(y_j) <= psi_j. Between nodes both are convex, hence below their
multilinear interpolation, whose average over a cell is exact arithmetic. The excess is second
order in the spacing of the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray

from .duality import ROUNDING, squared_distances
from .quadtree import Boxes


def dual_bound_on_grid(
    laws: Sequence[FloatArray], axes: Sequence[FloatArray], potential: FloatArray, parts: int
) -> float:
    """Lower bound on W2^2 between two piecewise constant plane laws.

    Parameters
    ----------
    laws : two arrays (n_1, n_2)
    axes : two edge arrays
    potential : array (n_1, n_2)
        A potential f of the first law at the cells' centres; any numbers give a true bound.
    parts : int
        Each cell is cut into parts x parts for the transforms.
    """
    edges = [_refined(e, parts) for e in axes]
    fine = [np.pad(np.repeat(np.repeat(a, parts, 0), parts, 1) / parts**2, 1) for a in laws]
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    g = _transform(potential, [(e[1:] + e[:-1]) / 2 for e in axes], centres)
    f = _transform(g, centres, centres)
    g = _transform(f, centres, centres)
    squares = [c**2 for c in centres]
    norm = squares[0][:, None] + squares[1]
    total, largest = 0.0, float(norm.max())
    for law, h in zip(fine, (f, g), strict=True):
        convex = (norm - h) / 2
        largest = max(largest, float(np.abs(convex).max()))
        moment = sum(
            law.sum(1 - axis) @ (squares[axis] + np.diff(edges[axis]) ** 2 / 12) for axis in (0, 1)
        )
        total += float(moment - 2 * (law * _cell_average(convex, centres, edges)).sum())
    return total - 8 * ROUNDING * largest


def extended_potential(
    axes: Sequence[FloatArray], boxes: Boxes, g: FloatArray, softness: float
) -> FloatArray:
    """-e log sum_k m_k exp((g_k - |x - y_k|^2) / e) at the cells' centres; e = ``softness``.

    The soft transform of a potential that is known at boxes' centres y_k only. Between them it is
    smooth where the hard minimum has creases, which cost the bound more than the softness does
    when e is about the boxes' area.
    """
    centres = [(e[1:] + e[:-1]) / 2 for e in axes]
    rows = []
    for x in centres[0]:
        at = np.stack([np.full(centres[1].size, x), centres[1]], 1)
        exponent = (g - squared_distances(at, boxes.centre)) / softness
        rows.append(-softness * logsumexp(exponent, b=boxes.mass, axis=1))
    return np.stack(rows)


def _refined(edges: FloatArray, parts: int) -> FloatArray:
    """Each cell cut into equal parts, and one more empty cell at either end."""
    steps = np.arange(parts) / parts
    inner = np.append((edges[:-1, None] + np.diff(edges)[:, None] * steps).ravel(), edges[-1])
    first, last = inner[1] - inner[0], inner[-1] - inner[-2]
    return np.concatenate([[inner[0] - first], inner, [inner[-1] + last]])


def _transform(
    f: FloatArray, source: Sequence[FloatArray], target: Sequence[FloatArray]
) -> FloatArray:
    """min_x |x - y|^2 - f(x) over one grid, at every point of another; one axis at a time."""
    inner = np.stack([((source[1] - y) ** 2 - f).min(1) for y in target[1]], 1)
    return np.stack([((source[0] - y)[:, None] ** 2 + inner).min(0) for y in target[0]])


def _cell_average(
    values: FloatArray, centres: Sequence[FloatArray], edges: Sequence[FloatArray]
) -> FloatArray:
    """Average over each cell of the multilinear interpolation of values at the cells' centres.

    In one dimension the neighbour at distance d has weight (w / 2) / (4 d) for a cell of width w.
    The empty border cells, which have no outer neighbour, keep their value.
    """
    for axis in (0, 1):
        a = np.moveaxis(values, axis, 0)
        width, gap = np.diff(edges[axis])[1:-1], np.diff(centres[axis])
        left, right = (width / 8 / g for g in (gap[:-1], gap[1:]))
        averaged = a.copy()
        averaged[1:-1] += left[:, None] * (a[:-2] - a[1:-1]) + right[:, None] * (a[2:] - a[1:-1])
        values = np.moveaxis(averaged, 0, axis)
    return values
