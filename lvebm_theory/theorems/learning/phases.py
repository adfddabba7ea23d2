r"""What the two inner phases contribute to the combined theorems: contraction, coupling, error.

For the phases i = q (latents given data, speed kappa) and p (pool, speed 1):

    w = G_q sqrt(2/rho_q) sqrt(E_data KL(q_x|p(.|x))) + G_p sqrt(2/rho_p) sqrt(KL(p|p_theta))

bounds |g - grad L| (gradient_error_relative_entropy), and tracking gives

    w' <= -rho w + B |theta'|,   rho = min(kappa rho_q, rho_p),   B = G_q^2/rho_q + G_p^2/rho_p,

each phase by sqrt(2/rho_i) G_i times its y_i' <= -speed_i rho_i y_i + |theta'| G_i/sqrt(2 rho_i).
A jump of theta at fixed laws moves w by at most B |Delta theta| (the same with speed 0).

In W2. Where Hess_zz E >= m_q and Hess E >= m_p > 0, the same holds for w = G_q E_data W2(q_x,
p(.|x)) + G_p W2(p, p_theta) with m in place of rho, which is finite for point masses too: theta ->
p_theta moves at speed |dp_theta|_{W2} <= (G/m)|dtheta|, for the velocity is a gradient grad phi
with E<grad phi, grad psi> = -Cov(psi, <dtheta, grad_theta E>) for every psi, and Poincare's
inequality on both factors at psi = phi gives |grad phi| <= (G/m)|dtheta| in L^2.

A phase on which grad_theta E does not depend has G_i = 0 and drops out of rho and B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..assumptions import positive

# Dalalyan and Karagulyan (2019), Theorem 1
ULA_FLOOR = 7.0 * math.sqrt(2.0) / 6.0


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Contraction ``rate`` rho of w in pool time and ``coupling`` B to the motion of theta."""

    rate: float
    coupling: float


def _moving(q: Any, conditional: str, joint: str) -> list[tuple[float, float, float]]:
    """(G, rate constant, speed) of the phases that take part."""
    phases = [
        (float(q["conditional_lipschitz"].upper), q[conditional], float(q["latent_speed"])),
        (float(q["joint_lipschitz"].upper), q[joint], 1.0),
    ]
    return [(g, float(constant.lower), speed) for g, constant, speed in phases if g > 0.0]


def under_log_sobolev(**q: Any) -> Phases:
    """rho and B of the flows under LSI."""
    phases = _moving(q, "conditional_log_sobolev", "joint_log_sobolev")
    return Phases(
        rate=min(speed * rho for _, rho, speed in phases),
        coupling=sum(g * g / rho for g, rho, _ in phases),
    )


def under_convexity(**q: Any) -> Phases:
    """rho and B of the flows in W2 under strong convexity."""
    phases = _moving(q, "conditional_convexity", "joint_convexity")
    return Phases(
        rate=min(speed * m for _, m, speed in phases),
        coupling=sum(g * g / m for g, m, _ in phases),
    )


def ula_error(**q: Any) -> float:
    """What K steps of ULA add to w at most, in W2: sum_i G_i (7 sqrt2/6) (L_i/m_i) sqrt(h_i d_i).

    Quantities: pool_step, latent_step = kappa pool_step, dim_x, dim_z, and the smoothness constants
    of both phases.
    """
    dims = (q["dim_z"], q["dim_x"] + q["dim_z"])
    names = ("conditional", "joint")
    total = 0.0
    for name, dim, speed in zip(names, dims, (q["latent_speed"], 1.0), strict=True):
        lipschitz = float(q[f"{name}_lipschitz"].upper)
        if lipschitz > 0.0:
            condition = q[f"{name}_smoothness"].upper / q[f"{name}_convexity"].lower
            total += lipschitz * ULA_FLOOR * condition * math.sqrt(speed * q["pool_step"] * dim)
    return float(total)


CONVEX = (
    positive("conditional_convexity", "Hess_zz E >= m_q I with a known m_q > 0"),
    positive("joint_convexity", "Hess E >= m_p I with a known m_p > 0"),
)
