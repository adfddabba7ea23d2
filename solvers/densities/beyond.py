"""What a sum over cells misses beyond the cells that are known, estimated from its outermost ones.

Seen from the middle of the terms c(x) of a sum, marginal along an axis, the tail beyond a cell at
distance r is that of a power law with the local exponent a = -d log c / d log r, taken over the
last factor e of c,

    int_r^inf c  =  c(r) r / (a - 1),   infinite for a <= 1,

which is exact for powers and too large by about a/(a-1) for lighter tails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray

_NEGLIGIBLE = 1e-13  # of the sum: below it terms are rounding
_CONSIDERABLE = 1e-3  # of the sum: above it terms that grow outward are no accident
_SLOWEST = 1.05  # exponent from which a tail counts as finite


def beyond(
    terms: FloatArray, masses: FloatArray, edges: Sequence[FloatArray], noise: float
) -> tuple[float, bool]:
    """Sum of the terms beyond the known cells, and whether they grow there without an end.

    Parameters
    ----------
    terms : array (*shape), non-negative; infinite where they overflow
    masses : array (*shape); cells beyond which less than ``noise`` lies are not known
    edges : d increasing arrays

    Returns
    -------
    missing : >= 0, inf where the outermost known terms do not fall
    diverges : True where they grow, and ever faster
    """
    missing, diverges = 0.0, False
    for axis, e in enumerate(edges):
        others = tuple(k for k in range(terms.ndim) if k != axis)
        mass = masses.sum(axis=others)
        known = (np.cumsum(mass) > noise) & (np.cumsum(mass[::-1])[::-1] > noise)
        line, width = terms.sum(axis=others)[known], np.diff(e)[known]
        if np.isinf(line).any():
            return math.inf, True
        total = float(line.sum())
        if not total > 0:
            continue
        x = ((e[1:] + e[:-1]) / 2)[known]
        middle = float(line @ x) / total
        for outward in (-1.0, 1.0):
            side = np.flatnonzero(outward * (x - middle) > 0)[:: int(outward)]
            if side.size < 3:
                continue
            tail, grows = _tail(np.abs(x[side] - middle), (line / width)[side], total)
            missing += tail
            diverges |= grows
    return missing, diverges


def _tail(distance: FloatArray, terms: FloatArray, total: float) -> tuple[float, bool]:
    """From terms per length at increasing distances, on one side."""
    r, c = distance[-1], terms[-1]
    if c * r <= _NEGLIGIBLE * total:
        return 0.0, False
    logs = np.log(np.maximum(terms, 1e-300))
    higher = np.flatnonzero(logs >= logs[-1] + 1.0)
    lower = np.flatnonzero(logs <= logs[-1] - 1.0)
    if higher.size and not (lower.size and lower[-1] > higher[-1]):
        near = higher[-1]
        exponent = (logs[near] - logs[-1]) / math.log(r / distance[near])
        return float(c * r / (exponent - 1)) if exponent > _SLOWEST else math.inf, False
    if c * r <= _CONSIDERABLE * total or not lower.size:
        return math.inf, False
    near = lower[-1]
    before = np.flatnonzero(logs[:near] <= logs[near] - 1.0)
    if not before.size:
        return math.inf, False
    far = before[-1]
    steepness = (logs[-1] - logs[near]) / (r - distance[near])
    earlier = (logs[near] - logs[far]) / (distance[near] - distance[far])
    return math.inf, bool(steepness >= earlier)
