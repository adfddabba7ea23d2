"""Sums of terms, as data give them: for samplers that look at a few terms per step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, SummedEnergy, arrays
from .exact_target import ExactTarget
from .gaussians import gaussian


def summed(
    centres: npt.ArrayLike, curvatures: npt.ArrayLike, name: str | None = None
) -> ExactTarget:
    """U(x) = sum_i a_i |x - y_i|^2 / 2, a Gaussian of precision sum a_i.

    Parameters
    ----------
    centres : array (N, d), the y_i
    curvatures : array (N,), the a_i > 0

    Raises
    ------
    ArgumentError
        Other shapes, or curvatures that are not positive.
    """
    y = np.atleast_2d(np.asarray(centres, dtype=float))
    a = np.asarray(curvatures, dtype=float)
    if a.shape != (len(y),) or not np.all(a > 0):
        raise ArgumentError(f"{len(y)} terms need as many positive curvatures, got {a}")
    total = float(a.sum())
    label = name or f"sum of {len(y)} quadratic terms"
    plain = gaussian(total * np.eye(y.shape[1]), a @ y / total, label)

    def formula(xp: Arrays, x: Any) -> Any:
        squares = ((x[:, None, :] - xp.constant(y, x)) ** 2).sum(-1)
        return (squares * xp.constant(a, x)).sum(-1) / 2

    def slope(xp: Arrays, x: Any) -> Any:
        return total * x - xp.constant(a @ y, x)

    def term_slope(xp: Arrays, x: Any, index: Any) -> Any:
        return xp.constant(a, x)[index][:, None] * (x - xp.constant(y, x)[index])

    here = arrays("numpy")
    energy = SummedEnergy(
        name=label,
        dim=y.shape[1],
        potential_function=lambda x: formula(here, x),
        gradient_function=lambda x: slope(here, x),
        hessian_function=plain.energy.hessian,
        smooth=True,
        formula=formula,
        slope=slope,
        terms=len(y),
        term_slope=term_slope,
    )
    return ExactTarget(
        name=label,
        energy=energy,
        draw=plain.draw,
        precision=plain.precision,
        mean=plain.mean,
        length=plain.length,
    )
