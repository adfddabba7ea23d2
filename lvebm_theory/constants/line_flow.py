r"""The Fokker-Planck flow on spectral elements of a line, for starts of any width.

Unknowns are the nodal masses c, c' = -B c with B_ij = A_ij / m_j, A the stiffness and m the masses
of pi. Ratios of densities occur within one panel only, so that nothing under- or overflows even
where a start puts mass at U - min U = 10^4; an expansion of p_t / pi in L^2(pi) does not exist
there. Steps are the rational functions R(-tau B) with R the Pade approximant of degrees (4, 5)
of exp, of order nine and L-stable (Ehle 1969), by partial fractions, with tau at most t / 8.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import lapack

from ..arrays import FloatArray
from ..errors import SolverError
from .line_elements import LineElements
from .lobatto import lobatto

_SUBSTEPS = 8
_FIRST = 2.0**-14  # the first doubling starts here, in units of the first time asked


def flow_masses(elements: LineElements, initial: FloatArray, times: FloatArray) -> FloatArray:
    """Nodal masses at the times (T,), given those at time zero (n,); shape (T, n)."""
    band, width = _generator_band(elements)
    out = np.empty((len(times), len(initial)))
    current, now = initial.astype(float), 0.0
    order = np.argsort(times, kind="stable")
    positive = times[times > 0]
    start = float(positive.min()) * _FIRST if positive.size else 1.0
    for k in order:
        target = float(times[k])
        while now < target:
            # one doubling of time, or what is left of it, in equal steps
            end = start if now == 0 else 2 * now
            if end > 0.75 * target:
                end = target
            step = _Step(band, width, (end - now) / _SUBSTEPS)
            for _ in range(_SUBSTEPS):
                current = step(current)
            now = end
        out[k] = current
    return out


def _generator_band(elements: LineElements) -> tuple[FloatArray, int]:
    """B in LAPACK's band storage for gbtrf: rows 2 width + i - j, with room for fill-in."""
    rule, index = lobatto(elements.degree), elements.index
    width, size = elements.degree, len(elements.log_masses)
    half = np.diff(elements.edges) / 2
    height = elements.height[index]
    # sum_q w_q D_qi D_qj exp(U_j - U_q) / (half * weight of node j, both panels)
    local = rule.weights[:, None] * rule.derivative
    relative = np.exp(height[:, None, :] - height[:, :, None])
    panel = np.einsum("qi,qj,eqj->eij", rule.derivative, local, relative, optimize=True)
    panel /= half[:, None, None] * elements.node_weights[index][:, None, :]
    band = np.zeros((3 * width + 1, size))
    count = len(half)
    for i in range(width + 1):
        for j in range(width + 1):
            band[2 * width + i - j, j : j + count * width : width] += panel[:, i, j]
    return band, width


class _Step:
    """c -> R(-tau B) c, factorised."""

    def __init__(self, band: FloatArray, width: int, tau: float) -> None:
        self.width = width
        self.factors = []
        for pole, residue in _partial_fractions():
            matrix = (tau * band).astype(complex)
            matrix[2 * width] += pole
            factor, pivots, info = lapack.zgbtrf(matrix, width, width)
            if info != 0:
                raise SolverError("a step of the spectral flow is singular")
            self.factors.append((factor, pivots, residue))

    def __call__(self, c: FloatArray) -> FloatArray:
        out = np.zeros_like(c)
        for factor, pivots, residue in self.factors:
            solved, _ = lapack.zgbtrs(factor, self.width, self.width, c.astype(complex), pivots)
            out -= (residue * solved).real
        if not np.all(np.isfinite(out)):
            raise SolverError("the spectral flow lost its digits: the start is too far out")
        return out


@cache
def _partial_fractions() -> tuple[tuple[complex, complex], ...]:
    """(pole z_k, residue) of R = sum_k residue_k / (z - z_k), one of each conjugate pair, doubled.

    R = P/Q with P, Q the (4, 5) Pade polynomials
    P = sum_j (9-j)! 4! / (9! j! (4-j)!) z^j,  Q = sum_j (9-j)! 5! / (9! j! (5-j)!) (-z)^j.
    """
    from math import factorial as f

    p = [f(9 - j) * f(4) / (f(9) * f(j) * f(4 - j)) for j in range(5)]
    q = [(-1) ** j * f(9 - j) * f(5) / (f(9) * f(j) * f(5 - j)) for j in range(6)]
    numerator, denominator = np.polynomial.Polynomial(p), np.polynomial.Polynomial(q)
    slope = denominator.deriv()
    found = []
    for root in np.roots(q[::-1]):
        pole = complex(root)
        for _ in range(3):
            pole -= complex(denominator(pole) / slope(pole))
        if pole.imag > -1e-9:
            once = abs(pole.imag) < 1e-9
            residue = complex(numerator(pole) / slope(pole)) * (1 if once else 2)
            found.append((complex(pole.real) if once else pole, residue))
    # R(0) = 1 to the last bit, so that no step loses mass
    at_zero = -sum((residue / pole).real for pole, residue in found)
    return tuple((pole, residue / at_zero) for pole, residue in found)
