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
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .compiled import compiled

FloatArray = npt.NDArray[np.float64]

_LEAST_SHARE = 1e-4  # of left or right in their sum; a rule too coarse for a cell can miss it
_KINK = 1e-6  # last Legendre coefficient of U above which a segment is split
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
    return (x + 1) / 2, w / 2, np.ascontiguousarray(primitives @ modes / 2), modes[-1]


def line_integrals(potential: FloatArray, widths: FloatArray) -> LogIntegrals:
    """Integrals over cells from U at Gauss points.

    Parameters
    ----------
    potential : array (lines, n, m), U at the m Gauss points of n cells along every line
    widths : array (n,)

    Returns
    -------
    LogIntegrals of shape (lines, n)
    """
    abscissae, weights, integrate, _ = gauss(potential.shape[-1])
    mass, left, right = (np.empty(potential.shape[:-1]) for _ in range(3))
    _integrate_lines(
        np.ascontiguousarray(potential),
        np.log(widths),
        abscissae,
        weights,
        integrate,
        rise_of_rule(potential.shape[-1]),
        mass,
        left,
        right,
    )
    return LogIntegrals(mass=mass, left=left, right=right)


def rise_of_rule(points: int) -> float:
    """Largest variation of U over its points up to which a Gauss rule serves."""
    return float(0.8 * (points / 2) ** 1.25)


@compiled
def _integrate_lines(
    potential: FloatArray,
    log_width: FloatArray,
    abscissae: FloatArray,
    weights: FloatArray,
    integrate: FloatArray,
    limit: float,
    mass: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    lines, cells, points = potential.shape
    low = np.empty(points)
    for line in range(lines):
        for i in range(cells):
            u = potential[line, i]
            smallest, largest, mean = u[0], u[0], 0.0
            for a in range(points):
                smallest = min(smallest, u[a])
                largest = max(largest, u[a])
                mean += u[a] / points
            if largest - smallest > limit:
                m, l, r = _broken_line(u, abscissae)
            else:
                m = 0.0
                whole = 0.0
                for a in range(points):
                    low[a] = math.exp(mean - u[a])
                    m += weights[a] * low[a]
                    whole += weights[a] / low[a]
                l = 0.0
                for a in range(points):
                    climb = 0.0
                    for b in range(points):
                        climb += integrate[a, b] / low[b]
                    l += weights[a] * low[a] * climb
                l = min(max(l / m, _LEAST_SHARE * whole), (1 - _LEAST_SHARE) * whole)
                r = math.log(whole - l) + mean
                l = math.log(l) + mean
                m = math.log(m) - mean
            mass[line, i] = m + log_width[i]
            left[line, i] = l + log_width[i]
            right[line, i] = r + log_width[i]


@compiled
def _log_add(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@compiled
def _broken_line(u: FloatArray, abscissae: FloatArray) -> tuple[float, float, float]:
    """Logs over [0, 1] for the broken line through U at the Gauss points.

    Less accurate than Gauss where U is tame, but positive and of the right size however steep.
    """
    points = u.size
    mass, left, right = -math.inf, 0.0, 0.0
    for j in range(points - 1):
        begin = 0.0 if j == 0 else abscissae[j]
        end = 1.0 if j == points - 2 else abscissae[j + 1]
        slope = (u[j + 1] - u[j]) / (abscissae[j + 1] - abscissae[j])
        start = u[j] + slope * (begin - abscissae[j])
        log_width = math.log(end - begin)
        rise = slope * (end - begin)
        m = _log_mean(rise) - start + log_width
        l = _log_climb(rise) + start + log_width
        r = _log_climb(-rise) + start + rise + log_width
        if j == 0:
            mass, left, right = m, l, r
        else:
            total = _log_add(mass, m)
            new_left = _log_add(mass + left, m + _log_add(_log_add(left, right), l)) - total
            right = _log_add(mass + _log_add(right, _log_add(l, r)), m + r) - total
            mass, left = total, new_left
    return mass, left, right


@compiled
def _log_mean(a: float) -> float:
    """log int_0^1 e^{-a x} dx."""
    if abs(a) < 1e-4:
        return -a / 2
    return max(-a, 0.0) + math.log1p(-math.exp(-abs(a))) - math.log(abs(a))


@compiled
def _log_climb(a: float) -> float:
    """log of the mean, under e^{-a x} on [0, 1], of int_0^x e^{a y} dy."""
    if abs(a) < 1e-4:
        return math.log(0.5) + a / 6
    if a < -700.0:
        return -math.log(-a)
    return math.log(-1.0 / math.expm1(-a) - 1.0 / a)


def segment_integrals(
    potential: Callable[[FloatArray], FloatArray], edges: FloatArray, points: int = 6
) -> LogIntegrals:
    """Integrals over the segments between edges; segments where U is not smooth or steep are
    bisected.

    Parameters
    ----------
    potential : U on an array of any shape
    edges : increasing array (n + 1,)

    Returns
    -------
    LogIntegrals of shape (n,)
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
    lines = line_integrals(values[None], widths)
    whole = LogIntegrals(mass=lines.mass[0], left=lines.left[0], right=lines.right[0])
    rough = np.abs(values @ last_mode) > _KINK
    rough |= np.ptp(values, axis=1) > _LARGEST_RISE
    if depth == _DEPTH or not rough.any():
        return whole
    middle = (low[rough] + high[rough]) / 2
    halves = _split(potential, low[rough], middle, points, depth + 1).joined(
        _split(potential, middle, high[rough], points, depth + 1)
    )
    for name in ("mass", "left", "right"):
        getattr(whole, name)[rough] = getattr(halves, name)
    return whole
