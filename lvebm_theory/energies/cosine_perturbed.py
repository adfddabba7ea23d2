"""A convex quadratic with a cosine on top: convex or not, with bounded Hessian either way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import iv

from ..constant import Constant, How
from ..energy import energy
from ..facts import KnownFacts
from ..formula import cos


@energy(
    dim=1,
    any_dim=True,
    positive=("stiffness",),
    stiffness=1.0,
    amplitude=0.5,
    frequency=2.0,
)
def cosine_perturbed(x: Any, stiffness: Any, amplitude: Any, frequency: Any) -> Any:
    """U(x) = sum_i [ m x_i^2/2 + A cos(k x_i) ], with m, A, k stiffness, amplitude, frequency."""
    return sum(stiffness * xi**2 / 2 + amplitude * cos(frequency * xi) for xi in x)


@cosine_perturbed.facts
def _facts(dim: int, stiffness: float, amplitude: float, frequency: float) -> KnownFacts:
    swing = abs(amplitude) * frequency**2
    # U'(x) x >= m x^2 - |A k x| >= m x^2/2 - A^2 k^2/(2m), per coordinate
    offset = dim * (amplitude * frequency) ** 2 / (2 * stiffness)
    # cos in e^{-A cos(kx)} by its Fourier series, Gaussian integrals term by term
    n = np.arange(1, 60)
    series = iv(0, -amplitude) + 2 * float(
        np.sum(iv(n, -amplitude) * np.exp(-((n * frequency) ** 2) / (2 * stiffness)))
    )
    value = dim * (0.5 * math.log(2 * math.pi / stiffness) + math.log(series))
    slack = 1e-12 * (1 + abs(value))
    reach = 9 / math.sqrt(stiffness) + 2 * math.sqrt(abs(amplitude) / stiffness)
    return KnownFacts(
        convexity=Constant.exact(stiffness - swing, "m - |A| k^2, attained"),
        smoothness=Constant.exact(max(stiffness + swing, swing - stiffness), "m + |A| k^2"),
        dissipativity=Constant.exact(stiffness / 2, "m x^2 - |A k x| >= m x^2/2 - A^2 k^2/(2m)"),
        dissipativity_offset=offset,
        log_normaliser=Constant(
            value=value,
            lower=value - slack,
            upper=value + slack,
            how=How.COMPUTED,
            source="Jacobi-Anger series of Bessel functions",
        ),
        mean=np.zeros(dim),
        box=((-reach, reach),) * dim,
        sources={"mean": "symmetry"},
    )
