"""Directions along which U repeats itself, or does not change: no law has such a U.

If U(x + v) = U(x) for all x and some v != 0, then int exp(-U) is the sum of infinitely many equal
positive numbers. With the waves sin and cos of affine forms held fixed, the rest of U is constant
along v if its polynomial part P has v . grad P = 0 and v is orthogonal to the slopes of the affine
pieces of every other term: linear equations in v. A step along v is a common period of the waves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import sympy

from .combination import Builder, plain, terms_of
from .subject import Potential


@functools.lru_cache(maxsize=512)
def unconfined(potential: Potential) -> str:
    """A sentence that names such a v; empty where none was found."""
    symbols = potential.symbols
    builder = Builder(symbols)
    waves, table = [], {}
    for wave in potential.expression.atoms(sympy.sin, sympy.cos):
        part = builder.affine(sympy.expand(wave.args[0]))
        if part is not None and any(part[0]):
            waves.append(part[0])
            table[wave] = sympy.Dummy(real=True)
    rows = list(_equations(potential.expression.xreplace(table), symbols, [*table.values()]))
    matrix = sympy.Matrix(rows) if rows else sympy.zeros(1, len(symbols))
    for column in matrix.nullspace(simplify=plain):
        direction = tuple(map(plain, column))
        slopes = [_dot(slope, direction) for slope in waves]
        slopes = [s for s in slopes if s != 0]
        if not slopes:
            return f"U does not change along {_told(direction)}: exp(-U) is not integrable"
        ratios = [plain(s / slopes[0]) for s in slopes]
        if all(r.is_Rational for r in ratios):
            common = sympy.Rational(
                sympy.gcd([r.p for r in ratios]), sympy.lcm([r.q for r in ratios])
            )
            period = 2 * sympy.pi / abs(slopes[0] * common)
            step = _told([period * a for a in direction])
            return f"U is periodic, the same after a step of {step}: exp(-U) is not integrable"
    return ""


def _equations(rest: Any, symbols: tuple[Any, ...], fixed: list[Any]) -> Iterator[list[Any]]:
    """Rows a with a . v = 0; where all hold, the rest does not change along v."""
    builder = Builder(symbols)
    polynomial = sympy.S.Zero
    for number, term in terms_of(rest):
        if term.is_polynomial(*symbols, *fixed):
            polynomial += number * term
        else:
            yield from (list(slope) for slope, _ in builder.pieces(term).values())
    slopes = [sympy.Poly(sympy.diff(polynomial, s), *symbols, *fixed) for s in symbols]
    for monomial in {m for slope in slopes for m in slope.monoms()}:
        yield [slope.coeff_monomial(monomial) for slope in slopes]


def _told(vector: Sequence[Any]) -> str:
    told = [f"{float(a):.6g}" for a in vector]
    return told[0] if len(told) == 1 else f"({', '.join(told)})"


def _dot(slope: tuple[Any, ...], direction: tuple[Any, ...]) -> Any:
    return plain(sympy.Add(*(a * b for a, b in zip(slope, direction, strict=True))))
