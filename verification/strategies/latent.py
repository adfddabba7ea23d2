r"""A joint model with a latent of one or two modes, drawn ancestrally.

z ~ N(-r, 1)/2 + N(r, 1)/2, x | z ~ N(a z, s^2):

    E(x, z) = z^2/2 - log cosh(r z) + (x - a z)^2/(2 s^2),
    d^2 E/dz^2 = 1 - r^2 sech^2(r z) + a^2/s^2 >= 1 - r^2 + a^2/s^2, attained at z = 0,

so the posterior of z is log-concave for every x exactly when r^2 <= 1 + a^2/s^2.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from lvebm_theory import formula as words
from lvebm_theory.arrays import FloatArray
from lvebm_theory.joint import FormulaJointEnergy, joint_energy

from ..samplers.portable import Arrays, portable
from ..samplers.targets.exact_target import ExactTarget


@joint_energy(dim_x=1, dim_z=1, positive=("noise",), gain=1.0, noise=1.0, spread=0.5)
def split_latent(x: Any, z: Any, gain: Any, noise: Any, spread: Any) -> Any:
    """E(x, z) = z^2/2 - log cosh(r z) + (x - a z)^2/(2 s^2)."""
    prior = z[0] ** 2 / 2 - words.log_cosh(spread * z[0])
    return prior + (x[0] - gain * z[0]) ** 2 / (2 * noise**2)


def conditional_convexity(gain: float, noise: float, spread: float) -> float:
    """The infimum of d^2 E/dz^2."""
    return 1 - spread**2 + (gain / noise) ** 2


@lru_cache(maxsize=256)
def model(gain: float, noise: float, spread: float) -> tuple[ExactTarget, FormulaJointEnergy]:
    """The joint law of (x, z) with exact draws, and its formula."""
    s2 = noise * noise

    def formula(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        size = xp.abs(spread * z)
        split = size + xp.log1p(xp.exp(-2 * size))
        return z * z / 2 - split + (x - gain * z) ** 2 / (2 * s2)

    def slope(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        rest = (x - gain * z) / s2
        return xp.stack([rest, z - spread * xp.tanh(spread * z) - gain * rest], -1)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        z = spread * rng.choice([-1.0, 1.0], size=n) + rng.standard_normal(n)
        return np.stack([gain * z + noise * rng.standard_normal(n), z], axis=1)

    name = f"z from N({0 - spread:g}, 1) or N({spread:g}, 1), x from N({gain:g} z, {noise:g}^2)"
    curvature = 1 / s2 + max(1.0, spread**2 - 1) + (gain / noise) ** 2
    target = ExactTarget(
        name=name,
        energy=portable(name=name, dim=2, formula=formula, slope=slope),
        draw=draw,
        length=1 / math.sqrt(curvature),
    )
    return target, split_latent(gain=gain, noise=noise, spread=spread)


def hessian_range(gain: float, noise: float, spread: float) -> tuple[float, float]:
    """inf and sup of the eigenvalues of Hess E: those at z = 0 and far out."""
    ends: list[float] = []
    for prior in (1 - spread**2, 1.0):
        matrix = (
            np.array([[1.0, -gain], [-gain, gain**2 + prior * noise**2]], dtype=float) / noise**2
        )
        ends += [float(v) for v in np.linalg.eigvalsh(matrix)]
    return min(ends), max(abs(v) for v in ends)
