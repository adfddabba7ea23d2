r"""An energy in coordinates of its own: its centre at 0, its width of order one.

    V(y) = U(c + s y) - const,      gap(U) = gap(V) / s^2,

and so for the log-Sobolev constant and the bounds of U''. Searches, boxes and radii of the proofs
are then the same for an energy, its shift by 1e6 and its stretch by 1e4. s is a power of two (of
four on the line) and c a multiple of a part of it, so that V is exact and nothing is rounded on
the way back. In the plane c and s are those of ``certified.standard``, and a polynomial whose
leading form vanishes to second order along a line, as in (a x + b y)^4 + ..., is turned until that
line is an axis: V(y) = U(c + s Q y), Q orthonormal.
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
    centre: tuple[Fraction, ...]
    scale: Fraction
    axis: tuple[int, int] = (1, 0)

    @property
    def trivial(self) -> bool:
        """True for centre 0 and scale 1, unturned."""
        return not any(self.centre) and self.scale == 1 and 0 in self.axis

    @property
    def remark(self) -> str:
        """What a source says of numbers in these coordinates."""
        names = [f"{float(c):.9g}" for c in self.centre]
        centre = names[0] if len(names) == 1 else f"({', '.join(names)})"
        turned = "" if 0 in self.axis else f", the first axis turned to {self.axis}"
        return f"; in y = (x - {centre}) / {float(self.scale):.6g}{turned}"

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
    """Centre, scale and V of an energy on the line or the plane; None without a formula.

    Raises
    ------
    ArgumentError
        If U is not bounded below as far as the search for its minimum can see.
    """
    subject = provable(energy)
    if subject is None:
        return None
    from ..certified.subject import exact_expression

    expression, symbols = exact_expression(subject)
    if energy.dim == 2:
        return _on_the_plane(energy, expression, symbols, *_plane_frame(expression, symbols))
    centre, scale = (_middle_of_roots(expression, *symbols),), Fraction(1)
    for _ in range(_ROUNDS):
        moved = _moved(expression, symbols, centre, scale)
        better = _line_frame(_placed(energy, moved, symbols, centre, scale))
        if better == (centre, scale):
            break
        centre, scale = better
    return _placed(energy, _moved(expression, symbols, centre, scale), symbols, centre, scale)


def _plane_frame(
    expression: Any, symbols: tuple[Any, ...]
) -> tuple[tuple[Fraction, ...], Fraction]:
    from ..certified.standard import standard as of_proofs
    from ..certified.subject import written_potential

    # as written: differences of far exponents have lost the digits that matter
    found = of_proofs(written_potential(expression, symbols))
    return tuple(Fraction(c) for c in found.centre), Fraction(found.scale)


def _line_frame(current: Standard) -> tuple[tuple[Fraction], Fraction]:
    (centre,) = current.centre
    interval = level_interval(potential_on_line(current.energy), _LEVEL)
    if not interval.reached:
        return (centre,), current.scale
    width = (interval.upper - interval.lower) / _WIDTH
    stretch = Fraction(4) ** round(math.log(max(width, 1e-300), 4))
    middle = Fraction((interval.lower + interval.upper) / 2)
    scale = current.scale * stretch
    return (scale * round((centre + current.scale * middle) / scale),), scale


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
    energy: Energy,
    moved: Any,
    symbols: tuple[Any, ...],
    centre: tuple[Fraction, ...],
    scale: Fraction,
    axis: tuple[int, int] = (1, 0),
) -> Standard:
    from ..certified.subject import numeric_potential, written_potential

    potential = numeric_potential(moved, symbols)
    own = PotentialEnergy(potential, energy.name, written_potential(moved, symbols))
    return Standard(energy=own, centre=centre, scale=scale, axis=axis)


def _on_the_plane(
    energy: Energy,
    expression: Any,
    symbols: tuple[Any, ...],
    centre: tuple[Fraction, ...],
    scale: Fraction,
) -> Standard:
    """Turned, and moved across a valley to the middle of it, where U has one; see the module."""
    import sympy

    from ..certified.ridges import valley_tangent

    axis = valley_tangent(expression, symbols)
    moved = _moved(expression, symbols, centre, scale)
    if axis is None:
        return _placed(energy, moved, symbols, centre, scale)
    length = sympy.sqrt(axis[0] ** 2 + axis[1] ** 2)
    a, b = (n / length for n in axis)
    p, q = symbols
    turned = sympy.expand(moved.xreplace({p: a * p - b * q, q: b * p + a * q}))
    coefficients = sympy.Poly(turned, q).all_coeffs()
    top, below = coefficients[0], coefficients[1].as_independent(p)[0]
    middle = -below / ((len(coefficients) - 1) * top)
    if 0 in axis and middle == 0:
        return _placed(energy, moved, symbols, centre, scale)
    across = [Fraction(float(n * scale * middle)) for n in (-b, a)]
    place = tuple(c + d for c, d in zip(centre, across, strict=True))
    centred = sympy.expand(turned.xreplace({q: q + middle}))
    return _placed(energy, centred, symbols, place, scale, axis)


def _moved(
    expression: Any, symbols: tuple[Any, ...], centre: tuple[Fraction, ...], scale: Fraction
) -> Any:
    import sympy

    if not any(centre) and scale == 1:
        return expression
    s = sympy.Rational(scale)
    moved = expression.xreplace(
        {x: sympy.Rational(c) + s * x for x, c in zip(symbols, centre, strict=True)}
    )
    if any(centre):
        moved = _without_cancellation(moved, symbols)
    height = sympy.N(moved.xreplace(dict.fromkeys(symbols, sympy.S.Zero)), 40)
    # a large constant would take the digits of U
    return moved - sympy.Rational(str(height)) if height.is_real and abs(height) > 1 else moved


def _without_cancellation(expression: Any, symbols: tuple[Any, ...]) -> Any:
    """Maximal polynomials expanded where their numbers are larger than what they amount to."""
    import sympy

    if not expression.has(*symbols):
        return expression
    if expression.is_polynomial(*symbols):
        expanded = sympy.expand(expression)
        return expanded if _size(expression) > _CANCELLING * _size(expanded) else expression
    if not expression.args:
        return expression
    return expression.func(*(_without_cancellation(a, symbols) for a in expression.args))


def _size(expression: Any) -> float:
    import sympy

    return max((abs(float(n)) for n in expression.atoms(sympy.Number)), default=0.0)
