"""An undirected coupling of fourth order: Gaussian posteriors, non-Gaussian joint law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import k0e

from ..constant import Constant
from ..facts import KnownFacts, gaussian_facts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, positive=("a", "b", "c"), a=1.0, b=1.0, c=0.5)
def quartic_coupled(x: Any, z: Any, a: Any, b: Any, c: Any) -> Any:
    """E(x, z) = a x^2/2 + b z^2/2 + c x^2 z^2/2;  z | x ~ N(0, 1/(b + c x^2)).

    Not convex: the Hessian is indefinite along the diagonals far out.
    """
    return a * x[0] ** 2 / 2 + b * z[0] ** 2 / 2 + c * x[0] ** 2 * z[0] ** 2 / 2


@quartic_coupled.joint_facts
def _joint(a: float, b: float, c: float) -> KnownFacts:
    # Z = sqrt(2 pi) int e^{-a x^2/2} (b + c x^2)^{-1/2} dx = sqrt(2 pi/c) e^s K_0(s), s = ab/(4c)
    s = a * b / (4 * c)
    value = 0.5 * math.log(2 * math.pi / c) + math.log(float(k0e(s)))
    reach = (9 / math.sqrt(a), 9 / math.sqrt(b))
    return KnownFacts(
        convexity=Constant.exact(-math.inf, "mixed derivative 2c x z is unbounded"),
        smoothness=Constant.exact(math.inf, "mixed derivative 2c x z is unbounded"),
        # <grad E, w> = a x^2 + b z^2 + 2c x^2 z^2
        dissipativity=Constant.exact(min(a, b), "<grad E, w> >= min(a, b) |w|^2"),
        dissipativity_offset=0.0,
        log_normaliser=Constant.exact(value, "Bessel function K_0 of ab/(4c)"),
        mean=np.zeros(2),
        box=((-reach[0], reach[0]), (-reach[1], reach[1])),
        sources={"mean": "symmetry"},
    )


@quartic_coupled.conditional_facts
def _posterior(x: Any, a: float, b: float, c: float) -> KnownFacts:
    square = float(x[0]) ** 2
    return gaussian_facts(np.array([[b + c * square]]), np.zeros(1), value_at_mean=a * square / 2)
