"""What a reader wants to see of a learner's particles at its present theta."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .problem import LearningProblem
from .state import LearningState

FloatArray = npt.NDArray[np.float64]


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
        now = _at(energy, state.theta)
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


def _at(energy: Any, theta: FloatArray) -> Any:
    """The joint energy at this theta."""
    if hasattr(energy, "with_parameter_vector"):
        return energy.with_parameter_vector(theta).joint()
    return energy.with_parameters(**dict(zip(energy.parameters, theta, strict=True))).joint()


def _moments(particles: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = particles.mean(axis=0)
    centred = particles - mean
    return mean, np.asarray(centred.T @ centred / len(particles))
