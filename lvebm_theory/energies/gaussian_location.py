"""A Gaussian location family with a latent: the learner itself is a linear system."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..facts import KnownFacts, gaussian_facts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, positive=("noise",), theta=0.5, noise=1.0)
def gaussian_location(x: Any, z: Any, theta: Any, noise: Any) -> Any:
    """E(x, z) = (z - theta)^2/2 + (x - z)^2/(2 g);  z ~ N(theta, 1), x | z ~ N(z, g).

    Z does not depend on theta and x ~ N(theta, 1 + g), so the data mean is the best theta. The
    parameter gradient theta - z is linear in theta and z: theta, the mean of the latents and the
    mean of a finite pool are jointly Gaussian, whatever their numbers.
    """
    return (z[0] - theta) ** 2 / 2 + (x[0] - z[0]) ** 2 / (2 * noise)


@gaussian_location.joint_facts
def _joint(theta: float, noise: float) -> KnownFacts:
    precision = np.array([[1 / noise, -1 / noise], [-1 / noise, 1 + 1 / noise]])
    return gaussian_facts(precision, np.full(2, theta))


@gaussian_location.conditional_facts
def _posterior(x: Any, theta: float, noise: float) -> KnownFacts:
    total, datum = 1 + noise, float(x[0])
    return gaussian_facts(
        np.array([[total / noise]]),
        np.array([(noise * theta + datum) / total]),
        value_at_mean=(datum - theta) ** 2 / (2 * total),
    )
