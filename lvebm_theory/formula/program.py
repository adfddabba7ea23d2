"""Straight-line programs: expressions with every common subexpression computed once.

``lower`` walks SymPy expressions once and numbers their values; equal values get equal numbers,
so the sharing needs no search. The printers of each back end then only spell instructions.

Operations (``arguments`` are value numbers unless said otherwise):
coordinate i, parameter i, constant c (SymPy number), add, sub, mul, div, neg, recip, fma a b c
(a b + c, for loops over particles), exp_below (exp of numbers up to 0, likewise), power v n
(integer n >= 2), pow, max, min, heaviside, the unary functions, and for ball arithmetic
log_sum_exp, softmax k; in floats the latter become shift (a stable offset), exp and sums.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sympy

from ..errors import ArgumentError
from .nodes import LogCosh, LogSumExp, SoftmaxWeight

Target = Literal["float", "loop", "ball"]

UNARY = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.atan: "atan",
    sympy.erf: "erf",
    sympy.Abs: "abs",
    sympy.sign: "sign",
    LogCosh: "log_cosh",
}
_LARGEST = sys.float_info.max
COMMUTATIVE = {"add", "mul"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on earlier values."""

    operation: str
    arguments: tuple[Any, ...]


@dataclass
class Program:
    """Instructions in order, the value numbers of the outputs, and what varies with x."""

    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    varies: list[bool] = field(default_factory=list)
    _numbers: dict[tuple[str, tuple[Any, ...]], int] = field(default_factory=dict)

    def operands(self, number: int) -> tuple[int, ...]:
        """Value numbers that instruction ``number`` reads."""
        instruction = self.instructions[number]
        match instruction.operation:
            case "coordinate" | "parameter" | "constant":
                return ()
            case "power":
                return instruction.arguments[:1]
            case "softmax":
                return instruction.arguments[1:]
        return instruction.arguments

    def value(self, operation: str, *arguments: Any) -> int:
        """The number of this value, appended if it is new."""
        if operation in COMMUTATIVE:
            arguments = tuple(sorted(arguments))
        key = (operation, arguments)
        if key not in self._numbers:
            self._numbers[key] = len(self.instructions)
            self.instructions.append(Instruction(operation, arguments))
            self.varies.append(
                operation == "coordinate"
                or any(self.varies[a] for a in self.operands(len(self.instructions) - 1))
            )
        return self._numbers[key]


class _Lowering:
    def __init__(
        self,
        coordinates: Sequence[Any],
        parameters: Sequence[Any],
        target: Target,
    ) -> None:
        self.program = Program()
        self.memo: dict[Any, int] = {}
        self.numbers: dict[Any, bool] = {}
        self.floats = target != "ball"
        self.loops = target == "loop"
        self.coordinates = set(coordinates)
        for kind, symbols in (("coordinate", coordinates), ("parameter", parameters)):
            for i, symbol in enumerate(symbols):
                self.memo[symbol] = self.program.value(kind, i)

    def __call__(self, expression: Any) -> int:
        number = self.memo.get(expression)
        if number is None:
            number = self.memo[expression] = self._lower(expression)
        return number

    def _lower(self, expression: Any) -> int:
        value = self.program.value
        if expression.is_Rational or expression in (sympy.pi, sympy.E):
            if self.floats:
                _real_number(expression)
            return value("constant", expression)
        if self.floats and self._is_number(expression):
            return value("constant", _real_number(expression))
        if expression.is_Add:
            return self._sum(expression)
        if expression.is_Mul:
            return self._product(expression)
        if expression.is_Pow:
            return self._power(expression.base, expression.exp)
        if isinstance(expression, LogSumExp):
            return self._log_sum_exp(expression)
        if isinstance(expression, SoftmaxWeight):
            return self._softmax(expression)
        if isinstance(expression, sympy.Max | sympy.Min):
            name = "max" if isinstance(expression, sympy.Max) else "min"
            first, *rest = (self(a) for a in expression.args)
            for number in rest:
                first = value(name, first, number)
            return first
        if isinstance(expression, sympy.Heaviside):
            return value("heaviside", self(expression.args[0]))
        name = UNARY.get(expression.func, "")
        if not name:
            raise ArgumentError(f"a formula cannot use {expression.func.__name__}: {expression}")
        return value(name, self(expression.args[0]))

    def _is_number(self, expression: Any) -> bool:
        known = self.numbers.get(expression)
        if known is None:
            known = not expression.is_Symbol and all(map(self._is_number, expression.args))
            self.numbers[expression] = known
        return known

    def _fixed_first(self, numbers: list[int]) -> list[int]:
        # what does not vary with x goes first, so that compilers can hoist it out of loops
        return sorted(numbers, key=lambda number: self.program.varies[number])

    def _sum(self, expression: Any) -> int:
        value = self.program.value
        plus, terms = self._pulls(expression.args) if self.loops else ([], expression.args)
        squares = [t for t in terms if _is_square(t)] if self.loops else []
        if len(squares) > 1:
            terms = [t for t in terms if not _is_square(t)]
            bases = [self(t.base) for t in squares]
            plus.append(self._fused(bases, bases))
        minus: list[int] = []
        for term in terms:
            coefficient, rest = term.as_coeff_Mul()
            if coefficient.is_Rational and coefficient < 0 and rest is not sympy.S.One:
                minus.append(self(-term))
            else:
                plus.append(self(term))
        if not plus:
            return value("neg", self._chain("add", self._fixed_first(minus)))
        total = self._chain("add", self._fixed_first(plus))
        for number in minus:
            total = value("sub", total, number)
        return total

    def _pulls(self, terms: Sequence[Any]) -> tuple[list[int], list[Any]]:
        """Sums over k of c_k (x_j - m_k) with softmax weights in c_k, and the other terms.

        As x_j sum_k c_k - sum_k c_k m_k a term costs one product, and no difference x_j - m_k
        has to outlive the exponentials; the sum of the c_k serves every coordinate. What is lost
        to cancellation is what half a unit in the last place of x_j changes.
        """
        groups: dict[Any, list[tuple[Any, Any]]] = {}
        others: list[Any] = []
        for term in terms:
            found = self._pull(term)
            if found is None:
                others.append(term)
            else:
                coordinate, weight, centre = found
                groups.setdefault(coordinate, []).append((weight, centre))
        value = self.program.value
        numbers: list[int] = []
        for coordinate, parts in groups.items():
            weights = [self(weight) for weight, _ in parts]
            centres = [self(centre) for _, centre in parts]
            whole = self._chain("add", weights)
            mean = self._fused(centres, weights)
            numbers.append(value("fma", self(coordinate), whole, value("neg", mean)))
        return numbers, others

    def _fused(self, left: list[int], right: list[int]) -> int:
        """The sum of products of like sign, each added with one rounding."""
        total = self.program.value("mul", left[0], right[0])
        for a, b in zip(left[1:], right[1:], strict=True):
            total = self.program.value("fma", a, b, total)
        return total

    def _pull(self, term: Any) -> tuple[Any, Any, Any] | None:
        """(x_j, c, m) of a term c (x_j - m), c a softmax weight times what is free of x, like m."""
        factors = sympy.Mul.make_args(term)
        varying = [f for f in factors if f.free_symbols & self.coordinates]
        weights = [f for f in varying if isinstance(f, SoftmaxWeight)]
        sums = [f for f in varying if f.is_Add]
        if len(varying) != 2 or len(weights) != 1 or len(sums) != 1:
            return None
        content, difference = sums[0].primitive()
        for coordinate in difference.free_symbols & self.coordinates:
            centre = coordinate - difference
            if not centre.free_symbols & self.coordinates:
                rest = [f for f in factors if f is not sums[0]]
                return coordinate, sympy.Mul(content, *rest), centre
        return None

    def _chain(self, operation: str, numbers: list[int]) -> int:
        total = numbers[0]
        for number in numbers[1:]:
            total = self.program.value(operation, total, number)
        return total

    def _product(self, expression: Any) -> int:
        value = self.program.value
        coefficient, rest = expression.as_coeff_Mul()
        above: list[int] = []
        below: list[int] = []
        weights: list[int] = []
        for given in sympy.Mul.make_args(rest):
            factor = given
            if self.floats and given.is_Add:
                # SymPy spreads numbers over sums: 2 x - 2 m is 2 (x - m), known already
                content, factor = given.primitive()
                coefficient *= content
            exponent = factor.exp if factor.is_Pow else sympy.S.One
            if factor.is_Pow and exponent.is_Rational and exponent < 0:
                number = self(sympy.Pow(factor.base, -exponent))
                if self.program.varies[number]:
                    below.append(number)
                else:
                    above.append(value("recip", number))
            elif isinstance(factor, SoftmaxWeight):
                weights.append(self(factor))
            else:
                above.append(self(factor))
        negative = coefficient == -1
        if coefficient not in (1, -1):
            above.insert(0, value("constant", coefficient))
        if not above and not weights:
            result = value("recip", self._chain("mul", below))
        else:
            # a weight meets what does not vary first: that product serves every coordinate
            fixed = [n for n in above if not self.program.varies[n]]
            varying = [n for n in above if self.program.varies[n]]
            result = self._chain("mul", [*fixed, *weights, *varying])
            if below:
                result = value("div", result, self._chain("mul", self._fixed_first(below)))
        return value("neg", result) if negative else result

    def _power(self, base: Any, exponent: Any) -> int:
        value = self.program.value
        if exponent.is_Rational and exponent < 0:
            return value("recip", self(sympy.Pow(base, -exponent)))
        number = self(base)
        if exponent.is_Integer:
            return self._integer_power(number, int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            root = value("sqrt", number)
            return root if exponent.p == 1 else self._integer_power(root, int(exponent.p))
        return value("pow", number, self(exponent))

    def _integer_power(self, number: int, n: int) -> int:
        if n == 1:
            return number
        if not self.floats:
            # kept whole: an even power of a ball around zero has a sign
            return self.program.value("power", number, n)
        half = self._integer_power(number, n // 2)
        square = self.program.value("mul", half, half)
        return self.program.value("mul", square, number) if n % 2 else square

    def _exponentials(self, exponents: Sequence[Any]) -> tuple[int, list[int], int]:
        value = self.program.value
        numbers = [self(a) for a in exponents]
        shift = numbers[0]
        for number in numbers[1:]:
            shift = value("max", shift, number)
        # loops have an exponential of their own for what is never positive
        function = "exp_below" if self.loops else "exp"
        parts = [value(function, value("sub", number, shift)) for number in numbers]
        return shift, parts, self._chain("add", parts)

    def _log_sum_exp(self, expression: Any) -> int:
        value = self.program.value
        if not self.floats:
            return value("log_sum_exp", *(self(a) for a in expression.args))
        shift, _, total = self._exponentials(expression.args)
        return value("add", shift, value("log", total))

    def _softmax(self, expression: Any) -> int:
        value = self.program.value
        if not self.floats:
            return value("softmax", expression.index, *(self(a) for a in expression.exponents))
        _, parts, total = self._exponentials(expression.exponents)
        return value("mul", parts[expression.index], value("recip", total))


def _is_square(term: Any) -> bool:
    return bool(term.is_Pow and term.exp == 2)


def _real_number(expression: Any) -> Any:
    number = sympy.N(expression, 40)
    real = number.is_Float or number.is_Rational
    if not (real and number.is_finite and abs(number) <= _LARGEST):
        raise ArgumentError(f"a formula needs real constants below 1.8e308, got {expression}")
    return number


def lower(
    expressions: Sequence[Any],
    coordinates: Sequence[Any],
    parameters: Sequence[Any],
    target: Target = "float",
) -> Program:
    """The straight-line program of several expressions, sharing what they share.

    Parameters
    ----------
    expressions, coordinates, parameters : sequences of SymPy expressions and symbols
    target : {"float", "loop", "ball"}
        Loops over particles get sums in the form that costs least: fused products, and the pull
        of softmax-weighted centres as one sum per coordinate. Ball arithmetic keeps powers,
        log-sum-exp and softmax whole, for tighter enclosures.

    Raises
    ------
    ArgumentError
        When an expression uses a function that the back ends do not know.
    """
    lowering = _Lowering(coordinates, parameters, target)
    lowering.program.outputs = [lowering(sympy.sympify(e)) for e in expressions]
    return lowering.program
