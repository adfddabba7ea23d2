"""The algebra of growth: a formula evaluated on a whole ray, or on a box of directions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from . import interval as iv
from .algebras import _number
from .growth import (
    CONSTANT,
    Growth,
    exponential,
    extremum_hull,
    leading_size,
    logarithm,
    power_law,
)
from .interval import ONE, UNDEFINED, ZERO, Interval


class GrowthAlgebra:
    """Operations on ``Growth`` values over [R, infinity)."""

    def __init__(self, radius: Any) -> None:
        self.radius = radius

    def constant(self, value: Fraction | str) -> Growth:
        """A number."""
        return self._bounded(Interval.point(_number(value)))

    def _bounded(self, value: Interval) -> Growth:
        return Growth(((value, CONSTANT),), self.radius)

    def add(self, u: Growth, v: Growth) -> Growth:
        """u + v."""
        return u + v

    def sub(self, u: Growth, v: Growth) -> Growth:
        """u - v."""
        return u - v

    def mul(self, u: Growth, v: Growth) -> Growth:
        """u v."""
        return u * v

    def neg(self, u: Growth) -> Growth:
        """-u."""
        return -u

    def recip(self, u: Growth) -> Growth:
        """1/u."""
        return power_law(u, Fraction(-1))

    def div(self, u: Growth, v: Growth) -> Growth:
        """u/v."""
        return u * self.recip(v)

    def power(self, u: Growth, n: int) -> Growth:
        """u^n: expanded while short, through the leading term otherwise."""
        if len(u.terms) == 1 or n > 16:
            return power_law(u, Fraction(n))
        if n % 2 == 0:
            if (lead := u.leading()) is not None and lead[0].low < 0 < lead[0].high:
                # cross terms of an expansion would have no sign, the power has one
                return Growth(
                    ((lead[0].integer_power(n), lead[1].to_power(Fraction(n))),), u.radius
                )
            half = u if n == 2 else self.power(u, n // 2)
            return half.square()
        return u * self.power(u, n - 1) if n > 1 else u

    def real_power(self, u: Growth, q: Fraction) -> Growth:
        """u^q on u > 0."""
        return power_law(u, q)

    def exp(self, u: Growth) -> Growth:
        """exp(u)."""
        return exponential(u)

    def log(self, u: Growth) -> Growth:
        """log(u)."""
        return logarithm(u)

    def _through_range(self, u: Growth, function: Callable[[Interval], Interval]) -> Growth:
        return self._bounded(function(u.range()) if u.defined else UNDEFINED)

    def sin(self, u: Growth) -> Growth:
        """sin(u)."""
        return self._through_range(u, iv.sin)

    def cos(self, u: Growth) -> Growth:
        """cos(u)."""
        return self._through_range(u, iv.cos)

    def tan(self, u: Growth) -> Growth:
        """tan(u) of a bounded u."""
        return self._through_range(u, iv.tan)

    def atan(self, u: Growth) -> Growth:
        """atan(u)."""
        return self._through_range(u, iv.atan)

    def erf(self, u: Growth) -> Growth:
        """erf(u)."""
        return self._through_range(u, iv.erf)

    def sign(self, u: Growth) -> Growth:
        """sign(u)."""
        direction = self._direction(u)
        return self._bounded(
            iv.sign(u.range()) if direction == 0 else Interval.between(direction, direction)
        )

    def heaviside(self, u: Growth) -> Growth:
        """The unit step."""
        half = self._bounded(Interval.between(0.5, 0.5))
        return (self.sign(u) * half) + half

    def _direction(self, u: Growth) -> int:
        """+1 or -1 where u has that sign on the whole ray, else 0."""
        if u.lower_term() is not None:
            return 1
        return -1 if (-u).lower_term() is not None else 0

    def abs(self, u: Growth) -> Growth:
        """|u|."""
        direction = self._direction(u)
        if direction:
            return u if direction > 0 else -u
        return leading_size(u)

    def max(self, u: Growth, v: Growth) -> Growth:
        """max(u, v)."""
        direction = self._direction(u - v)
        if direction:
            return u if direction > 0 else v
        return extremum_hull([u, v])

    def min(self, u: Growth, v: Growth) -> Growth:
        """min(u, v)."""
        return -self.max(-u, -v)

    def cosh(self, u: Growth) -> Growth:
        """(e^u + e^-u)/2."""
        half = self._bounded(Interval.between(0.5, 0.5))
        return (exponential(u) + exponential(-u)) * half

    def sinh(self, u: Growth) -> Growth:
        """(e^u - e^-u)/2."""
        half = self._bounded(Interval.between(0.5, 0.5))
        return (exponential(u) - exponential(-u)) * half

    def tanh(self, u: Growth) -> Growth:
        """1 - 2/(e^2u + 1) where u > 0; its range otherwise."""
        direction = self._direction(u)
        if direction == 0:
            return self._through_range(u, iv.tanh)
        if direction < 0:
            return -self.tanh(-u)
        one = self._bounded(iv.UNIT)
        two = self._bounded(Interval.between(2, 2))
        decay = exponential(-(two * u))
        return one - two * decay * self.recip(one + decay)

    def log_cosh(self, u: Growth) -> Growth:
        """|u| - log 2 + log(1 + e^(-2|u|)), the last term between 0 and log 2."""
        size = self.abs(u)
        two = self._bounded(Interval.between(2, 2))
        decay = exponential(-(two * size)).range()
        if not decay.finite:
            decay = Interval(ZERO, ONE)
        rest = iv.log(Interval(ONE, ONE) + decay) - iv.log(Interval.between(2, 2))
        return size + self._bounded(rest)

    def log_sum_exp(self, *exponents: Growth) -> Growth:
        """u_k + log(1 + sum_m e^(u_m - u_k)) where one leads; else the largest plus [0, log n]."""
        for top in exponents:
            total = iv.UNIT
            for u in exponents:
                if u is not top:
                    total = total + exponential(u - top).range()
            if total.finite:
                return top + self._bounded(iv.log(total))
        count = Interval.between(len(exponents), len(exponents))
        return extremum_hull(list(exponents)) + self._bounded(Interval(ZERO, iv.log(count).high))

    def softmax(self, index: int, *exponents: Growth) -> Growth:
        """1/sum_m e^(u_m - u_k), between 0 and 1."""
        others = [u for m, u in enumerate(exponents) if m != index]
        one = self._bounded(iv.UNIT)
        total = one
        for u in others:
            total = total + exponential(u - exponents[index])
        value = self.recip(total)
        if value.defined and value.range().finite:
            return value
        return self._bounded(Interval(ZERO, ONE))
