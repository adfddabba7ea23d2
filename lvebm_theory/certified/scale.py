"""Scales at infinity: m(r) = r^p (log r)^q exp(sum_a e_a r^a), compared for all r >= R.

The exponents e_a are intervals; the key a = 0 stands for log r. Comparisons are proved for every
r >= R at once, never "eventually": with h = log m and a the highest power present,

    r h'(r) / r^a = e_a a + (lower powers of r with falling weight),

so that h decreases on [R, infinity) as soon as it is seen to decrease at R with every negative
contribution of lower order dropped.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb

from .interval import INFINITY, ONE, ZERO, Interval, exp, rational

Exponents = tuple[tuple[Fraction, Interval], ...]
LOGARITHM = Fraction(0)


def plain(q: Fraction) -> Fraction:
    """A fraction, as an int where it is whole: the same number, faster to compute with."""
    return q if q.denominator != 1 else q.numerator  # type: ignore[return-value]


NIL = plain(Fraction(0))


@functools.lru_cache(maxsize=4096)
def _power_range(power: Fraction, radius: int) -> Interval:
    # r^p on [R, infinity)
    edge = Interval.point(arb(radius) ** rational(power))
    return Interval(edge.low, INFINITY) if power > 0 else Interval(ZERO, edge.high)


@dataclass(frozen=True, slots=True)
class Scale:
    """r^power (log r)^log_power exp(sum e_a r^a) on [R, infinity), R >= 4.

    ``exponents`` is sorted by falling a and holds no zero.
    """

    power: Fraction = NIL
    log_power: Fraction = NIL
    exponents: Exponents = ()

    @property
    def bounded_away(self) -> bool:
        """True for the constant scale 1."""
        return not (self.power or self.log_power or self.exponents)

    @property
    def certain(self) -> bool:
        """Every exponent is a single number."""
        return all(e.thin for _, e in self.exponents)

    def __mul__(self, other: Scale) -> Scale:
        return Scale(
            self.power + other.power,
            self.log_power + other.log_power,
            _merged(self.exponents, other.exponents, subtract=False),
        )

    def over(self, other: Scale) -> Scale:
        """self/other."""
        return Scale(
            self.power - other.power,
            self.log_power - other.log_power,
            _merged(self.exponents, other.exponents, subtract=True),
        )

    def to_power(self, q: Fraction) -> Scale:
        """self^q."""
        factor = Interval.point(q)
        return Scale(
            plain(self.power * q),
            plain(self.log_power * q),
            tuple((a, e * factor) for a, e in self.exponents),
        )

    def logarithm_at(self, radius: Any) -> Interval:
        """log m(R)."""
        log_r = arb(radius).log()
        total = log_r * rational(self.power) + log_r.log() * rational(self.log_power)
        value = Interval.point(total)
        for a, e in self.exponents:
            basis = log_r if a == LOGARITHM else radius ** rational(a)
            value = value + e * Interval.point(basis)
        return value

    def slope_bound(self, radius: Any) -> Any:
        """An upper bound B at R such that r h'(r) <= 0 for all r >= R if B <= 0.

        Contributions of lower order count only when positive.
        """
        log_r = arb(radius).log()
        power = rational(self.power)
        highest = None
        total = ZERO
        for a, e in self.exponents:
            if a == LOGARITHM:
                power = power + e.high
            elif highest is None:
                highest = a
                total = e.high * rational(a) * radius ** rational(a)
            elif e.high > 0:
                total = total + e.high * rational(a) * radius ** rational(a)
        power = power.upper()
        total = total + (power if highest is None or power > 0 else ZERO)
        if self.log_power > 0 or (self.log_power < 0 and highest is None and power == 0):
            total = total + rational(self.log_power) / log_r
        return total.upper()

    def supremum(self, radius: Any) -> Any:
        """An upper bound of m on [R, infinity); infinity when none was proved."""
        if self.bounded_away:
            return ONE
        if not self.exponents and not self.log_power:
            return _power_range(self.power, int(radius.unique_fmpz())).high
        if not self.slope_bound(radius) <= 0:
            return INFINITY
        return exp(self.logarithm_at(radius)).high

    def range(self, radius: Any) -> Interval:
        """An enclosure of m on [R, infinity)."""
        if self.bounded_away:
            return Interval(ONE, ONE)
        if not self.exponents and not self.log_power:
            return _power_range(self.power, int(radius.unique_fmpz()))
        inverse = Scale().over(self).supremum(radius)
        low = ZERO if inverse == INFINITY else (1 / inverse).lower()
        return Interval(low, self.supremum(radius))

    def growth_exponent(self, radius: Any) -> Any:
        """k with m(r) >= m(R) (r/R)^k for r >= R; a lower bound of r m'/m, or -infinity.

        The terms of r m'/m other than the highest power only help when positive.
        """
        log_r = arb(radius).log()
        power = rational(self.power)
        rest = ZERO
        highest = None
        for a, e in self.exponents:
            if a == LOGARITHM:
                power = power + e.low
                continue
            term = e.low * rational(a) * radius ** rational(a)
            if highest is None:
                highest = a
                rest = term
            elif term < 0:
                rest = rest + term
        if self.log_power < 0:
            power = power + rational(self.log_power) / log_r
        if highest is None:
            return power.lower()
        if power < 0:
            rest = rest + power
            power = ZERO
        return (power + rest).lower() if rest >= 0 else -INFINITY


def unbounded(m: Scale, radius: Any) -> bool:
    """Whether m(r) was proved to tend to infinity."""
    k = m.growth_exponent(radius)
    return bool(k > 0 or (k >= 0 and m.log_power > 0))


def _merged(left: Exponents, right: Exponents, *, subtract: bool) -> Exponents:
    table = dict(left)
    for a, e in right:
        if subtract and table.get(a) is e:
            # one interval object stands for one function of the ray: it cancels exactly
            del table[a]
            continue
        signed = -e if subtract else e
        table[a] = table[a] + signed if a in table else signed
    return tuple(sorted(((a, e) for a, e in table.items() if not e.is_zero), reverse=True))


def of_power(a: Fraction | int) -> Scale:
    """r^a."""
    return Scale(power=plain(Fraction(a)))
