"""Joint models drawn ancestrally: first the latent, then the observation given the latent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, portable
from .exact_target import ExactTarget


def decoder(gain: float = 2.0, noise: float = 0.7, name: str | None = None) -> ExactTarget:
    """z ~ N(0, 1), x | z ~ N(a tanh z, s^2), coordinates (x, z): an exact joint law."""
    if not noise > 0:
        raise ArgumentError(f"a decoder needs noise > 0, got {noise}")
    s2 = noise * noise

    def formula(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        return z * z / 2 + (x - gain * xp.tanh(z)) ** 2 / (2 * s2)

    def slope(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        t = xp.tanh(z)
        r = (x - gain * t) / s2
        return xp.stack([r, z - r * gain * (1 - t * t)], -1)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        z = rng.standard_normal(n)
        return np.stack([gain * np.tanh(z) + noise * rng.standard_normal(n), z], axis=1)

    label = name or "decoder with latent"
    energy = portable(name=label, dim=2, formula=formula, slope=slope)
    return ExactTarget(
        name=label, energy=energy, draw=draw, length=1 / math.sqrt(1 + (1 + gain**2) / s2)
    )


def funnel(spread: float = 1.0, name: str | None = None) -> ExactTarget:
    """z ~ N(0, s^2), x | z ~ N(0, e^z), coordinates (x, z): scales that differ along the way."""
    if not spread > 0:
        raise ArgumentError(f"a funnel needs a spread > 0, got {spread}")
    s2 = spread * spread

    def formula(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        return z * z / (2 * s2) + z / 2 + x * x * xp.exp(-z) / 2

    def slope(xp: Arrays, w: Any) -> Any:
        x, z = w[:, 0], w[:, 1]
        e = xp.exp(-z)
        return xp.stack([x * e, z / s2 + (1 - x * x * e) / 2], -1)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        z = spread * rng.standard_normal(n)
        return np.stack([np.exp(z / 2) * rng.standard_normal(n), z], axis=1)

    label = name or f"funnel of spread {spread:g}"
    energy = portable(name=label, dim=2, formula=formula, slope=slope)
    return ExactTarget(
        name=label, energy=energy, draw=draw, length=math.exp(-spread / 2) / 1.5, lipschitz=False
    )
