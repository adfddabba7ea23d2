"""Functions for writing formulas: exp, log, cos, ... on symbols, and ``log_sum_exp``.

They are what a traced energy may call. SymPy is imported at the first call, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import ArgumentError

_SYMPY_NAMES = {
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "atan": "atan",
    "erf": "erf",
    "abs": "Abs",
    "sign": "sign",
}


def apply(name: str, argument: Any) -> Any:
    """The function ``name`` at a symbolic expression, number, or array of these."""
    import sympy

    if isinstance(argument, np.ndarray):
        return np.array([apply(name, a) for a in argument.ravel()], dtype=object).reshape(
            argument.shape
        )
    value = sympy.sympify(argument)
    if name == "log1p":
        return sympy.log(1 + value)
    if name == "log_cosh":
        from .nodes import LogCosh

        return LogCosh(value)
    return getattr(sympy, _SYMPY_NAMES[name])(value)


def _unary(name: str, formula: str) -> Callable[[Any], Any]:
    def function(argument: Any) -> Any:
        return apply(name, argument)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, elementwise on symbols, numbers and arrays of them."
    return function


exp = _unary("exp", "exp(u)")
log = _unary("log", "Natural logarithm log(u)")
log1p = _unary("log1p", "log(1 + u)")
sqrt = _unary("sqrt", "Square root of u")
sin = _unary("sin", "sin(u)")
cos = _unary("cos", "cos(u)")
tan = _unary("tan", "tan(u)")
sinh = _unary("sinh", "sinh(u)")
cosh = _unary("cosh", "cosh(u)")
tanh = _unary("tanh", "tanh(u)")
atan = _unary("atan", "atan(u)")
erf = _unary("erf", "Error function erf(u)")
log_cosh = _unary("log_cosh", "log(cosh(u)), without overflow")
absolute = _unary("abs", "|u|; derivative sign(u), second derivative 0 at the kink")
sign = _unary("sign", "sign(u), 0 at 0")

#: names that a text formula may call, with one argument
UNARY_NAMES = (*_SYMPY_NAMES, "log1p", "log_cosh")


def _flatten(arguments: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for argument in arguments:
        if isinstance(argument, list | tuple | np.ndarray):
            flat.extend(_flatten(argument))
        else:
            flat.append(argument)
    return flat


def log_sum_exp(*arguments: Any) -> Any:
    """log(sum_k exp(a_k)) of two or more expressions (or one sequence of them).

    Kept as one node: every back end evaluates it without overflow or underflow, and its
    derivative is a softmax that reuses the exponentials.
    """
    from .nodes import LogSumExp

    flat = _flatten(arguments)
    if not flat:
        raise ArgumentError("log_sum_exp needs at least one argument, got none")
    return LogSumExp(*flat)


def _extremum(name: str, arguments: tuple[Any, ...]) -> Any:
    import sympy

    flat = _flatten(arguments)
    if not flat:
        raise ArgumentError(f"{name} needs at least one argument, got none")
    return getattr(sympy, name)(*flat)


def maximum(*arguments: Any) -> Any:
    """Largest of the arguments; not smooth where two of them meet."""
    return _extremum("Max", arguments)


def minimum(*arguments: Any) -> Any:
    """Smallest of the arguments; not smooth where two of them meet."""
    return _extremum("Min", arguments)
