"""One straight-line program, many arithmetics: interpret a formula over an algebra.

The formula package lowers expressions to instructions; here they are carried out on whatever the
algebra computes with: intervals, balls, Taylor series in balls, or growth at infinity. An algebra
is an object with one method per operation; ``formula.program`` lists the operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Protocol

import sympy

from ..formula.program import Program


class Algebra(Protocol):
    """What an arithmetic must offer besides the methods named after unary functions."""

    def constant(self, value: Fraction | str) -> Any:
        """A rational number, or the number named "pi" or "e"."""

    def power(self, base: Any, exponent: int) -> Any:
        """Integer power, exponent >= 2."""

    def real_power(self, base: Any, exponent: Fraction) -> Any:
        """Power with a fixed exponent that is not a positive integer."""


def _exact(number: Any) -> Fraction | str:
    if number is sympy.pi:
        return "pi"
    if number is sympy.E:
        return "e"
    return Fraction(int(number.p), int(number.q))


def bind(program: Program, algebra: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """The program as a function of its coordinates in this algebra.

    Parameters
    ----------
    program : Program
        Lowered for balls, with every parameter already replaced by a number.
    algebra : Algebra

    Returns
    -------
    callable
        Takes the coordinates (d values of the algebra), returns the outputs.
    """
    steps: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
    fixed: list[Any] = [None] * len(program.instructions)
    coordinates: list[tuple[int, int]] = []
    for number, instruction in enumerate(program.instructions):
        operation, arguments = instruction.operation, instruction.arguments
        if operation == "coordinate":
            coordinates.append((number, arguments[0]))
        elif operation == "constant":
            fixed[number] = algebra.constant(_exact(arguments[0]))
        else:
            step = _step(program, algebra, operation, arguments)
            operands = program.operands(number)
            if operation == "pow":
                operands = operands if step[1] else operands[:1]
            if all(fixed[i] is not None for i in operands):
                fixed[number] = step[0](*(fixed[i] for i in operands))
            else:
                steps.append((number, step[0], tuple(operands)))
    outputs = tuple(program.outputs)

    def evaluate(point: Sequence[Any]) -> list[Any]:
        values = fixed.copy()
        for number, i in coordinates:
            values[number] = point[i]
        for number, function, operands in steps:
            if len(operands) == 2:
                values[number] = function(values[operands[0]], values[operands[1]])
            elif len(operands) == 1:
                values[number] = function(values[operands[0]])
            else:
                values[number] = function(*[values[i] for i in operands])
        return [values[number] for number in outputs]

    return evaluate


def _step(
    program: Program, algebra: Any, operation: str, arguments: tuple[Any, ...]
) -> tuple[Callable[..., Any], bool]:
    """The function of an instruction, and for "pow" whether it takes its exponent as a value."""
    if operation == "power":
        n = arguments[1]
        return lambda base: algebra.power(base, n), False
    if operation == "pow":
        exponent = program.instructions[arguments[1]]
        if exponent.operation == "constant" and exponent.arguments[0].is_Rational:
            q = _exact(exponent.arguments[0])
            return lambda base: algebra.real_power(base, q), False
        return lambda base, y: algebra.exp(algebra.mul(y, algebra.log(base))), True
    if operation == "sqrt":
        return lambda base: algebra.real_power(base, Fraction(1, 2)), False
    if operation == "softmax":
        index = arguments[0]
        return lambda *exponents: algebra.softmax(index, *exponents), False
    return getattr(algebra, operation), False
