"""Where learning with infinitely many particles rests at finite step sizes, for quadratic energies.

The stationary pool of the unadjusted steps has covariance T P^{-1} (1 - h P/2)^{-1}, not P^{-1}, so
theta settles where the biased moments agree with the data's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.protocols import JointEnergy

from . import gaussian_values as values
from .closed_form_discrete import Algorithm, check_settings, complex_step_jacobian
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState

_HORIZONS = (0.0, 10.0, 1e2, 1e3, 1e4, 1e5)
_NEWTON_STEPS = 100
_NEWTON_TOLERANCE = 1e-13


def stationary_state(family: GaussianFamily, settings: Algorithm, theta: Array) -> GaussianState:
    """Laws of pool and latents after infinitely many inner steps at theta.

    Covariances T P^{-1} (1 - h P/2)^{-1}; means as in continuous time.

    Raises
    ------
    SolverError
        When a step is beyond its limit 2/L, or Z is infinite.
    """
    own, _ = family.coefficients(theta)
    k = family.dim_x
    for step, matrix, phase in (
        (settings.pool_step, own.precision, "pool"),
        (settings.latent_step, own.precision[k:, k:], "latent"),
    ):
        rates = np.linalg.eigvalsh(np.real(matrix))
        if rates[0] <= 0:
            raise SolverError(family.not_normalisable(np.real(theta)), last_state=np.real(theta))
        if step * rates[-1] >= 2:
            raise SolverError(
                f"the {phase} step {step:g} is beyond its limit 2/L = {2 / rates[-1]:.6g}",
                last_state=np.real(theta),
            )

    def covariance(matrix: Array, step: float) -> Array:
        inside = matrix @ (np.eye(len(matrix)) - step / 2 * matrix)
        return np.asarray(settings.temperature * np.linalg.inv(inside))

    inner = own.precision[k:, k:]
    return GaussianState(
        theta=theta,
        pool_mean=np.linalg.solve(own.precision, own.shift),
        pool_covariance=covariance(own.precision, settings.pool_step),
        latent_slope=-np.linalg.solve(inner, own.precision[k:, :k]),
        latent_shift=np.linalg.solve(inner, own.shift[k:]),
        latent_covariance=covariance(inner, settings.latent_step),
    )


def fixed_point(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    theta_start: npt.ArrayLike | None = None,
) -> GaussianState:
    """Where the algorithm with infinitely many particles rests: theta with g = 0 and its laws.

    Newton's method from the start, and where that fails from further along theta' = g(theta). Of a
    whole line of fixed points the one next to the start is found. Step sizes can turn such a line
    into one point: for E = a x^2/2 - b x z + z^2/2 any line of constant a - b^2 is stationary in
    continuous time, but with h_p > 0 only b = 0 is, and theta creeps there.

    Raises
    ------
    SolverError
        None was found from this start; there may be none at all (``ula_learned_precision``).
    """
    family = GaussianFamily.of(energy, settings.learned)
    moments = DataMoments.of(data, family.dim_x)
    check_settings(settings)

    def residual(theta: Array) -> Array:
        return values.gradient(family, stationary_state(family, settings, theta), moments)

    theta = family.start(theta_start)
    close = 1e-9 * (1 + float(np.abs(moments.second).max()))
    for horizon in _HORIZONS:
        theta = _followed(residual, theta, horizon)
        found, size = _newton(residual, theta)
        if size <= close:
            return stationary_state(family, settings, found)
    raise SolverError(
        f"no fixed point of {family.name} was found: the gradient stays at "
        f"{np.abs(residual(theta)).max():.3g}",
        last_state=theta,
    )


def _followed(residual: Callable[[Array], Array], theta: FloatArray, horizon: float) -> FloatArray:
    """theta after a time of theta' = g(theta), which leads to the stable fixed points."""
    from scipy.integrate import solve_ivp

    if horizon == 0:
        return theta
    run = solve_ivp(
        lambda _, y: np.real(residual(y)), (0.0, horizon), theta, method="LSODA", rtol=1e-8
    )
    if run.status != 0 or not np.all(np.isfinite(run.y[:, -1])):
        raise SolverError(f"theta' = g could not be followed: {run.message}", last_state=theta)
    return np.asarray(run.y[:, -1])


def _newton(residual: Callable[[Array], Array], theta: FloatArray) -> tuple[FloatArray, float]:
    """Damped Newton steps with the pseudo-inverse; where they end, and the residual there."""
    current = np.real(residual(theta))
    for _ in range(_NEWTON_STEPS):
        size = float(np.abs(current).max())
        if size <= _NEWTON_TOLERANCE:
            break
        step = -np.linalg.pinv(complex_step_jacobian(residual, theta), rcond=1e-9) @ current
        for shrink in 0.5 ** np.arange(20):
            try:
                trial = np.real(residual(theta + shrink * step))
            except SolverError:
                continue
            if np.abs(trial).max() < (1 - 0.1 * shrink) * size:
                theta, current = theta + shrink * step, trial
                break
        else:
            break
    return theta, float(np.abs(current).max())


def ula_learned_precision(second_moment: float, step: float) -> float:
    """t with t (1 - h t/2) = 1/s2: what E = t x^2/2 learns from data of second moment s2 by ULA.

    t_h = (1 - sqrt(1 - 2h/s2))/h, the smaller root (the larger is unstable); 1/s2 at h = 0.
    The pool has variance 1/(t (1 - h t/2)), and learning stops where it equals s2.

    Raises
    ------
    ArgumentError
        Unless s2 > 0 and h >= 0, finite.
    SolverError
        For h > s2/2 no real solution exists: t (1 - h t/2) is at most 1/(2h) < 1/s2.
    """
    if not (math.isfinite(second_moment) and second_moment > 0 and math.isfinite(step)):
        raise ArgumentError(f"s2 > 0 and a finite step needed, got {second_moment}, {step}")
    if step < 0:
        raise ArgumentError(f"the step must be >= 0, got {step}")
    inside = 1 - 2 * step / second_moment
    if inside < 0:
        raise SolverError(
            f"no real solution: the step {step:g} exceeds s2/2 = {second_moment / 2:g}"
        )
    # the root without cancellation at h = 0
    return 2 / (second_moment * (1 + math.sqrt(inside)))
