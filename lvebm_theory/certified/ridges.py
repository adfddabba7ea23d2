"""Ridges of the plane: functions g(a.x) of one direction, and the tangents orthogonal to a."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy

from .combination import Builder, terms_of
from .subject import Potential

_MOST = 6


@dataclass(frozen=True)
class RidgeSum:
    """U = x' quadratic x/2 + sum_j g_j(<a_j, x>) + affine terms; ``ridges`` are the (a_j, g_j)."""

    quadratic: Any
    ridges: tuple[tuple[Any, Potential], ...]


def ridge_sum(potential: Potential) -> RidgeSum | None:
    """A potential as such a sum, None if it was not seen to be one."""
    builder = Builder(potential.symbols)
    for term in terms_of(potential.expression):
        builder.add(*term)
    rest = sympy.Poly(sympy.Add(*builder.polynomial), *potential.symbols)
    if builder.terms or rest.total_degree() > 2:
        return None
    quadratic = sympy.hessian(rest.as_expr(), potential.symbols)
    ridges = []
    for form, functions in builder.ridges.values():
        function = sympy.Add(*functions)
        second = (
            sympy.diff(function, form.symbol, 2) if function.is_polynomial(form.symbol) else None
        )
        if second is not None and not second.free_symbols:
            slope = sympy.Matrix(form.slope)
            quadratic += second * slope * slope.T
        else:
            ridges.append((sympy.Matrix(form.slope), Potential(function, (form.symbol,))))
    return RidgeSum(quadratic, tuple(ridges))


def ridge_tangents(potential: Potential) -> list[tuple[int, int]]:
    """Slanted directions of coprime integers orthogonal to a ridge of the formula.

    Ridges are linear forms inside a power or a function, and repeated factors of the leading
    form of the polynomial terms.
    """
    forms = set()
    for node in potential.expression.atoms(sympy.Pow, sympy.Function):
        forms.update(node.args)
    polynomial, _ = polynomial_part(potential.expression, potential.symbols)
    forms.update(_repeated_factors(polynomial, potential.symbols))
    return [t for t in _tangents(forms, potential.symbols) if all(t)][:_MOST]


def polynomial_part(expression: Any, symbols: tuple[Any, ...]) -> tuple[Any, Any]:
    """(the polynomial terms of a sum, expanded; the others as they are)."""
    terms = sympy.Add.make_args(expression)
    chosen = [t for t in terms if t.is_polynomial(*symbols)]
    return sympy.expand(sympy.Add(*chosen)), sympy.Add(*(t for t in terms if t not in chosen))


def valley_tangent(expression: Any, symbols: tuple[Any, ...]) -> tuple[int, int] | None:
    """Along which the leading form of a polynomial vanishes to second order; None if nowhere."""
    tangents = _tangents(_repeated_factors(expression, symbols), symbols)
    return tangents[0] if tangents else None


def _repeated_factors(expression: Any, symbols: tuple[Any, ...]) -> list[Any]:
    if not (expression.free_symbols and expression.is_polynomial(*symbols)):
        return []
    whole = sympy.Poly(expression, *symbols)
    degree = whole.total_degree()
    top = [(m, c) for m, c in whole.terms() if sum(m) == degree]
    if not all(c.is_Rational for _, c in top):
        return []
    form = sympy.Poly.from_dict(dict(top), *symbols)
    return [f.as_expr() for f, n in form.factor_list()[1] if n > 1]


def _tangents(forms: Iterable[Any], symbols: tuple[Any, ...]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for form in sorted(forms, key=sympy.default_sort_key):
        if not (form.has(*symbols) and form.is_polynomial(*symbols)):
            continue
        a, b = (sympy.expand(form).diff(s) for s in symbols)
        if not (a.is_Rational and b.is_Rational):
            continue
        whole = math.lcm(a.q, b.q)
        p, q = int(a * whole), int(b * whole)
        tangent = (-q // math.gcd(p, q), p // math.gcd(p, q))
        if tangent not in found and (-tangent[0], -tangent[1]) not in found:
            found.append(tangent)
    return found
