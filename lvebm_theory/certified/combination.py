"""The Hessian as a combination of constant matrices: Hess U(x) = sum_j c_j(x) M_j.

The c_j are scalar functions of affine forms f_i = <a_i, x> + b_i. Written so, what varies together
stays together: a softplus of <a, x> is one coefficient c = sech^2/4 in [0, 1/4] times a a', where
three entries with ranges of their own would also allow matrices that never occur.

    g(<a, x> + b)             g''(f) a a'
    log sum_k exp(f_k)        sum_(k<l) p_k p_l (a_k - a_l)(a_k - a_l)',   p the softmax weights
    the same of quadratics    sum_k p_k P_k + sum_(k<l) p_k p_l w w',   w = grad f_k - grad f_l
    phi(f_1, ..., f_p)        sum_(i,j) d_i d_j phi a_i a_j'

Terms that depend on x through one direction are added up before they are differentiated. With
p_k p_l = (2 cosh((f_k - f_l)/2) + sum_m exp(f_m - (f_k + f_l)/2))^-2 every form occurs where the
function is monotone in it, so that ranges over boxes are sharp.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from sympy.simplify.fu import TR8

from ..formula.expression import differentiate
from ..formula.nodes import LogCosh, LogSumExp
from .subject import Potential

Slope = tuple[Any, ...]
Matrix = tuple[Slope, ...]
#: polynomials with more operations than this, or other terms, are not expanded
MOST_OPERATIONS = 300


@dataclass(frozen=True)
class Form:
    """<slope, x> + offset, known in the coefficients by its symbol."""

    symbol: Any
    slope: Slope
    offset: Any


@dataclass(frozen=True)
class Weighed:
    """A constant symmetric matrix M, its sign, and a B with -B <= M <= B.

    ``sign`` is 1 for M >= 0, -1 for M <= 0, 0 where neither is known.
    """

    matrix: Matrix
    bound: Matrix
    sign: int


@dataclass(frozen=True)
class Majorant:
    """|c| <= every alternative, and sign c >= 0 unless sign is 0: what is cheap to see far out."""

    alternatives: tuple[Any, ...]
    sign: int


@dataclass(frozen=True)
class Combination:
    """sum_j coefficients[j] terms[j]; coefficients are expressions in the forms' symbols.

    ``majorants[j]`` is a Majorant of coefficient j, or None.
    """

    forms: tuple[Form, ...]
    coefficients: tuple[Any, ...]
    terms: tuple[Weighed, ...]
    majorants: tuple[Majorant | None, ...] = ()

    @property
    def size(self) -> int:
        """Rows of the matrices."""
        return len(self.terms[0].matrix)

    def reduced(self, symbols: Sequence[Any]) -> tuple[tuple[Any, ...], Combination]:
        """In as few coordinates as the coefficients depend on, and these coordinates.

        Where the forms span less than the space, some of them become the coordinates.
        """
        slopes = np.array([[float(a) for a in f.slope] for f in self.forms])
        if not self.forms:
            return tuple(symbols), self
        active = int(np.any(slopes != 0, axis=0).sum())
        if np.linalg.matrix_rank(slopes / np.linalg.norm(slopes, axis=1)[:, None]) == active:
            return tuple(symbols), self
        columns = sympy.Matrix([list(f.slope) for f in self.forms]).T
        echelon, pivots = columns.rref(simplify=plain)
        basis = [self.forms[p] for p in pivots]
        forms = []
        for j, form in enumerate(self.forms):
            slope = tuple(echelon[i, j] for i in range(len(basis)))
            moved = (a * b.offset for a, b in zip(slope, basis, strict=True))
            forms.append(Form(form.symbol, slope, plain(form.offset - sympy.Add(*moved))))
        coordinates = tuple(sympy.Dummy(f"t_{i}", real=True) for i in range(len(basis)))
        return coordinates, replace(self, forms=tuple(forms))

    def negated(self) -> Combination:
        """-H."""
        majorants = tuple(m and replace(m, sign=-m.sign) for m in self.majorants)
        return replace(self, coefficients=tuple(-c for c in self.coefficients), majorants=majorants)

    def explicit(self, symbols: Sequence[Any]) -> list[Any]:
        """The coefficients in the coordinates."""
        inserted = {
            f.symbol: sympy.Add(f.offset, *(a * s for a, s in zip(f.slope, symbols, strict=True)))
            for f in self.forms
        }
        return [c.xreplace(inserted) for c in self.coefficients]

    def entry(self, i: int, j: int) -> Any:
        """H_ij in the forms' symbols."""
        pairs = zip(self.coefficients, self.terms, strict=True)
        return sympy.Add(*(c * t.matrix[i][j] for c, t in pairs))


def scalar(expression: Any, symbols: Sequence[Any]) -> Combination:
    """A function as a combination of the one 1 x 1 matrix."""
    one, zero = sympy.S.One, sympy.S.Zero
    forms = tuple(
        Form(s, tuple(one if s is t else zero for t in symbols), zero)
        for s in symbols
        if expression.has(s)
    )
    unit = ((one,),)
    return Combination(forms, (expression,), (Weighed(unit, unit, 1),))


@functools.lru_cache(maxsize=64)
def hessian_combination(potential: Potential) -> Combination:
    """The Hessian of a potential."""
    builder = Builder(potential.symbols)
    for term in terms_of(potential.expression):
        builder.add(*term)
    return builder.finished()


def terms_of(expression: Any, factor: Any = sympy.S.One) -> Iterable[tuple[Any, Any]]:
    """(number, term) with expression = sum of number * term, numbers multiplied through sums.

    Products of sines and cosines become sums, each a function of one form.
    """
    number, rest = expression.as_independent(*expression.free_symbols, as_Add=False)
    factor = factor * number
    if rest.is_Mul and sum(isinstance(a, sympy.sin | sympy.cos) for a in rest.args) > 1:
        rest = sympy.expand(TR8(rest))
    if rest.is_Add:
        for term in rest.args:
            yield from terms_of(term, factor)
    elif rest.free_symbols:
        yield factor, rest


class Builder:
    """Collects the terms of a Hessian."""

    def __init__(self, symbols: Sequence[Any]) -> None:
        self.symbols = tuple(symbols)
        self.names = (sympy.Symbol(f"form_{i}", real=True) for i in itertools.count())
        self.forms: dict[tuple[Slope, Any], Form] = {}
        self.ridges: dict[Slope, tuple[Form, list[Any]]] = {}
        self.polynomial: list[Any] = []
        self.terms: dict[Any, _Sum] = {}
        self.majorants: dict[Any, Majorant] = {}
        self._affine: dict[Any, tuple[Slope, Any] | None] = {}

    def finished(self) -> Combination:
        """The Hessian of the terms added so far."""
        if self.polynomial:
            self._add_polynomial(sympy.expand(sympy.Add(*self.polynomial)))
        for form, functions in self.ridges.values():
            second = sympy.Add(*functions)
            if second.is_polynomial(form.symbol):
                form, second = self._centred(form, second)
            for _ in range(2):
                second = differentiate(second, form.symbol)
            self._put(_tidied_line(second, form.symbol), form.slope, form.slope)
        seen = [*self.terms]
        for c in self.terms:
            seen.extend(self.majorants[c].alternatives if c in self.majorants else ())
        used = set().union(*(e.free_symbols for e in seen))
        return Combination(
            tuple(f for f in self.forms.values() if f.symbol in used),
            tuple(self.terms),
            tuple(total.weighed() for total in self.terms.values()),
            tuple(map(self.majorants.get, self.terms)),
        )

    def _centred(self, form: Form, polynomial: Any) -> tuple[Form, Any]:
        """About the middle of its roots: even powers where there are any, and small numbers."""
        powers = polynomial.atoms(sympy.Pow)
        if polynomial.atoms(sympy.Function, sympy.NumberSymbol) or not all(
            power.exp.is_Integer for power in powers
        ):
            return form, polynomial  # over numbers such as cos(2) this would take minutes
        coefficients = sympy.Poly(polynomial, form.symbol).all_coeffs()
        middle = sympy.S.Zero
        if len(coefficients) > 2:
            middle = plain(-coefficients[1] / ((len(coefficients) - 1) * coefficients[0]))
        if middle == 0:
            return form, polynomial
        moved = self._form(form.slope, plain(form.offset - middle))
        return moved, sympy.expand(polynomial.xreplace({form.symbol: moved.symbol + middle}))

    def add(self, number: Any, term: Any) -> None:
        """One term of U, times a number."""
        if isinstance(term, LogSumExp) and self._add_log_sum_exp(number, term.args):
            return
        pieces = self.pieces(term)
        directions = {_direction(slope) for slope, _ in pieces.values()}
        if len(directions) == 1:
            self._add_ridge(number * term, pieces)
        elif term.is_polynomial(*self.symbols):
            self.polynomial.append(number * term)
        elif len(directions) <= len(self.symbols):
            self._add_function(number * term, pieces)
        else:
            units = {s: self.affine(s) for s in self.symbols if term.has(s)}
            self._add_function(number * term, {s: u for s, u in units.items() if u is not None})

    def affine(self, e: Any) -> tuple[Slope, Any] | None:
        """(slope, offset) of an affine expression, else None."""
        if e not in self._affine:
            self._affine[e] = self._affine_now(e)
        return self._affine[e]

    def _affine_now(self, e: Any) -> tuple[Slope, Any] | None:
        zero = sympy.S.Zero
        if not e.free_symbols:
            return tuple(zero for _ in self.symbols), e
        if e.is_Symbol:
            return tuple(sympy.S.One if e == s else zero for s in self.symbols), zero
        if e.is_Add:
            parts = [self.affine(a) for a in e.args]
            if any(p is None for p in parts):
                return None
            known = [p for p in parts if p is not None]
            columns = zip(*(p[0] for p in known), strict=True)
            return tuple(sympy.Add(*c) for c in columns), sympy.Add(*(p[1] for p in known))
        if e.is_Mul:
            number, rest = e.as_independent(*e.free_symbols, as_Add=False)
            part = self.affine(rest) if number is not sympy.S.One else None
            if part is not None:
                return tuple(number * a for a in part[0]), number * part[1]
        return None

    def pieces(self, e: Any) -> dict[Any, tuple[Slope, Any]]:
        """The largest affine subexpressions, with slope and offset."""
        found: dict[Any, tuple[Slope, Any]] = {}
        pending = [e]
        while pending:
            node = pending.pop()
            if not node.free_symbols:
                continue
            known = self.affine(node)
            if known is not None:
                found[node] = known
            elif node.is_Add:
                straight = [a for a in node.args if a.free_symbols and self.affine(a) is not None]
                together = self.affine(sympy.Add(*straight))
                if straight and together is not None:
                    for a in straight:
                        found[a] = self._affine[a]  # type: ignore[assignment]
                pending.extend(a for a in node.args if a not in straight)
            else:
                pending.extend(node.args)
        return found

    def _form(self, slope: Slope, offset: Any) -> Form:
        key = (slope, offset)
        if key not in self.forms:
            self.forms[key] = Form(next(self.names), slope, offset)
        return self.forms[key]

    def _add_ridge(self, term: Any, pieces: dict[Any, tuple[Slope, Any]]) -> None:
        slope, offset = next(iter(pieces.values()))
        direction = _direction(slope)
        if direction not in self.ridges:
            # the first slope, not the direction: where it is alone its form occurs undivided
            self.ridges[direction] = (self._form(slope, offset), [])
        form, functions = self.ridges[direction]
        functions.append(term.xreplace(self._in_terms_of(form, pieces)))

    def _in_terms_of(self, form: Form, pieces: dict[Any, tuple[Slope, Any]]) -> dict[Any, Any]:
        table = {}
        axis = next(i for i, a in enumerate(form.slope) if a != 0)
        for piece, (slope, offset) in pieces.items():
            ratio = plain(slope[axis] / form.slope[axis])
            table[piece] = ratio * form.symbol + plain(offset - ratio * form.offset)
        return table

    def _add_function(self, term: Any, pieces: dict[Any, tuple[Slope, Any]]) -> None:
        chosen: dict[Slope, Form] = {}
        table: dict[Any, Any] = {}
        for piece, (slope, offset) in pieces.items():
            form = chosen.setdefault(_direction(slope), self._form(slope, offset))
            table.update(self._in_terms_of(form, {piece: (slope, offset)}))
        function = term.xreplace(table)
        forms = list(chosen.values())
        for i, form in enumerate(forms):
            first = differentiate(function, form.symbol)
            for other in forms[i:]:
                self._put(differentiate(first, other.symbol), form.slope, other.slope)

    def _add_polynomial(self, polynomial: Any) -> None:
        units = {s: self._form(*self.affine(s)) for s in self.symbols}  # type: ignore[misc]
        for i, s in enumerate(self.symbols):
            slope = sympy.diff(polynomial, s)
            for t in self.symbols[i:]:
                entry = sympy.Poly(sympy.diff(slope, t), *self.symbols)
                for powers, number in entry.terms():
                    monomial = sympy.Mul(
                        *(units[u].symbol ** n for u, n in zip(self.symbols, powers, strict=True))
                    )
                    self._put(monomial, units[s].slope, units[t].slope, number)

    def _add_log_sum_exp(self, number: Any, exponents: Sequence[Any]) -> bool:
        """False when the exponents are neither affine nor quadratic."""
        if not all(e.is_polynomial(*self.symbols) for e in exponents):
            return False
        counted = Counter(exponents)
        polynomials = [sympy.Poly(e + sympy.log(n), *self.symbols) for e, n in counted.items()]
        if any(p.total_degree() > 2 for p in polynomials):
            return False
        if len(exponents) == 2 and all(p.total_degree() < 2 for p in polynomials):
            half = (polynomials[0] - polynomials[1]).as_expr() / 2
            if half.free_symbols:
                self.add(number, LogCosh(half, evaluate=False))
            return True
        forms = {s: self._form(*self.affine(s)) for s in self.symbols}  # type: ignore[misc]
        for k, p in enumerate(polynomials):
            if p.total_degree() == 2:
                rivals = [q for q in polynomials if q is not p]
                weight = 1 / sympy.Add(1, *(self._exponential(q - p) for q in rivals))
                smaller = tuple(self._exponential(p - q) for q in rivals)
                self.majorants[weight] = Majorant(smaller, 1)
                self._add_constant_matrix(number * weight, p, forms)
            for q in polynomials[k + 1 :]:
                others = [o for o in polynomials if o is not p and o is not q]
                self._add_pair(number, p, q, others, forms)
        return True

    def _add_constant_matrix(self, weight: Any, p: Any, forms: dict[Any, Form]) -> None:
        for i, s in enumerate(self.symbols):
            for t in self.symbols[i:]:
                entry = p.diff(s).diff(t).as_expr()
                if entry != 0:
                    self._put(weight, forms[s].slope, forms[t].slope, entry)

    def _add_pair(
        self, number: Any, p: Any, q: Any, others: Sequence[Any], forms: dict[Any, Form]
    ) -> None:
        difference = p - q
        if difference.total_degree() < 1:
            return
        mean = (p + q) * sympy.Rational(1, 2)
        total = sympy.Add(
            2 * sympy.cosh(self._of_forms(difference) / 2),
            *(self._exponential(o - mean) for o in others),
        )
        weight = total**-2
        smaller = [self._exponential(difference), self._exponential(-difference)]
        smaller += [self._exponential(e - o) for e in (p, q) for o in others]
        slope = [difference.diff(s) for s in self.symbols]
        if difference.total_degree() == 1:
            vector = tuple(g.as_expr() for g in slope)
            self.majorants[weight] = Majorant(tuple(smaller), 1)
            self._put(number * weight, vector, vector)
            return
        for i, s in enumerate(self.symbols):
            for j in range(i, len(self.symbols)):
                t = self.symbols[j]
                entry = self._of_forms(slope[i]) * self._of_forms(slope[j])
                number_of, rest = _split(weight * entry)
                majorised = tuple(e * entry / number_of for e in smaller)
                self.majorants[rest] = Majorant(majorised, int(i == j))
                self._put(number * weight * entry, forms[s].slope, forms[t].slope)

    def _exponential(self, exponent: Any) -> Any:
        return sympy.exp(self._of_forms(exponent))

    def _of_forms(self, polynomial: Any) -> Any:
        """A polynomial in x in the symbols of forms: one form where it is affine."""
        if polynomial.total_degree() < 1:
            return polynomial.as_expr()
        expression = polynomial.as_expr()
        if polynomial.total_degree() == 1:
            slope = tuple(polynomial.diff(s).as_expr() for s in self.symbols)
            offset = polynomial.eval(dict.fromkeys(self.symbols, 0))
            form = self._form(slope, sympy.sympify(offset))
            return form.symbol
        table = {s: self._form(*self.affine(s)).symbol for s in self.symbols}  # type: ignore[misc]
        return expression.xreplace(table)

    def _put(self, coefficient: Any, left: Slope, right: Slope, number: Any = 1) -> None:
        """Adds number * coefficient * (left right' + right left') / 2, doubled off the diagonal."""
        own, rest = _split(coefficient)
        number = number * own
        if number == 0:
            return
        if rest not in self.terms:
            self.terms[rest] = _Sum(len(left))
        self.terms[rest].add(number, left, right)


class _Sum:
    """A sum of matrices number * (left right' + right left')/2, doubled where left is not right."""

    def __init__(self, size: int) -> None:
        self.matrix = [[sympy.S.Zero] * size for _ in range(size)]
        self.bound = [[sympy.S.Zero] * size for _ in range(size)]
        self.signs: set[int] = set()

    def add(self, number: Any, left: Slope, right: Slope) -> None:
        size = abs(number)
        if left == right:
            _add_outer(self.matrix, number, left, left)
            _add_outer(self.bound, size, left, left)
            self.signs.add(1 if number > 0 else -1)
            return
        _add_outer(self.matrix, number, left, right)
        _add_outer(self.matrix, number, right, left)
        # l r' + r l' <= s l l' + r r'/s for every s > 0
        s = sympy.Rational(_norm(right) / _norm(left)).limit_denominator(1000)
        s = s or sympy.S.One
        _add_outer(self.bound, size * s, left, left)
        _add_outer(self.bound, size / s, right, right)
        self.signs.add(0)

    def weighed(self) -> Weighed:
        sign = self.signs.pop() if len(self.signs) == 1 else 0
        return Weighed(tuple(map(tuple, self.matrix)), tuple(map(tuple, self.bound)), sign)


def _add_outer(rows: list[list[Any]], number: Any, left: Slope, right: Slope) -> None:
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            if a != 0 and b != 0:
                rows[i][j] = plain(rows[i][j] + number * a * b)


def _split(coefficient: Any) -> tuple[Any, Any]:
    """(number, rest) with coefficient = number * rest, one rest for both signs."""
    number, rest = coefficient, sympy.S.One
    if coefficient.free_symbols:
        number, rest = coefficient.as_independent(*coefficient.free_symbols, as_Add=False)
    return (-number, -rest) if rest.could_extract_minus_sign() else (number, rest)


def _norm(vector: Slope) -> float:
    return math.hypot(*(float(v) for v in vector))


def plain(number: Any) -> Any:
    """An exact number in plain form, so that zeros and ones are seen: sin^2 is 1 - cos^2."""
    if number.is_Rational:
        return number
    expanded = sympy.expand(number)
    sines = expanded.atoms(sympy.sin)
    if sines:
        expanded = expanded.replace(
            lambda e: e.is_Pow and e.base in sines and e.exp.is_Integer and e.exp > 1,
            lambda e: (1 - sympy.cos(e.base.args[0]) ** 2) ** (e.exp // 2) * e.base ** (e.exp % 2),
        )
        expanded = sympy.expand(expanded)
    return sympy.radsimp(expanded)


def _direction(slope: Slope) -> Slope:
    first = next((a for a in slope if a != 0), sympy.S.One)
    return tuple(plain(a / first) for a in slope)


def _tidied_line(second: Any, symbol: Any) -> Any:
    """A polynomial of one variable expanded; anything else as it is."""
    return sympy.expand(second) if second.is_polynomial(symbol) else second
