"""A traced formula: one expression, its derivatives, and its spelling for every back end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal, cast

import sympy

from ..errors import ArgumentError
from ..protocols import SourceBackend
from . import printing
from .derivative import Differentiation
from .generated import load
from .nodes import LogCosh, LogSumExp, SoftmaxWeight
from .program import UNARY, Program, Target, lower

FormulaField = Literal["potential", "gradient", "hessian", "laplacian", "parameter_gradient"]

_KNOWN = (*UNARY, LogSumExp, SoftmaxWeight, LogCosh, sympy.Max, sympy.Min, sympy.Heaviside)
_KINKED = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside)


class Formula:
    """U(x; p) as a SymPy expression in d coordinates and n_p named parameters.

    Parameters
    ----------
    expression : SymPy expression
    coordinates : sequence of d real symbols
    parameters : sequence of n_p real symbols

    Raises
    ------
    ArgumentError
        When the expression is not real, not finite, uses other symbols, or a function that the
        back ends do not know.
    """

    def __init__(
        self, expression: Any, coordinates: Sequence[Any], parameters: Sequence[Any] = ()
    ) -> None:
        self.coordinates = tuple(coordinates)
        self.parameter_symbols = tuple(parameters)
        self.expression = _checked(
            stabilised(exact_numbers(sympy.sympify(expression))),
            {*self.coordinates, *self.parameter_symbols},
        )
        self._forget()

    def _forget(self) -> None:
        self._differentiations = [Differentiation(s) for s in self.coordinates]
        self._derivatives: dict[tuple[int, ...], Any] = {}
        self._functions: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        keep = ("coordinates", "parameter_symbols", "expression")
        return {name: getattr(self, name) for name in keep}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    @property
    def dim(self) -> int:
        """Number d of coordinates."""
        return len(self.coordinates)

    @cached_property
    def digest(self) -> str:
        """Hash of the formula: equal for equal formulas, whatever the parameter values."""
        text = sympy.srepr((self.coordinates, self.parameter_symbols, self.expression))
        return hashlib.sha256(text.encode()).hexdigest()

    def derivative(self, *indices: int) -> Any:
        """The partial derivative along coordinates i, j, ...; zero-based, any order.

        At a kink the convention is: ``abs`` has slope sign, and no mass in its second derivative.
        """
        indices = tuple(sorted(indices))
        if not indices:
            return self.expression
        if indices not in self._derivatives:
            previous = self.derivative(*indices[:-1])
            self._derivatives[indices] = self._differentiations[indices[-1]](previous)
        return self._derivatives[indices]

    def expressions(self, name: FormulaField) -> list[Any]:
        """The components of a field; the Hessian's upper triangle row by row."""
        axes = range(self.dim)
        match name:
            case "potential":
                return [self.expression]
            case "gradient":
                return [self.derivative(i) for i in axes]
            case "hessian":
                return [self.derivative(i, j) for i in axes for j in range(i, self.dim)]
            case "laplacian":
                return [sympy.Add(*(self.derivative(i, i) for i in axes))]
            case "parameter_gradient":
                return [differentiate(self.expression, s) for s in self.parameter_symbols]
        raise ArgumentError(f"a formula has no field {name!r}")

    def program(self, expressions: Sequence[Any], target: Target = "float") -> Program:
        """The straight-line program of expressions in these coordinates and parameters."""
        return lower(expressions, self.coordinates, self.parameter_symbols, target)

    def numpy_function(self, name: FormulaField) -> Callable[..., tuple[Any, ...]]:
        """``f(x, p)`` on a sequence of coordinate arrays; a tuple of components."""
        return self._compiled(("numpy", name), self.expressions, name, printing.NUMPY)

    def ball_function(self, name: FormulaField) -> Callable[..., tuple[Any, ...]]:
        """``f(x, p)`` on sequences of ``arb`` (or ``acb``) values; a tuple of components."""
        return self._compiled(("ball", name), self.expressions, name, printing.BALL)

    def ball_derivative(self, *indices: int) -> Callable[..., tuple[Any, ...]]:
        """``f(x, p)`` for one partial derivative in ball arithmetic; a tuple of one."""
        indices = tuple(sorted(indices))
        return self._compiled(
            ("ball", indices), lambda i: [self.derivative(*i)], indices, printing.BALL
        )

    def _compiled(
        self,
        key: Any,
        expressions: Callable[[Any], list[Any]],
        argument: Any,
        dialect: printing.Dialect,
    ) -> Callable[..., tuple[Any, ...]]:
        if key not in self._functions:
            target: Target = "ball" if dialect is printing.BALL else "float"
            program = self.program(expressions(argument), target)
            text = printing.tuple_function("field", program, dialect)
            self._functions[key] = load(printing.module(text, dialect)).field
        return cast(Callable[..., tuple[Any, ...]], self._functions[key])

    def source(
        self,
        backend: SourceBackend,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> str:
        """Module text for a back end; see ``protocols.Energy.source``."""
        key = ("source", backend, dtype)
        if key not in self._functions:
            gradient = self.expressions("gradient")
            programs = [
                self.program(e, "loop" if backend == "numba" else "float")
                for e in ([self.expression], gradient, [self.expression, *gradient])
            ]
            match backend:
                case "numba":
                    text = printing.numba_module(programs[0], programs[1], programs[2], dtype)
                case "torch":
                    text = printing.torch_module(programs[0], programs[1])
                case "triton":
                    text = printing.triton_module(programs[0], programs[1], programs[2])
                case _:
                    raise ArgumentError(
                        f"back ends are 'numba', 'torch' and 'triton', got {backend!r}"
                    )
            self._functions[key] = text
        return cast(str, self._functions[key])

    @property
    def operations(self) -> int:
        """Number of arithmetic operations of one gradient evaluation."""
        program = self.program(self.expressions("gradient"))
        leaves = ("coordinate", "parameter", "constant")
        return sum(i.operation not in leaves for i in program.instructions)

    @cached_property
    def has_kinks(self) -> bool:
        """Whether abs, sign, max, min or a step occurs."""
        return bool(self.expression.has(*_KINKED))

    @cached_property
    def latex(self) -> str:
        """The expression in LaTeX, decimals as typed."""
        symbols = (*self.coordinates, *self.parameter_symbols)
        names = {s: text for s in symbols if (text := _upright(str(s)))}
        return str(sympy.latex(_decimals(self.expression), symbol_names=names))


def differentiate(expression: Any, symbol: Any) -> Any:
    """d/ds of one expression; see ``derivative.Differentiation`` for the conventions."""
    return Differentiation(symbol)(expression)


def exact_numbers(expression: Any) -> Any:
    """Floats read as the decimals they were typed as: 0.3 is 3/10 in every back end."""
    floats = expression.atoms(sympy.Float)
    if not floats:
        return expression
    if any(not f.is_finite for f in floats):
        raise ArgumentError(f"a formula needs finite constants, got {expression}")
    return expression.xreplace({f: sympy.Rational(repr(float(f))) for f in floats})


def stabilised(expression: Any) -> Any:
    """log cosh u and log(c_1 e^{a_1} + c_2 e^{a_2} + ...), c_k > 0, as their stable nodes."""
    logs = sorted(expression.atoms(sympy.log), key=lambda node: int(node.count_ops()))
    for node in logs:
        (inside,) = node.args
        if isinstance(inside, sympy.cosh):
            expression = expression.xreplace({node: LogCosh(inside.args[0])})
        elif inside.is_Add and inside.has(sympy.exp):
            exponents = [_log_of_positive(term) for term in inside.args]
            if None not in exponents:
                expression = expression.xreplace({node: LogSumExp(*exponents)})
    return expression


def _log_of_positive(term: Any) -> Any:
    exponent, rest = sympy.S.Zero, []
    for factor in sympy.Mul.make_args(term):
        if isinstance(factor, sympy.exp):
            exponent += factor.args[0]
        else:
            rest.append(factor)
    coefficient = sympy.Mul(*rest)
    if coefficient.is_number and coefficient.is_positive:
        return exponent + sympy.log(coefficient)
    return None


def _checked(expression: Any, symbols: set[Any]) -> Any:
    if not isinstance(expression, sympy.Expr):
        raise ArgumentError(f"a formula is one real expression, got {expression!r}")
    if foreign := expression.free_symbols - symbols:
        raise ArgumentError(f"unknown names in the formula: {sorted(map(str, foreign))}")
    if expression.has(sympy.I):
        raise ArgumentError(f"a formula needs real values, got {expression}")
    if expression.has(sympy.oo, sympy.nan, sympy.zoo, -sympy.oo):
        raise ArgumentError(f"a formula needs finite constants, got {expression}")
    for node in expression.atoms(sympy.Function):
        if not isinstance(node, _KNOWN):
            raise ArgumentError(f"a formula cannot use {node.func.__name__}: {node}")
    return expression


def _upright(name: str) -> str | None:
    """LaTeX of a name of several letters; None where SymPy's own spelling is right."""
    stem, _, index = name.partition("_")
    letters = stem.rstrip("0123456789")
    if len(letters) < 2 or sympy.latex(sympy.Symbol(letters)) != letters:
        return None
    below = [part for part in (stem[len(letters) :], *index.split("_")) if part]
    return rf"\mathrm{{{letters}}}" + (f"_{{{' '.join(below)}}}" if below else "")


def _decimals(expression: Any) -> Any:
    def shown(number: Any) -> bool:
        q = int(number.q)
        while q % 10 == 0:
            q //= 10
        for prime in (2, 5):
            while q % prime == 0:
                q //= prime
        return q == 1 and int(number.q) > 9

    return expression.xreplace(
        {r: sympy.Float(str(float(r))) for r in expression.atoms(sympy.Rational) if shown(r)}
    )
