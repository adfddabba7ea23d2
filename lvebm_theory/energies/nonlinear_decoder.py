"""A nonlinear decoder: Gaussian prior and noise, posterior with two modes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..constant import Constant
from ..facts import KnownFacts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, positive=("noise",), curvature=1.0, noise=0.5)
def nonlinear_decoder(x: Any, z: Any, curvature: Any, noise: Any) -> Any:
    """E(x, z) = z^2/2 + (x - k z^2)^2/(2 g):  z ~ N(0, 1), x | z ~ N(k z^2, g).

    The posterior at x has two modes when 2 k x > g.
    """
    return z[0] ** 2 / 2 + (x[0] - curvature * z[0] ** 2) ** 2 / (2 * noise)


@nonlinear_decoder.joint_facts
def _joint(curvature: float, noise: float) -> KnownFacts:
    def sample(rng: np.random.Generator, n: int) -> Any:
        z = rng.standard_normal(n)
        x = curvature * z**2 + math.sqrt(noise) * rng.standard_normal(n)
        return np.stack([x, z], axis=1)

    far, width = 64 * curvature, 9 * math.sqrt(noise)
    return KnownFacts(
        smoothness=Constant.exact(math.inf, "the z-curvature is unbounded"),
        log_normaliser=Constant.exact(
            math.log(2 * math.pi) + 0.5 * math.log(noise), "Gaussian integrals in turn"
        ),
        mean=np.array([curvature, 0.0]),
        # Var z^2 = 2, and E z (z^2 - 1) = 0
        covariance=np.diag([2 * curvature**2 + noise, 1.0]),
        sample=sample,
        box=((min(far, 0.0) - width, max(far, 0.0) + width), (-8.0, 8.0)),
        sources={
            "mean": "E z^2 = 1",
            "covariance": "Gaussian moments",
            "sample": "z, then x given z",
        },
    )


@nonlinear_decoder.conditional_facts
def _posterior(x: Any, curvature: float, noise: float) -> KnownFacts:
    datum = float(x[0])
    return KnownFacts(
        convexity=Constant.exact(
            1 - 2 * curvature * datum / noise, "E_zz = 1 + (6 k^2 z^2 - 2 k x)/g is least at 0"
        ),
        smoothness=Constant.exact(
            math.inf if curvature else 1.0, "E_zz = 1 + (6 k^2 z^2 - 2 k x)/g"
        ),
        # z E_z = z^2 + 2k z^2 (k z^2 - x)/g, and u (u - x) >= -x^2/4 with u = k z^2
        dissipativity=Constant.exact(1.0, "z E_z >= z^2 - x^2/(2g)"),
        dissipativity_offset=datum**2 / (2 * noise),
        mean=np.zeros(1),
        sources={"mean": "symmetry"},
    )
