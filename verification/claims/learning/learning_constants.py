"""Exact constants of the theorems about learning, for the families that have a Lipschitz gradient.

gaussian_location, E = (z - theta)^2/2 + (x - z)^2/(2g): d_theta E = theta - z, so G_q = G_p = 1;
the posteriors have precision (1 + g)/g, the model the precision ((1, -1), (-1, 1 + g))/g, and L =
-(theta - mean)^2/(2(1 + g)) + const.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvebm_theory.constant import Constant
from lvebm_theory.protocols import Energy, JointEnergy

from .location_likelihood import location_constants


def learning_constants(
    claim: str, subject: Energy | JointEnergy, learned: Sequence[str]
) -> dict[str, Constant]:
    """The constants by name: mu, Lambda, G, rho, m and L of both phases.

    Raises
    ------
    AssumptionError
        When the parameter gradient of the subject has no known Lipschitz constant.
    """
    if isinstance(subject, JointEnergy) and subject.name == "gaussian_location":
        return _gaussian_location(subject.parameters["noise"])
    return location_constants(claim, subject, learned)


def _gaussian_location(noise: float) -> dict[str, Constant]:
    low, high = np.linalg.eigvalsh([[1 / noise, -1 / noise], [-1 / noise, 1 + 1 / noise]])
    pl = Constant.exact(1 / (1 + noise), "L is quadratic")
    one = Constant.exact(1.0, "d_theta E = theta - z")
    posterior = Constant.exact((1 + noise) / noise, "Gaussian posterior")
    model_low = Constant.exact(float(low), "least eigenvalue of the precision")
    model_high = Constant.exact(float(high), "largest eigenvalue of the precision")
    return {
        "pl": pl,
        "likelihood_smoothness": pl,
        "conditional_lipschitz": one,
        "joint_lipschitz": one,
        "conditional_log_sobolev": posterior,
        "joint_log_sobolev": model_low,
        "conditional_convexity": posterior,
        "joint_convexity": model_low,
        "conditional_smoothness": posterior,
        "joint_smoothness": model_high,
    }
