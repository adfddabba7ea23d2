"""log cosh: convex, exponential tails, exactly solvable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import polygamma

from .. import formula
from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts


@energy(dim=1, positive=("a",), a=3.0)
def log_cosh(x: Any, a: Any) -> Any:
    """U(x) = a log cosh x.

    The Schroedinger form of its generator is the Poeschl-Teller operator
    -d^2 - nu (nu + 1) sech^2 + nu^2 with nu = a/2, whose bound states give the eigenvalues
    n (a - n) below the essential spectrum [a^2/4, inf).
    """
    return a * formula.log_cosh(x[0])


@log_cosh.facts
def _facts(dim: int, a: float) -> KnownFacts:
    # int sech^a = sqrt(pi) Gamma(a/2) / Gamma((a+1)/2)
    log_normaliser = 0.5 * math.log(math.pi) + math.lgamma(a / 2) - math.lgamma((a + 1) / 2)
    gap = a - 1 if a > 2 else a * a / 4

    def sample(rng: np.random.Generator, n: int) -> Any:
        return 0.5 * np.log(rng.gamma(a / 2, size=n) / rng.gamma(a / 2, size=n))[:, None]

    return KnownFacts(
        gap=Constant.exact(gap, "Poeschl-Teller: a - 1 for a > 2, else the threshold a^2/4"),
        log_sobolev=Constant.exact(0.0, "exponential tails carry no log-Sobolev inequality"),
        smoothness=Constant.exact(a, "U'' = a sech^2 x is a at 0"),
        convexity=Constant.exact(0.0, "U'' = a sech^2 x vanishes at infinity"),
        dissipativity=Constant.exact(0.0, "U'(x) x grows linearly; U'(x) x >= 0"),
        dissipativity_offset=0.0,
        log_normaliser=Constant.exact(log_normaliser, "Beta integral"),
        mean=np.zeros(1),
        covariance=np.array([[float(polygamma(1, a / 2)) / 2]]),
        sample=sample,
        box=((-40 / a - 1, 40 / a + 1),),
        sources={
            "mean": "symmetry",
            "covariance": "trigamma(a/2)/2",
            "sample": "half the logarithm of a ratio of Gamma(a/2) variables",
        },
    )
