"""Joint energies E_theta(x, z) for learners under examination, with their parameter gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

Map = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, kw_only=True)
class LearningModel:
    """What a learner is given as ``energy``.

    Parameters
    ----------
    name : str
    dim_x, dim_z : int
        Of data and latents.
    theta : array (p,)
        A usual value of the parameter.
    gradient : callable (theta (p,), w (k, dim_x + dim_z)) -> (k, dim_x + dim_z)
        Of E_theta in (x, z), x first.
    parameter_gradient : callable (theta (p,), w (k, dim_x + dim_z)) -> (k, p)
    """

    name: str
    dim_x: int
    dim_z: int
    theta: FloatArray
    gradient: Map
    parameter_gradient: Map


def location_model(stiffness: float = 1.0) -> LearningModel:
    """E = r (x - theta)^2/2, no latents: theta and the pool are one linear recursion."""
    return LearningModel(
        name="location",
        dim_x=1,
        dim_z=0,
        theta=np.array([0.5]),
        gradient=lambda theta, w: stiffness * (w - theta),
        parameter_gradient=lambda theta, w: -stiffness * (w - theta),
    )


def latent_location_model(noise: float) -> LearningModel:
    """E = (z - theta)^2/2 + (x - z)^2/(2 g): theta and all particles are one linear recursion."""

    def gradient(theta: FloatArray, w: FloatArray) -> FloatArray:
        pull = (w[:, 0] - w[:, 1]) / noise
        return np.stack([pull, w[:, 1] - theta[0] - pull], axis=1)

    return LearningModel(
        name="location with latents",
        dim_x=1,
        dim_z=1,
        theta=np.array([0.5]),
        gradient=gradient,
        parameter_gradient=lambda theta, w: theta[0] - w[:, 1:],
    )


def directed_model(noise: float = 0.8) -> LearningModel:
    """E = z^2/2 + (x - theta z)^2/(2 s^2): not linear in theta."""
    s2 = noise * noise

    def gradient(theta: FloatArray, w: FloatArray) -> FloatArray:
        r = (w[:, 0] - theta[0] * w[:, 1]) / s2
        return np.stack([r, w[:, 1] - theta[0] * r], axis=1)

    def parameter_gradient(theta: FloatArray, w: FloatArray) -> FloatArray:
        return np.asarray(-w[:, 1:] * (w[:, :1] - theta[0] * w[:, 1:]) / s2)

    return LearningModel(
        name="directed",
        dim_x=1,
        dim_z=1,
        theta=np.array([0.9]),
        gradient=gradient,
        parameter_gradient=parameter_gradient,
    )


def undirected_model() -> LearningModel:
    """E = a x^2/2 - b x z + z^2/2 + cos(x - c), theta = (a, b, c): not Gaussian, not directed."""

    def gradient(theta: FloatArray, w: FloatArray) -> FloatArray:
        a, b, c = theta
        x, z = w[:, 0], w[:, 1]
        return np.stack([a * x - b * z - np.sin(x - c), z - b * x], axis=1)

    def parameter_gradient(theta: FloatArray, w: FloatArray) -> FloatArray:
        x, z = w[:, 0], w[:, 1]
        return np.stack([x * x / 2, -x * z, np.sin(x - theta[2])], axis=1)

    return LearningModel(
        name="undirected",
        dim_x=1,
        dim_z=1,
        theta=np.array([1.5, 0.6, 0.3]),
        gradient=gradient,
        parameter_gradient=parameter_gradient,
    )
