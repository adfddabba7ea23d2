"""The learning algorithm itself with infinitely many particles, for a quadratic joint energy.

One inner step of the pool moves its law N(m, S) to

    m <- (1 - h P) m + h b,     S <- (1 - h P) S (1 - h P) + 2 T h

and likewise the latents with P_zz, b_z - P_zx x; theta moves by a_k g between them. Exact for
every step size, so the bias of the unadjusted steps is in it: the stationary pool has covariance
T P^{-1} (1 - h P / 2)^{-1}, and theta settles where the biased moments agree.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from . import gaussian_values as values
from .closed_form import check_starts, start_state
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState
from .learned_parameters import Project
from .projections import Projection

FloatArray = npt.NDArray[np.float64]
Order = Literal["sequential", "simultaneous"]

_HORIZONS = (0.0, 10.0, 1e2, 1e3, 1e4, 1e5)
_NEWTON_STEPS = 100
_NEWTON_TOLERANCE = 1e-13


class Algorithm(Protocol):
    """What the closed forms read of the learning settings."""

    @property
    def latents(self) -> int:
        """Latent particles per datum, K."""

    @property
    def pool(self) -> int:
        """Pool particles, M."""

    @property
    def latent_step(self) -> float:
        """h_q."""

    @property
    def pool_step(self) -> float:
        """h_p."""

    @property
    def inner_steps(self) -> int:
        """K_in."""

    @property
    def rate(self) -> Any:
        """A number, or a ``Rate``: values(first, last) gives a_k, first <= k < last."""

    @property
    def order(self) -> str:
        """ "sequential" or "simultaneous"."""

    @property
    def temperature(self) -> float:
        """T."""

    @property
    def gradient_noise(self) -> float:
        """tau."""

    @property
    def learned(self) -> tuple[str, ...] | None:
        """Names of the parameters that move; None means all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MomentPath:
    """Laws after chosen numbers of updates; ``theta`` (T, p) has the columns ``names``."""

    family: GaussianFamily
    data: DataMoments
    updates: npt.NDArray[np.int64]
    states: tuple[GaussianState, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The learned parameters, columns of ``theta``."""
        return self.family.names

    @property
    def theta(self) -> FloatArray:
        """(T, p)."""
        return np.array([s.theta for s in self.states])

    def log_likelihood(self) -> FloatArray:
        """L(theta_k), nats, (T,)."""
        return np.array([values.log_likelihood(self.family, t, self.data) for t in self.theta])


def iterate_moments(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    updates: int,
    theta_start: npt.ArrayLike | None = None,
    record_every: int = 1,
    projection: Projection | Project | None = None,
) -> MomentPath:
    """theta and both phases after 0, record_every, 2 record_every, ... updates; exact.

    Parameters
    ----------
    energy, data, latent_start, pool_start, theta_start : as ``solve_closed_form``
    settings : latent_step, pool_step, inner_steps, rate, order, temperature, learned are read;
        the numbers of particles are infinite here and gradient noise averages out
    updates : of theta, >= 0
    projection : applied after every update, a ``Projection`` or a function of theta (p,); None
        takes that of the settings

    Raises
    ------
    SolverError
        Z became infinite, or a value stopped being finite; names theta and the update.
    """
    family = GaussianFamily.of(energy, settings.learned)
    moments = DataMoments.of(data, family.dim_x)
    check_settings(settings)
    check_starts(family, latent_start, pool_start)
    if updates < 0 or record_every < 1:
        raise ArgumentError(f"updates >= 0 and record_every >= 1, got {updates}, {record_every}")
    state = start_state(family, family.start(theta_start), latent_start, pool_start)
    family.model(state.theta)
    chosen = getattr(settings, "projection", None) if projection is None else projection
    project = family.projector(chosen)
    kept, states = [0], [state]
    for k in range(updates):
        following = update(family, moments, settings, state, rate_at(settings.rate, k))
        if project is not None:
            theta = np.asarray(project(np.asarray(following.theta)), dtype=float)
            following = dataclasses.replace(following, theta=theta)
        if not np.all(np.isfinite(following.theta)):
            raise SolverError("theta stopped being finite", step=k + 1, last_state=state.theta)
        try:
            family.model(following.theta)
        except SolverError as error:
            raise SolverError(error.reason, step=k + 1, last_state=state.theta) from None
        state = following
        if (k + 1) % record_every == 0:
            kept.append(k + 1)
            states.append(state)
    return MomentPath(family=family, data=moments, updates=np.array(kept), states=tuple(states))


def update(
    family: GaussianFamily,
    data: DataMoments,
    settings: Algorithm,
    state: GaussianState,
    size: float,
) -> GaussianState:
    """One update: inner steps at theta, and theta by ``size`` g, in the order of the settings."""
    before = state
    for _ in range(settings.inner_steps):
        state = inner_step(family, settings, state)
    read = state if settings.order == "sequential" else before
    return dataclasses.replace(
        state, theta=state.theta + size * values.gradient(family, read, data)
    )


def inner_step(family: GaussianFamily, settings: Algorithm, state: GaussianState) -> GaussianState:
    """One step of both particle systems at fixed theta."""
    own, _ = family.coefficients(state.theta)
    k, temperature = family.dim_x, settings.temperature
    h_q, h_p = settings.latent_step, settings.pool_step
    pool = np.eye(family.dim) - h_p * own.precision
    latent = np.eye(family.dim_z) - h_q * own.precision[k:, k:]
    return GaussianState(
        theta=state.theta,
        pool_mean=pool @ state.pool_mean + h_p * own.shift,
        pool_covariance=pool @ state.pool_covariance @ pool
        + 2 * temperature * h_p * np.eye(family.dim),
        latent_slope=latent @ state.latent_slope - h_q * own.precision[k:, :k],
        latent_shift=latent @ state.latent_shift + h_q * own.shift[k:],
        latent_covariance=latent @ state.latent_covariance @ latent
        + 2 * temperature * h_q * np.eye(family.dim_z),
    )


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


def complex_step_jacobian(function: Callable[[Array], Array], at: FloatArray) -> FloatArray:
    """D function at a real point, (m, n), by one imaginary step per column: no cancellation."""
    tiny = 1e-30
    columns = []
    for k in range(at.size):
        moved = at.astype(complex)
        moved[k] += 1j * tiny
        columns.append(np.imag(function(moved)) / tiny)
    return np.stack(columns, axis=1)


def rate_at(rate: Any, update: int) -> float:
    """a_k of a number or of a ``Rate``.

    Raises
    ------
    ArgumentError
        For anything else: an optimiser with a state of its own has no closed form here.
    """
    if isinstance(rate, int | float):
        return float(rate)
    if hasattr(rate, "values"):
        return float(rate.values(update, update + 1)[0])
    raise ArgumentError(f"closed forms need a rate that depends on the update alone, got {rate!r}")


def check_settings(settings: Algorithm) -> None:
    """Refuse step sizes, counts and orders that no algorithm has."""
    for name in ("latent_step", "pool_step", "temperature"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise ArgumentError(f"{name} must be finite and > 0, got {value}")
    if settings.inner_steps < 1:
        raise ArgumentError(f"inner_steps must be >= 1, got {settings.inner_steps}")
    if settings.order not in ("sequential", "simultaneous"):
        raise ArgumentError(f"order must be 'sequential' or 'simultaneous', got {settings.order!r}")
    if getattr(settings, "batch", None) is not None:
        raise ArgumentError("closed forms use every datum in every update, got a batch size")
