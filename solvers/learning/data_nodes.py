"""Data on the line as few nodes with weights, so that the cost of a run does not grow with n.

Equal data share one conditional density. Where more values differ than nodes are allowed, the
densities live at Chebyshev points of the data's range: everything asked of q_x is smooth in x, so
its mean over the data is that of its interpolant, a weighted sum over the points (barycentric
formula: Berrut and Trefethen, SIAM Review 46 (2004) 501).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class DataNodes:
    """Places x (m,) and weights (m,) that sum to one; ``exact`` where they are the data."""

    x: FloatArray
    weights: FloatArray
    exact: bool

    @classmethod
    def of(cls, data: FloatArray, most: int) -> DataNodes:
        """At most ``most`` nodes for data (n, 1)."""
        values, counts = np.unique(data[:, 0], return_counts=True)
        shares = counts / counts.sum()
        if values.size <= most:
            return cls(x=values, weights=shares, exact=True)
        angle = (2 * np.arange(most) + 1) * np.pi / (2 * most)
        middle, half = (values[-1] + values[0]) / 2, (values[-1] - values[0]) / 2
        places = middle - half * np.cos(angle)
        signs = np.sin(angle) * (-1.0) ** np.arange(most)
        gaps = values[:, None] - places
        hit = gaps == 0
        kernel = signs / np.where(hit, 1.0, gaps)
        on_node = hit.any(axis=1)
        kernel[on_node] = hit[on_node]
        basis = kernel / kernel.sum(axis=1, keepdims=True)
        return cls(x=places, weights=np.asarray(shares @ basis), exact=False)
