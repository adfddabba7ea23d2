r"""Values with first and second derivatives in the plane, over any arithmetic of enclosures.

A jet (u, u_x, u_y, u_xx, u_xy, u_yy) goes through a formula by the chain rule, so that nothing is
differentiated symbolically. What it gains is in sums of exponentials: with f_k of derivatives g_k,
h_k and softmax weights p_k,

    grad log sum e^(f_k) = sum p_k g_k,
    Hess log sum e^(f_k) = sum p_k h_k + sum_(k<l) p_k p_l (g_k - g_l)(g_k - g_l)',

the first sums are convex combinations, whatever the p_k, and 0 <= p_k p_l <= 1/4: far out, where
enclosures of the p_k say nothing, a mixture is still bounded by its components.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

Jet = tuple[Any, Any, Any, Any, Any, Any]


class NotSmooth(ArithmeticError):
    """The formula has a kink: no second derivative to enclose."""


class JetAlgebra:
    """Operations on jets.

    Parameters
    ----------
    algebra : object
        The arithmetic of the six entries.
    hull : callable
        A list of values of the algebra to one that encloses them and what lies between.
    meet : callable, optional
        Two enclosures of one number to a tighter one; without it softmax weights are only known
        to lie between 0 and 1.
    square : callable, optional
        The square of a value, known to be at least 0; by default the algebra's.
    """

    def __init__(
        self,
        algebra: Any,
        hull: Callable[[list[Any]], Any],
        meet: Callable[[Any, Any], Any] | None = None,
        square: Callable[[Any], Any] | None = None,
    ) -> None:
        self.algebra, self.hull, self.meet = algebra, hull, meet
        self.square = square or (lambda u: algebra.power(u, 2))
        self.zero = algebra.constant(Fraction(0))
        self.one = algebra.constant(Fraction(1))

    def coordinates(self, x: Any, y: Any) -> list[Jet]:
        """The jets of the two coordinates."""
        o, i = self.zero, self.one
        return [(x, i, o, o, o, o), (y, o, i, o, o, o)]

    def constant(self, value: Fraction | str) -> Jet:
        """A number."""
        o = self.zero
        return (self.algebra.constant(value), o, o, o, o, o)

    def add(self, u: Jet, v: Jet) -> Jet:
        """u + v."""
        return _jet(self._plus(a, b) for a, b in zip(u, v, strict=True))

    def neg(self, u: Jet) -> Jet:
        """-u."""
        return _jet(a if a is self.zero else self.algebra.neg(a) for a in u)

    def sub(self, u: Jet, v: Jet) -> Jet:
        """u - v."""
        return self.add(u, self.neg(v))

    def mul(self, u: Jet, v: Jet) -> Jet:
        """u v."""
        if u is v:
            return self.power(u, 2)
        t, plus = self._times, self._plus
        two = self.algebra.constant(Fraction(2))
        return (
            self.algebra.mul(u[0], v[0]),
            plus(t(u[1], v[0]), t(u[0], v[1])),
            plus(t(u[2], v[0]), t(u[0], v[2])),
            plus(plus(t(u[3], v[0]), t(u[0], v[3])), t(two, t(u[1], v[1]))),
            plus(plus(t(u[4], v[0]), t(u[0], v[4])), plus(t(u[1], v[2]), t(u[2], v[1]))),
            plus(plus(t(u[5], v[0]), t(u[0], v[5])), t(two, t(u[2], v[2]))),
        )

    def recip(self, u: Jet) -> Jet:
        """1/u."""
        a = self.algebra
        r = a.recip(u[0])
        square = a.power(r, 2)
        return self._chain(u, r, a.neg(square), self._scaled(2, a.mul(square, r)))

    def div(self, u: Jet, v: Jet) -> Jet:
        """u/v."""
        return self.mul(u, self.recip(v))

    def power(self, u: Jet, n: int) -> Jet:
        """u^n, n >= 2."""
        a = self.algebra
        first = u[0] if n == 2 else a.power(u[0], n - 1)
        second = self.one if n == 2 else u[0] if n == 3 else a.power(u[0], n - 2)
        value = a.power(u[0], n)
        return self._chain(u, value, self._scaled(n, first), self._scaled(n * (n - 1), second))

    def real_power(self, u: Jet, q: Fraction) -> Jet:
        """u^q on u > 0."""
        a = self.algebra
        first = self._scaled(q, a.real_power(u[0], q - 1))
        second = self._scaled(q * (q - 1), a.real_power(u[0], q - 2))
        return self._chain(u, a.real_power(u[0], q), first, second)

    def exp(self, u: Jet) -> Jet:
        """exp(u)."""
        e = self.algebra.exp(u[0])
        return self._chain(u, e, e, e)

    def log(self, u: Jet) -> Jet:
        """log(u)."""
        a = self.algebra
        r = a.recip(u[0])
        return self._chain(u, a.log(u[0]), r, a.neg(a.power(r, 2)))

    def sin(self, u: Jet) -> Jet:
        """sin(u)."""
        s, c = self.algebra.sin(u[0]), self.algebra.cos(u[0])
        return self._chain(u, s, c, self.algebra.neg(s))

    def cos(self, u: Jet) -> Jet:
        """cos(u)."""
        s, c = self.algebra.sin(u[0]), self.algebra.cos(u[0])
        return self._chain(u, c, self.algebra.neg(s), self.algebra.neg(c))

    def tan(self, u: Jet) -> Jet:
        """tan(u)."""
        return self.div(self.sin(u), self.cos(u))

    def sinh(self, u: Jet) -> Jet:
        """sinh(u)."""
        s, c = self.algebra.sinh(u[0]), self.algebra.cosh(u[0])
        return self._chain(u, s, c, s)

    def cosh(self, u: Jet) -> Jet:
        """cosh(u)."""
        s, c = self.algebra.sinh(u[0]), self.algebra.cosh(u[0])
        return self._chain(u, c, s, c)

    def tanh(self, u: Jet) -> Jet:
        """tanh(u), of slope 1 - tanh^2."""
        a = self.algebra
        t = a.tanh(u[0])
        slope = a.sub(self.one, a.power(t, 2))
        return self._chain(u, t, slope, self._scaled(-2, a.mul(t, slope)))

    def log_cosh(self, u: Jet) -> Jet:
        """log cosh(u), of slope tanh."""
        a = self.algebra
        t = a.tanh(u[0])
        return self._chain(u, a.log_cosh(u[0]), t, a.sub(self.one, a.power(t, 2)))

    def atan(self, u: Jet) -> Jet:
        """atan(u), of slope 1/(1 + u^2)."""
        a = self.algebra
        slope = a.recip(a.add(self.one, a.power(u[0], 2)))
        curvature = self._scaled(-2, a.mul(u[0], a.power(slope, 2)))
        return self._chain(u, a.atan(u[0]), slope, curvature)

    def erf(self, u: Jet) -> Jet:
        """erf(u), of slope 2 e^(-u^2)/sqrt(pi)."""
        a = self.algebra
        root = a.real_power(a.constant("pi"), Fraction(-1, 2))
        slope = self._scaled(2, a.mul(root, a.exp(a.neg(a.power(u[0], 2)))))
        return self._chain(u, a.erf(u[0]), slope, self._scaled(-2, a.mul(u[0], slope)))

    def log_sum_exp(self, *f: Jet) -> Jet:
        """See the module."""
        a = self.algebra
        values = [u[0] for u in f]
        weights = [a.softmax(k, *values) for k in range(len(f))] if self.meet else []
        entries = [self._mixed(weights, [u[i] for u in f]) for i in range(1, 6)]
        quarter = self.hull([self.zero, a.constant(Fraction(1, 4))])
        for k, m in itertools.combinations(range(len(f)), 2):
            pair = quarter
            if self.meet:
                pair = self.meet(a.mul(weights[k], weights[m]), quarter)
            dx, dy = (self._minus(f[k][i], f[m][i]) for i in (1, 2))
            products = (self._squared(dx), self._times(dx, dy), self._squared(dy))
            for place, product in zip((2, 3, 4), products, strict=True):
                entries[place] = self._plus(entries[place], self._times(pair, product))
        return (a.log_sum_exp(*values), *entries)

    def sign(self, u: Jet) -> Jet:
        """A kink."""
        raise NotSmooth

    abs = heaviside = sign

    def max(self, u: Jet, v: Jet) -> Jet:
        """A kink."""
        raise NotSmooth

    min = max

    def _mixed(self, weights: Sequence[Any], values: list[Any]) -> Any:
        """sum p_k v_k, met with the hull of the v_k."""
        if all(v is self.zero for v in values):
            return self.zero
        hull = self.hull(values)
        if self.meet is None:
            return hull
        total = self.zero
        for p, v in zip(weights, values, strict=True):
            total = self._plus(total, self._times(p, v))
        return self.meet(total, hull)

    def _chain(self, u: Jet, value: Any, first: Any, second: Any) -> Jet:
        """f(u) from f, f' and f'' at u."""
        t, plus = self._times, self._plus
        return (
            value,
            t(first, u[1]),
            t(first, u[2]),
            plus(t(first, u[3]), t(second, t(u[1], u[1]))),
            plus(t(first, u[4]), t(second, t(u[1], u[2]))),
            plus(t(first, u[5]), t(second, t(u[2], u[2]))),
        )

    def _scaled(self, number: int | Fraction, u: Any) -> Any:
        return self._times(self.algebra.constant(Fraction(number)), u)

    def _plus(self, u: Any, v: Any) -> Any:
        return v if u is self.zero else u if v is self.zero else self.algebra.add(u, v)

    def _minus(self, u: Any, v: Any) -> Any:
        return self._plus(u, v if v is self.zero else self.algebra.neg(v))

    def _squared(self, u: Any) -> Any:
        return u if u is self.zero else self.square(u)

    def _times(self, u: Any, v: Any) -> Any:
        if u is self.zero or v is self.zero:
            return self.zero
        return v if u is self.one else u if v is self.one else self.algebra.mul(u, v)


def _jet(entries: Any) -> Jet:
    return tuple(entries)
