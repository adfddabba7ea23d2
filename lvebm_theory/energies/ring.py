"""A ring in the plane: a rotation invariant double well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts


@energy(dim=2, positive=("a", "radius"), a=1.0, radius=1.5)
def ring(x: Any, a: Any, radius: Any) -> Any:
    """U(x) = a (|x|^2 - r^2)^2.  Under pi, |x|^2 is N(r^2, 1/(2a)) conditioned to be positive."""
    return a * (x[0] ** 2 + x[1] ** 2 - radius**2) ** 2


@ring.facts
def _facts(dim: int, a: float, radius: float) -> KnownFacts:
    # Z = pi int_0^inf exp(-a (u - r^2)^2) du with u = |x|^2
    spread = 1 / math.sqrt(2 * a)
    cut = radius**2 / spread
    log_normaliser = 1.5 * math.log(math.pi) - 0.5 * math.log(a) + float(log_ndtr(cut))
    # mean of the truncated normal, halved for each coordinate
    bump = math.exp(-(cut**2) / 2 - float(log_ndtr(cut))) / math.sqrt(2 * math.pi)
    variance = (radius**2 + spread * bump) / 2

    def sample(rng: np.random.Generator, n: int) -> Any:
        low = ndtr(-cut)
        square = radius**2 + spread * ndtri(low + (1 - low) * rng.random(n))
        angle = 2 * math.pi * rng.random(n)
        size = np.sqrt(np.maximum(square, 0))
        return np.stack([size * np.cos(angle), size * np.sin(angle)], axis=1)

    reach = math.sqrt(radius**2 + 9 * spread)
    return KnownFacts(
        convexity=Constant.exact(-4 * a * radius**2, "4a (|x|^2 - r^2) is least at 0"),
        smoothness=Constant.exact(math.inf, "the Hessian is unbounded"),
        # 4a u (u - r^2) - 4a r^2 u = 4a (u - r^2)^2 - 4a r^4
        dissipativity=Constant.exact(
            4 * a * radius**2, "<grad U, x> = 4a u (u - r^2) >= 4a r^2 u - 4a r^4, u = |x|^2"
        ),
        dissipativity_offset=4 * a * radius**4,
        log_normaliser=Constant.exact(log_normaliser, "Gaussian integral in |x|^2"),
        mean=np.zeros(2),
        covariance=variance * np.eye(2),
        sample=sample,
        box=((-reach, reach),) * 2,
        sources={
            "mean": "symmetry",
            "covariance": "mean of a truncated normal",
            "sample": "truncated normal square of the radius, uniform angle",
        },
    )
