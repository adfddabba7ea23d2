"""What a reader wants to see of a learner's particles at its present theta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .problem import LearningProblem
from .state import LearningState


def observed(problem: LearningProblem, state: LearningState) -> dict[str, Any]:
    """Means of E over both phases and moments of the particles; see ``Engine.observe``.

    In numpy, on one thread: a route that shares nothing with the loops.
    """
    energy, dim_z = problem.energy, problem.energy.dim_z
    latents = state.latents.reshape(-1, dim_z).astype(np.float64)
    pool = state.pool.astype(np.float64)
    with np.errstate(all="ignore"):
        largest = max(float(np.max(np.abs(a))) for a in (latents, pool))
        if not np.isfinite(largest):
            return {"largest": largest}
        now, _ = at_theta(energy, state.theta)
        owners = np.repeat(problem.data, state.latents.shape[1], axis=0)
        latent_mean, latent_covariance = _moments(latents)
        pool_mean, pool_covariance = _moments(pool)
        return {
            "conditional_energy": float(np.mean(now.potential(np.hstack([owners, latents])))),
            "joint_energy": float(np.mean(now.potential(pool))),
            "latent_mean": latent_mean,
            "latent_covariance": latent_covariance,
            "pool_mean": pool_mean,
            "pool_covariance": pool_covariance,
            "largest": largest,
        }


def at_theta(energy: Any, theta: FloatArray) -> tuple[Any, Callable[[FloatArray], Any]]:
    """The joint energy at this theta, and its conditionals as a function of x."""
    if hasattr(energy, "with_parameter_vector"):
        moved = energy.with_parameter_vector(theta)
    else:
        named = dict(zip(energy.parameters, map(float, theta), strict=True))
        moved = energy.with_parameters(**named)
    return moved.joint(), moved.conditional


def _moments(particles: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = particles.mean(axis=0)
    centred = particles - mean
    return mean, np.asarray(centred.T @ centred / len(particles))
