"""Functions on [R, infinity) enclosed by sums of scales: what happens at infinity, proved.

    f(r) = sum_k c_k(r) m_k(r),   c_k(r) in [c_k],   m_k a scale,   for every r >= R

Arithmetic on such sums is exact on scales and interval arithmetic on coefficients; a smaller term
may be folded into a larger one, m_j = m_k (m_j/m_k), because the supremum of m_j/m_k on
[R, infinity) is known. A potential on a ray (or on a box of directions) goes in as a formula; out
comes, say, U(r) >= 0.49 r^2 for all r >= 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flint import arb

from . import interval as iv
from .interval import INFINITY, NOTHING, ONE, UNDEFINED, UNIT, WHOLE, ZERO, Interval
from .scale import LOGARITHM, Scale, of_power, plain

MOST_TERMS = 10
#: relative width of a coefficient up to which powers are expanded around it
EXPANDED = 0.02
CONSTANT = Scale()
LOG = Scale(log_power=plain(Fraction(1)))

Term = tuple[Interval, Scale]


class Growth:
    """A sum of terms on [R, infinity)."""

    __slots__ = ("radius", "terms")

    def __init__(self, terms: Sequence[Term], radius: Any) -> None:
        self.radius = radius
        merged: list[Term] = []
        for c, m in terms:
            if c.is_zero:
                continue
            for i, (c0, m0) in enumerate(merged):
                if _mergeable(c, m, c0, m0):
                    merged[i] = (c0 + c, m0)
                    break
            else:
                merged.append((c, m))
        self.terms = tuple(t for t in merged if not t[0].is_zero)
        if len(self.terms) > MOST_TERMS:
            self.terms = tuple(_folded(list(self.terms), radius))

    def __repr__(self) -> str:
        return " + ".join(f"{c}*{m}" for c, m in self.terms) or "0"

    @property
    def defined(self) -> bool:
        """False when some coefficient is UNDEFINED."""
        return all(c.defined for c, _ in self.terms)

    def constant(self, value: Interval) -> Growth:
        """A bounded function with this range, on the same rays."""
        return Growth(((value, CONSTANT),), self.radius)

    def __add__(self, other: Growth) -> Growth:
        return Growth(self.terms + other.terms, self.radius)

    def __neg__(self) -> Growth:
        return Growth(tuple((-c, m) for c, m in self.terms), self.radius)

    def __sub__(self, other: Growth) -> Growth:
        return self + (-other)

    def __mul__(self, other: Growth) -> Growth:
        if self is other:
            return self.square()
        return Growth(
            tuple((c * d, m * n) for c, m in self.terms for d, n in other.terms), self.radius
        )

    def square(self) -> Growth:
        """f^2; each term's own square is never negative."""
        terms = [(c.integer_power(2), m * m) for c, m in self.terms]
        two = Interval(arb(2), arb(2))
        for i, (c, m) in enumerate(self.terms):
            terms.extend((two * c * d, m * n) for d, n in self.terms[:i])
        return Growth(terms, self.radius)

    def range(self) -> Interval:
        """An enclosure of {f(r): r >= R}."""
        total = NOTHING
        for c, m in self.terms:
            total = total + c * m.range(self.radius)
        if not total.defined:
            return UNDEFINED
        below = self.lower_term()
        if below is not None:
            total = Interval(iv.maximum(total, _at_least(below, self.radius)).low, total.high)
        above = (-self).lower_term()
        if above is not None:
            total = Interval(total.low, iv.minimum(total, -_at_least(above, self.radius)).high)
        return total

    def leading(self) -> Term | None:
        """C m with f(r) in C m(r) for all r >= R, m as slow as possible; None if incomparable."""
        if len(self.terms) < 2:
            return self.terms[0] if self.terms else (NOTHING, CONSTANT)
        best: Term | None = None
        for k, (c, m) in enumerate(self.terms):
            total = c
            for j, (d, n) in enumerate(self.terms):
                if j != k:
                    total = total + d * n.over(m).range(self.radius)
            if total.finite and (best is None or _signed(total) > _signed(best[0])):
                best = (total, m)
        return best

    def lower_term(self) -> tuple[Any, Scale] | None:
        """(C, m), C > 0, with f(r) >= C m(r) for all r >= R, m growing fastest; None if not found.

        Terms that are never negative may be dropped; the others are compared with m.
        """
        best: tuple[Any, Scale] | None = None
        for k, (c, m) in enumerate(self.terms):
            if not (0 < c.low < INFINITY):
                continue
            total = c.low
            for j, (d, n) in enumerate(self.terms):
                if j != k and not d.low >= 0:
                    ratio = n.over(m).supremum(self.radius)
                    total = (total + (Interval(d.low, d.low) * Interval(ZERO, ratio)).low).lower()
            if total > 0 and (best is None or _faster(m, best[1], self.radius)):
                best = (total, m)
        return best


def _at_least(term: tuple[Any, Scale], radius: Any) -> Interval:
    c, m = term
    return Interval((c * m.range(radius).low).lower(), INFINITY)


def _signed(c: Interval) -> bool:
    return not (c.low <= 0 <= c.high)


def _faster(m: Scale, n: Scale, radius: Any) -> bool:
    return bool(n.over(m).supremum(radius) < INFINITY)


def _mergeable(c: Interval, m: Scale, d: Interval, n: Scale) -> bool:
    if (m.power, m.log_power) != (n.power, n.log_power):
        return False
    if [a for a, _ in m.exponents] != [a for a, _ in n.exponents]:
        return False
    if all(e is f for (_, e), (_, f) in _pairs(m, n)):
        return True  # from one exponential: the same function of the ray
    if not all(e.low == f.low and e.high == f.high for (_, e), (_, f) in _pairs(m, n)):
        return False
    # c1 e^s + c2 e^t = (c1 + c2) e^u with u between s and t, if c1 and c2 have one sign
    return m.certain or (c.low >= 0 and d.low >= 0) or (c.high <= 0 and d.high <= 0)


def _pairs(m: Scale, n: Scale) -> Any:
    return zip(m.exponents, n.exponents, strict=True)


def _folded(terms: list[Term], radius: Any) -> list[Term]:
    while len(terms) > MOST_TERMS:
        for j in range(len(terms) - 1, -1, -1):
            c, m = terms[j]
            hosts = [
                (k, ratio)
                for k, (_, n) in enumerate(terms)
                if k != j and (ratio := m.over(n).range(radius)).high < INFINITY
            ]
            if hosts:
                k, ratio = min(hosts, key=lambda host: float(abs(c * host[1]).high))
                terms[k] = (terms[k][0] + c * ratio, terms[k][1])
                del terms[j]
                break
        else:
            return [(WHOLE if all(c.defined for c, _ in terms) else UNDEFINED, CONSTANT)]
    return terms


def ray(direction: Interval, radius: Any, centre: Interval = NOTHING) -> Growth:
    """The coordinate centre + direction * r."""
    return Growth(((direction, of_power(1)), (centre, CONSTANT)), radius)


def extremum_hull(values: Sequence[Growth]) -> Growth:
    """One of the values at each r: coefficients are hulls over the values."""
    first = values[0]
    scales: list[Scale] = []
    for g in values:
        scales.extend(m for _, m in g.terms if m.certain and m not in scales)
        if not all(m.certain for _, m in g.terms):
            return first.constant(WHOLE)
    terms: list[Term] = []
    for m in scales:
        hull: Interval | None = None
        for g in values:
            c = next((c for c, n in g.terms if n == m), NOTHING)
            hull = c if hull is None else hull.hull(c)
        if hull is not None:
            terms.append((hull, m))
    return Growth(terms, first.radius)


def scale_logarithm(m: Scale, radius: Any) -> list[Term]:
    """log m(r) as terms; log log r lies between 0 and (log r)/e."""
    terms: list[Term] = []
    if m.power:
        terms.append((Interval.point(m.power), LOG))
    if m.log_power:
        iterated = Interval(ZERO, arb(-1).exp().upper())
        terms.append((Interval.point(m.log_power) * iterated, LOG))
    terms.extend((e, LOG if a == LOGARITHM else of_power(a)) for a, e in m.exponents)
    return terms


def exponential(f: Growth) -> Growth:
    """exp(f): powers of r go to the exponent, bounded terms to the coefficient.

    A term that is neither is replaced by a bound: exp(c m) <= exp(c n) for c < 0 and a slower n,
    exp(t) >= t for t growing beyond every exponent.
    """
    exponents: dict[Fraction, Interval] = {}
    power = plain(Fraction(0))
    factor = UNIT
    extra: list[Growth] = []
    for c, m in f.terms:
        if not c.defined:
            return f.constant(UNDEFINED)
        if not c.finite:
            factor = factor * iv.exp(c * m.range(f.radius))
        elif m == LOG:
            if c.thin:
                power = plain(power + _fraction(c.low))
            else:
                exponents[LOGARITHM] = exponents.get(LOGARITHM, NOTHING) + c
        elif m.power > 0 and not m.log_power and not m.exponents:
            exponents[m.power] = exponents.get(m.power, NOTHING) + c
        elif m.range(f.radius).finite:
            factor = factor * iv.exp(c * m.range(f.radius))
        elif c.high <= 0:
            slower, rest = _slower(m, f.radius)
            bound = Interval(c.high, c.high) * Interval(rest, rest)
            exponents[slower] = exponents.get(slower, NOTHING) + Interval(bound.high, bound.high)
            factor = factor * Interval(ZERO, ONE)
        elif c.low >= 0:
            extra.append(Growth(((Interval(c.low, INFINITY), m),), f.radius))
        else:
            factor = factor * Interval(ZERO, INFINITY)
    ordered = tuple(sorted(((a, e) for a, e in exponents.items() if not e.is_zero), reverse=True))
    result = Growth(((factor, Scale(power=power, exponents=ordered)),), f.radius)
    for g in extra:
        result = result * g
    return result


def _fraction(exact: Any) -> Fraction:
    mantissa, exponent = exact.man_exp()
    m, e = int(mantissa), int(exponent)
    return Fraction(m * 2**e) if e >= 0 else Fraction(m, 2**-e)


def _slower(m: Scale, radius: Any) -> tuple[Fraction, Any]:
    """(a, v) with m(r) >= v r^a on [R, infinity) for an a >= 0, v >= 0."""
    candidates = [m.power] if m.power > 0 else []
    for a in (*candidates, Fraction(1), Fraction(0)):
        low = m.over(of_power(a)).range(radius).low
        if low > 0:
            return (a, low) if a > 0 else (Fraction(1), ZERO)
    return Fraction(1), ZERO


def logarithm(f: Growth) -> Growth:
    """log(f) for f > 0."""
    lead = f.leading()
    if lead is not None and lead[0].low > 0:
        c, m = lead
        return Growth([(iv.log(c), CONSTANT), *scale_logarithm(m, f.radius)], f.radius)
    if f.terms and all(c.low > 0 for c, _ in f.terms):
        # the sum lies between its largest term and their number times that
        logs = [
            Growth([(iv.log(c), CONSTANT), *scale_logarithm(m, f.radius)], f.radius)
            for c, m in f.terms
        ]
        return extremum_hull(logs) + f.constant(Interval(ZERO, arb(len(logs)).log().upper()))
    return f.constant(UNDEFINED)


def power_law(f: Growth, q: Fraction) -> Growth:
    """f^q, expanded around the own coefficient c of the leading term m:

    (m (c + e))^q = m^q (c^q + q c^(q-1) e + q (q-1)/2 x^(q-2) e^2),   x between c and c + e.

    The expansion keeps what a later subtraction cancels. It is used where c is nearly a number and
    c + e stays on one side of zero; else, and for a single term, m^q C^q with C around c + e.
    """
    lead = f.leading()
    if lead is None:
        return f.constant(UNDEFINED)
    total, m = lead
    whole = Growth(((total.real_power(q), m.to_power(q)),), f.radius)
    own = next(((c, n) for c, n in f.terms if n is m), None)
    if own is None or len(f.terms) == 1:
        return whole
    c = own[0]
    between = c.hull(total)
    if (c.high - c.low) > EXPANDED * abs(c).high:
        return whole  # on a wide box of directions there is no cancellation to save
    if not (between.low > 0 or between.high < 0) or (q.denominator != 1 and c.low <= 0):
        return whole
    rest = Growth([(d, n.over(m)) for d, n in f.terms if n is not m], f.radius)
    first = Interval.point(q) * _signed_power(c, q - 1)
    second = Interval.point(q * (q - 1) / 2) * _signed_power(between, q - 2)
    expanded = (f.constant(_signed_power(c, q)) + f.constant(first) * rest) + f.constant(
        second
    ) * rest.square()
    if not expanded.defined:
        return whole
    outer = Growth(((UNIT, m.to_power(q)),), f.radius)
    return outer * expanded


def _signed_power(c: Interval, q: Fraction) -> Interval:
    if q.denominator == 1 and c.high < 0:
        power = (-c).real_power(q)
        return power if q.numerator % 2 == 0 else -power
    return c.real_power(q)


def leading_size(f: Growth) -> Growth:
    """|f|, through the leading term."""
    lead = f.leading()
    if lead is None:
        return f.constant(UNDEFINED)
    return Growth(((abs(lead[0]), lead[1]),), f.radius)
