"""Eight Gaussians on the unit circle.

    p(x) = (1/8) sum_k N(x; m_k, s^2 I),   m_k = (cos, sin)(pi k / 4)

Neighbours stand 0.765 apart at s = 0.15, so between them log p falls by 2.6: modes that are
distinct but that Langevin dynamics still visits.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray

from .system import System

MODES, RADIUS, SPREAD = 8, 1.0, 0.15
_SCALE = math.sqrt(RADIUS**2 / 2 + SPREAD**2)


def means() -> FloatArray:
    """Centres of the modes, shape (8, 2)."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _draw(generator: np.random.Generator, n: int) -> FloatArray:
    which = generator.integers(MODES, size=n)
    return means()[which] + SPREAD * generator.standard_normal((n, 2))


def log_density(x: FloatArray) -> FloatArray:
    """log p at x (n, 2), shape (n,)."""
    squares = ((x[:, None, :] - means()) ** 2).sum(-1)
    constant = math.log(MODES * 2 * math.pi * SPREAD**2)
    return np.asarray(logsumexp(-squares / (2 * SPREAD**2), axis=1) - constant)


system = System(
    name="ring_mixture",
    title="Ring of eight Gaussians",
    dim=2,
    coordinates=("x", "y"),
    centre=(0.0, 0.0),
    scale=(_SCALE, _SCALE),
    observation_noise=(0.0, 0.0),
    draw=_draw,
    log_density_of_data=log_density,
    parameters={"modes": MODES, "radius": RADIUS, "spread": SPREAD},
    reference="a Gaussian mixture, exact by construction",
)
