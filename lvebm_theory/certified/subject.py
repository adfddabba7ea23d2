"""What the proofs work on: a formula in which every parameter is an exact number."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import flint
import numpy as np
import sympy

from ..errors import AssumptionError
from ..formula.expression import differentiate, exact_numbers, stabilised
from ..formula.nodes import LogCosh, LogSumExp
from ..formula.program import Program, lower
from ..protocols import Energy
from .algebras import BALLS, FLOATS, INTERVALS
from .evaluation import bind
from .growth_algebra import GrowthAlgebra
from .interval import Interval

P = ParamSpec("P")
T = TypeVar("T")

#: bits of the balls; proofs need a few more than a double so that rounding never decides a sign
PRECISION = 80


def precisely(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function at the precision of the proofs."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with flint.ctx.workprec(max(PRECISION, flint.ctx.prec)):
            return function(*args, **kwargs)

    return wrapped


@dataclass(frozen=True)
class Potential:
    """U(x) as an expression in d symbols and exact numbers.

    Parameters
    ----------
    expression : SymPy expression
    symbols : tuple of SymPy symbols, the coordinates in order
    """

    expression: Any
    symbols: tuple[Any, ...]

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.symbols)

    @functools.cached_property
    def gradient(self) -> tuple[Any, ...]:
        """First derivatives."""
        return tuple(differentiate(self.expression, s) for s in self.symbols)

    @functools.cached_property
    def hessian(self) -> tuple[tuple[Any, ...], ...]:
        """Second derivatives."""
        return tuple(tuple(differentiate(g, s) for s in self.symbols) for g in self.gradient)

    @functools.cached_property
    def quadratic_form(self) -> Any:
        """The constant Hessian as a SymPy matrix of numbers, None when U is not quadratic."""
        if not self.expression.is_polynomial(*self.symbols):
            return None
        polynomial = sympy.Poly(self.expression, *self.symbols)
        if polynomial.total_degree() > 2:
            return None
        return sympy.hessian(polynomial.as_expr(), self.symbols)

    @functools.cached_property
    def smooth(self) -> bool:
        """True when the formula has no kink: no |.|, max, min, sign or fractional power."""
        if self.expression.has(sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside):
            return False
        return all(
            p.exp.is_Integer or not p.exp.is_Rational or p.exp < 0 or _positive(p.base)
            for p in self.expression.atoms(sympy.Pow)
        )

    def program(self, *expressions: Any) -> Program:
        """The ball program of some expressions in the coordinates."""
        return lower(expressions, self.symbols, (), "ball")

    def on_intervals(self, *expressions: Any) -> Callable[[Sequence[Interval]], list[Interval]]:
        """Expressions (by default U) as a function of boxes."""
        return _bound(self.symbols, expressions or (self.expression,), None)

    def on_balls(self, *expressions: Any) -> Callable[[Sequence[Any]], list[Any]]:
        """Expressions (by default U) on ball coordinates; NaN where undefined."""
        return bind(self.program(*(expressions or (self.expression,))), BALLS)

    def on_floats(self, *expressions: Any) -> Callable[[Sequence[Any]], list[Any]]:
        """Expressions (by default U) on numpy arrays: estimates, never proofs."""
        evaluate = bind(self.program(*(expressions or (self.expression,))), FLOATS)

        def quietly(coordinates: Sequence[Any]) -> list[Any]:
            shape = np.broadcast_shapes(*(np.shape(c) for c in coordinates))
            with np.errstate(all="ignore"):
                return [np.broadcast_to(v, shape) for v in evaluate(coordinates)]

        return quietly

    def on_rays(self, radius: Any, *expressions: Any) -> Callable[[Sequence[Any]], list[Any]]:
        """Expressions (by default U) as functions of growing coordinates on [radius, inf)."""
        program = self.program(*(expressions or (self.expression,)))
        return bind(program, GrowthAlgebra(radius))


@functools.lru_cache(maxsize=512)
def _bound(symbols: tuple[Any, ...], expressions: tuple[Any, ...], _: None) -> Callable[..., Any]:
    return bind(lower(expressions, symbols, (), "ball"), INTERVALS)


def _positive(base: Any) -> bool:
    """True when a base is visibly a sum of a positive number and squares, or an exponential."""
    if base.is_positive:
        return True
    if base.is_Add:
        constant, rest = base.as_coeff_Add()
        squares = (
            all(t.as_coeff_Mul()[0] > 0 and t.as_coeff_Mul()[1].is_nonnegative for t in rest.args)
            if rest.is_Add
            else rest.is_nonnegative
        )
        return bool(constant > 0 and squares)
    return bool(base.func is sympy.exp)


def exact_number(value: float) -> Any:
    """The rational number that a float is."""
    return sympy.Rational(*float(value).as_integer_ratio())


def potential_of(energy: Energy | Potential) -> Potential:
    """The formula behind an energy with its parameter values in place, read as decimals.

    Raises
    ------
    AssumptionError
        For an energy without a formula: nothing can be proved about it here.
    """
    if isinstance(energy, Potential):
        return energy
    return numeric_potential(*exact_expression(energy))


def exact_expression(energy: Energy | Potential) -> tuple[Any, tuple[Any, ...]]:
    """(U as it was written, coordinates), parameters replaced by the decimals they are.

    Raises
    ------
    AssumptionError
        For an energy without a formula.
    """
    if isinstance(energy, Potential):
        return energy.expression, energy.symbols
    formula = getattr(energy, "formula", None)
    if formula is None:
        raise AssumptionError("certification", [f"{energy.name} is not given by a formula"])
    values = dict(energy.parameters)
    table = {s: sympy.Rational(repr(float(values[s.name]))) for s in formula.parameter_symbols}
    return formula.expression.xreplace(table), tuple(formula.coordinates)


def as_written(energy: Energy | Potential) -> Potential:
    """As ``potential_of``, but sums of exponentials keep their exponents: log sum_k exp(f_k).

    Jets treat such a sum as a whole and want the f_k; see ``jets``.
    """
    if isinstance(energy, Potential):
        return energy
    return written_potential(*exact_expression(energy))


def written_potential(expression: Any, symbols: Sequence[Any]) -> Potential:
    """As ``numeric_potential``, but sums of exponentials keep their exponents."""
    reals = {s: sympy.Symbol(s.name, real=True) for s in symbols}
    exact = exact_numbers(sympy.sympify(expression).xreplace(reals))
    return Potential(_with_powers(stabilised(exact), tuple(reals.values())), tuple(reals.values()))


def numeric_potential(expression: Any, symbols: Sequence[Any]) -> Potential:
    """A potential from an expression in these symbols; floats are read as decimals."""
    reals = {s: sympy.Symbol(s.name, real=True) for s in symbols}
    exact = exact_numbers(sympy.sympify(expression).xreplace(reals))
    powers = _with_powers(stabilised(exact), tuple(reals.values()))
    return Potential(recentred(powers, tuple(reals.values())), tuple(reals.values()))


def _with_powers(expression: Any, symbols: tuple[Any, ...]) -> Any:
    """Homogeneous sums c (x + r y)^n, n > 2, of monomials as the powers they are.

    Expanded, what vanishes along a line is there a difference of large terms.
    """
    terms = sympy.Add.make_args(expression)
    monomials = [t for t in terms if t.free_symbols and _monomial(t)]
    if len(symbols) != 2 or not monomials:
        return expression
    x, y = symbols
    whole, found = sympy.Poly(sympy.Add(*monomials), x, y), []
    for n in range(3, whole.total_degree() + 1):
        form = [whole.coeff_monomial(x ** (n - k) * y**k) for k in range(n + 1)]
        if not all(c.is_Rational and c != 0 for c in form):
            continue
        first, ratio = form[0], form[1] / (n * form[0])
        if all(c == first * math.comb(n, k) * ratio**k for k, c in enumerate(form)):
            power = first * (x + ratio * y) ** n
            whole -= sympy.Poly(power, x, y)
            found.append(power)
    if not found:
        return expression
    return sympy.Add(whole.as_expr(), *found, *(t for t in terms if t not in monomials))


def _monomial(term: Any) -> bool:
    _, rest = term.as_independent(*term.free_symbols, as_Add=False)
    factors = [f.as_base_exp() for f in sympy.Mul.make_args(rest)]
    return all(b.is_Symbol and e.is_Integer and e > 0 for b, e in factors)


def recentred(expression: Any, symbols: tuple[Any, ...]) -> Any:
    """log sum_k exp(a_k) = a_1 + log(1 + sum_k exp(a_k - a_1)), the differences simplified.

    Derivatives then hold differences of slopes, which stay bounded for a mixture of equal
    covariances, instead of growing slopes that cancel. a_1 is the largest exponent far out.
    """

    def rewritten(node: Any) -> Any:
        first = max(node.args, key=lambda a: _far_value(a, symbols))
        others = [completed(a - first, symbols) for a in node.args if a is not first]
        if len(others) == 1:
            # log(1 + e^b) = b/2 + log 2 + log cosh(b/2): one occurrence, a sharp second derivative
            return first + others[0] / 2 + sympy.log(2) + LogCosh(others[0] / 2)
        return first + LogSumExp(sympy.S.Zero, *others)

    nodes = [n for n in expression.atoms(LogSumExp) if 0 not in n.args]
    return expression.xreplace({node: rewritten(node) for node in nodes})


def completed(expression: Any, symbols: tuple[Any, ...]) -> Any:
    """Expanded; on the line a quadratic as a (x - b)^2 + c, where x occurs once."""
    expanded = sympy.expand(expression)
    if len(symbols) != 1 or not expanded.is_polynomial(*symbols):
        return expanded
    coefficients = sympy.Poly(expanded, *symbols).all_coeffs()
    if len(coefficients) != 3 or coefficients[1] == 0:
        return expanded
    a, b, c = coefficients
    return a * (symbols[0] + b / (2 * a)) ** 2 + (c - b**2 / (4 * a))


def _far_value(expression: Any, symbols: tuple[Any, ...]) -> float:
    far = {s: sympy.Rational(10007 + 17 * i) for i, s in enumerate(symbols)}
    value = sympy.N(expression.xreplace(far)) + sympy.N(
        expression.xreplace({s: -v for s, v in far.items()})
    )
    return float(value) if value.is_real else 0.0
