"""Mixtures of isotropic Gaussians: several modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.energies.gaussian_mixture import gaussian_mixture
from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, portable
from .exact_target import ExactTarget


def mixture(
    means: npt.ArrayLike, sd: float, weights: npt.ArrayLike | None = None, name: str | None = None
) -> ExactTarget:
    """sum_k w_k N(m_k, sd^2 I).

    Raises
    ------
    ArgumentError
        Weights that are not positive or not as many as means, or sd <= 0.
    """
    m = np.atleast_2d(np.asarray(means, dtype=float))
    w = np.full(len(m), 1.0 / len(m)) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != (len(m),) or not np.all(w > 0):
        raise ArgumentError(f"a mixture of {len(m)} needs as many positive weights, got {w}")
    if not sd > 0:
        raise ArgumentError(f"a mixture needs sd > 0, got {sd}")
    w = w / w.sum()

    def logits(xp: Arrays, x: Any) -> Any:
        centres = xp.constant(m, x)
        squares = ((x[:, None, :] - centres) ** 2).sum(-1)
        return xp.constant(np.log(w), x) - squares / (2 * sd * sd)

    def formula(xp: Arrays, x: Any) -> Any:
        rows = logits(xp, x)
        top = xp.amax(rows, -1)
        return -(top + xp.log(xp.exp(rows - top[:, None]).sum(-1)))

    def slope(xp: Arrays, x: Any) -> Any:
        rows = logits(xp, x)
        share = xp.exp(rows - xp.amax(rows, -1)[:, None])
        share = share / share.sum(-1)[:, None]
        return (x - share @ xp.constant(m, x)) / (sd * sd)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        which = np.searchsorted(np.cumsum(w)[:-1], rng.random(n), side="right")
        return np.asarray(m[which] + sd * rng.standard_normal((n, m.shape[1])))

    label = name or f"mixture of {len(m)} in {m.shape[1]} dimensions"
    energy = portable(name=label, dim=m.shape[1], formula=formula, slope=slope)
    return ExactTarget(
        name=label,
        energy=energy,
        draw=draw,
        length=sd,
        formula=lambda: gaussian_mixture(dim=m.shape[1], means=m, sds=sd, weights=w),
    )
