"""Transforms of simple draws: skewed, bent, funnel-shaped, and one cut off by a wall.

The draw is the transform; U follows by the change of variables.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..portable import Arrays, portable
from .exact_target import ExactTarget


def log_gamma(shape: float = 2.0, name: str | None = None) -> ExactTarget:
    """x = log G, G ~ Gamma(a): U(x) = e^x - a x, skewed and with a superlinear gradient."""
    if not shape > 0:
        raise ArgumentError(f"a Gamma law needs a shape > 0, got {shape}")

    def formula(xp: Arrays, x: Any) -> Any:
        return (xp.exp(x) - shape * x).sum(-1)

    def slope(xp: Arrays, x: Any) -> Any:
        return xp.exp(x) - shape

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        return np.log(rng.gamma(shape, size=(n, 1)))

    label = name or f"logarithm of Gamma({shape:g})"
    energy = portable(name=label, dim=1, formula=formula, slope=slope)
    return ExactTarget(
        name=label, energy=energy, draw=draw, length=1 / math.sqrt(shape), lipschitz=False
    )


def banana(bend: float = 0.5, name: str | None = None) -> ExactTarget:
    """x = (y1, y2 + b (y1^2 - 1)) with y normal: volume is kept, level sets are bent."""

    def rest(x: Any) -> Any:
        return x[:, 1] - bend * (x[:, 0] ** 2 - 1)

    def formula(xp: Arrays, x: Any) -> Any:
        return (x[:, 0] ** 2 + rest(x) ** 2) / 2

    def slope(xp: Arrays, x: Any) -> Any:
        r = rest(x)
        return xp.stack([x[:, 0] - 2 * bend * x[:, 0] * r, r], -1)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        y = rng.standard_normal((n, 2))
        y[:, 1] += bend * (y[:, 0] ** 2 - 1)
        return y

    label = name or f"banana of bend {bend:g}"
    energy = portable(name=label, dim=2, formula=formula, slope=slope)
    return ExactTarget(
        name=label, energy=energy, draw=draw, length=1 / (1 + 2 * abs(bend)), lipschitz=False
    )


def half_normal(name: str | None = None) -> ExactTarget:
    """|N(0, 1)|: U = x^2/2 on x >= 0 and infinite below, a wall that must never be crossed."""

    def formula(xp: Arrays, x: Any) -> Any:
        y = x[:, 0]
        return xp.where(y >= 0, y * y / 2, xp.constant(math.inf, x))

    def slope(xp: Arrays, x: Any) -> Any:
        return x

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        return np.abs(rng.standard_normal((n, 1)))

    label = name or "half of a normal behind a wall"
    energy = portable(name=label, dim=1, formula=formula, slope=slope, smooth=False)
    return ExactTarget(name=label, energy=energy, draw=draw, lipschitz=False)
