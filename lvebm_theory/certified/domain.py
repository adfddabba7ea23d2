"""Where a function of d coordinates has to be looked at: lines, periods, and nothing.

A coordinate that a function does not contain is dropped. One that occurs only inside sines and
cosines, linearly with rational factors k, is periodic with period 2 pi/gcd(k) and needs one
period. The others run over the whole line: a cube inside, rays outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy

from .finite import Box
from .growth import Growth, ray
from .interval import Interval


@dataclass(frozen=True)
class Outside:
    """Rays outside a cube: coordinate ``axis`` is sign * r, the others lie in the box.

    A side of the box is a range of directions u (the coordinate is u r) for a line and a range of
    values for a periodic coordinate.
    """

    axis: int
    sign: int
    sides: Box
    periodic: tuple[bool, ...]

    def coordinates(self, radius: Any) -> list[Growth]:
        """The coordinates for all r >= radius at once."""
        values = []
        for i, (low, high) in enumerate(self.sides):
            if i == self.axis:
                values.append(ray(Interval.between(self.sign, self.sign), radius))
            elif self.periodic[i]:
                values.append(ray(Interval.between(0, 0), radius, Interval.between(low, high)))
            else:
                values.append(ray(Interval.between(low, high), radius))
        return values

    def middle(self, radius: Any) -> list[Any]:
        """Float coordinates along the middle ray; ``radius`` may be an array."""
        values = []
        for i, (low, high) in enumerate(self.sides):
            half = (low + high) / 2
            if i == self.axis:
                values.append(self.sign * radius)
            else:
                values.append(half + 0 * radius if self.periodic[i] else half * radius)
        return values

    @property
    def widths(self) -> list[float]:
        """Lengths of the sides, 0 along the axis."""
        return [0.0 if i == self.axis else b - a for i, (a, b) in enumerate(self.sides)]

    @property
    def width(self) -> float:
        """The longest side."""
        return max(self.widths)

    def halves(self) -> list[Outside]:
        """Cut across the longest side; empty when there is nothing to cut."""
        widths = self.widths
        j = widths.index(max(widths))
        if widths[j] < 1e-4:
            return []
        a, b = self.sides[j]
        return [
            replace(self, sides=(*self.sides[:j], half, *self.sides[j + 1 :]))
            for half in ((a, (a + b) / 2), ((a + b) / 2, b))
        ]


@dataclass(frozen=True)
class Domain:
    """The coordinates that matter, each with its half period or None for a line."""

    symbols: tuple[Any, ...]
    half_periods: tuple[float | None, ...]

    @classmethod
    def of(cls, expressions: Sequence[Any], symbols: Sequence[Any]) -> Domain:
        """Of the expressions taken together; at least one coordinate is kept."""
        active = [s for s in symbols if any(e.has(s) for e in expressions)] or [symbols[0]]
        return cls(tuple(active), tuple(half_period(expressions, s) for s in active))

    @property
    def dim(self) -> int:
        """Number of coordinates that matter."""
        return len(self.symbols)

    @property
    def compact(self) -> bool:
        """True when every coordinate is periodic."""
        return all(p is not None for p in self.half_periods)

    def cube(self, radius: float) -> Box:
        """[-radius, radius] on lines, one period elsewhere."""
        return tuple((-radius, radius) if p is None else (-p, p) for p in self.half_periods)

    def outside(self) -> list[Outside]:
        """All rays outside the cube."""
        periodic = tuple(p is not None for p in self.half_periods)
        sides = tuple((-1.0, 1.0) if p is None else (-p, p) for p in self.half_periods)
        return [
            Outside(axis=axis, sign=sign, sides=sides, periodic=periodic)
            for axis in range(self.dim)
            if not periodic[axis]
            for sign in (1, -1)
        ]


def half_period(expressions: Sequence[Any], symbol: Any) -> float | None:
    """Half a common period of the expressions in this coordinate, rounded up; None if none."""
    factors: list[Any] = []
    for expression in expressions:
        waves = [w for w in expression.atoms(sympy.sin, sympy.cos) if w.has(symbol)]
        if expression.xreplace({w: sympy.Dummy() for w in waves}).has(symbol):
            return None
        for wave in waves:
            slope = sympy.expand(wave.args[0]).diff(symbol)
            if not slope.is_Rational:
                return None
            factors.append(slope)
    if not factors:
        return 1e-9  # constant in this coordinate: any interval will do
    common = sympy.Rational(sympy.gcd([f.p for f in factors]), sympy.lcm([f.q for f in factors]))
    return math.nextafter(math.pi, math.inf) / abs(float(common)) * (1 + 1e-14)
