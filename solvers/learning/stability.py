"""Step sizes beyond which the Langevin steps of a phase diverge: h < 2/L.

An unadjusted step contracts along an eigenvector of curvature l iff |1 - h l| < 1. L is exact
where the energy knows it; elsewhere it is the largest curvature found at the particles, from which
a step beyond 2/L is unstable near those. Temperature cancels: E/T has curvature l/T, its step is
T h.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import How

from .observation import at_theta
from .problem import LearningProblem
from .state import LearningState

_POINTS = 64


class StepSizeWarning(UserWarning):
    """A step size beyond the stability limit."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The stability limit of one phase.

    Attributes
    ----------
    step : float
        2/L.
    smoothness : float
        L.
    exact : bool
        True where L is known of the energy; False where it is the largest curvature at points.
    how : str
        A phrase for messages.
    """

    step: float
    smoothness: float
    exact: bool
    how: str


@dataclass(frozen=True, kw_only=True)
class StepLimits:
    """Limits of h_q and h_p."""

    latent: Limit
    pool: Limit


def step_limits(
    energy: Any,
    data: npt.ArrayLike,
    theta: npt.ArrayLike | None = None,
    *,
    latents: npt.ArrayLike | None = None,
    pool: npt.ArrayLike | None = None,
) -> StepLimits:
    """2/L of the conditional phase (the least over the data, or 64 of them) and of the joint phase.

    Parameters
    ----------
    energy : JointEnergy
    data : array (n, dim_x)
    theta : array (n_theta,), optional
        By default the energy's own.
    latents : array (n, K, dim_z), optional
        Where to look where L is not known; a few standard normals by default.
    pool : array (M, dim_x + dim_z), optional
        Likewise; by default the data with the latents.
    """
    values = np.asarray(data, dtype=np.float64)
    joint, conditionals = at_theta(
        energy, energy.parameter_vector() if theta is None else np.asarray(theta, dtype=float)
    )
    if latents is None:
        latents = np.random.default_rng(0).standard_normal((len(values), 8, energy.dim_z))
    held = np.asarray(latents, dtype=np.float64)
    pairs = np.concatenate(
        [np.broadcast_to(values[:, None], (*held.shape[:2], energy.dim_x)), held], axis=2
    ).reshape(-1, energy.dim_x + energy.dim_z)
    points = pairs if pool is None else np.asarray(pool, dtype=np.float64)
    latent = _known([conditionals(x) for x in _thinned(values)])
    whole = _known([joint])
    return StepLimits(
        latent=latent or _computed(joint, _thinned(pairs), energy.dim_x),
        pool=whole or _computed(joint, _thinned(points), 0),
    )


def warn_of_steps(problem: LearningProblem, state: LearningState) -> None:
    """A ``StepSizeWarning`` for every phase whose step is beyond its limit at the start."""
    limits = step_limits(
        problem.energy, problem.data, state.theta, latents=state.latents, pool=state.pool
    )
    for name, step, limit in (
        ("latent_step (h_q)", problem.settings.latent_step, limits.latent),
        ("pool_step (h_p)", problem.settings.pool_step, limits.pool),
    ):
        if step >= limit.step:
            warnings.warn(
                f"{name} = {step:g} is beyond the stability limit 2/L = {limit.step:g} "
                f"(L = {limit.smoothness:g}, {limit.how})",
                StepSizeWarning,
                stacklevel=3,
            )


def _thinned(rows: FloatArray) -> FloatArray:
    """At most so many rows, evenly spread."""
    if len(rows) <= _POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _POINTS).astype(np.int64)]


def _known(energies: list[Any]) -> Limit | None:
    """From what energies know exactly; None if one does not, or knows of no bound."""
    largest, source = 0.0, ""
    for energy in energies:
        constant = getattr(getattr(energy, "facts", None), "smoothness", None)
        if constant is None or constant.how is not How.EXACT or not np.isfinite(constant.value):
            return None
        if constant.value >= largest:
            largest, source = float(constant.value), constant.source
    return Limit(step=_twice_over(largest), smoothness=largest, exact=True, how=source)


def _computed(joint: Any, points: FloatArray, first: int) -> Limit:
    """From the largest eigenvalue of the Hessian's block [first:, first:] at these points."""
    with np.errstate(all="ignore"):
        hessians = joint.hessian(points)[:, first:, first:]
    finite = hessians[np.isfinite(hessians).all(axis=(1, 2))]
    largest = float(np.linalg.eigvalsh(finite).max()) if len(finite) else np.inf
    how = f"largest curvature at {len(points)} of the particles"
    return Limit(step=_twice_over(largest), smoothness=largest, exact=False, how=how)


def _twice_over(smoothness: float) -> float:
    return 2.0 / smoothness if smoothness > 0 else float("inf")
