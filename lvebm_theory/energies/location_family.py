"""A location family: the parameter gradient is globally Lipschitz."""

from __future__ import annotations

from typing import Any

from ..constant import Constant
from ..facts import KnownFacts
from ..formula import cos
from ..joint import joint_energy


@joint_energy(
    dim_x=1,
    dim_z=1,
    positive=("stiffness",),
    theta_1=0.3,
    theta_2=-0.2,
    stiffness=1.0,
    coupling=0.5,
)
def location_family(
    x: Any, z: Any, theta_1: Any, theta_2: Any, stiffness: Any, coupling: Any
) -> Any:
    """E(x, z) = U(x - theta_1, z - theta_2), U(u, v) = m (u^2 + v^2)/2 - c cos(u) cos(v).

    grad_theta E = -grad U, so it is G-Lipschitz in (x, z) with G = m + |c|, and Z does not depend
    on (theta_1, theta_2). Hess U has the eigenvalues m + c cos(u +- v). Not Gaussian; for |c| > m
    neither convex.
    """
    u, v = x[0] - theta_1, z[0] - theta_2
    return stiffness * (u**2 + v**2) / 2 - coupling * cos(u) * cos(v)


@location_family.joint_facts
def _joint(theta_1: float, theta_2: float, stiffness: float, coupling: float) -> KnownFacts:
    c = abs(coupling)
    reach = 9 / stiffness**0.5 + 2 * (c / stiffness) ** 0.5
    return KnownFacts(
        convexity=Constant.exact(stiffness - c, "eigenvalues m + c cos(u +- v)"),
        smoothness=Constant.exact(
            max(stiffness + c, c - stiffness), "eigenvalues m + c cos(u +- v)"
        ),
        mean=None,
        box=((theta_1 - reach, theta_1 + reach), (theta_2 - reach, theta_2 + reach)),
    )
