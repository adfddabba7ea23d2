r"""The drift condition of ``drift`` beyond a square: boxes of directions, all radii at once.

    V = q (1 - q) |grad U|^2 - q Lap U >= c,     |grad U|^2 >= <grad U, t>^2 / |t|^2.

Where grad U is bounded by components, a ridge g(a.x) makes both large and of no sign along
a.x = 0, far out the floor of a valley. Along the t that is orthogonal to a, its part of the
gradient is zero as a formula, and what remains has a sign.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb

from .domain import Domain, Outside
from .evaluation import bind
from .growth import CONSTANT, Growth, extremum_hull, leading_size
from .growth_algebra import GrowthAlgebra
from .interval import INFINITY, NOTHING, Interval
from .jets import JetAlgebra
from .ridges import polynomial_part, ridge_tangents
from .subject import Potential

MOST_DIRECTIONS = 160


class Outward:
    """A potential in two coordinates and the tangents of its ridges."""

    def __init__(self, potential: Potential) -> None:
        self._potential = potential
        self._tangents = [(t, _slope_along(potential, t)) for t in ridge_tangents(potential)]

    def proved(self, *, power: float, rate: float, value: float, radius: float) -> bool:
        """V >= rate and U > value on all rays from the square of half-width ``radius`` on.

        Parameters
        ----------
        power : float
            q, a dyadic number.
        """
        exact = arb(float(np.ceil(radius)))
        growth = GrowthAlgebra(exact)
        jets = JetAlgebra(growth, hull=extremum_hull, square=lambda u: leading_size(u.square()))
        evaluate = bind(self._potential.program(self._potential.expression), jets)
        along = bind(self._potential.program(*(s for _, s in self._tangents)), growth)
        of_square, of_laplacian = Fraction(power * (1 - power)), -Fraction(power)

        def holds(rays: Outside) -> bool:
            (found,) = evaluate(jets.coordinates(*rays.coordinates(exact)))
            u, x, y, xx, _, yy = (_slim(entry) for entry in found)
            if not (u.defined and u.range().low > value):
                return False
            bend = u.constant(Interval.point(of_laplacian)) * (xx + yy)
            share = u.constant(Interval.point(of_square))
            if _at_least(bend + share * _square_below(x) + share * _square_below(y), rate):
                return True
            slopes = along(rays.coordinates(exact)) if self._tangents else []
            for ((a, b), _), slope in zip(self._tangents, slopes, strict=True):
                share = u.constant(Interval.point(of_square / (a * a + b * b)))
                if _at_least(bend + share * _square_below(_slim(slope)), rate):
                    return True
            return False

        pending = Domain(self._potential.symbols, (None, None)).outside()
        for _ in range(MOST_DIRECTIONS):
            if not pending:
                return True
            rays = pending.pop()
            if holds(rays):
                continue
            halves = rays.halves()
            if not halves:
                return False
            pending.extend(halves)
        return False


def _slope_along(potential: Potential, tangent: tuple[int, int]) -> Any:
    """<grad U, t>, in which what does not depend on position along t cancels as a formula."""
    total = sympy.Add(*(t * g for t, g in zip(tangent, potential.gradient, strict=True)))
    return sympy.Add(*polynomial_part(total, potential.symbols))


def _at_least(v: Growth, rate: float) -> bool:
    return bool(v.defined and v.range().low >= rate)


def _slim(u: Growth) -> Growth:
    """Terms that stay below one become part of the constant: products of sums stay short."""
    kept, rest = [], NOTHING
    for c, m in u.terms:
        size = c * m.range(u.radius)
        if size.finite and abs(size).high < 1:
            rest = rest + size
        else:
            kept.append((c, m))
    return Growth([*kept, (rest, CONSTANT)], u.radius)


def _square_below(u: Growth) -> Growth:
    """A lower bound of u^2 of one term; 0 where u may vanish."""
    below = u.lower_term() or (-u).lower_term()
    if below is None:
        return u.constant(NOTHING)
    c, m = below
    return Growth([(Interval((c * c).lower(), INFINITY), m * m)], u.radius)
