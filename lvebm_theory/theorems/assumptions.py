"""Hypotheses that several theorems share, as predicates over named quantities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..theorem import Assumption


def positive(quantity: str, text: str) -> Assumption:
    """The Constant of this name has a positive, finite lower bound."""

    def holds(quantities: Mapping[str, Any]) -> bool:
        lower = quantities[quantity].lower
        return bool(lower > 0 and math.isfinite(lower))

    return Assumption(text=text, holds=holds)


def bounded_below(quantity: str, text: str) -> Assumption:
    """The Constant of this name has a finite lower bound, of either sign."""
    return Assumption(text=text, holds=lambda q: math.isfinite(q[quantity].lower))


def bounded_above(quantity: str, text: str) -> Assumption:
    """The Constant of this name has a finite upper bound."""
    return Assumption(text=text, holds=lambda q: math.isfinite(q[quantity].upper))


def finite(quantity: str, text: str) -> Assumption:
    """The number of this name is finite."""
    return Assumption(text=text, holds=lambda q: math.isfinite(q[quantity]))


def true(quantity: str, text: str) -> Assumption:
    """The flag of this name is set."""
    return Assumption(text=text, holds=lambda q: bool(q[quantity]))


LOG_SOBOLEV = positive("log_sobolev", "pi satisfies LSI(rho) with a known rho > 0")
POINCARE = positive("gap", "pi satisfies a Poincare inequality with a known lambda > 0")
CONVEX = positive("convexity", "Hess U >= m I with a known m > 0")
SEMICONVEX = bounded_below("convexity", "Hess U >= K I with a known K, of either sign")
SMOOTH = true("smooth", "U is twice continuously differentiable")
DISSIPATIVE = positive("dissipativity", "<grad U(x), x> >= a|x|^2 - c for all x with a known a > 0")
TRANSLATE = true(
    "translate_of_gaussian", "pi = N(b, I/m) and the start is a translate of it, N(b + a, I/m)"
)
FINITE_ENTROPY = finite("initial_relative_entropy", "KL(mu_0|pi) is finite")
