"""Interval arithmetic on arrays of floats: one operation for thousands of boxes at once.

Every result is widened outwards by more than the rounding of the operation: half a unit in the
last place for + - * / and the square root, a few units for what the mathematics library offers
(exp, log, ...). So a bound proved here rests on that library being right to 1e-14, where the
balls of ``interval`` rest on nothing; it is some thousand times as fast.

A pair (low, high) of arrays of one shape is an interval per entry. Outside a function's domain the
interval is the whole line, from which nothing follows.
"""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import erf

from ..arrays import FloatArray

Intervals = tuple[FloatArray, FloatArray]

_ULP = 2.5e-16
_LIBRARY = 1e-14
_TINY = 1e-305
# exp of a rounded difference: beyond 745 it is 0 or infinite, so 745 units in the last place
_DIFFERENCE = 1e-12


def _widened(low: Any, high: Any, relative: float = _ULP) -> Intervals:
    """Outwards by a relative amount; NaN becomes the whole line."""
    low = low - (np.abs(low) * relative + _TINY)
    high = high + (np.abs(high) * relative + _TINY)
    # infinity minus infinity above, and NaN from before
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _constant(value: Fraction | str) -> Intervals:
    if value == "pi":
        number = math.pi
    elif value == "e":
        number = math.e
    else:
        number = float(value)
        if Fraction(number) == value:
            return np.float64(number), np.float64(number)  # type: ignore[return-value]
    return _widened(np.float64(number), np.float64(number))


def _add(u: Intervals, v: Intervals) -> Intervals:
    return _widened(u[0] + v[0], u[1] + v[1])


def _neg(u: Intervals) -> Intervals:
    return -u[1], -u[0]


def _sub(u: Intervals, v: Intervals) -> Intervals:
    return _widened(u[0] - v[1], u[1] - v[0])


def _mul(u: Intervals, v: Intervals) -> Intervals:
    if u is v:
        return _power(u, 2)
    # an infinite end stands for arbitrarily large numbers, and 0 times any number is 0
    products = [np.where(np.isnan(p := a * b), 0.0, p) for a in u for b in v]
    return _widened(
        np.minimum(np.minimum(products[0], products[1]), np.minimum(products[2], products[3])),
        np.maximum(np.maximum(products[0], products[1]), np.maximum(products[2], products[3])),
    )


def _recip(u: Intervals) -> Intervals:
    low, high = u
    above, below = low >= 0, high <= 0
    least = np.where(above, 1 / np.abs(high), np.where(below, -1 / np.abs(high), -np.inf))
    most = np.where(above, 1 / np.abs(low), np.where(below, -1 / np.abs(low), np.inf))
    return _widened(least, most)


def _power(u: Intervals, n: int) -> Intervals:
    if n % 2 == 0:
        least, most = _abs(u)
        return _widened(least**n, most**n, _LIBRARY)
    return _widened(u[0] ** n, u[1] ** n, _LIBRARY)


def _real_power(u: Intervals, q: Fraction) -> Intervals:
    if q < 0:
        return _recip(_real_power(u, -q))
    if q.denominator == 1:
        return _power(u, q.numerator)
    # a base is not negative where U is defined
    low, high = np.maximum(u[0], 0.0) ** float(q), np.maximum(u[1], 0.0) ** float(q)
    low, high = _widened(low, high, _LIBRARY * (1 + abs(float(q))))
    return np.where(u[0] < 0, -np.inf, low), np.where(u[0] < 0, np.inf, high)


def _abs(u: Intervals) -> Intervals:
    low, high = u
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return least, np.maximum(np.abs(low), np.abs(high))


def _increasing(function: Any, least: float = -np.inf, most: float = np.inf) -> Any:
    def enclose(u: Intervals) -> Intervals:
        low, high = _widened(function(u[0]), function(u[1]), _LIBRARY)
        return np.maximum(low, least), np.minimum(high, most)

    return enclose


def _log(u: Intervals) -> Intervals:
    low, high = u
    log_low, log_high = np.log(np.maximum(low, 0.0)), np.log(np.maximum(high, 0.0))
    # near 1 the logarithm is small and its error is not
    return (
        np.where(low > 0, log_low - _LIBRARY * (1 + np.abs(log_low)), -np.inf),
        np.where(low >= 0, log_high + _LIBRARY * (1 + np.abs(log_high)), np.inf),
    )


def _wave(function: Any, first_top: float) -> Any:
    """sin or cos: the ends, and +-1 where a top or a bottom may lie between."""

    def enclose(u: Intervals) -> Intervals:
        low, high = _widened(u[0], u[1], _LIBRARY)
        a, b = function(low), function(high)
        turn = 2 * np.pi

        def passes(phase: float) -> Any:
            last = np.floor((high - phase) / turn + 1e-9)
            return last >= np.ceil((low - phase) / turn - 1e-9)

        top, bottom = passes(first_top), passes(first_top + np.pi)
        far = ~(np.maximum(np.abs(low), np.abs(high)) < 1e6)
        least = np.where(bottom | far, -1.0, np.minimum(a, b) - 1e-9)
        most = np.where(top | far, 1.0, np.maximum(a, b) + 1e-9)
        return np.maximum(least, -1.0), np.minimum(most, 1.0)

    return enclose


_sin = _wave(np.sin, np.pi / 2)
_cos = _wave(np.cos, 0.0)
_exp = _increasing(np.exp, least=0.0)


def _cosh(u: Intervals) -> Intervals:
    least, most = _abs(u)
    return _widened(np.cosh(least), np.cosh(most), _LIBRARY)


def _log_cosh(u: Intervals) -> Intervals:
    least, most = (size + np.log1p(np.exp(-2 * size)) - math.log(2) for size in _abs(u))
    slack = _LIBRARY * (1 + np.where(np.isfinite(most), most, 0.0))
    return np.maximum(least - slack, 0.0), most + slack


def _sign(u: Intervals) -> Intervals:
    return np.sign(u[0]), np.sign(u[1])


def _heaviside(u: Intervals) -> Intervals:
    return (np.sign(u[0]) + 1) / 2, (np.sign(u[1]) + 1) / 2


def _max(u: Intervals, v: Intervals) -> Intervals:
    return np.maximum(u[0], v[0]), np.maximum(u[1], v[1])


def _min(u: Intervals, v: Intervals) -> Intervals:
    return np.minimum(u[0], v[0]), np.minimum(u[1], v[1])


def _log_sum_exp(*exponents: Intervals) -> Intervals:
    def at(values: list[FloatArray]) -> Any:
        top = values[0]
        for value in values[1:]:
            top = np.maximum(top, value)
        safe = np.where(np.isfinite(top), top, 0.0)
        return top + np.log(sum(np.exp(value - safe) for value in values))

    low, high = at([u[0] for u in exponents]), at([u[1] for u in exponents])
    slack = _DIFFERENCE * len(exponents)
    return _widened(low - slack, high + slack, _LIBRARY)


def _softmax(index: int, *exponents: Intervals) -> Intervals:
    """1/sum_m e^(u_m - u_k): increasing in u_k, decreasing in the others."""
    own = exponents[index]
    others = [u for m, u in enumerate(exponents) if m != index]
    least = 1 / (1 + sum(np.exp(u[1] - own[0]) for u in others))
    most = 1 / (1 + sum(np.exp(u[0] - own[1]) for u in others))
    low, high = _widened(least, most, _DIFFERENCE * (len(exponents) + 1))
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def array_hull(values: list[Intervals]) -> Intervals:
    """The smallest intervals around all of them."""
    low, high = values[0]
    for a, b in values[1:]:
        low, high = np.minimum(low, a), np.maximum(high, b)
    return low, high


def array_meet(u: Intervals, v: Intervals) -> Intervals:
    """What both say."""
    return np.maximum(u[0], v[0]), np.minimum(u[1], v[1])


#: pairs of arrays; see the module
ARRAY_INTERVALS = SimpleNamespace(
    constant=_constant,
    add=_add,
    sub=_sub,
    mul=_mul,
    div=lambda u, v: _mul(u, _recip(v)),
    neg=_neg,
    recip=_recip,
    power=_power,
    real_power=_real_power,
    abs=_abs,
    max=_max,
    min=_min,
    exp=_exp,
    log=_log,
    sin=_sin,
    cos=_cos,
    tan=lambda u: _mul(_sin(u), _recip(_cos(u))),
    sinh=_increasing(np.sinh),
    cosh=_cosh,
    tanh=_increasing(np.tanh, -1.0, 1.0),
    atan=_increasing(np.arctan, -np.pi / 2 - 1e-15, np.pi / 2 + 1e-15),
    erf=_increasing(erf, -1.0, 1.0),
    sign=_sign,
    heaviside=_heaviside,
    log_cosh=_log_cosh,
    log_sum_exp=_log_sum_exp,
    softmax=_softmax,
)
