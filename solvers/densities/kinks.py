"""Points where a potential is not smooth along an axis, so that cell edges can be put there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

_SEGMENTS = 512
_PRECISION = 1e-10  # of the interval
_JUMP = 1e-3  # of differences per width, relative to the typical slope
_MOST = 12
_BULK = 40.0  # units of U above its minimum in which slopes are typical
_STENCIL = np.array([-0.5, 0.0, 0.5, 1.0, 1.5])  # in widths; overlaps both neighbours


def find_kinks(function: Callable[[FloatArray], FloatArray], low: float, high: float) -> FloatArray:
    """Points of (low, high) where a function has a kink or a jump; none if there are very many.

    Third and fourth differences on a segment of width w fall like w at a kink and at least like
    w^3 where the function is smooth; segments where they fall slowly are bisected to a point.
    """
    edges = np.linspace(low, high, _SEGMENTS + 1)
    left, width = edges[1:-2], (high - low) / _SEGMENTS
    values = function(left[:, None] + width * _STENCIL)
    bulk = values.min(axis=1) < values.min() + _BULK
    slope = float(np.median(np.abs(values[bulk, 4] - values[bulk, 0]))) / (2 * width)
    if slope == 0.0:
        return np.empty(0)
    while True:
        third = np.diff(values, n=3, axis=1)
        size = np.abs(third).sum(axis=1) + np.abs(third[:, 1] - third[:, 0])
        left = left[size > _JUMP * slope * width]
        if left.size == 0 or width < _PRECISION * (high - low):
            break
        width /= 2
        left = np.concatenate((left, left + width))
        if left.size > 16 * _SEGMENTS:
            return np.empty(0)
        values = function(left[:, None] + width * _STENCIL)
    found: list[float] = []
    for centre in np.sort(left + width / 2):
        # neighbouring segments see one kink
        if not found or centre - found[-1] > 1e-6 * (high - low):
            found.append(float(centre))
    return np.array(found) if len(found) <= _MOST else np.empty(0)


def axis_kinks(energy: Energy, box: list[tuple[float, float]], axis: int) -> FloatArray:
    """Kinks of the potential along an axis that stand at the same place on every parallel line."""
    if energy.dim > 1 and energy.smooth:
        return np.empty(0)
    low, high = box[axis]
    common: FloatArray | None = None
    for share in (0.5,) if energy.dim == 1 else (0.437, 0.531, 0.583):
        line = [np.full((1, 1), a + share * (b - a)) for a, b in box]

        def along(x: FloatArray, line: list[FloatArray] = line) -> FloatArray:
            point = [x if k == axis else line[k] for k in range(energy.dim)]
            return np.broadcast_to(energy.on_coordinates("potential", point), x.shape)

        found = find_kinks(along, low, high)
        if common is None:
            common = found
        else:
            near = np.abs(common[:, None] - found[None, :]) < 1e-9 * (high - low)
            common = common[near.any(axis=1)]
    return common if common is not None else np.empty(0)
