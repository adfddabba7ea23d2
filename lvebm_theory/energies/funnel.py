"""Neal's funnel: scales that vary by orders of magnitude."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts
from ..formula import exp


@energy(dim=2, any_dim=True, positive=("spread",), spread=3.0)
def funnel(x: Any, spread: Any) -> Any:
    """U(v, y) = v^2/(2 s^2) + e^{-v} |y|^2/2 + (d-1) v/2:  v ~ N(0, s^2), y | v ~ N(0, e^v I).

    Neal, Slice sampling, Annals of Statistics 31 (2003), section 8, with s = 3.
    """
    v, y = x[0], x[1:]
    return v**2 / (2 * spread**2) + exp(-v) * sum(yi**2 for yi in y) / 2 + len(y) * v / 2


@funnel.facts
def _facts(dim: int, spread: float) -> KnownFacts:
    def sample(rng: np.random.Generator, n: int) -> Any:
        v = spread * rng.standard_normal(n)
        y = np.exp(v / 2)[:, None] * rng.standard_normal((n, dim - 1))
        return np.column_stack([v, y])

    variances = np.full(dim, math.exp(spread**2 / 2))
    variances[0] = spread**2
    return KnownFacts(
        smoothness=Constant.exact(math.inf, "e^{-v} is unbounded"),
        convexity=Constant.exact(-math.inf, "the mixed derivative -e^{-v} y is unbounded"),
        log_normaliser=Constant.exact(
            math.log(spread) + dim * math.log(2 * math.pi) / 2, "Gaussian integrals in turn"
        ),
        mean=np.zeros(dim),
        covariance=np.diag(variances),
        sample=sample,
        sources={
            "mean": "symmetry",
            "covariance": "E e^v for a Gaussian v",
            "sample": "v, then y given v",
        },
    )
