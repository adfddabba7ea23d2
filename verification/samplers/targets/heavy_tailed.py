"""Student's t: polynomial tails, a gradient that dies out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.energies.student_t import student_t
from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, portable
from .exact_target import ExactTarget


def student(dim: int = 1, nu: float = 4.0, name: str | None = None) -> ExactTarget:
    """U(x) = (nu + d)/2 log(1 + |x|^2/nu); a Gaussian over the root of a chi-square.

    Raises
    ------
    ArgumentError
        For nu <= 0 or dim < 1.
    """
    if dim < 1 or not nu > 0:
        raise ArgumentError(f"Student's t needs dim >= 1 and nu > 0, got {dim} and {nu}")

    def formula(xp: Arrays, x: Any) -> Any:
        return (nu + dim) / 2 * xp.log1p((x * x).sum(-1) / nu)

    def slope(xp: Arrays, x: Any) -> Any:
        return x * ((nu + dim) / (nu + (x * x).sum(-1)))[:, None]

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        normal = rng.standard_normal((n, dim))
        return np.asarray(normal / np.sqrt(rng.chisquare(nu, size=n) / nu)[:, None])

    label = name or f"Student's t with {nu:g} degrees in {dim} dimensions"
    energy = portable(name=label, dim=dim, formula=formula, slope=slope)
    return ExactTarget(
        name=label,
        energy=energy,
        draw=draw,
        length=math.sqrt(nu / (nu + dim)),
        formula=lambda: student_t(dim=dim, nu=nu),
    )
