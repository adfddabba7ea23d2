"""Formulas: written once as plain Python, traced once, spelled for every back end.

Write energies with ``from lvebm_theory.formula import exp, log, cos, log_sum_exp, ...``.
Nothing here imports SymPy until a formula is traced.
"""

from typing import Any

from .functions import (
    absolute,
    atan,
    cos,
    cosh,
    erf,
    exp,
    log,
    log1p,
    log_cosh,
    log_sum_exp,
    maximum,
    minimum,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

#: the same function under the name that numpy gives it
arctan = atan


def __getattr__(name: str) -> Any:
    if name == "pi":  # the exact constant, not its double
        import sympy

        return sympy.pi
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "absolute",
    "arctan",
    "atan",
    "cos",
    "cosh",
    "erf",
    "exp",
    "log",
    "log1p",
    "log_cosh",
    "log_sum_exp",
    "maximum",
    "minimum",
    "pi",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]
