"""Student's t: polynomial tails, so no spectral gap at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts
from ..formula import log


@energy(dim=1, any_dim=True, positive=("nu",), nu=4.0)
def student_t(x: Any, nu: Any) -> Any:
    """U(x) = (nu + d)/2 log(1 + |x|^2/nu)."""
    return (nu + len(x)) / 2 * log(1 + sum(xi**2 for xi in x) / nu)


@student_t.facts
def _facts(dim: int, nu: float) -> KnownFacts:
    log_normaliser = (
        math.lgamma(nu / 2) - math.lgamma((nu + dim) / 2) + dim / 2 * math.log(nu * math.pi)
    )

    def sample(rng: np.random.Generator, n: int) -> Any:
        return rng.standard_normal((n, dim)) / np.sqrt(rng.chisquare(nu, size=n) / nu)[:, None]

    polynomial = "polynomial tails"
    return KnownFacts(
        gap=Constant.exact(0.0, f"{polynomial}: the essential spectrum starts at 0"),
        log_sobolev=Constant.exact(0.0, f"{polynomial}: a log-Sobolev inequality needs a gap"),
        smoothness=Constant.exact((nu + dim) / nu, "Hess U(0) = (nu + d)/nu I is largest"),
        # radial second derivative (nu+d)(nu - r^2)/(nu + r^2)^2, least at r^2 = 3 nu
        convexity=Constant.exact(-(nu + dim) / (8 * nu), "radial direction at |x|^2 = 3 nu"),
        dissipativity=Constant.exact(0.0, "<grad U, x> = (nu+d)|x|^2/(nu+|x|^2) stays bounded"),
        dissipativity_offset=0.0,
        log_normaliser=Constant.exact(log_normaliser, "Beta integral"),
        mean=np.zeros(dim) if nu > 1 else None,
        covariance=np.eye(dim) * nu / (nu - 2) if nu > 2 else None,
        sample=sample,
        sources={
            "mean": "symmetry",
            "covariance": "nu/(nu - 2)",
            "sample": "Gaussian over the root of a chi-square",
        },
    )
