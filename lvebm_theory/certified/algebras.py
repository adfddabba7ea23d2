"""The arithmetics: intervals, Taylor series of balls, and floats for estimates."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from flint import arb, arb_series
from scipy.special import erf, logsumexp

from . import interval as iv
from .interval import Interval


class DomainError(ArithmeticError):
    """A series was asked where the function is not known to be analytic."""


def _number(value: Fraction | str) -> Any:
    if isinstance(value, Fraction):
        return iv.rational(value)
    return arb.pi() if value == "pi" else arb.const_e()


def _interval_constant(value: Fraction | str) -> Interval:
    return Interval.point(_number(value))


#: enclosures of ranges, sharp in sign; kinks allowed
INTERVALS = SimpleNamespace(
    constant=_interval_constant,
    add=lambda u, v: u + v,
    sub=lambda u, v: u - v,
    mul=lambda u, v: u.integer_power(2) if u is v else u * v,
    div=lambda u, v: u * v.reciprocal(),
    neg=lambda u: -u,
    recip=lambda u: u.reciprocal(),
    power=lambda u, n: u.integer_power(n),
    real_power=lambda u, q: u.real_power(q),
    abs=abs,
    max=iv.maximum,
    min=iv.minimum,
    **{
        name: getattr(iv, name)
        for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf")
    },
    sign=iv.sign,
    heaviside=iv.heaviside,
    log_cosh=iv.log_cosh,
    log_sum_exp=iv.log_sum_exp,
    softmax=iv.softmax,
)


def _ball_power(u: Any, n: int) -> Any:
    result = None
    while n:
        if n & 1:
            result = u if result is None else result * u
        n >>= 1
        if n:
            u = u * u
    return result


def _ball_sign(u: Any) -> Any:
    return arb(1) if u > 0 else arb(-1) if u < 0 else arb(0, 1)


def _ball_softmax(index: int, *exponents: Any) -> Any:
    others = (u for m, u in enumerate(exponents) if m != index)
    return 1 / sum(((u - exponents[index]).exp() for u in others), arb(1))


def _ball_log_sum_exp(*exponents: Any) -> Any:
    top = max(exponents, key=lambda u: float(u.mid()))
    return top + sum(((u - top).exp() for u in exponents if u is not top), arb(1)).log()


#: balls: fast, sharp on smooth functions of narrow balls; NaN where undefined
BALLS = SimpleNamespace(
    constant=lambda value: _number(value),
    add=lambda u, v: u + v,
    sub=lambda u, v: u - v,
    mul=lambda u, v: u * v,
    div=lambda u, v: u / v,
    neg=lambda u: -u,
    recip=lambda u: 1 / u,
    power=_ball_power,
    real_power=lambda u, q: u ** _number(q),
    abs=lambda u: u * _ball_sign(u),
    max=lambda u, v: u if u > v else v if v > u else u.union(v),
    min=lambda u, v: v if u > v else u if v > u else u.union(v),
    exp=lambda u: u.exp(),
    log=lambda u: u.log(),
    sin=lambda u: u.sin(),
    cos=lambda u: u.cos(),
    tan=lambda u: u.tan(),
    sinh=lambda u: u.sinh(),
    cosh=lambda u: u.cosh(),
    tanh=lambda u: u.tanh(),
    atan=lambda u: u.atan(),
    erf=lambda u: u.erf(),
    sign=_ball_sign,
    heaviside=lambda u: (_ball_sign(u) + 1) / 2,
    log_cosh=lambda u: u.cosh().log(),
    log_sum_exp=_ball_log_sum_exp,
    softmax=_ball_softmax,
)

#: plain floating point on numpy arrays: estimates, never proofs
FLOATS = SimpleNamespace(
    constant=lambda value: float(_number(value).mid()),
    add=np.add,
    sub=np.subtract,
    mul=np.multiply,
    div=np.divide,
    neg=np.negative,
    recip=lambda u: 1.0 / u,
    power=lambda u, n: u**n,
    real_power=lambda u, q: np.power(u, float(q)),
    abs=np.abs,
    max=np.maximum,
    min=np.minimum,
    exp=np.exp,
    log=np.log,
    sin=np.sin,
    cos=np.cos,
    tan=np.tan,
    sinh=np.sinh,
    cosh=np.cosh,
    tanh=np.tanh,
    atan=np.arctan,
    erf=erf,
    sign=np.sign,
    heaviside=lambda u: np.heaviside(u, 0.5),
    log_cosh=lambda u: np.logaddexp(u, -u) - np.log(2.0),
    log_sum_exp=lambda *u: logsumexp(np.broadcast_arrays(*u), axis=0),
    softmax=lambda k, *u: np.exp(u[k] - logsumexp(np.broadcast_arrays(*u), axis=0)),
)


class TaylorSeries:
    """Taylor series in balls, ``arb_series`` of a fixed length, in one variable.

    The constant coefficient may be a wide ball X; coefficient k then encloses f^(k)(x)/k! at every
    x in X, which is Lagrange's remainder. Where f is not analytic on X, DomainError is raised.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def variable(self, ball: Any) -> Any:
        """x itself, around a ball."""
        return arb_series([ball, 1], prec=self.length)

    def constant(self, value: Fraction | str) -> Any:
        """A number."""
        return arb_series([_number(value)], prec=self.length)

    def _head(self, u: Any) -> Any:
        return u[0]

    def add(self, u: Any, v: Any) -> Any:
        """u + v."""
        return u + v

    def sub(self, u: Any, v: Any) -> Any:
        """u - v."""
        return u - v

    def mul(self, u: Any, v: Any) -> Any:
        """u v."""
        return u * v

    def neg(self, u: Any) -> Any:
        """-u."""
        return -u

    def recip(self, u: Any) -> Any:
        """1/u."""
        if u[0].contains(0):
            raise DomainError("division by zero")
        return 1 / u

    def div(self, u: Any, v: Any) -> Any:
        """u/v."""
        return u * self.recip(v)

    def power(self, u: Any, n: int) -> Any:
        """u^n by repeated squaring."""
        return _ball_power(u, n)

    def real_power(self, u: Any, q: Fraction) -> Any:
        """u^q on u > 0."""
        if q.denominator == 1:
            value = self.power(u, abs(q.numerator))
            return value if q > 0 else self.recip(value)
        self._positive(u, "power")
        if q.denominator == 2:
            root = u.sqrt()
            value = self.power(root, abs(q.numerator))
            return value if q > 0 else self.recip(value)
        return (u.log() * iv.rational(q)).exp()

    def _positive(self, u: Any, name: str) -> None:
        if not u[0] > 0:
            raise DomainError(f"{name} of a number that may not be positive")

    def exp(self, u: Any) -> Any:
        """exp(u)."""
        return u.exp()

    def log(self, u: Any) -> Any:
        """log(u) on u > 0."""
        self._positive(u, "log")
        return u.log()

    def sin(self, u: Any) -> Any:
        """sin(u)."""
        return u.sin()

    def cos(self, u: Any) -> Any:
        """cos(u)."""
        return u.cos()

    def tan(self, u: Any) -> Any:
        """tan(u)."""
        return self.div(u.sin(), u.cos())

    def sinh(self, u: Any) -> Any:
        """(e^u - e^-u)/2."""
        return (u.exp() - (-u).exp()) / 2

    def cosh(self, u: Any) -> Any:
        """(e^u + e^-u)/2."""
        return (u.exp() + (-u).exp()) / 2

    def tanh(self, u: Any) -> Any:
        """1 - 2/(e^2u + 1): u once, so that wide balls stay tight."""
        if u[0] < 0:
            return -self.tanh(-u)
        return 1 - 2 * self.recip((2 * u).exp() + 1)

    def atan(self, u: Any) -> Any:
        """atan(u)."""
        return u.atan()

    def erf(self, u: Any) -> Any:
        """erf(u)."""
        return u.erf()

    def log_cosh(self, u: Any) -> Any:
        """u + log((1 + e^-2u)/2)."""
        if u[0] < 0:
            u = -u
        return u + (((-2 * u).exp() + 1) / 2).log()

    def sign(self, u: Any) -> Any:
        """+-1 where u cannot vanish."""
        if u[0] > 0:
            return self.constant(Fraction(1))
        if u[0] < 0:
            return self.constant(Fraction(-1))
        raise DomainError("kink")

    def heaviside(self, u: Any) -> Any:
        """0 or 1 where u cannot vanish."""
        return (self.sign(u) + 1) / 2

    def abs(self, u: Any) -> Any:
        """|u| where u cannot vanish."""
        return self.sign(u) * u

    def max(self, u: Any, v: Any) -> Any:
        """The larger, where they cannot meet."""
        return u if self._above(u, v) else v

    def min(self, u: Any, v: Any) -> Any:
        """The smaller, where they cannot meet."""
        return v if self._above(u, v) else u

    def _above(self, u: Any, v: Any) -> bool:
        if u[0] > v[0]:
            return True
        if u[0] < v[0]:
            return False
        raise DomainError("kink")

    def log_sum_exp(self, *exponents: Any) -> Any:
        """u_k + log(1 + sum_m e^(u_m - u_k)), k the largest at the centre."""
        top = max(exponents, key=lambda u: float(u[0].mid()))
        total = self.constant(Fraction(1))
        for exponent in exponents:
            if exponent is not top:
                total = total + (exponent - top).exp()
        return top + self.log(total)

    def softmax(self, index: int, *exponents: Any) -> Any:
        """1/sum_m e^(u_m - u_k)."""
        total = self.constant(Fraction(1))
        for m, exponent in enumerate(exponents):
            if m != index:
                total = total + (exponent - exponents[index]).exp()
        return self.recip(total)
