"""Gaussian targets of any covariance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, GaussianEnergy, arrays
from .exact_target import ExactTarget


def gaussian(
    precision: npt.ArrayLike, mean: npt.ArrayLike | None = None, name: str | None = None
) -> ExactTarget:
    """N(mean, precision^{-1}).

    Raises
    ------
    ArgumentError
        A precision that is not symmetric and positive definite, a mean of another length.
    """
    p = np.atleast_2d(np.asarray(precision, dtype=float))
    d = len(p)
    if p.shape != (d, d) or not np.allclose(p, p.T):
        raise ArgumentError(f"a precision is a symmetric matrix, got shape {p.shape}")
    eigenvalues = np.linalg.eigvalsh(p)
    if not eigenvalues[0] > 0:
        raise ArgumentError(f"a precision is positive definite, got eigenvalues {eigenvalues}")
    centre = np.zeros(d) if mean is None else np.atleast_1d(np.asarray(mean, dtype=float))
    if centre.shape != (d,):
        raise ArgumentError(f"a mean of {d} numbers is needed, got shape {centre.shape}")
    root = np.linalg.cholesky(np.linalg.inv(p))

    def formula(xp: Arrays, x: Any) -> Any:
        y = x - xp.constant(centre, x)
        return ((y @ xp.constant(p, x)) * y).sum(-1) / 2

    def slope(xp: Arrays, x: Any) -> Any:
        return (x - xp.constant(centre, x)) @ xp.constant(p, x)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        return np.asarray(centre + rng.standard_normal((n, d)) @ root.T)

    here = arrays("numpy")
    label = name or f"normal in {d} dimensions"
    sds = np.sqrt(np.diag(np.linalg.inv(p)))
    return ExactTarget(
        name=label,
        energy=GaussianEnergy(
            name=label,
            dim=d,
            potential_function=lambda x: formula(here, x),
            gradient_function=lambda x: slope(here, x),
            hessian_function=lambda x: np.broadcast_to(p, (len(x), d, d)).copy(),
            smooth=True,
            formula=formula,
            slope=slope,
            precision=p,
            mean=centre,
        ),
        draw=draw,
        precision=p,
        mean=centre,
        formula=lambda: quadratic(dim=d, precision=p, mean=centre),
        length=1.0 / math.sqrt(float(eigenvalues[-1])),
        spread=max(10.0, float(np.max(np.abs(centre) / sds))),
    )
