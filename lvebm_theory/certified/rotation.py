"""Rotations of the plane after which a potential splits: U(x, y) = V(u) + W(v).

With u = (a x + b y)/n, v = (a y - b x)/n and n = sqrt(a^2 + b^2) exactly. Candidates for (a, b):
the directions in which single terms vary, and for the sum P of the polynomial terms the angle with
tan(2 theta) = 2 P_xy/(P_xx - P_yy) where that is a number.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import sympy

from .combination import Builder, plain, terms_of
from .subject import Potential
from .transform import separated


@functools.lru_cache(maxsize=128)
def separating_rotation(potential: Potential, *, keep_origin: bool = False) -> Potential | None:
    """The potential in rotated coordinates in which it splits; None without one.

    The symbols are reused: the first stands for u, the second for v. Unless the origin is kept it
    moves to where the numbers are short.
    """
    if potential.dim != 2:
        return None
    builder = Builder(potential.symbols)
    terms = [(n, t, builder.pieces(t)) for n, t in terms_of(potential.expression)]
    for a, b in _candidates(potential, terms):
        n = sympy.sqrt(plain(a * a + b * b))
        turned = _turned(potential, terms, (plain(a / n), plain(b / n)), keep_origin)
        if turned is not None and len(separated(turned)) == 2:
            return turned
    return None


def _candidates(potential: Potential, terms: list[Any]) -> Iterator[tuple[Any, Any]]:
    x, y = potential.symbols
    seen: set[Any] = set()
    for _, term, pieces in terms:
        slopes = [slope for slope, _ in pieces.values()]
        if len({_axis(s) for s in slopes}) == 1 and all(slopes[0]) and len(seen) < 4:
            if _axis(slopes[0]) not in seen:
                seen.add(_axis(slopes[0]))
                yield slopes[0]
        elif not term.is_polynomial(x, y):
            return
    polynomial = sympy.expand(sympy.Add(*(n * t for n, t, _ in terms if t.is_polynomial(x, y))))
    mixed = sympy.expand(2 * sympy.diff(polynomial, x, y))
    difference = sympy.expand(sympy.diff(polynomial, x, 2) - sympy.diff(polynomial, y, 2))
    if mixed == 0:
        return
    if difference == 0:
        yield sympy.S.One, sympy.S.One
        return
    ratio = sympy.cancel(mixed / difference)
    if ratio.is_number and ratio != 0:
        yield sympy.S.One, sympy.sqrtdenest(plain((sympy.sqrt(1 + ratio**2) - 1) / ratio))


def _axis(slope: tuple[Any, ...]) -> Any:
    return plain(slope[1] / slope[0]) if slope[0] != 0 else sympy.oo


def _turned(
    potential: Potential, terms: list[Any], unit: tuple[Any, Any], keep_origin: bool
) -> Potential | None:
    """U in rotated coordinates; None as soon as a term depends on both."""
    u, v = potential.symbols
    a, b = unit
    turned = {}
    for _, _, pieces in terms:
        for slope, offset in pieces.values():
            along, across = a * slope[0] + b * slope[1], a * slope[1] - b * slope[0]
            turned[slope, offset] = (plain(along), plain(across), offset)
    origin = [sympy.S.Zero, sympy.S.Zero]
    for *form, offset in () if keep_origin else reversed(turned.values()):
        for i in (0, 1):
            if form[i] != 0 and form[1 - i] == 0:  # the first such form is to vanish there
                origin[i] = offset / form[i]
    kept, polynomial = [], []
    for number, term, pieces in terms:
        table, uses = {}, [False, False]
        for piece, key in pieces.items():
            along, across, offset = turned[key]
            uses = [uses[0] or along != 0, uses[1] or across != 0]
            rest = plain(offset - along * origin[0] - across * origin[1])
            table[piece] = along * u + across * v + rest
        if not all(uses):
            kept.append(number * term.xreplace(table))
        elif term.is_polynomial(u, v):
            polynomial.append(number * term.xreplace(table))
        else:
            return None
    rest = sympy.expand(sympy.Add(*polynomial))
    tidy = (plain(c) * t for t, c in rest.as_coefficients_dict(u, v).items())
    return Potential(sympy.Add(*kept, *tidy), (u, v))
