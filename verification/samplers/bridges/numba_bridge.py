"""U and grad U as compiled functions, for steps that numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.generated import load
from lvebm_theory.protocols import Energy


@lru_cache(maxsize=128)
def compiled(energy: Energy, whole: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """potential(x) and gradient(x), on (n, d) for whole chains and on (d,) for one.

    Raises
    ------
    ArgumentError
        For an energy without a formula.
    """
    source = energy.source("numba")
    if source is None:
        raise ArgumentError(f"{energy.name} has no formula that numba could compile")
    module = load(source)
    p = np.asarray(energy.parameter_vector(), dtype=np.float64)
    value, slope = numba.njit(module.potential), numba.njit(module.gradient)

    @numba.njit
    def potential_of_one(x):  # type: ignore[no-untyped-def]
        return value(x, p)

    @numba.njit
    def gradient_of_one(x):  # type: ignore[no-untyped-def]
        g = np.empty_like(x)
        slope(x, p, g)
        return g

    @numba.njit
    def potential_of_all(x):  # type: ignore[no-untyped-def]
        u = np.empty(x.shape[0])
        for i in range(x.shape[0]):
            u[i] = value(x[i], p)
        return u

    @numba.njit
    def gradient_of_all(x):  # type: ignore[no-untyped-def]
        g = np.empty_like(x)
        for i in range(x.shape[0]):
            slope(x[i], p, g[i])
        return g

    if whole:
        return potential_of_all, gradient_of_all
    return potential_of_one, gradient_of_one
