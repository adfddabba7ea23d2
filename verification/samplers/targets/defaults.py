"""The targets that a sampler meets unless others are asked for, simple ones first."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..portable import Arrays, portable
from .ancestral import decoder, funnel
from .exact_target import ExactTarget
from .gaussians import gaussian
from .heavy_tailed import student
from .line import on_the_line
from .maps import moved, product
from .mixtures import mixture
from .sums import summed
from .warped import banana, log_gamma


@lru_cache(maxsize=1)
def default_targets() -> tuple[ExactTarget, ...]:
    """Of d = 2, 1, 5 and 20 first: a slow sampler is tried on the first few alone."""
    return (
        gaussian([[2.0, 0.6], [0.6, 1.0]], [0.5, -1.0], name="correlated normal"),
        gaussian(1.0, name="standard normal"),
        ill_conditioned(),
        rotated_in_twenty(),
        mixture([[-1.5, 0.0], [1.5, 0.5]], 0.6, [0.3, 0.7], name="two modes"),
        log_gamma(2.0, name="skewed (log Gamma)"),
        student(2, 5.0, name="heavy-tailed (Student)"),
        double_well_target(),
        rotated_product(),
        decoder(name="decoder, drawn ancestrally"),
        banana(0.5, name="banana"),
        funnel(1.0, name="funnel, drawn ancestrally"),
    )


@lru_cache(maxsize=1)
def line_targets() -> tuple[ExactTarget, ...]:
    """Targets on the line with Lipschitz gradient: ULA has a stationary law there."""
    return (mixture([[-1.0], [1.2]], 0.6, [0.6, 0.4], name="two modes on the line"),)


@lru_cache(maxsize=1)
def gaussian_targets() -> tuple[ExactTarget, ...]:
    """Normals: every linear law is known there."""
    return tuple(t for t in default_targets() if t.gaussian)


@lru_cache(maxsize=1)
def subsampled_targets() -> tuple[ExactTarget, ...]:
    """Sums of few terms, whose every minibatch can be listed."""
    return (
        summed([[-1.0], [0.5], [2.0]], [0.5, 1.0, 0.5], name="three terms"),
        summed(
            [[-1.0, 0.0], [0.5, 1.0], [2.0, -1.0], [0.0, 0.5]],
            [0.3, 0.8, 0.4, 0.5],
            name="four terms in the plane",
        ),
    )


def rotation(dim: int, seed: int = 7) -> Any:
    """A fixed orthogonal matrix without structure."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))
    return q * np.sign(np.diag(r))


def ill_conditioned(dim: int = 5, condition: float = 100.0) -> ExactTarget:
    """A rotated normal whose variances spread over ``condition``."""
    q = rotation(dim)
    precision = q @ np.diag(np.geomspace(1.0, condition, dim)) @ q.T
    return gaussian((precision + precision.T) / 2, name=f"ill-conditioned normal ({condition:g})")


def rotated_product() -> ExactTarget:
    """Skewed, bimodal and heavy-tailed blocks, turned so that no axis is special."""
    blocks = product([log_gamma(3.0), mixture([[-1.0], [1.0]], 0.5, [0.6, 0.4]), student(1, 6.0)])
    return moved(blocks, rotation=rotation(3), shift=[0.5, 0.0, -0.5], name="rotated product")


def rotated_in_twenty() -> ExactTarget:
    """Three such blocks beside a normal of seventeen scales, turned: no axis is special."""
    normal = gaussian(np.diag(np.geomspace(0.5, 5.0, 17)))
    blocks = product(
        [log_gamma(3.0), mixture([[-1.0], [1.0]], 0.5, [0.6, 0.4]), student(1, 6.0), normal]
    )
    return moved(blocks, rotation=rotation(20), name="rotated product in 20 dimensions")


def double_well_target(b: float = 1.0) -> ExactTarget:
    """b (x^2 - 1)^2 with a tilt: two wells of different depth, quartic tails."""
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    tilt = 0.3
    energy = tilted_double_well(b=b, tilt=tilt)

    def formula(xp: Arrays, x: Any) -> Any:
        y = x[:, 0]
        return b * (y * y - 1) ** 2 + tilt * y

    def slope(xp: Arrays, x: Any) -> Any:
        return 4 * b * x * (x * x - 1) + tilt

    same = portable(name=energy.name, dim=1, formula=formula, slope=slope)
    return on_the_line(energy, length=1 / math.sqrt(8 * b), lipschitz=False, handed=same).named(
        "tilted double well"
    )
