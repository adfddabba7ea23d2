"""Volume-preserving rewritings of a potential under which its normaliser does not change.

Shear: (x, y) -> (x, y + g(x)) has unit Jacobian, so int exp(-U(x, y + g(x))) = int exp(-U(x, y)).
With U a polynomial in y of degree n and leading coefficient A_n, g = -A_(n-1)/(n A_n) removes the
term y^(n-1): the valley 100 (y - x^2)^2 + (1 - x)^2 becomes 100 y^2 + (1 - x)^2.

Kinks: where U holds |k(x, y)| with k = a y + h(x), the shear y = q - h(x)/a puts it on q = 0.

Marginal: U = A(x) y^2 + B(x) y + C(x) with A > 0 has
int exp(-U) dy = sqrt(pi) exp(-(C - B^2/(4A) + log(A)/2)).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import sympy

from .subject import Potential


def _polynomial_in(expression: Any, symbol: Any) -> list[Any] | None:
    """Coefficients by rising degree, None when it is no polynomial in the symbol."""
    if not expression.is_polynomial(symbol):
        return None
    coefficients: list[Any] = sympy.Poly(expression, symbol).all_coeffs()
    return coefficients[::-1]


def sheared(potential: Potential) -> Iterator[tuple[Potential, Any, Any]]:
    """Shears that remove the next-to-leading power of one coordinate.

    Yields
    ------
    (the moved potential, the coordinate y, the shift g(x))
    """
    for symbol in potential.symbols:
        coefficients = _polynomial_in(potential.expression, symbol)
        if coefficients is None or len(coefficients) < 3:
            continue
        degree = len(coefficients) - 1
        top, below = coefficients[-1], coefficients[-2]
        if degree % 2 or top.free_symbols or below == 0 or not below.free_symbols:
            continue
        shift = sympy.expand(-below / (degree * top))
        moved = sympy.Add(
            *(c * (symbol + shift) ** n for n, c in enumerate(coefficients)), evaluate=True
        )
        yield (
            Potential(sympy.expand(moved), potential.symbols),
            symbol,
            shift,
        )


def straightening(potential: Potential) -> Iterator[tuple[Any, Any]]:
    """Shears of the plane that put a kink off the axes on a coordinate line.

    Yields
    ------
    (the coordinate y, the shift -h(x)/a) of each |a y + h(x)|; max and min count by differences
    """
    node_arguments = [n.args[0] for n in potential.expression.atoms(sympy.Abs)]
    for node in potential.expression.atoms(sympy.Max, sympy.Min):
        node_arguments.extend(a - b for a, b in combinations(node.args, 2))
    seen = set()
    for kink in sorted(node_arguments, key=sympy.default_sort_key):
        if not kink.free_symbols.issuperset(potential.symbols):
            continue
        for symbol in reversed(potential.symbols):
            slope = sympy.diff(kink, symbol)
            if slope.free_symbols or slope == 0:
                continue
            shift = sympy.expand(symbol - kink / slope)
            if (symbol, shift) not in seen:
                seen.add((symbol, shift))
                yield symbol, shift


def marginals(potential: Potential) -> Iterator[tuple[Any, Potential, str]]:
    """Coordinates in which U is quadratic: (A(x), the marginal potential, a sentence)."""
    if potential.dim < 2:
        return
    for symbol in potential.symbols:
        coefficients = _polynomial_in(potential.expression, symbol)
        if coefficients is None or len(coefficients) != 3:
            continue
        c, b, a = coefficients
        rest = tuple(s for s in potential.symbols if s != symbol)
        completed = sympy.cancel(c - b**2 / (4 * a)) if b != 0 else c
        yield (
            a,
            Potential(sympy.expand(completed) + sympy.expand_log(sympy.log(a)) / 2, rest),
            f"after integrating out {symbol}, in which U is quadratic",
        )


def separated(potential: Potential) -> list[Potential]:
    """U = sum_g U_g over groups of coordinates that do not meet; one group when it does not split.

    A polynomial is expanded first; constants go to the first group.
    """
    expression = potential.expression
    if expression.is_polynomial(*potential.symbols):
        expression = sympy.expand(expression)
    terms = sympy.Add.make_args(expression)
    groups: list[set[Any]] = [{s} for s in potential.symbols]
    for term in terms:
        met = [g for g in groups if g & term.free_symbols]
        if len(met) > 1:
            groups = [g for g in groups if g not in met] + [set().union(*met)]
    if len(groups) < 2:
        return [potential]
    groups.sort(key=lambda g: min(potential.symbols.index(s) for s in g))
    parts = []
    for number, group in enumerate(groups):
        inside = [
            t for t in terms if t.free_symbols & group or (number == 0 and not t.free_symbols)
        ]
        symbols = tuple(s for s in potential.symbols if s in group)
        parts.append(Potential(sympy.Add(*inside), symbols))
    return parts
