"""Persistent contrastive divergence as a slow-fast system: theta slow, a pool fast by 1/eps.

For an energy E_theta on R^d, data y_1 ... y_n and a pool of N particles, step h of theta:

    theta+ = theta + h ( mean_j d_theta E(X_j) - mean_i d_theta E(y_i) )  [+ sqrt(2 tau h) xi_0]
    X_j+   = one step, of length h / eps, of a scheme for dX = -grad_x E_theta(X) dt + sqrt(2) dB

The scheme is ULA, or SK-ROCK with s stages where h / eps is beyond ULA's stability. Orders:
"simultaneous" (both read the old state), "pool first" (theta reads the moved pool), "theta first"
(the pool moves at the new theta).

Source: Valsecchi Oliva, Akyildiz, Duncan (2025), the slow-fast system of the abstract, its
discretisation derived; SK-ROCK: Abdulle, Almuslimani, Vilmart, SIAM/ASA J. Uncertain. Quantif. 6
(2018) 937.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lvebm_theory.errors import ArgumentError

from ..particles.language import sqrt
from .system import System

Order = Literal["simultaneous", "pool first", "theta first"]
#: position, its gradient as a function, step length and normals to the next position
PoolScheme = Callable[[Any, Callable[[Any], Any], Any, Any], Any]


@dataclass(frozen=True, kw_only=True)
class PoolEnergy:
    """What PCD asks of E_theta: theta (..., p, 1) and points (..., d, N).

    Attributes
    ----------
    gradient : callable
        grad_x E, (..., d, N).
    slope : callable
        d_theta E, (..., p, N).
    """

    gradient: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any], Any]


#: E_theta(x) = (x - theta)^2 / 2 in d = p = 1: everything about it is known
location = PoolEnergy(gradient=lambda theta, x: x - theta, slope=lambda theta, x: theta - x)


def ula(x: Any, gradient: Callable[[Any], Any], h: Any, xi: Any) -> Any:
    """x - h grad + sqrt(2h) xi."""
    return x - h * gradient(x) + sqrt(2 * h) * xi


def sk_rock(stages: int, damping: float = 0.05) -> PoolScheme:
    """The stabilised scheme with so many gradients per step.

    With w0 = 1 + damping/s^2, w1 = T_s(w0)/T_s'(w0), f = -grad and Q = sqrt(2h) xi:

        K_0 = x,   K_1 = x + (w1/w0) h f(x + (s w1/2) Q) + (s w1/w0) Q
        K_j = mu_j h f(K_{j-1}) + nu_j K_{j-1} + (1 - nu_j) K_{j-2},   j = 2 ... s
        mu_j = 2 w1 T_{j-1}(w0)/T_j(w0),   nu_j = 2 w0 T_{j-1}(w0)/T_j(w0)

    On a gradient of Lipschitz constant l it is stable iff h l <= 2 w0/w1.
    """
    if stages < 1 or not damping > 0:
        raise ArgumentError(f"stages >= 1 and damping > 0 are needed, got {stages}, {damping}")
    w0 = 1 + damping / stages**2
    t, slope = [1.0, w0], [0.0, 1.0]  # T_j and T_j' at w0
    for _ in range(2, stages + 1):
        slope.append(2 * t[-1] + 2 * w0 * slope[-1] - slope[-2])
        t.append(2 * w0 * t[-1] - t[-2])
    w1 = t[stages] / slope[stages]

    def step(x: Any, gradient: Callable[[Any], Any], h: Any, xi: Any) -> Any:
        q = sqrt(2 * h) * xi
        before, now = x, x - (w1 / w0) * h * gradient(x + (stages * w1 / 2) * q)
        now = now + (stages * w1 / w0) * q
        for j in range(2, stages + 1):
            mu, nu = 2 * w1 * t[j - 1] / t[j], 2 * w0 * t[j - 1] / t[j]
            before, now = now, nu * now + (1 - nu) * before - mu * h * gradient(now)
        return now

    return step


def pcd(
    scheme: PoolScheme = ula,
    *,
    order: Order = "simultaneous",
    theta_noise: bool = False,
    name: str = "pcd",
) -> System:
    """A variant as a system with blocks theta (p,) and pool (d, N).

    Arguments of its step: ``energy`` (PoolEnergy), ``data`` (d, n), ``h`` > 0 the step of theta,
    ``eps`` > 0, and with ``theta_noise`` the temperature ``tau``.
    """
    if order not in ("simultaneous", "pool first", "theta first"):
        raise ArgumentError(
            f"an order is 'simultaneous', 'pool first' or 'theta first', got {order!r}"
        )

    def step(
        s: Any, xi: Any, *, energy: PoolEnergy, data: Any, h: Any, eps: Any, tau: Any = None
    ) -> dict[str, Any]:
        theta, pool = s["theta"][..., None], s["pool"]
        read, fast = pool, theta
        if order == "pool first":
            read = scheme(pool, lambda x: energy.gradient(theta, x), h / eps, xi["pool"])
        drift = energy.slope(theta, read).mean(-1) - energy.slope(theta, data).mean(-1)
        moved = s["theta"] + h * drift
        if theta_noise:
            moved = moved + sqrt(2 * tau * h) * xi["theta"]
        if order == "pool first":
            return {"theta": moved, "pool": read}
        if order == "theta first":
            fast = moved[..., None]
        after = scheme(pool, lambda x: energy.gradient(fast, x), h / eps, xi["pool"])
        return {"theta": moved, "pool": after}

    return System(
        name=name,
        step=step,
        noisy=("theta", "pool") if theta_noise else ("pool",),
        reference="valsecchi-oliva-2025, abstract, discretisation derived",
        example=(
            {"theta": np.array([1.5]), "pool": np.array([[0.5, -0.5, 1.0, 0.0]])},
            {"energy": location, "data": np.array([[0.7, 0.5, 0.9]]), "h": 0.05, "eps": 0.4}
            | ({"tau": 0.1} if theta_noise else {}),
        ),
    )


pcd_ula = pcd(name="pcd-ula")
pcd_sk_rock = pcd(sk_rock(5), name="pcd-sk-rock")
pcd_pool_first = pcd(order="pool first", name="pcd-pool-first")
pcd_theta_first = pcd(order="theta first", name="pcd-theta-first")
pcd_theta_noise = pcd(theta_noise=True, name="pcd-theta-noise")
