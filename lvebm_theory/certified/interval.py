"""Intervals with ball-arithmetic endpoints: what is known of a quantity when signs matter.

A ball [m - r, m + r] cannot say "between 0 and 1e-9" exactly; an interval can, and bounds at
infinity rest on such signs. Endpoints are exact ``arb`` numbers (so neither overflow nor underflow
at any size that occurs), each operation rounds outward. Endpoints may be infinite: then nothing
is known on that side. ``UNDEFINED`` (NaN endpoints) marks arguments outside a function's domain
and spreads through every operation.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import arb, fmpq

INFINITY = arb.pos_inf()
ZERO = arb(0)
ONE = arb(1)


def rational(value: Fraction) -> Any:
    """The ball of a fraction; exact when it has few bits."""
    if value.denominator == 1:
        return arb(value.numerator)
    return arb(fmpq(value.numerator, value.denominator))


class Interval:
    """The closed interval [low, high]."""

    __slots__ = ("high", "low")

    def __init__(self, low: Any, high: Any) -> None:
        self.low = low
        self.high = high

    @classmethod
    def point(cls, value: Any) -> Interval:
        """The tightest interval around a ball, an integer, a float or a Fraction."""
        ball = rational(value) if isinstance(value, Fraction) else arb(value)
        return cls(ball.lower(), ball.upper())

    @classmethod
    def between(cls, low: Any, high: Any) -> Interval:
        """[low, high] from integers, floats or exact balls."""
        return cls(arb(low), arb(high))

    def __repr__(self) -> str:
        return f"[{float(self.low):.6g}, {float(self.high):.6g}]"

    @property
    def defined(self) -> bool:
        """False for UNDEFINED."""
        return bool(self.low <= self.high)

    @property
    def finite(self) -> bool:
        """Both endpoints finite."""
        return bool(self.low > -INFINITY and self.high < INFINITY and self.low <= self.high)

    @property
    def thin(self) -> bool:
        """A single number."""
        return bool(self.low == self.high)

    @property
    def is_zero(self) -> bool:
        """Exactly {0}."""
        return bool(self.low == 0 and self.high == 0)

    @property
    def ball(self) -> Any:
        """The smallest ball around a finite interval."""
        return self.low if self.thin else self.low.union(self.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return Interval((self.low + other.low).lower(), (self.high + other.high).upper())

    def __sub__(self, other: Interval) -> Interval:
        return Interval((self.low - other.high).lower(), (self.high - other.low).upper())

    def __mul__(self, other: Interval) -> Interval:
        a, b, c, d = self.low, self.high, other.low, other.high
        if a >= 0 and c >= 0:
            return Interval(_product(a, c).lower(), _product(b, d).upper())
        if b <= 0 and d <= 0:
            return Interval(_product(b, d).lower(), _product(a, c).upper())
        if not (self.defined and other.defined):
            return UNDEFINED
        products = [_product(a, c), _product(a, d), _product(b, c), _product(b, d)]
        return Interval(
            _least([p.lower() for p in products]), _greatest([p.upper() for p in products])
        )

    def reciprocal(self) -> Interval:
        """1/u; UNDEFINED where u may vanish inside, unbounded where it may at an endpoint."""
        if not self.defined or (self.low < 0 < self.high) or self.is_zero:
            return UNDEFINED
        low = -INFINITY if self.high == 0 else (1 / self.high).lower()
        high = INFINITY if self.low == 0 else (1 / self.low).upper()
        return Interval(low, high)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval around both."""
        if not (self.defined and other.defined):
            return UNDEFINED
        return Interval(_least([self.low, other.low]), _greatest([self.high, other.high]))

    def intersection(self, other: Interval) -> Interval:
        """What both say; they must meet."""
        return Interval(_greatest([self.low, other.low]), _least([self.high, other.high]))

    def __abs__(self) -> Interval:
        if self.low >= 0:
            return self
        if self.high <= 0:
            return -self
        return Interval(ZERO, _greatest([-self.low, self.high])) if self.defined else UNDEFINED

    def integer_power(self, n: int) -> Interval:
        """u^n for n >= 1; an even power is never negative."""
        if n % 2 == 0:
            size = abs(self)
            return Interval((size.low**n).lower(), (size.high**n).upper())
        return Interval((self.low**n).lower(), (self.high**n).upper())

    def real_power(self, exponent: Fraction) -> Interval:
        """u^q on u >= 0 (u > 0 when q < 0); UNDEFINED on negative u unless q is an integer."""
        if exponent < 0:
            return self.real_power(-exponent).reciprocal()
        if exponent == 0:
            return Interval(ONE, ONE) if self.defined else UNDEFINED
        if exponent.denominator == 1:
            return self.integer_power(exponent.numerator)
        if not self.low >= 0:
            return UNDEFINED
        q = rational(exponent)
        return Interval(_endpoint_power(self.low, q).lower(), _endpoint_power(self.high, q).upper())


UNDEFINED = Interval(arb.nan(), arb.nan())
WHOLE = Interval(-INFINITY, INFINITY)
UNIT = Interval(ONE, ONE)
NOTHING = Interval(ZERO, ZERO)


def _product(a: Any, b: Any) -> Any:
    # an infinite endpoint stands for arbitrarily large numbers, and 0 times any number is 0
    return ZERO if a == 0 or b == 0 else a * b


def _least(values: list[Any]) -> Any:
    least = values[0]
    for value in values[1:]:
        if value < least:
            least = value
    return least


def _greatest(values: list[Any]) -> Any:
    greatest = values[0]
    for value in values[1:]:
        if value > greatest:
            greatest = value
    return greatest


def _endpoint_power(base: Any, exponent: Any) -> Any:
    if base == 0 or base == INFINITY:
        return base
    return base**exponent


def increasing(
    function: Callable[[Any], Any], at_minus_infinity: Any, at_infinity: Any
) -> Callable[[Interval], Interval]:
    """The interval form of an increasing function, given its limits."""

    def endpoint(x: Any) -> Any:
        if x == INFINITY:
            return at_infinity
        return at_minus_infinity if x == -INFINITY else function(x)

    def interval(u: Interval) -> Interval:
        """The function at both endpoints, rounded outwards."""
        if not u.defined:
            return UNDEFINED
        return Interval(endpoint(u.low).lower(), endpoint(u.high).upper())

    return interval


_exp = increasing(lambda x: x.exp(), ZERO, INFINITY)
_half_pi = arb.pi() / 2

sinh = increasing(lambda x: x.sinh(), -INFINITY, INFINITY)
tanh = increasing(lambda x: x.tanh(), -ONE, ONE)
atan = increasing(lambda x: x.atan(), -_half_pi, _half_pi)
erf = increasing(lambda x: x.erf(), -ONE, ONE)


def exp(u: Interval) -> Interval:
    """exp(u) >= 0, also where the exponent overflows."""
    value = _exp(u)
    if value.low < 0:
        value = Interval(ZERO, value.high)
    return value


def log(u: Interval) -> Interval:
    """log(u) on u >= 0, from -infinity at 0; UNDEFINED where u may be negative."""
    if not u.low >= 0:
        return UNDEFINED
    low = -INFINITY if u.low == 0 else u.low.log().lower()
    if u.high == INFINITY:
        return Interval(low, INFINITY)
    return Interval(low, -INFINITY if u.high == 0 else u.high.log().upper())


def _trigonometric(function: Callable[[Any], Any]) -> Callable[[Interval], Interval]:
    def interval(u: Interval) -> Interval:
        """The function over the ball of u, within [-1, 1]."""
        if not u.defined:
            return UNDEFINED
        if not u.finite:
            return Interval(-ONE, ONE)
        ball = function(u.ball)
        return Interval(_greatest([ball.lower(), -ONE]), _least([ball.upper(), ONE]))

    return interval


sin = _trigonometric(lambda x: x.sin())
cos = _trigonometric(lambda x: x.cos())


def cosh(u: Interval) -> Interval:
    """cosh(u) = cosh(|u|)."""
    size = abs(u)
    if not size.defined:
        return UNDEFINED
    high = INFINITY if size.high == INFINITY else size.high.cosh().upper()
    return Interval(size.low.cosh().lower() if size.low < INFINITY else INFINITY, high)


def log_cosh(u: Interval) -> Interval:
    """log(cosh(u)) = |u| + log((1 + exp(-2|u|))/2), increasing in |u|."""

    def at(x: Any) -> Any:
        return x + (((-2 * x).exp() + 1) / 2).log() if x < INFINITY else INFINITY

    size = abs(u)
    if not size.defined:
        return UNDEFINED
    return Interval(_greatest([at(size.low).lower(), ZERO]), at(size.high).upper())


def sign(u: Interval) -> Interval:
    """sign(u); both values where u may vanish."""
    if not u.defined:
        return UNDEFINED
    if u.is_zero:
        return NOTHING
    return Interval(_endpoint_sign(u.low), _endpoint_sign(u.high))


def _endpoint_sign(x: Any) -> Any:
    return ONE if x > 0 else ZERO if x == 0 else -ONE


def heaviside(u: Interval) -> Interval:
    """The unit step; both values where u may vanish."""
    s = sign(u)
    return Interval((s.low + 1) / 2, (s.high + 1) / 2)


def maximum(u: Interval, v: Interval) -> Interval:
    """max(u, v)."""
    if not (u.defined and v.defined):
        return UNDEFINED
    return Interval(_greatest([u.low, v.low]), _greatest([u.high, v.high]))


def minimum(u: Interval, v: Interval) -> Interval:
    """min(u, v)."""
    return -maximum(-u, -v)


def tan(u: Interval) -> Interval:
    """tan(u) within one branch; UNDEFINED where a pole may lie inside."""
    if not u.finite:
        return UNDEFINED
    ball = u.ball.tan()
    return Interval(ball.lower(), ball.upper()) if ball.is_finite() else UNDEFINED


def log_sum_exp(*exponents: Interval) -> Interval:
    """log(sum_k exp(u_k)), increasing in every exponent."""
    if not all(u.defined for u in exponents):
        return UNDEFINED

    def at(values: list[Any]) -> Any:
        top = _greatest(values)
        if abs(top) == INFINITY:
            return top
        return top + sum(((v - top).exp() for v in values if v > -INFINITY), ZERO).log()

    return Interval(at([u.low for u in exponents]).lower(), at([u.high for u in exponents]).upper())


def softmax(index: int, *exponents: Interval) -> Interval:
    """exp(u_k)/sum_m exp(u_m): increasing in u_k, decreasing in the others."""
    total = UNIT
    for m, exponent in enumerate(exponents):
        if m != index:
            total = total + exp(exponent - exponents[index])
    return total.reciprocal()
