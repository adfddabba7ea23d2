"""Tails too slow for an inequality: U / r^p tends to 0 on a cone of directions, proved.

A Poincare inequality gives E exp(c |x|) < infinity for small c > 0, a log-Sobolev inequality
E exp(c |x|^2) < infinity (Herbst; Aida, Masuda and Shigekawa 1994). Where U <= e(r) r^p, e -> 0, on
a cone, int exp(c r^p - U) is infinite for every c > 0: with p = 1 there is no gap, with p = 2 no
log-Sobolev inequality, whatever U does elsewhere.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb

from ..protocols import Energy
from .growth import Growth
from .scale import of_power, unbounded
from .subject import Potential, potential_of, precisely
from .tail import RADII, Directions, faces

#: bisections of a face of directions, per free coordinate
_NARROWING = 4


@precisely
def slower_than(energy: Energy | Potential, power: int) -> str:
    """The cone on which U / r^power -> 0 was proved, in words; empty if there is none.

    Parameters
    ----------
    energy : Energy
        Given by a formula.
    power : int
    """
    potential = potential_of(energy)
    for radius in RADII:
        evaluate = potential.on_rays(arb(radius))
        for cone in _cones(potential.dim):
            (value,) = evaluate(cone.coordinates(arb(radius), (0.0,) * potential.dim))
            if _vanishes(value, power):
                return cone.describe(potential.symbols)
    return ""


def _vanishes(value: Growth, power: int) -> bool:
    """Whether every term that pushes U up is small against r^power."""
    if not value.defined:
        return False
    scale = of_power(Fraction(power))
    return all(
        (c.finite and unbounded(scale.over(m), value.radius)) or c.high <= 0 for c, m in value.terms
    )


def _cones(dim: int) -> list[Directions]:
    cones: list[Any] = list(faces(dim))
    for _ in range(_NARROWING * (dim - 1)):
        cones = [half for cone in cones for half in cone.halves()]
    return cones
