"""Integrals of exp(-U) and exp(U) over cells, in logarithms, so that no level of U overflows.

For a segment [l, r] of a line and pi = exp(-U):

    mass     int_l^r exp(-U)
    left     (1/mass) int_l^r exp(-U(x)) int_l^x exp(U(y)) dy dx
    right    (1/mass) int_l^r exp(-U(x)) int_x^r exp(U(y)) dy dx

so left + right = int_l^r exp(U). A constant flux J = -pi u' between neighbouring cells a, b gives
mean_b(u) - mean_a(u) = -J (right_a + left_b), means weighted by pi: the exact conductance between
cell averages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_RISE_PER_POINT = {2: 0.8, 3: 2.0, 6: 8.0}  # of U over the points that Gauss rules integrate well
_KINK = 1e-6  # last Legendre coefficient of U above which a cell is split
_LARGEST_RISE = 6.0  # of U across a segment before it is split
_DEPTH = 14


@dataclass(frozen=True, kw_only=True)
class LogIntegrals:
    """Logarithms of mass, left and right, arrays of one shape."""

    mass: FloatArray
    left: FloatArray
    right: FloatArray

    def joined(self, other: LogIntegrals) -> LogIntegrals:
        """Integrals over the union of segments, ``other`` adjoining on the right."""
        mass = np.logaddexp(self.mass, other.mass)
        whole_self = np.logaddexp(self.left, self.right)
        whole_other = np.logaddexp(other.left, other.right)
        left = np.logaddexp(
            self.mass + self.left, other.mass + np.logaddexp(whole_self, other.left)
        )
        right = np.logaddexp(
            self.mass + np.logaddexp(self.right, whole_other), other.mass + other.right
        )
        return LogIntegrals(mass=mass, left=left - mass, right=right - mass)


@functools.cache
def gauss(points: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Gauss-Legendre on [0, 1]: abscissae, weights, the integration matrix, the last mode.

    The matrix B has int_0^{x_a} f = sum_b B_ab f(x_b) for polynomials f of degree < points; the
    last mode is the row that reads off the highest Legendre coefficient.
    """
    x, w = np.polynomial.legendre.leggauss(points)
    values = np.polynomial.legendre.legvander(x, points - 1)
    modes = (2 * np.arange(points) + 1)[:, None] / 2 * values.T * w  # coefficients from values
    primitives = np.stack(
        [
            np.polynomial.legendre.legval(
                x, np.polynomial.legendre.legint(np.eye(points)[k], lbnd=-1)
            )
            for k in range(points)
        ],
        axis=1,
    )
    return (x + 1) / 2, w / 2, primitives @ modes / 2, modes[-1]


def line_integrals(potential: FloatArray, widths: FloatArray) -> LogIntegrals:
    """Integrals over cells from U at Gauss points.

    Parameters
    ----------
    potential : array (..., n, m), U at the m Gauss points of n cells along the last line
    widths : array (n,)

    Returns
    -------
    LogIntegrals of shape (..., n)
    """
    points = potential.shape[-1]
    abscissae, weights, integrate, _ = gauss(points)
    reference = potential.mean(axis=-1)
    rise = potential[..., -1] - potential[..., 0]
    steep = np.abs(rise) > _RISE_PER_POINT[points]
    level = np.where(steep[..., None], 0.0, potential - reference[..., None])
    low = np.exp(-level)
    high = 1.0 / low
    mass = low @ weights
    whole = high @ weights
    left = ((low * weights) * (high @ integrate.T)).sum(axis=-1) / mass
    log_width = np.log(widths)
    integrals = LogIntegrals(
        mass=np.log(mass) + log_width - reference,
        left=np.log(left) + log_width + reference,
        right=np.log(whole - left) + log_width + reference,
    )
    if steep.any():
        slope = rise[steep] / (abscissae[-1] - abscissae[0])
        low_end = potential[..., 0][steep] - slope * abscissae[0]
        linear = _linear_integrals(low_end, slope)
        shift = np.broadcast_to(log_width, steep.shape)[steep]
        for name in ("mass", "left", "right"):
            getattr(integrals, name)[steep] = getattr(linear, name) + shift
    return integrals


def _linear_integrals(low_end: FloatArray, rise: FloatArray) -> LogIntegrals:
    """Integrals over [0, 1] for U = low_end + rise x, |rise| not small."""

    def log_mean(a: FloatArray) -> FloatArray:  # log of (1 - e^{-a}) / a
        return np.maximum(-a, 0.0) + np.log1p(-np.exp(-np.abs(a))) - np.log(np.abs(a))

    def climb(a: FloatArray) -> FloatArray:  # mean over pi of int_0^x e^{a y} dy
        with np.errstate(over="ignore"):
            return np.asarray(-1.0 / np.expm1(-a) - 1.0 / a)

    return LogIntegrals(
        mass=log_mean(rise) - low_end,
        left=np.log(climb(rise)) + low_end,
        right=np.log(climb(-rise)) + low_end + rise,
    )


def segment_integrals(
    potential: Callable[[FloatArray], FloatArray], edges: FloatArray, points: int = 6
) -> LogIntegrals:
    """Integrals over the segments between edges; segments where U is not smooth
    or steep are bisected.

    Parameters
    ----------
    potential : U on an array of any shape
    edges : increasing array (n + 1,)
    """
    return _split(potential, edges[:-1], edges[1:], points, 0)


def _split(
    potential: Callable[[FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
    points: int,
    depth: int,
) -> LogIntegrals:
    x, _, _, last_mode = gauss(points)
    widths = high - low
    values = potential(low[:, None] + widths[:, None] * x)
    whole = line_integrals(values, widths)
    rough = np.abs(values @ last_mode) > _KINK
    rough |= np.abs(values[:, -1] - values[:, 0]) > _LARGEST_RISE
    if depth == _DEPTH or not rough.any():
        return whole
    middle = (low[rough] + high[rough]) / 2
    halves = _split(potential, low[rough], middle, points, depth + 1).joined(
        _split(potential, middle, high[rough], points, depth + 1)
    )
    for name in ("mass", "left", "right"):
        getattr(whole, name)[rough] = getattr(halves, name)
    return whole
