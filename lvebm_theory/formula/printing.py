"""Back ends: how each spells the operations of a straight-line program.

A dialect is a table from operation to format string; ``{0}``, ``{1}`` are operands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from ..errors import ArgumentError
from .program import Program

_ARITHMETIC = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
}
_FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf")


@dataclass(frozen=True)
class Dialect:
    """The spelling of one back end."""

    header: str
    spelling: Mapping[str, str]
    constant: str = "{0}"
    nesting: int = 12


def _functions(prefix: str) -> dict[str, str]:
    return {name: f"{prefix}{name}({{0}})" for name in _FUNCTIONS}


# log cosh u = |u| + log1p(e^{-2|u|}) - log 2
_LOG2 = "0.6931471805599453"

NUMPY = Dialect(
    header="import numpy as np\n",
    spelling=_ARITHMETIC
    | _functions("np.")
    | {
        "atan": "np.arctan({0})",
        "erf": "erf({0})",
        "abs": "np.abs({0})",
        "sign": "np.sign({0})",
        "recip": "(1.0 / {0})",
        "pow": "np.power({0}, {1})",
        "max": "np.maximum({0}, {1})",
        "min": "np.minimum({0}, {1})",
        "heaviside": "np.heaviside({0}, 0.5)",
        "log_cosh": f"(np.logaddexp({{0}}, -{{0}}) - {_LOG2})",
    },
)

NUMBA = Dialect(
    # a loop over particles puts its own functions in place of these
    header="from math import atan, cos, cosh, erf, exp, log, log1p, sin, sinh, sqrt, tan, tanh\n"
    "\n"
    "from numpy import {real} as real\n\n\n"
    "def fma(a, b, c):\n"
    "    return a * b + c\n\n\n"
    "def exp_below(a):\n"
    "    return exp(a)\n",
    spelling=_ARITHMETIC
    | _functions("")
    | {
        "fma": "fma({0}, {1}, {2})",
        "exp_below": "exp_below({0})",
        "abs": "abs({0})",
        "sign": "(real(1.0) if {0} > real(0.0) else "
        "(real(-1.0) if {0} < real(0.0) else real(0.0)))",
        "recip": "(real(1.0) / {0})",
        "pow": "({0} ** {1})",
        "max": "({0} if {0} > {1} else {1})",
        "min": "({0} if {0} < {1} else {1})",
        "heaviside": "(real(1.0) if {0} > real(0.0) else "
        "(real(0.0) if {0} < real(0.0) else real(0.5)))",
        "log_cosh": f"(abs({{0}}) + log1p(exp(real(-2.0) * abs({{0}}))) - real({_LOG2}))",
    },
    constant="real({0})",
)

TORCH = Dialect(
    header="import torch\n\n\n"
    "def _like(value, x):\n"
    "    return torch.as_tensor(value, dtype=x.dtype, device=x.device)\n",
    spelling=_ARITHMETIC
    | _functions("torch.")
    | {
        "abs": "torch.abs({0})",
        "sign": "torch.sign({0})",
        "recip": "(1.0 / {0})",
        "pow": "({0} ** {1})",
        "max": "torch.maximum(_like({0}, x), _like({1}, x))",
        "min": "torch.minimum(_like({0}, x), _like({1}, x))",
        "heaviside": "(0.5 * (torch.sign({0}) + 1.0))",
        "log_cosh": "(torch.abs({0}) + torch.log1p(torch.exp(-2.0 * torch.abs({0}))) "
        f"- {_LOG2})",
    },
)

# exp, log, sin, cos and tanh are those of the particle engines, whatever the type. A literal takes
# the type of the tensor beside it. No arctangent and no real power: Triton has none of its own.
TRITON = Dialect(
    header="",
    spelling=_ARITHMETIC
    | {name: f"{name}({{0}})" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "where")}
    | {
        "tan": "(sin({0}) / cos({0}))",
        "cosh": "(0.5 * (exp({0}) + exp(-{0})))",
        "sinh": "(0.5 * tanh({0}) * (exp({0}) + exp(-{0})))",
        "erf": "tl.erf({0})",
        "abs": "tl.abs({0})",
        "sign": "where({0} > 0.0, 1.0, where({0} < 0.0, -1.0, 0.0))",
        "recip": "(1.0 / {0})",
        "max": "where({0} > {1}, {0}, {1})",
        "min": "where({0} < {1}, {0}, {1})",
        "heaviside": "where({0} > 0.0, 1.0, where({0} < 0.0, 0.0, 0.5))",
        "log_cosh": f"(tl.abs({{0}}) + log1p(exp(-2.0 * tl.abs({{0}}))) - {_LOG2})",
    },
)

BALL = Dialect(
    header="from lvebm_theory.formula import ball\n",
    spelling=_ARITHMETIC
    | _functions("ball.")
    | {name: f"ball.{name}({{0}})" for name in ("sign", "recip", "heaviside", "log_cosh")}
    | {"abs": "ball.absolute({0})"}
    | {name: f"ball.{name}({{0}}, {{1}})" for name in ("pow", "max", "min")}
    | {"power": "ball.power({0}, {1})"},
    constant="ball.{0}",
)


def float_literal(number: Any) -> str:
    """The nearest double of a SymPy number, as Python source."""
    try:
        value = float(Fraction(number.p, number.q)) if number.is_Rational else float(number)
    except OverflowError:
        raise ArgumentError("a formula needs constants below 1.8e308 in size") from None
    return repr(value)


def _constant(dialect: Dialect, number: Any) -> str:
    if dialect is not BALL:
        literal = dialect.constant.format(float_literal(number))
        return f"({literal})" if literal.startswith("-") else literal
    if number.is_Rational:
        return dialect.constant.format(f"rational({number.p}, {number.q})")
    return dialect.constant.format("pi()" if str(number) == "pi" else "e()")


def body(program: Program, dialect: Dialect) -> tuple[list[str], list[str]]:
    """Statements that compute the program, and one expression per output."""
    needed = _needed(program)
    uses = Counter(a for i in needed for a in program.operands(i))
    uses.update(program.outputs)
    text: dict[int, str] = {}
    depth: dict[int, int] = {}
    lines: list[str] = []
    for i in sorted(needed):
        instruction = program.instructions[i]
        operation, arguments = instruction.operation, instruction.arguments
        level = 1 + max((depth[a] for a in program.operands(i)), default=-1)
        match operation:
            case "coordinate":
                lines.append(f"x{arguments[0]} = x[{arguments[0]}]")
                text[i], depth[i] = f"x{arguments[0]}", 0
                continue
            case "parameter":
                lines.append(f"p{arguments[0]} = p[{arguments[0]}]")
                text[i], depth[i] = f"p{arguments[0]}", 0
                continue
            case "constant":
                text[i], depth[i] = _constant(dialect, arguments[0]), 0
                continue
            case "log_sum_exp":
                spelled = "ball.log_sum_exp(" + ", ".join(text[a] for a in arguments) + ")"
            case "softmax":
                inside = ", ".join(text[a] for a in arguments[1:])
                spelled = f"ball.softmax({arguments[0]}, {inside})"
            case "power":
                spelled = dialect.spelling["power"].format(text[arguments[0]], arguments[1])
            case _ if operation not in dialect.spelling:
                raise ArgumentError(f"this back end has no function {operation!r}")
            case _:
                spelled = dialect.spelling[operation].format(*(text[a] for a in arguments))
        repeats = operation in ("max", "min", "sign", "heaviside", "log_cosh")
        if uses[i] > 1 or level >= dialect.nesting or repeats:
            lines.append(f"v{i} = {spelled}")
            text[i], depth[i] = f"v{i}", 0
        else:
            text[i], depth[i] = spelled, level
    return lines, [text[o] for o in program.outputs]


def _needed(program: Program) -> set[int]:
    needed: set[int] = set()
    stack = list(program.outputs)
    while stack:
        i = stack.pop()
        if i not in needed:
            needed.add(i)
            stack.extend(program.operands(i))
    return needed


def _function(signature: str, lines: Sequence[str]) -> str:
    return f"\n\ndef {signature}:\n" + "".join(f"    {line}\n" for line in lines)


def module(text: str, dialect: Dialect) -> str:
    """Functions of one dialect under the imports they need."""
    # scipy.special takes a while to import and is rarely needed
    erf = "from scipy.special import erf\n" if dialect is NUMPY and "erf(" in text else ""
    return dialect.header + erf + text


def tuple_function(name: str, program: Program, dialect: Dialect) -> str:
    """``def name(x, p)`` that returns a tuple of the outputs."""
    lines, results = body(program, dialect)
    inside = ", ".join(results) + ("," if len(results) == 1 else "")
    return _function(f"{name}(x, p)", [*lines, f"return ({inside})"])


def numba_module(
    potential: Program,
    gradient: Program,
    both: Program,
    dtype: Literal["float64", "float32"],
) -> str:
    """Scalar functions potential(x, p), gradient(x, p, g), potential_gradient(x, p, g)."""
    return NUMBA.header.format(real=dtype) + _scalar_functions(potential, gradient, both, NUMBA)


def triton_module(potential: Program, gradient: Program, both: Program) -> str:
    """The functions of ``numba_module`` in Triton's words: straight-line, to be inlined.

    Raises
    ------
    ArgumentError
        If the formula uses an arctangent or a power that is not a whole number.
    """
    return _scalar_functions(potential, gradient, both, TRITON)


def _scalar_functions(
    potential: Program, gradient: Program, both: Program, dialect: Dialect
) -> str:
    lines, results = body(potential, dialect)
    text = _function("potential(x, p)", [*lines, f"return {results[0]}"])
    lines, results = body(gradient, dialect)
    stores = [f"g[{i}] = {r}" for i, r in enumerate(results)]
    text += _function("gradient(x, p, g)", [*lines, *stores])
    lines, results = body(both, dialect)
    stores = [f"g[{i}] = {r}" for i, r in enumerate(results[1:])]
    return text + _function(
        "potential_gradient(x, p, g)", [*lines, *stores, f"return {results[0]}"]
    )


def torch_module(potential: Program, gradient: Program) -> str:
    """Functions potential(x, p) -> (...) and gradient(x, p) -> (d, ...) on tensors."""

    def spread(program: Program) -> tuple[list[str], list[str]]:
        lines, results = body(program, TORCH)
        # constants and parameters take the shape of the particles
        return lines, [
            r if program.varies[o] else f"torch.zeros_like(x[0]) + {r}"
            for r, o in zip(results, program.outputs, strict=True)
        ]

    lines, results = spread(potential)
    text = TORCH.header + _function("potential(x, p)", [*lines, f"return {results[0]}"])
    lines, results = spread(gradient)
    inside = ", ".join(results)
    return text + _function("gradient(x, p)", [*lines, f"return torch.stack(({inside},))"])
