"""Gauss-Lobatto-Legendre collocation on [-1, 1]: nodes, weights, derivative, coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre

from ..arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class Lobatto:
    """Degree-N collocation; every array is read-only.

    Parameters
    ----------
    nodes : array (N + 1,)
        -1, the zeros of P_N', 1.
    weights : array (N + 1,)
        2 / (N (N + 1) P_N(node)^2); exact for polynomials of degree 2 N - 1.
    derivative : array (N + 1, N + 1)
        Nodal values to nodal values of the derivative.
    coefficients : array (N + 1, N + 1)
        Nodal values to Legendre coefficients.
    """

    nodes: FloatArray
    weights: FloatArray
    derivative: FloatArray
    coefficients: FloatArray

    @property
    def degree(self) -> int:
        """N."""
        return len(self.nodes) - 1


@cache
def lobatto(degree: int) -> Lobatto:
    """The collocation of a degree N >= 2.

    Source: Canuto, Hussaini, Quarteroni and Zang, Spectral Methods, section 2.3.
    """
    top = np.zeros(degree + 1)
    top[degree] = 1.0
    slope = legendre.legder(top)
    inner = np.sort(legendre.legroots(slope).real)
    curvature = legendre.legder(slope)
    for _ in range(3):  # the companion matrix leaves a few ulp
        inner = inner - legendre.legval(inner, slope) / legendre.legval(inner, curvature)
    nodes = np.concatenate([[-1.0], (inner - inner[::-1]) / 2, [1.0]])
    values = legendre.legval(nodes, top)
    difference = nodes[:, None] - nodes
    np.fill_diagonal(difference, 1.0)
    derivative = values[:, None] / values / difference
    np.fill_diagonal(derivative, 0.0)
    # rows sum to zero, so that constants are annihilated to rounding
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    arrays = (
        nodes,
        2.0 / (degree * (degree + 1) * values**2),
        derivative,
        np.linalg.inv(legendre.legvander(nodes, degree)),
    )
    for array in arrays:
        array.setflags(write=False)
    return Lobatto(nodes=arrays[0], weights=arrays[1], derivative=arrays[2], coefficients=arrays[3])
