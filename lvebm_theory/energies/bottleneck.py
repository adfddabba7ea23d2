"""A metastable joint law whose posteriors are all perfectly mixing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ive

from ..constant import Constant
from ..facts import KnownFacts, gaussian_facts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, positive=("b",), b=2.0, a=1.0)
def bottleneck(x: Any, z: Any, b: Any, a: Any) -> Any:
    """E(x, z) = b (x^2 - 1)^2 + (z - a x)^2/2;  z | x ~ N(a x, 1), x a double well.

    The conditional flow has LSI constant 1, the joint flow a gap of order e^{-b}.
    """
    return b * (x[0] ** 2 - 1) ** 2 + (z[0] - a * x[0]) ** 2 / 2


@bottleneck.joint_facts
def _joint(b: float, a: float) -> KnownFacts:
    normaliser = math.pi / 2 * (ive(-0.25, b / 2) + ive(0.25, b / 2))
    reach = 1 + 4 / b**0.25
    return KnownFacts(
        convexity=_least_curvature(b, a),
        smoothness=Constant.exact(math.inf, "the x-curvature is unbounded"),
        log_normaliser=Constant.exact(
            math.log(normaliser) + 0.5 * math.log(2 * math.pi),
            "double well in Bessel functions, times a Gaussian",
        ),
        mean=np.zeros(2),
        box=((-reach, reach), (-abs(a) * reach - 9, abs(a) * reach + 9)),
        sources={"mean": "symmetry"},
    )


def _least_curvature(b: float, a: float) -> Constant:
    # smallest eigenvalue of [[-4b + a^2, -a], [-a, 1]], at x = 0 where the x-curvature is least
    least = np.linalg.eigvalsh(np.array([[-4 * b + a * a, -a], [-a, 1.0]]))[0]
    return Constant.exact(float(least), "Hessian at x = 0")


@bottleneck.conditional_facts
def _posterior(x: Any, b: float, a: float) -> KnownFacts:
    value = b * (float(x[0]) ** 2 - 1) ** 2
    return gaussian_facts(np.eye(1), a * x, value_at_mean=value)
