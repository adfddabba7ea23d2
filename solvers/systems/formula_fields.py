"""Derivatives of a formula in the words of a step: one text for arrays, tensors and symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..source_text import made_once

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula, FormulaField

_NAMES = ("exp", "log", "sqrt", "sin", "cos", "tanh")
_HEADER = f"from solvers.particles.language import {', '.join(_NAMES)}, maximum, minimum, where\n"
_SPELLING = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "recip": "(1.0 / {0})",
    "abs": "abs({0})",
    "max": "maximum({0}, {1})",
    "min": "minimum({0}, {1})",
    "tan": "(sin({0}) / cos({0}))",
    "cosh": "(0.5 * (exp({0}) + exp(-{0})))",
    "sinh": "(0.5 * (exp({0}) - exp(-{0})))",
    "sign": "where({0} > 0.0, 1.0, where({0} < 0.0, -1.0, 0.0))",
    "heaviside": "where({0} > 0.0, 1.0, where({0} < 0.0, 0.0, 0.5))",
    "log_cosh": "(abs({0}) + log(1.0 + exp(-2.0 * abs({0}))) - 0.6931471805599453)",
} | {name: f"{name}({{0}})" for name in _NAMES}


@made_once
def _field(formula: Formula, name: FormulaField) -> Any:
    from lvebm_theory.formula import printing
    from lvebm_theory.formula.generated import load

    words = printing.Dialect(header=_HEADER, spelling=_SPELLING)
    program = formula.program(formula.expressions(name))
    return load(printing.module(printing.tuple_function("field", program, words), words)).field


def formula_field(
    formula: Formula, name: FormulaField, x: Sequence[Any], parameters: Sequence[Any], like: Any
) -> list[Any]:
    """The components of a field, each with the shape of ``like``.

    Parameters
    ----------
    formula : Formula
    name : {"potential", "gradient", "parameter_gradient", ...}
    x : sequence of values, one per coordinate
        Arrays, tensors or symbols that broadcast, with the parameters, to the shape of ``like``.
    parameters : sequence of values, one per parameter

    Raises
    ------
    ArgumentError
        If the formula uses a function that steps do not know (arctangent, erf, real powers).
    """
    found = _field(formula, name)(list(x), list(parameters))
    # a derivative may depend on fewer coordinates than there are
    return [v if getattr(v, "shape", ()) == like.shape else v + 0.0 * like for v in found]
