"""Is a formula infinitely differentiable on all of R^d?  A sufficient test, never a guess."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sympy

from .expression import Formula


@functools.lru_cache(maxsize=512)
def is_smooth(formula: Formula, values: tuple[float, ...]) -> bool:
    """True when no kink occurs and every root, logarithm and quotient stays in its interior.

    Signs are decided by SymPy's assumptions, else by a ball evaluation over the whole space; what
    neither can decide counts as not smooth.
    """
    if formula.has_kinks or formula.expression.has(sympy.tan):
        return False
    for node in sympy.preorder_traversal(formula.expression):
        if isinstance(node, sympy.log) and not _positive(node.args[0], formula, values):
            return False
        if node.is_Pow and not _smooth_power(node, formula, values):
            return False
    return True


def _smooth_power(node: Any, formula: Formula, values: Sequence[float]) -> bool:
    base, exponent = node.base, node.exp
    if exponent.is_Integer and exponent >= 0:
        return True
    if exponent.is_Integer:
        return _positive(base, formula, values) or _positive(-base, formula, values)
    return _positive(base, formula, values)


def _positive(expression: Any, formula: Formula, values: Sequence[float]) -> bool:
    if expression.is_positive:
        return True
    known = dict(zip(formula.parameter_symbols, map(sympy.Float, values), strict=True))
    if expression.subs(known).is_positive:
        return True
    from . import ball
    from .generated import load
    from .printing import BALL, module, tuple_function

    text = module(tuple_function("f", formula.program([expression], "ball"), BALL), BALL)
    everywhere = [ball.arb(0, float("inf"))] * formula.dim
    (value,) = load(text).f(everywhere, [ball.arb(v) for v in values])
    return bool(value > 0)
