"""Laws of theta under a right learner on Gaussian location models, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray

from .learner import State
from .schemes.scheme import LinearLaw

#: mean and standard deviation of the particles that ``starts`` draws
LATENT_START = (0.3, 0.8)
POOL_START = ((0.2, -0.4), (0.7, 1.1))


def location_law(
    data: FloatArray, pool_size: int, h: float, rate: float, order: str, stiffness: float = 1.0
) -> LinearLaw:
    """The recursion of (theta, x_1, ..., x_M) for E = r (x - theta)^2/2, around its fixed point."""
    m = pool_size
    pool = np.zeros((m, m + 1))
    pool[:, 0] = h * stiffness
    pool[:, 1:] = (1 - h * stiffness) * np.eye(m)
    factor = np.zeros((m + 1, m + 1))
    factor[1:] = pool
    factor[0, 0] = 1.0
    # grad_theta E = -r (x - theta): theta' = theta + a r (mean data - mean pool)
    mean = np.full(m, 1.0 / m)
    covariance = np.zeros((m + 1, m + 1))
    covariance[1:, 1:] = 2 * h * np.eye(m)
    if order == "sequential":
        factor[0] -= rate * stiffness * mean @ pool
        into = np.zeros((m + 1, m))
        into[1:] = np.eye(m)
        into[0] = -rate * stiffness * mean
        covariance = 2 * h * into @ into.T
    else:
        factor[0, 1:] -= rate * stiffness * mean
    return LinearLaw(mean=np.full(m + 1, float(data.mean())), factor=factor, covariance=covariance)


def starts(
    theta: FloatArray, data: int, latents: int, pool: int, rng: np.random.Generator
) -> State:
    """theta as given, particles from the Gaussian laws that ``closed_form_path`` starts from."""
    mean, deviation = LATENT_START
    means, deviations = (np.array(part) for part in POOL_START)
    return State(
        theta=theta.copy(),
        latents=mean + deviation * rng.standard_normal((data, latents, 1)),
        pool=means + deviations * rng.standard_normal((pool, 2)),
    )


def closed_form_path(
    data: FloatArray,
    noise: float,
    theta: FloatArray,
    latents: int,
    pool: int,
    h: float,
    rate: float,
    order: str,
    updates: Sequence[int],
) -> dict[int, tuple[float, float]]:
    """Mean and standard deviation of theta after some numbers of updates, exact.

    For E(x, z) = (z - theta)^2/2 + (x - z)^2/(2 noise) with K latents per datum and M in the pool:
    theta and all particles are jointly Gaussian. By ``solvers.learning.finite_pools``, which shares
    no code with the stepping here.
    """
    from lvebm_theory.energies.gaussian_location import gaussian_location
    from lvebm_theory.initial import InitialLaw
    from solvers.learning.finite_pools import finite_pool_path
    from solvers.learning.rates import Constant
    from solvers.learning.settings import LearningSettings

    settings = LearningSettings(
        latents=latents,
        pool=pool,
        latent_step=h,
        pool_step=h,
        rate=Constant(rate),
        order="sequential" if order == "sequential" else "simultaneous",
        learned=("theta",),
    )
    path = finite_pool_path(
        gaussian_location(theta=float(theta[0]), noise=noise),
        data,
        settings,
        latent_start=InitialLaw.normal(*LATENT_START),
        pool_start=InitialLaw.normal(*POOL_START),
        updates=max(updates),
    )
    assert path.exact  # a location family: no matter how few the particles are
    return {k: (float(path.theta[k, 0]), float(np.sqrt(path.covariance[k, 0, 0]))) for k in updates}
