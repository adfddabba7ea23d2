"""Panels on which a one-dimensional potential is a polynomial to rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import FloatArray
from .lobatto import lobatto

_START = 16
_DEPTH = 32
_BUDGET = 3000


def adaptive_panels(
    potential: Callable[[FloatArray], FloatArray],
    lower: float,
    upper: float,
    *,
    degree: int,
    variation: float,
    tolerance: float,
    widest: Callable[[FloatArray], FloatArray] | None = None,
    marks: FloatArray | None = None,
) -> FloatArray:
    """Edges of panels, bisected until U is resolved on each.

    A panel is kept once U varies by at most ``variation`` on it and its last two Legendre
    coefficients are below ``tolerance`` max(1, variation of U). A kink or a power such as
    |x|^(3/2) is met by a cascade of panels that halve towards it, which keeps convergence
    exponential there without knowing where it is.

    Parameters
    ----------
    potential : callable
        Arrays to arrays of the same shape.
    widest : callable, optional
        Midpoints (n,) to the largest width allowed there (n,), for narrow starts.
    marks : array, optional
        Places where panels have to end, whatever the nodes see.

    Returns
    -------
    array (panels + 1,)
        Increasing. If rounding noise in U defeats the tolerance it is loosened, so that the
        number of panels stays bounded; two meshes then disagree and the error shows it.
    """
    start = np.linspace(lower, upper, _START + 1)
    if marks is not None:
        start = np.union1d(start, marks[(marks > lower) & (marks < upper)])
    for loosened in (1.0, 1e2, 1e4, 1e6, np.inf):
        edges = _bisect(potential, start, degree, variation, tolerance * loosened, widest)
        if len(edges) <= _BUDGET or np.isinf(loosened):
            break
    return edges


def _bisect(
    potential: Callable[[FloatArray], FloatArray],
    grid: FloatArray,
    degree: int,
    variation: float,
    tolerance: float,
    widest: Callable[[FloatArray], FloatArray] | None,
) -> FloatArray:
    rule = lobatto(degree)
    left, right = grid[:-1], grid[1:]
    kept = []
    for _ in range(_DEPTH):
        middle, half = (left + right) / 2, (right - left) / 2
        u = np.asarray(potential(middle[:, None] + half[:, None] * rule.nodes), dtype=float)
        spread = u.max(axis=1) - u.min(axis=1)
        tail = np.abs(u @ rule.coefficients[-2:].T).max(axis=1)
        fine = (spread <= variation) & (tail <= tolerance * np.maximum(1.0, spread))
        if widest is not None:
            fine &= 2 * half <= widest(middle)
        kept.append(np.stack([left[fine], right[fine]]))
        left, middle, right = left[~fine], middle[~fine], right[~fine]
        if left.size == 0 or sum(k.shape[1] for k in kept) + 2 * left.size > 4 * _BUDGET:
            break
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    kept.append(np.stack([left, right]))
    starts, ends = np.concatenate(kept, axis=1)
    return np.append(np.sort(starts), ends.max())
