r"""An energy of the line in coordinates of its own: its centre at 0, its width of order one.

    V(y) = U(c + s y) - const,      gap(U) = gap(V) / s^2,

and so for the log-Sobolev constant and the bounds of U''. Searches, boxes and radii of the proofs
are then the same for an energy, its shift by 1e6 and its stretch by 1e4. s is a power of four and
c a multiple of s, so that V is exact and nothing is rounded on the way back.
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

from ..constant import Constant
from ..protocols import Energy
from .interval import level_interval
from .line_spectrum import potential_on_line
from .parts import PotentialEnergy, provable

# {U <= min U + 8} is [-4, 4] for the standard Gaussian
_LEVEL = 8.0
_WIDTH = 8.0
_ROUNDS = 4
_NORMAL = 2.0**-1022
# numbers this much larger than those of the expanded polynomial are about to cancel
_CANCELLING = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standard:
    """V(y) = U(centre + scale y) up to a constant; ``trivial`` where that is U itself."""

    energy: PotentialEnergy
    centre: Fraction
    scale: Fraction

    @property
    def trivial(self) -> bool:
        """True for centre 0 and scale 1."""
        return self.centre == 0 and self.scale == 1

    @property
    def remark(self) -> str:
        """What a source says of numbers in these coordinates."""
        return f"; in y = (x - {float(self.centre):.9g}) / {float(self.scale):.6g}"

    def back(self, constant: Constant) -> Constant:
        """A rate of V as the rate of U."""
        square = float(self.scale) ** 2
        lower, upper = constant.lower / square, constant.upper / square
        if 0 < abs(lower) < _NORMAL:  # the only divisions by a power of two that round
            lower = math.nextafter(lower, -math.inf)
        if 0 < constant.upper < _NORMAL * max(square, 1.0):
            upper = math.nextafter(upper, math.inf)
        return Constant(
            value=min(max(constant.value / square, lower), upper),
            lower=lower,
            upper=upper,
            how=constant.how,
            source=constant.source + self.remark,
        )


def standard(energy: Energy) -> Standard | None:
    """Centre, scale and V of a one-dimensional energy; None without a formula.

    Raises
    ------
    ArgumentError
        If U is not bounded below as far as the search for its minimum can see.
    """
    subject = provable(energy)
    if subject is None:
        return None
    from ..certified.subject import exact_expression

    expression, (symbol,) = exact_expression(subject)
    centre, scale = _middle_of_roots(expression, symbol), Fraction(1)
    for _ in range(_ROUNDS):
        found = _placed(energy, expression, symbol, centre, scale)
        better = _frame(found)
        if better == (centre, scale):
            break
        centre, scale = better
    return _placed(energy, expression, symbol, centre, scale)


def _frame(current: Standard) -> tuple[Fraction, Fraction]:
    interval = level_interval(potential_on_line(current.energy), _LEVEL)
    if not interval.reached:
        return current.centre, current.scale
    width = (interval.upper - interval.lower) / _WIDTH
    stretch = Fraction(4) ** round(math.log(max(width, 1e-300), 4))
    middle = Fraction((interval.lower + interval.upper) / 2)
    scale = current.scale * stretch
    return scale * round((current.centre + current.scale * middle) / scale), scale


def _middle_of_roots(expression: Any, symbol: Any) -> Fraction:
    """-a_(n-1)/(n a_n) of a polynomial: found in its exact digits, whatever its origin."""
    import sympy

    if not expression.is_polynomial(symbol):
        return Fraction(0)
    coefficients = sympy.Poly(expression, symbol).all_coeffs()
    if len(coefficients) < 3:
        return Fraction(0)
    middle = sympy.N(-coefficients[1] / ((len(coefficients) - 1) * coefficients[0]), 40)
    return Fraction(str(sympy.Rational(str(middle)))).limit_denominator(2**60)


def _placed(
    energy: Energy, expression: Any, symbol: Any, centre: Fraction, scale: Fraction
) -> Standard:
    from ..certified.subject import numeric_potential

    moved = _moved(expression, symbol, centre, scale)
    potential = numeric_potential(moved, (symbol,))
    return Standard(energy=PotentialEnergy(potential, energy.name), centre=centre, scale=scale)


def _moved(expression: Any, symbol: Any, centre: Fraction, scale: Fraction) -> Any:
    import sympy

    if centre == 0 and scale == 1:
        return expression
    c, s = sympy.Rational(centre), sympy.Rational(scale)
    moved = expression.xreplace({symbol: c + s * symbol})
    if centre != 0:
        moved = _without_cancellation(moved, symbol)
    height = sympy.N(moved.xreplace({symbol: sympy.S.Zero}), 40)
    # a large constant would take the digits of U
    return moved - sympy.Rational(str(height)) if height.is_real and abs(height) > 1 else moved


def _without_cancellation(expression: Any, symbol: Any) -> Any:
    """Maximal polynomials expanded where their numbers are larger than what they amount to."""
    import sympy

    if not expression.has(symbol):
        return expression
    if expression.is_polynomial(symbol):
        expanded = sympy.expand(expression)
        return expanded if _size(expression) > _CANCELLING * _size(expanded) else expression
    if not expression.args:
        return expression
    return expression.func(*(_without_cancellation(a, symbol) for a in expression.args))


def _size(expression: Any) -> float:
    import sympy

    return max((abs(float(n)) for n in expression.atoms(sympy.Number)), default=0.0)
