"""Interacting particle Langevin (IPLA) and particle gradient descent (PGD): theta with N particles.

For U(theta, x) = -log p_theta(x, y), particles X_n in R^D, all read at the old theta:

    theta+ = theta - h (1/N) sum_n grad_theta U(theta, X_n) + sqrt(2h/N) xi_0     (PGD: no xi_0)
    X_n+   = X_n - h grad_x U(theta, X_n) + sqrt(2h) xi_n

The sequential order moves theta first and the particles at the new theta. As h -> 0 IPLA keeps
exp(-sum_n U(theta, x_n)), so its theta-marginal is exp(-N V), V = -log p_theta(y).

Source: Akyildiz, Crucinio, Girolami, Johnston, Sabanis (2023), the interacting particle system and
its Euler scheme; PGD: Kuntz, Lim, Johansen (2023), particle gradient descent. Both divide by N; an
average over data is part of U.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..particles.language import constant, sqrt
from .system import Step, System

#: theta (..., p, 1) and particles (..., D, N) to grad_theta U (..., p, N) and grad_x U (..., D, N)
Slopes = Callable[[Any, Any], tuple[Any, Any]]


def _step(*, theta_noise: bool, sequential: bool) -> Step:
    def step(s: Any, xi: Any, *, slopes: Slopes, h: Any) -> dict[str, Any]:
        theta, x = s["theta"], s["x"]
        of_theta, of_x = slopes(theta[..., None], x)
        moved = theta - h * of_theta.mean(-1)
        if theta_noise:
            moved = moved + sqrt(2 * h / x.shape[-1]) * xi["theta"]
        if sequential:
            _, of_x = slopes(moved[..., None], x)
        return {"theta": moved, "x": x - h * of_x + sqrt(2 * h) * xi["x"]}

    return step


def hierarchical_gaussian(observations: npt.ArrayLike) -> Slopes:
    """Slopes of U = sum_d (x_d - theta)^2/2 + (y_d - x_d)^2/2: x_d ~ N(theta, 1), y_d ~ N(x_d, 1).

    V(theta) = sum_d (y_d - theta)^2/4, so theta* = mean of y.

    Parameters
    ----------
    observations : array (D,)
    """
    y = np.asarray(observations, dtype=np.float64)
    if y.ndim != 1 or not y.size or not np.all(np.isfinite(y)):
        raise ArgumentError(f"finite observations (D,) are needed, got the shape {y.shape}")

    def slopes(theta: Any, x: Any) -> tuple[Any, Any]:
        return (theta - x).sum(-2)[..., None, :], (x - theta) + (x - constant(y[:, None], x))

    return slopes


def _system(name: str, reference: str, *, theta_noise: bool, sequential: bool) -> System:
    return System(
        name=name,
        step=_step(theta_noise=theta_noise, sequential=sequential),
        noisy=("theta", "x") if theta_noise else ("x",),
        reference=reference,
        example=(
            {"theta": np.array([2.0]), "x": np.zeros((3, 5))},
            {"slopes": hierarchical_gaussian([-1.0, 0.5, 2.0]), "h": 0.05},
        ),
    )


_IPLA, _PGD = (
    "akyildiz-2023, Euler scheme of the particle system",
    "kuntz-2023, particle gradient descent",
)
ipla = _system("ipla", _IPLA, theta_noise=True, sequential=False)
sequential_ipla = _system("sequential-ipla", _IPLA, theta_noise=True, sequential=True)
pgd = _system("pgd", _PGD, theta_noise=False, sequential=False)
sequential_pgd = _system("sequential-pgd", _PGD, theta_noise=False, sequential=True)
