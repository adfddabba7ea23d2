"""The pure quartic: convex, without a positive lower bound on the Hessian."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts


@energy(dim=1, positive=("a",), a=1.0)
def quartic(x: Any, a: Any) -> Any:
    """U(x) = a x^4 / 4."""
    return a * x[0] ** 4 / 4


@quartic.facts
def _facts(dim: int, a: float) -> KnownFacts:
    # int e^{-a x^4/4} dx = (4/a)^{1/4} Gamma(1/4)/2,  E x^2 = (4/a)^{1/2} Gamma(3/4)/Gamma(1/4)
    log_normaliser = math.log(4 / a) / 4 + math.lgamma(0.25) - math.log(2)
    variance = 2 / math.sqrt(a) * math.gamma(0.75) / math.gamma(0.25)

    def sample(rng: np.random.Generator, n: int) -> Any:
        size = (4 / a * rng.gamma(0.25, size=n)) ** 0.25
        return (size * rng.choice([-1.0, 1.0], size=n))[:, None]

    return KnownFacts(
        convexity=Constant.exact(0.0, "U'' = 3a x^2 vanishes at 0"),
        smoothness=Constant.exact(math.inf, "U'' is unbounded"),
        # a x^4 >= s x^2 - s^2/(4a) with s = sqrt(a)
        dissipativity=Constant.exact(math.sqrt(a), "a x^4 >= sqrt(a) x^2 - 1/4"),
        dissipativity_offset=0.25,
        log_normaliser=Constant.exact(log_normaliser, "Gamma integral"),
        mean=np.zeros(1),
        covariance=np.array([[variance]]),
        sample=sample,
        box=((-5 / a**0.25, 5 / a**0.25),),
        sources={
            "mean": "symmetry",
            "covariance": "Gamma integral",
            "sample": "a x^4/4 is Gamma(1/4) distributed, the sign is fair",
        },
    )
