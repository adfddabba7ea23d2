"""Bounds of the Hessian over the whole space: convexity and smoothness."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import sympy
from flint import arb

from ..constant import Constant, How
from ..errors import AssumptionError
from ..protocols import Energy
from .combination import hessian_combination
from .infimum import Bracket, Field
from .normalisable import positive_definite
from .rotation import separating_rotation
from .standard import standard
from .subject import Potential, exact_number, potential_of, precisely
from .transform import separated

SOURCE = "branch and bound over boxes in ball arithmetic, growth arithmetic outside"
TOLERANCE = 3e-7


@precisely
def hessian_bounds(energy: Energy | Potential) -> tuple[Constant, Constant]:
    """(inf lambda_min(Hess U), sup |Hess U|_op) over R^d, each enclosed.

    The second is the Lipschitz constant of grad U, the largest absolute eigenvalue of its
    Hessian (not the largest eigenvalue); +infinity where it was proved unbounded.
    A convexity of -infinity on the lower side says that no bound was found, the upper side being
    a value that is attained.

    Parameters
    ----------
    energy : Energy
        Given by a smooth formula in any number of coordinates. Where the work ran out the bounds
        are what was proved until then.

    Returns
    -------
    (convexity, smoothness) : Constants, EXACT for one-dimensional quadratics, else CERTIFIED

    Raises
    ------
    AssumptionError
        For kinks.
    """
    potential = potential_of(energy)
    if not (energy.smooth or potential.smooth):
        raise AssumptionError("Hessian bounds", ["U is not known to be smooth"])
    least, most = _extremes(potential)
    quadratic = potential.quadratic_form is not None
    exact = potential.dim == 1 and quadratic
    source = "exact elimination on the constant Hessian" if quadratic else SOURCE
    convexity = _constant(least.lower, least.upper, exact, source)
    lower = max(-most.upper, -least.upper, 0.0)
    upper = max(-most.lower, -least.lower, 0.0)
    return convexity, _constant(lower, upper, exact, source)


def _constant(lower: float, upper: float, exact: bool, source: str) -> Constant:
    value = (lower + upper) / 2 if math.isfinite(lower) and math.isfinite(upper) else None
    if value is None:
        value = upper if math.isfinite(lower) else lower
    if exact and lower == upper:
        return Constant.exact(value, "constant second derivative")
    return Constant(value=value, lower=lower, upper=upper, how=How.CERTIFIED, source=source)


@functools.lru_cache(maxsize=256)
def _extremes(potential: Potential) -> tuple[Bracket, Bracket]:
    """Brackets of inf lambda_min(Hess U) and of inf lambda_min(-Hess U)."""
    form = potential.quadratic_form
    if form is not None:
        return smallest_eigenvalue(form), smallest_eigenvalue(-form)
    parts = separated(potential)
    if len(parts) > 1:
        brackets = [_extremes(part) for part in parts]
        return _least([b[0] for b in brackets]), _least([b[1] for b in brackets])
    turned = separating_rotation(potential)
    if turned is not None:
        return _extremes(turned)
    moved = standard(potential)
    square = moved.scale**2
    low, high = (_whole_space(moved.potential, sign) for sign in (1, -1))
    return low.over(square), high.over(square)


def _least(brackets: list[Bracket]) -> Bracket:
    return Bracket(min(b.lower for b in brackets), min(b.upper for b in brackets))


def smallest_eigenvalue(form: Any) -> Bracket:
    """The smallest eigenvalue of a matrix of exact numbers, by exact elimination around floats."""
    if form.rows == 1:
        ball = arb(str(sympy.N(form[0, 0], 40)))
        value = float(form[0, 0])
        exact = exact_number(value) == form[0, 0]
        width = 0.0 if exact else abs(float(ball)) * 1e-15
        return Bracket(value - width, value + width)
    matrix = np.array(form.tolist(), dtype=float)
    value = float(np.linalg.eigvalsh(matrix)[0])
    step = 1e-13 * float(np.abs(matrix).max())
    identity = sympy.eye(form.rows)
    while not positive_definite(form - exact_number(value - step) * identity):
        step *= 4
    above = step
    while positive_definite(form - exact_number(value + above) * identity):
        above *= 4
    return Bracket(value - step, value + above)


def _whole_space(potential: Potential, sign: int) -> Bracket:
    combination = hessian_combination(potential)
    field = Field(potential.symbols, combination if sign > 0 else combination.negated())
    if field.falls_without_bound():
        return Bracket(-math.inf, -math.inf)
    return field.infimum(TOLERANCE)
