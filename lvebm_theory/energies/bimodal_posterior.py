"""A double-well prior seen through Gaussian noise: posteriors with two modes, and a known Z."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ive

from ..constant import Constant, How
from ..facts import KnownFacts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, positive=("b", "noise"), t=0.8, b=1.0, noise=0.5)
def bimodal_posterior(x: Any, z: Any, t: Any, b: Any, noise: Any) -> Any:
    """E(x, z) = b (z^2 - 1)^2 + (x - t z)^2/(2 g):  z a double well, x | z ~ N(t z, g).

    Z does not depend on t. The posterior at x = 0 has two modes when t^2 < 4 b g; both signs of t
    give the same law of x.
    """
    return b * (z[0] ** 2 - 1) ** 2 + (x[0] - t * z[0]) ** 2 / (2 * noise)


@bimodal_posterior.joint_facts
def _joint(t: float, b: float, noise: float) -> KnownFacts:
    log_well, square = _double_well(b)
    value = log_well + 0.5 * math.log(2 * math.pi * noise)
    # the Hessian grows with W''(z) = b (12 z^2 - 4), which is least at z = 0
    low = np.linalg.eigvalsh([[1 / noise, -t / noise], [-t / noise, t * t / noise - 4 * b]])[0]
    # <grad E, w> = (x - t z)^2/g + 4b z^2 (z^2 - 1), and 4b z^2 (z^2 - 1) >= 4b z^2 - 4b
    rate = np.linalg.eigvalsh([[1 / noise, -t / noise], [-t / noise, t * t / noise + 4 * b]])[0]
    reach = 1 + 4 / b**0.25
    wide = abs(t) * reach + 9 * math.sqrt(noise)

    def sample(rng: np.random.Generator, n: int) -> Any:
        z = _sample_double_well(rng, n, b)
        return np.stack([t * z + math.sqrt(noise) * rng.standard_normal(n), z], axis=1)

    return KnownFacts(
        convexity=Constant.exact(float(low), "Hessian at z = 0"),
        smoothness=Constant.exact(math.inf, "the z-curvature is unbounded"),
        dissipativity=Constant.exact(float(rate), "4b z^2 (z^2 - 1) >= 4b z^2 - 4b"),
        dissipativity_offset=4 * b,
        log_normaliser=Constant(
            value=value,
            lower=value - 1e-13 * (1 + abs(value)),
            upper=value + 1e-13 * (1 + abs(value)),
            how=How.COMPUTED,
            source="double well in Bessel functions, times a Gaussian",
        ),
        mean=np.zeros(2),
        covariance=np.array([[t * t * square + noise, t * square], [t * square, square]]),
        sample=sample,
        box=((-wide, wide), (-reach, reach)),
        sources={
            "mean": "symmetry",
            "covariance": "E z^2 of the double well in Bessel functions",
            "sample": "z by rejection, then x given z",
        },
    )


@bimodal_posterior.conditional_facts
def _posterior(x: Any, t: float, b: float, noise: float) -> KnownFacts:
    datum = float(x[0])
    return KnownFacts(
        convexity=Constant.exact(
            t * t / noise - 4 * b, "E_zz = b (12 z^2 - 4) + t^2/g is least at 0"
        ),
        smoothness=Constant.exact(math.inf, "E_zz is unbounded"),
        # z E_z = 4b z^2 (z^2 - 1) + t z (t z - x)/g, and u (u - x) >= -x^2/4 with u = t z
        dissipativity=Constant.exact(4 * b, "z E_z >= 4b z^2 - 4b - x^2/(4g)"),
        dissipativity_offset=4 * b + datum**2 / (4 * noise),
        mean=np.zeros(1) if t * datum == 0 else None,
        sources={"mean": "symmetry"} if t * datum == 0 else {},
    )


def _double_well(b: float) -> tuple[float, float]:
    """log int exp(-b (z^2 - 1)^2) dz and E z^2.

    I(c) = int exp(-b z^4 + 2 b c z^2) dz has I' = 2b int z^2 exp(...), and for c > 0
    I(c) = (pi/2) sqrt(c) e^{b c^2/2} [I_{-1/4} + I_{1/4}](b c^2/2).
    """
    half = b / 2
    both = ive(-0.25, half) + ive(0.25, half)
    slope = (ive(-1.25, half) + ive(0.75, half) + ive(-0.75, half) + ive(1.25, half)) / 2
    # ive carries e^{-b/2}: with the prefactor e^{-b} of the well it takes e^{b c^2/2} in full
    square = (0.5 + b + b * slope / both) / (2 * b)
    return math.log(math.pi / 2 * both), float(square)


def _sample_double_well(rng: np.random.Generator, n: int, b: float) -> Any:
    """Exact draws: b (z^2 - 1)^2 >= b (|z| - 1)^2, so |z| is proposed from N(1, 1/(2b)) at >= 0."""
    found: list[Any] = []
    missing = n
    while missing > 0:
        size = 1 + rng.standard_normal(2 * missing + 16) / math.sqrt(2 * b)
        size = size[size >= 0]
        excess = b * ((size**2 - 1) ** 2 - (size - 1) ** 2)
        kept = size[rng.exponential(size=size.size) > excess][:missing]
        found.append(kept * rng.choice([-1.0, 1.0], size=kept.size))
        missing -= kept.size
    return np.concatenate(found)
