"""Ranges of a potential on intervals of the line: as it is written, and by the mean value form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy
from flint import arb

from ..formula.nodes import LogCosh, LogSumExp
from .interval import Interval
from .subject import Potential


class LineRange:
    """U([a, b]) enclosed; the mean value form is tried where the formula's own range is too wide.

    The difference of two large terms has a wide range and may have a narrow slope.
    """

    def __init__(self, potential: Potential) -> None:
        potential = Potential(sharpened(potential.expression), potential.symbols)
        self._natural = potential.on_intervals()
        self._at = potential.on_balls()
        self._slope = potential.on_balls(potential.gradient[0])
        # the slope knows nothing of a jump
        self._continuous = not potential.expression.has(sympy.sign, sympy.Heaviside)

    def __call__(self, a: float, b: float, enough: Callable[[Interval], bool]) -> Interval:
        """An enclosure of U on [a, b], the first one that is ``enough``, else the intersection."""
        (natural,) = self._natural([Interval.between(a, b)])
        if not self._continuous or (natural.defined and enough(natural)):
            return natural
        middle = arb((a + b) / 2)
        (slope,) = self._slope([arb(a).union(arb(b))])
        (value,) = self._at([middle])
        centred = value + slope * (arb(a).union(arb(b)) - middle)
        if not centred.is_finite():
            return natural
        return _met(natural, Interval.point(centred))


def sharpened(expression: Any) -> Any:
    """log cosh u as -+u - log 2 + log(1 + e^(+-2u)), the sign that cancels what stands beside it.

    Far from u = 0 the logarithm is then nearly 0, where log cosh u is a large term that cancels.
    """
    for node in expression.atoms(LogCosh):
        (u,) = node.args
        forms = [
            expression.xreplace({node: s * u - sympy.log(2) + LogSumExp(sympy.S.Zero, -2 * s * u)})
            for s in (1, -1)
        ]
        expression = min(forms, key=lambda e: int(e.count_ops()))
    return expression


def _met(left: Any, right: Interval) -> Interval:
    if not left.defined:
        return right
    return Interval(
        left.low if left.low > right.low else right.low,
        left.high if left.high < right.high else right.high,
    )
