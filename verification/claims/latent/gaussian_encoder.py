r"""How close a Gaussian can come to a posterior whose energy is a quartic polynomial in z.

For U(z) = sum_j c_j z^j, j <= 4, and q = N(m, v),

    KL(q | pi) = E_q U - (1/2) log(2 pi e v) + log int e^{-U},

a polynomial in (m, v) but for the logarithm. Its infimum over all (m, v) is found by branch and
bound: on a box the value at the centre is an upper bound and the interval extension a lower one, so
the result is a two-sided bound and no local optimiser's word. The best encoder of any amortised
family whose members are Gaussian, affine or not, is no closer on average over data than the best
Gaussian datum by datum.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

Interval = tuple[float, float]


def quartic_coefficients(energy: Energy) -> FloatArray:
    """c_0..c_4 of a one-dimensional energy that is a quartic polynomial.

    Raises
    ------
    ArgumentError
        When it is not, to 1e-9 of its size at 9 points.
    """
    z = np.linspace(-2.0, 2.0, 9)
    values = energy.potential(z[:, None])
    coefficients = np.polynomial.polynomial.polyfit(z, values, 4)
    fitted = np.polynomial.polynomial.polyval(z, coefficients)
    if np.abs(fitted - values).max() > 1e-9 * max(1.0, np.abs(values).max()):
        raise ArgumentError("the posterior's energy must be a quartic polynomial in z")
    if coefficients[4] <= 1e-12:
        raise ArgumentError("the posterior's energy must have a positive quartic term")
    return np.asarray(coefficients)


def _times(a: Interval, b: Interval) -> Interval:
    products = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return min(products), max(products)


def _power(m: Interval, n: int) -> Interval:
    low, high = m[0] ** n, m[1] ** n
    if n == 0:
        return 1.0, 1.0
    if n % 2 == 0:
        least = 0.0 if m[0] <= 0 <= m[1] else min(low, high)
        return least, max(low, high)
    return low, high


def _free_energy(c: Sequence[float], m: Interval, v: Interval) -> Interval:
    """Interval extension of E_q U - (1/2) log(2 pi e v): exact moments, term by term."""
    moments = (
        ((1.0, 0, 0),),
        ((1.0, 1, 0),),
        ((1.0, 2, 0), (1.0, 0, 1)),
        ((1.0, 3, 0), (3.0, 1, 1)),
        ((1.0, 4, 0), (6.0, 2, 1), (3.0, 0, 2)),
    )
    low = -0.5 * math.log(2 * math.pi * math.e * v[1])
    high = -0.5 * math.log(2 * math.pi * math.e * v[0])
    for coefficient, terms in zip(c, moments, strict=True):
        for factor, a, b in terms:
            term = _times(_power(m, a), (v[0] ** b, v[1] ** b))
            scaled = sorted((coefficient * factor * term[0], coefficient * factor * term[1]))
            low, high = low + scaled[0], high + scaled[1]
    return low, high


def _centred(c: Sequence[float], m: Interval, v: Interval) -> float:
    """Lower bound on a box by the mean value form in m and w = log v around its centre."""
    from numpy.polynomial import polynomial

    centre = ((m[0] + m[1]) / 2, math.sqrt(v[0] * v[1]))
    value = _free_energy(c, (centre[0],) * 2, (centre[1],) * 2)[0]
    first = list(polynomial.polyder(np.asarray(c)))
    second = list(polynomial.polyder(np.asarray(c), 2))
    slope_m = _expected(first, m, v)
    # d/dv E_q U = E_q U''/2, d/dw = v d/dv, w = log v
    curvature = _expected(second, m, v)
    slope_w = _times(v, curvature)
    slope_w = (slope_w[0] / 2 - 0.5, slope_w[1] / 2 - 0.5)
    half_m, half_w = (m[1] - m[0]) / 2, math.log(v[1] / v[0]) / 2
    reach = max(abs(slope_m[0]), abs(slope_m[1])) * half_m
    reach += max(abs(slope_w[0]), abs(slope_w[1])) * half_w
    return value - reach


def _expected(c: Sequence[float], m: Interval, v: Interval) -> Interval:
    padded = [*c, *[0.0] * (5 - len(c))]
    low, high = _free_energy(padded, m, v)
    entropy = [-0.5 * math.log(2 * math.pi * math.e * x) for x in (v[1], v[0])]
    return low - entropy[0], high - entropy[1]


def best_gaussian(energy: Energy, log_normaliser: float, tolerance: float = 1e-4) -> Interval:
    """Two-sided bound on inf over (m, v) of KL(N(m, v) | pi), pi proportional to exp(-U).

    Parameters
    ----------
    energy : one-dimensional quartic polynomial
    log_normaliser : float
        log int e^{-U}.
    tolerance : float
        Largest width of the result, nats.

    Returns
    -------
    lower, upper : float
    """
    c = quartic_coefficients(energy).tolist()
    upper = min(
        _free_energy(c, (m, m), (v, v))[1]
        for m in np.linspace(-6, 6, 121)
        for v in np.geomspace(1e-3, 20, 60)
    )
    start = _whole(c, upper)
    heap: list[tuple[float, Interval, Interval]] = [(-math.inf, *start)]
    while heap:
        low, m, v = heapq.heappop(heap)
        if low >= upper - tolerance:
            return low + log_normaliser, upper + log_normaliser
        if (m[1] - m[0]) > math.log(v[1] / v[0]):
            middle = (m[0] + m[1]) / 2
            halves = [((m[0], middle), v), ((middle, m[1]), v)]
        else:
            middle = math.sqrt(v[0] * v[1])
            halves = [(m, (v[0], middle)), (m, (middle, v[1]))]
        for half_m, half_v in halves:
            bound = max(low, _free_energy(c, half_m, half_v)[0], _centred(c, half_m, half_v))
            centre = ((half_m[0] + half_m[1]) / 2, math.sqrt(half_v[0] * half_v[1]))
            upper = min(upper, _free_energy(c, (centre[0],) * 2, (centre[1],) * 2)[1])
            if bound < upper:
                heapq.heappush(heap, (bound, half_m, half_v))
    return upper - tolerance + log_normaliser, upper + log_normaliser


def _whole(c: Sequence[float], upper: float) -> tuple[Interval, Interval]:
    """A box outside which the free energy exceeds ``upper``.

    With U(z) >= c4 z^4/2 - K, E_q U >= c4 (m^4 + 3 v^2)/2 - K. Then E_q U - (1/2) log(2 pi e v) is
    above ``upper`` for |m| or v large; and as E_q U >= -K, also for v small.
    """
    z = np.linspace(-50.0, 50.0, 200_001)
    rest = np.polynomial.polynomial.polyval(z, [*c[:4], c[4] / 2])
    # beyond |z| = 50 the quartic half dominates the rest for the coefficients accepted here
    if rest[0] <= rest.min() + 1 or rest[-1] <= rest.min() + 1:
        raise ArgumentError("the posterior's energy is too flat for the search box")
    floor = -float(rest.min()) + 1.0
    v_low = math.exp(-2 * (upper + floor)) / (2 * math.pi * math.e)
    v_high = 1.0
    while 1.5 * c[4] * v_high**2 - floor - 0.5 * math.log(2 * math.pi * math.e * v_high) <= upper:
        v_high *= 2.0
    slack = upper + floor + 0.5 * math.log(2 * math.pi * math.e * v_high)
    m_high = (2.0 * max(slack, 1e-9) / c[4]) ** 0.25
    return (-m_high, m_high), (v_low, v_high)
