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

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from . import gaussian_values as values
from .closed_form import check_starts, start_state
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState
from .learned_parameters import Project
from .projections import Projection

Order = Literal["sequential", "simultaneous"]


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
    settings : latent_step, pool_step, inner_steps, rate, order, temperature, learned, projection
        are read; the numbers of particles are infinite here, and there is no gradient noise
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
    check_no_gradient_noise(settings)
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


def check_no_gradient_noise(settings: Algorithm) -> None:
    """Refuse gradient noise where theta is to be a number and not a random variable."""
    if settings.gradient_noise != 0:
        raise ArgumentError(
            "with infinitely many particles theta is a number only without gradient noise, got "
            f"gradient_noise = {settings.gradient_noise}"
        )


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
