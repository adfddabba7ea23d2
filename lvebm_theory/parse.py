"""Potentials typed as text: from a bounded syntax tree to a formula.

Degrees and constants are bounded before any arithmetic is done, so that no text can hang.
"""

from __future__ import annotations

import ast
import functools
import keyword
import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .errors import ArgumentError
from .formula_energy import FormulaEnergy, flattened, validated_parameters
from .syntax import (
    FUNCTIONS,
    KEYWORD,
    SEVERAL,
    STAND_IN,
    check_vocabulary,
    names_in,
    quoted,
    syntax_tree,
)

if TYPE_CHECKING:
    from .formula.expression import Formula

MAX_EXPONENT = 64
MAX_CONSTANT = 1e100
MAX_VARIABLES = 64
#: comparisons of the arguments of max and min with each other, over the whole formula
MAX_COMPARISONS = 1024

CONSTANTS = ("pi", "e")
#: coordinates that need no declaration: x, y, z, ... and x0, x1, ..., x_10
_COORDINATE = re.compile(r"[u-z]_?\d*\Z", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)


def natural_order(name: str) -> tuple[Any, ...]:
    """Sort key by letters, then by number: x, x0, x2, x10, y."""
    return tuple(
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.findall(r"\d+|\D+", name)
    )


class _Reader:
    """Builds the SymPy expression; tracks a bound on the degree, so that nothing can swell."""

    def __init__(self, symbols: Mapping[str, Any]) -> None:
        import sympy

        self.sympy = sympy
        self.symbols = symbols
        self.constants = {"pi": sympy.pi, "e": sympy.E}
        self.comparisons = 0

    def read(self, node: ast.expr) -> tuple[Any, float]:
        """Expression and degree bound."""
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value, degree = self.read(operand)
                return -value, degree
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.BinOp():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
        raise ArgumentError(f"a formula cannot contain {quoted(node)}")

    def _number(self, node: ast.Constant) -> tuple[Any, float]:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"a formula needs real numbers, got {value!r}")
        if not abs(value) <= MAX_CONSTANT:
            raise ArgumentError(
                f"a formula needs constants of size at most {MAX_CONSTANT:g}, got {quoted(node)}"
            )
        rational = self.sympy.Rational
        return rational(value) if isinstance(value, int) else rational(repr(value)), 0.0

    def _name(self, node: ast.Name) -> tuple[Any, float]:
        name = KEYWORD if node.id == STAND_IN else node.id
        if name in self.symbols:
            return self.symbols[name], 1.0
        if name in self.constants:
            return self.constants[name], 0.0
        raise ArgumentError(unknown_name(name, list(self.symbols)))

    def _binary(self, node: ast.BinOp) -> tuple[Any, float]:
        if isinstance(node.op, ast.BitXor):
            raise ArgumentError(f"write ** for powers, not ^, in {quoted(node)}")
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        left, a = self.read(node.left)
        right, b = self.read(node.right)
        match node.op:
            case ast.Add():
                return self._bounded(left + right, max(a, b), node)
            case ast.Sub():
                return self._bounded(left - right, max(a, b), node)
            case ast.Mult():
                return self._bounded(left * right, a + b, node)
            case ast.Div():
                if right.is_zero:
                    raise ArgumentError(f"division by zero in {quoted(node)}")
                return self._bounded(left / right, a + b, node)
        raise ArgumentError(f"a formula uses + - * / **, not {quoted(node)}")

    def _bounded(self, value: Any, degree: float, node: ast.expr) -> tuple[Any, float]:
        if degree > MAX_EXPONENT:
            raise ArgumentError(
                f"a formula may have degree {MAX_EXPONENT}, {quoted(node)} has {degree:g}"
            )
        if not value.free_symbols:
            size = abs(self.sympy.N(value, 15))
            if not (size.is_real and size <= MAX_CONSTANT):
                raise ArgumentError(f"the constant {quoted(node)} is not real or too large")
            if value.is_Rational and value.q > 10**300:
                value = self.sympy.Rational(repr(float(value)))
        return value, degree

    def _power(self, node: ast.BinOp) -> tuple[Any, float]:
        exponent, exponent_degree = self.read(node.right)
        if exponent.is_number and not abs(exponent) <= MAX_EXPONENT:
            raise ArgumentError(
                f"exponents may be at most {MAX_EXPONENT} in size, got {quoted(node.right)}"
            )
        base, degree = self.read(node.left)
        if base.is_number and exponent.is_number:
            return self._constant_power(base, exponent, node), 0.0
        if base.is_zero:
            raise ArgumentError(f"a power of zero in {quoted(node)}")
        factor = float(abs(exponent)) if exponent.is_number else 1.0
        return self._bounded(base**exponent, degree * factor + exponent_degree, node)

    def _constant_power(self, base: Any, exponent: Any, node: ast.expr) -> Any:
        size = float(abs(base))
        with_sign = base.is_negative and not exponent.is_Integer
        if with_sign or (size == 0 and not exponent.is_positive):
            raise ArgumentError(f"the constant {quoted(node)} is not a finite real number")
        if size and abs(float(exponent) * math.log10(size)) > math.log10(MAX_CONSTANT):
            raise ArgumentError(f"the constant {quoted(node)} is too large or too small")
        if exponent.is_Integer and (not base.is_Rational or max(abs(base.p), base.q) < 10**6):
            return base**exponent
        return self.sympy.Rational(repr(float(base) ** float(exponent)))

    def _call(self, node: ast.Call) -> tuple[Any, float]:
        assert isinstance(node.func, ast.Name)  # check_vocabulary has seen to it
        name = node.func.id
        values = [self.read(a)[0] for a in node.args]
        value = self._apply(name, values, node)
        if value.is_number and not (value.is_real and value.is_finite):
            raise ArgumentError(f"the constant {quoted(node)} is not a finite real number")
        return value, 1.0 if value.free_symbols else 0.0

    def _apply(self, name: str, values: list[Any], node: ast.expr) -> Any:
        from .formula import functions

        grows = ("exp", "sinh", "cosh")
        if name in grows and values[0].is_number and abs(float(values[0])) > 230:
            raise ArgumentError(f"the constant {quoted(node)} is too large or too small")
        if name in FUNCTIONS:
            return functions.apply(FUNCTIONS[name], values[0])
        if name in ("max", "min"):
            self._compare(self.sympy.Max if name == "max" else self.sympy.Min, values, node)
        return getattr(functions, SEVERAL[name])(*values)

    def _compare(self, extremum: Any, values: list[Any], node: ast.expr) -> None:
        """Count the comparisons before they are made: each may take milliseconds."""
        count = sum(len(v.args) if isinstance(v, extremum) else 1 for v in values)
        self.comparisons += count**2
        if self.comparisons > MAX_COMPARISONS:
            raise ArgumentError(
                f"max and min compare every pair of their arguments; a formula may have "
                f"{MAX_COMPARISONS} such pairs ({math.isqrt(MAX_COMPARISONS)} arguments in one "
                f"call), {quoted(node)} brings {self.comparisons}"
            )


def unknown_name(name: str, known: Sequence[str]) -> str:
    """The sentence for a name that is neither coordinate nor parameter nor constant."""
    near = get_close_matches(name, [*known, *FUNCTIONS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    if name in FUNCTIONS:
        hint = f"; it is a function: write {name}(...)"
    return (
        f"unknown name {name!r} in the formula (known: {', '.join(known) or 'none'}; give a "
        f"parameter a value, or name the coordinates){hint}"
    )


def coordinates_of(
    tree: ast.expr, variables: Sequence[str] | None, parameters: Sequence[str]
) -> tuple[str, ...]:
    """Names of the coordinates, in order: as declared, else those that look like coordinates."""
    for name in (*(variables or ()), *parameters):
        if not isinstance(name, str) or not _NAME.match(name):
            raise ArgumentError(f"names are letters, digits and underscores, got {name!r}")
        if name == STAND_IN or (keyword.iskeyword(name) and name != KEYWORD):
            raise ArgumentError(f"{name!r} cannot be a name in a formula")
    found = [n for n in dict.fromkeys(names_in(tree)) if n not in parameters]
    if variables is not None:
        names = tuple(variables)
        if len(set(names)) != len(names) or not names:
            raise ArgumentError(f"variables must be distinct and at least one, got {list(names)}")
        if both := sorted(set(names) & set(parameters)):
            raise ArgumentError(f"{both} cannot be both variables and parameters")
    else:
        names = tuple(sorted((n for n in found if _COORDINATE.match(n)), key=natural_order))
        if not names:
            others = [n for n in found if n not in CONSTANTS]
            raise ArgumentError(
                unknown_name(others[0], list(parameters))
                if others
                else "a potential needs at least one variable (x, y, z, x0, x1, ...)"
            )
    if len(names) > MAX_VARIABLES:
        raise ArgumentError(f"a formula may have {MAX_VARIABLES} variables, got {len(names)}")
    if unknown := [n for n in found if n not in names and n not in CONSTANTS]:
        raise ArgumentError(unknown_name(unknown[0], [*names, *parameters]))
    return names


@functools.lru_cache(maxsize=256)
def _formula(text: str, variables: tuple[str, ...], parameters: tuple[str, ...]) -> Formula:
    from .formula.expression import Formula
    from .formula.trace import coordinate_symbols

    coordinates, symbols = coordinate_symbols(variables), coordinate_symbols(parameters)
    tree = syntax_tree(text, "the potential")
    reader = _Reader(dict(zip((*variables, *parameters), (*coordinates, *symbols), strict=True)))
    formula = Formula(reader.read(tree)[0], coordinates, symbols)
    formula.program([formula.expression])  # constants that multiply beyond the doubles
    return formula


def parse_potential(
    text: str,
    *,
    variables: Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    name: str = "potential",
) -> FormulaEnergy:
    """The energy of a one-line formula such as ``"a*(x**2-1)**2 + y**2/2"``.

    Parameters
    ----------
    text : str
        Numbers, names, ``+ - * / **``, brackets, the functions exp log sqrt sin cos tan sinh cosh
        tanh atan erf abs sign log1p log_cosh max min log_sum_exp, the constants pi and e.
    variables : sequence of str, optional
        Coordinates in order. By default the names of the form x, y, z, x0, x1, ... that occur,
        in natural order, without the parameters.
    parameters : mapping, optional
        Named run-time parameters with their values.

    Returns
    -------
    FormulaEnergy

    Raises
    ------
    ArgumentError
        For anything outside the list above; the message says what was required and what came.
    """
    values = flattened(validated_parameters(name, parameters or {}))
    if isinstance(variables, str):
        raise ArgumentError(f"variables must be a sequence of names, got {variables!r}")
    tree = syntax_tree(text, "the potential")
    check_vocabulary(tree)
    names = coordinates_of(tree, variables, tuple(values))
    _formula(text, names, tuple(values))  # every error is raised here, not at first use
    return FormulaEnergy(
        name=name,
        dim=len(names),
        parameters=values,
        variables=names,
        formula_of=functools.partial(_formula, text, names, tuple(values)),
        description=f"U({', '.join(names)}) = {text.strip()}",
    )


def parse_initial(text: str, dim: int) -> Any:
    """The initial law of a text; see ``lvebm_theory.parse_law.parse_initial``."""
    from .parse_law import parse_initial as parse

    return parse(text, dim)
