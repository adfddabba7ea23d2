r"""Theta with persistent latents and a persistent pool, both finite: its law at every update.

E = (z - t)^2/2 + (x - z)^2/(2g), n data of mean y, K latents per datum, M in the pool. The
averages s = (t, Z, X, W) of theta, latents and pool (x and z) follow a linear recursion with
Gaussian noise,

    s+ = A s + b + xi,   Cov xi = Q,      mean+ = A mean + b,   C+ = A C A' + Q,

so theta is Gaussian with these moments for every number of particles, and its stationary variance
solves C = A C A' + Q.

Derivation. d_t E = t - z, so g = (t - W) - (t - Z) = Z - W. An inner step at fixed t moves Z by
-h_q ((1 + 1/g) Z - t - y/g) and (X, W) by -h_p (P (X, W) - (0, t)), P = ((1/g, -1/g), (-1/g, 1 +
1/g)); averages of independent noises have variances 2 T h_q/(n K) and 2 T h_p/M. K_in such steps
are composed. Sequential: t+ = t + a (Z+ - W+) after them; simultaneous: t+ = t + a (Z - W) before.
Gradient noise adds 2 a tau to the variance of t+.

Neither order is the limit a, h -> 0 of the other at finite steps: their stationary variances differ
by the factor (2 - h + a h)(4 - 2h - a h)/((2 - h)(1 - a)(4 - 2h + a h)) where there are no latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg

from ...arrays import FloatArray
from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true


def recursion(
    *,
    noise: float,
    latent_step: float,
    pool_step: float,
    step_size: float,
    inner_steps: int,
    order: str,
    latents: int,
    pool: int,
    data_mean: float = 0.0,
    temperature: float = 1.0,
    gradient_noise: float = 0.0,
    **_: Any,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A (4, 4), b (4,) and Q (4, 4) of one update of (t, Z, X, W).

    Parameters
    ----------
    noise : g, variance of x given z
    latent_step, pool_step, step_size, inner_steps : h_q, h_p, a, K_in
    order : "sequential" or "simultaneous"
    latents : n K, all latents together
    pool : M
    data_mean : y
    """
    inner = np.eye(4)
    inner[1, 0], inner[1, 1] = latent_step, 1.0 - latent_step * (1.0 + 1.0 / noise)
    inner[2, 2:] = 1.0 - pool_step / noise, pool_step / noise
    inner[3, 0] = pool_step
    inner[3, 2:] = pool_step / noise, 1.0 - pool_step * (1.0 + 1.0 / noise)
    push = np.array([0.0, latent_step * data_mean / noise, 0.0, 0.0])
    shake = (
        2.0
        * temperature
        * np.diag([0.0, latent_step / latents, pool_step / pool, pool_step / pool])
    )
    moved, shift, spread = np.eye(4), np.zeros(4), np.zeros((4, 4))
    for _step in range(inner_steps):
        moved, shift = inner @ moved, inner @ shift + push
        spread = inner @ spread @ inner.T + shake
    ascent = np.eye(4)
    ascent[0, 1], ascent[0, 3] = step_size, -step_size
    wander = np.diag([2.0 * step_size * gradient_noise, 0.0, 0.0, 0.0])
    if order == "sequential":
        return ascent @ moved, ascent @ shift, ascent @ spread @ ascent.T + wander
    both = moved.copy()
    both[0] = ascent[0]
    return both, shift, spread + wander


def _start(q: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    mean = np.array([q["theta_start"], q["latent_mean"], q["pool_mean_x"], q["pool_mean_z"]])
    variances = [
        0.0,
        q["latent_variance"] / q["latents"],
        q["pool_variance_x"] / q["pool"],
        q["pool_variance_z"] / q["pool"],
    ]
    return mean.astype(float), np.diag(variances)


def after(updates: int, **q: Any) -> tuple[FloatArray, FloatArray]:
    """Mean (4,) and covariance (4, 4) of (t, Z, X, W) after some updates."""
    matrix, push, spread = recursion(**q)
    mean, covariance = _start(q)
    for _ in range(updates):
        mean = matrix @ mean + push
        covariance = matrix @ covariance @ matrix.T + spread
    return mean, covariance


def stationary(**q: Any) -> float:
    """Stationary variance of theta."""
    matrix, _, spread = recursion(**q)
    return float(scipy.linalg.solve_discrete_lyapunov(matrix, spread)[0, 0])


def _stable(q: Mapping[str, Any]) -> bool:
    return float(np.abs(np.linalg.eigvals(recursion(**q)[0])).max()) < 1.0


_FAMILY = true("gaussian_location", "E = (z - t)^2/2 + (x - z)^2/(2g), t is learned")
_STABLE = Assumption(text="every eigenvalue of A lies inside the unit circle", holds=_stable)
_DERIVED = "linear recursions; derived, see the docstring"

theorem = Theorem(
    name="theta-variance-with-latents",
    title="Stationary variance of theta with finitely many persistent latents and pool particles",
    statement=r"\mathrm{Var}\,\theta=C_{11},\quad C=ACA^\top+Q",
    reference=Reference(key="pavliotis-2014", place=_DERIVED),
    inspired_by=("tang-2025", "valsecchi-oliva-2025"),
    relation=Relation.EQUAL,
    assumptions=(_FAMILY, _STABLE),
    formula=lambda **q: stationary(**q),
)

mean = Theorem(
    name="theta-mean-after-updates",
    title="Expected theta after k updates, at every number of particles",
    statement=r"\mathbb E\,s_{k+1}=A\,\mathbb E\,s_k+b,\quad s=(\theta,\bar z,\bar x_p,\bar z_p)",
    reference=Reference(key="pavliotis-2014", place=_DERIVED),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_FAMILY,),
    formula=lambda *, updates, **q: float(after(updates, **q)[0][0]),
)

variance = Theorem(
    name="theta-variance-after-updates",
    title="Variance of theta after k updates, at every number of particles",
    statement=r"\mathrm{Cov}\,s_{k+1}=A\,\mathrm{Cov}\,s_k\,A^\top+Q",
    reference=Reference(key="pavliotis-2014", place=_DERIVED),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_FAMILY,),
    formula=lambda *, updates, **q: float(after(updates, **q)[1][0, 0]),
)
