"""The mean-field flow of learning with a quadratic joint energy, as differential equations.

    theta' = eta ( E_p d_theta E - E_data E_q d_theta E )
    m' = b - P m,     S' = 2 - S P - P S                          (pool, w = (x, z))
    k' = -s (P_zz k + P_zx),   c' = s (b_z - P_zz c),
    V' = s (2 - V P_zz - P_zz V)                                  (latents, z | x ~ N(k x + c, V))

with P, b at theta and the latents' speed s. It is the limit of infinitely many particles and small
steps, exact for Gaussian starts. Each step is derived in one line: for linear drift dw = (b - P w)
dt + sqrt(2) dW take expectations of w and of w w'.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from . import gaussian_values as values
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState

Curve = tuple[FloatArray, FloatArray]

_ROUNDING = 1e-13
_COARSER = 100.0  # tolerance of the second run, whose distance to the first is the width


@dataclass(frozen=True, kw_only=True, eq=False)
class ClosedFormPath:
    """The flow at chosen times. Methods return (values, numerical half-widths), arrays (T,).

    Attributes
    ----------
    family : GaussianFamily; ``family.names`` are the columns of theta
    times : array (T,)
    states : laws at the times
    coarser : the same from an integration with a hundred times the tolerance
    gaussian : whether both starts are Gaussian; else only theta and moments are exact
    """

    family: GaussianFamily
    data: DataMoments
    times: FloatArray
    states: tuple[GaussianState, ...]
    coarser: tuple[GaussianState, ...]
    gaussian: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The learned parameters, columns of ``theta``."""
        return self.family.names

    @property
    def theta(self) -> FloatArray:
        """(T, p)."""
        return np.array([s.theta for s in self.states])

    @property
    def theta_width(self) -> FloatArray:
        """Numerical half-width of theta, (T, p)."""
        gap = np.abs(self.theta - np.array([s.theta for s in self.coarser]))
        return np.asarray(gap + _ROUNDING * (1 + np.abs(self.theta)))

    def log_likelihood(self) -> Curve:
        """L(theta_t), nats."""
        return self._curve(lambda s: values.log_likelihood(self.family, s.theta, self.data))

    def posterior_relative_entropy(self) -> Curve:
        """E_data KL(q_x | posterior), nats; Gaussian starts only."""
        self._needs_gaussian()
        return self._curve(lambda s: values.posterior_relative_entropy(self.family, s, self.data))

    def model_relative_entropy(self) -> Curve:
        """KL(p | p_theta), nats; Gaussian starts only."""
        self._needs_gaussian()
        return self._curve(lambda s: values.model_relative_entropy(self.family, s))

    def saddle(self) -> Curve:
        """J from expected energies and entropies, nats; Gaussian starts only."""
        self._needs_gaussian()
        return self._curve(lambda s: values.saddle(self.family, s, self.data))

    def gradient(self) -> FloatArray:
        """theta' / eta along the path, (T, p)."""
        return np.array([values.gradient(self.family, s, self.data) for s in self.states])

    def _curve(self, function: Callable[[GaussianState], float]) -> Curve:
        fine = np.array([function(s) for s in self.states])
        other = np.array([function(s) for s in self.coarser])
        return fine, np.abs(fine - other) + _ROUNDING * (1 + np.abs(fine))

    def _needs_gaussian(self) -> None:
        if not self.gaussian:
            raise ArgumentError(
                "entropies in closed form need Gaussian starts, got a mixture: use the grid solver"
            )


def solve_closed_form(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float = 1.0,
    learned: Sequence[str] | None = None,
    theta_start: npt.ArrayLike | None = None,
    tolerance: float = 1e-13,
) -> ClosedFormPath:
    """The mean-field flow of theta, pool and latents for an energy quadratic in (x, z).

    Parameters
    ----------
    energy : joint energy, quadratic in (x, z), of any dimensions
    data : array (n, dim_x)
    latent_start, pool_start : laws of one latent particle (dim_z) and one pool particle (dim)
    eta : speed of theta; the pool has speed one
    times : increasing, >= 0
    latent_speed : speed of the latents
    learned : names of the parameters that move; None means all
    theta_start : array (p,) of the learned parameters or (n_theta,) of all; None takes the energy's
    tolerance : of the integration (DOP853), relative and absolute

    Raises
    ------
    ArgumentError
        Unusable arguments, or an energy that is not quadratic.
    SolverError
        Z became infinite on the way; names theta and the time.
    """
    family = GaussianFamily.of(energy, learned)
    moments = DataMoments.of(data, family.dim_x)
    asked = checked_times(times)
    check_speeds(eta, latent_speed)
    check_starts(family, latent_start, pool_start)
    theta = family.start(theta_start)
    start = start_state(family, theta, latent_start, pool_start)
    runs = [
        _integrate(family, moments, start, asked, eta, latent_speed, tolerance * factor)
        for factor in (1.0, _COARSER)
    ]
    return ClosedFormPath(
        family=family,
        data=moments,
        times=asked,
        states=tuple(runs[0]),
        coarser=tuple(runs[1]),
        gaussian=len(latent_start.weights) == len(pool_start.weights) == 1,
    )


def averaged_flow(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    eta: float,
    times: Sequence[float] | FloatArray,
    learned: Sequence[str] | None = None,
    theta_start: npt.ArrayLike | None = None,
    tolerance: float = 1e-13,
) -> FloatArray:
    """theta' = eta grad L(theta), both phases at equilibrium: the limit of slow theta; (T, p)."""
    family = GaussianFamily.of(energy, learned)
    moments = DataMoments.of(data, family.dim_x)
    asked = checked_times(times)
    check_speeds(eta, 1.0)

    def slope(_: float, theta: FloatArray) -> FloatArray:
        return eta * values.likelihood_gradient(family, theta, moments)

    return _solve_ode(slope, family.start(theta_start), asked, tolerance, family)


def start_state(
    family: GaussianFamily, theta: FloatArray, latent_start: InitialLaw, pool_start: InitialLaw
) -> GaussianState:
    """The state at time zero: latents independent of the data."""
    return GaussianState(
        theta=theta,
        pool_mean=pool_start.mean,
        pool_covariance=pool_start.covariance,
        latent_slope=np.zeros((family.dim_z, family.dim_x)),
        latent_shift=latent_start.mean,
        latent_covariance=latent_start.covariance,
    )


def packed(state: GaussianState) -> Array:
    """All entries of a state in one vector."""
    return np.concatenate(
        [
            state.theta,
            state.pool_mean,
            state.pool_covariance.ravel(),
            state.latent_slope.ravel(),
            state.latent_shift,
            state.latent_covariance.ravel(),
        ]
    )


def unpacked(family: GaussianFamily, vector: Array) -> GaussianState:
    """The state that ``packed`` made a vector of."""
    d, dx, dz = family.dim, family.dim_x, family.dim_z
    shapes = ((len(family.names),), (d,), (d, d), (dz, dx), (dz,), (dz, dz))
    parts, begin = {}, 0
    for name, shape in zip(_FIELDS, shapes, strict=True):
        end = begin + math.prod(shape)
        parts[name] = vector[begin:end].reshape(shape)
        begin = end
    return GaussianState(**parts)


@functools.cache
def _twice_identity(dim: int) -> FloatArray:
    identity = 2 * np.eye(dim)
    identity.setflags(write=False)
    return identity


_FIELDS = tuple(field.name for field in fields(GaussianState))


def flow_field(
    family: GaussianFamily, data: DataMoments, state: GaussianState, eta: float, latent_speed: float
) -> GaussianState:
    """Time derivative of every part of a state; see the module."""
    own, derivatives = family.coefficients(state.theta)
    k = family.dim_x
    precision, shift = own.precision, own.shift
    inner, cross = precision[k:, k:], precision[k:, :k]
    pull = precision @ state.pool_covariance
    squeeze = inner @ state.latent_covariance
    return GaussianState(
        theta=eta
        * values.ascent(
            derivatives, values.pool_moments(state), values.clamped_moments(state, data)
        ),
        pool_mean=shift - precision @ state.pool_mean,
        pool_covariance=_twice_identity(family.dim) - pull - pull.T,
        latent_slope=-latent_speed * (inner @ state.latent_slope + cross),
        latent_shift=latent_speed * (shift[k:] - inner @ state.latent_shift),
        latent_covariance=latent_speed * (_twice_identity(family.dim_z) - squeeze - squeeze.T),
    )


def _integrate(
    family: GaussianFamily,
    data: DataMoments,
    start: GaussianState,
    times: FloatArray,
    eta: float,
    latent_speed: float,
    tolerance: float,
) -> list[GaussianState]:
    def slope(_: float, vector: FloatArray) -> FloatArray:
        return packed(flow_field(family, data, unpacked(family, vector), eta, latent_speed))

    rows = _solve_ode(slope, packed(start), times, tolerance, family)
    return [unpacked(family, row) for row in rows]


def _solve_ode(
    slope: Callable[[float, FloatArray], FloatArray],
    start: FloatArray,
    times: FloatArray,
    tolerance: float,
    family: GaussianFamily,
) -> FloatArray:
    from scipy.integrate import solve_ivp

    p = len(family.names)

    def margin(_: float, vector: FloatArray) -> float:
        own, _derivatives = family.coefficients(vector[:p])
        if not np.all(np.isfinite(own.precision)):
            return -1.0
        return float(np.linalg.eigvalsh(own.precision)[0])

    margin.terminal = True  # type: ignore[attr-defined]
    if margin(0.0, start) <= 0:
        raise SolverError(family.not_normalisable(start[:p]) + " at time 0", last_state=start[:p])
    if times[-1] == 0:
        return start[None].copy()
    found = solve_ivp(
        slope,
        (0.0, float(times[-1])),
        start,
        method="DOP853",
        t_eval=times,
        rtol=max(tolerance, 3e-14),
        atol=tolerance,
        events=margin,
    )
    if found.status == 1:
        theta = found.y_events[0][0][:p]
        raise SolverError(
            f"{family.not_normalisable(theta)} at time {found.t_events[0][0]:.6g}", last_state=theta
        )
    if found.status != 0:
        raise SolverError(f"the flow could not be integrated: {found.message}", last_state=start)
    return np.asarray(found.y.T)


def checked_times(times: Sequence[float] | FloatArray) -> FloatArray:
    """Times as an array; refuses what is not finite, >= 0 and increasing."""
    moments = np.atleast_1d(np.asarray(times, dtype=float))
    if moments.ndim != 1 or moments.size == 0 or not np.all(np.isfinite(moments)):
        raise ArgumentError(f"times must be finite numbers, at least one, got {times!r}")
    if moments[0] < 0 or np.any(np.diff(moments) <= 0):
        raise ArgumentError(f"times must be >= 0 and increasing, got {moments.tolist()}")
    return moments


def check_speeds(eta: float, latent_speed: float) -> None:
    """Refuse speeds that are not finite, eta < 0 and latent_speed <= 0."""
    if not (math.isfinite(eta) and eta >= 0):
        raise ArgumentError(f"eta must be finite and >= 0, got {eta}")
    if not (math.isfinite(latent_speed) and latent_speed > 0):
        raise ArgumentError(f"latent_speed must be finite and > 0, got {latent_speed}")


def check_starts(family: GaussianFamily, latent_start: InitialLaw, pool_start: InitialLaw) -> None:
    """Refuse starts of other dimensions than the energy's."""
    if latent_start.dim != family.dim_z or pool_start.dim != family.dim:
        raise ArgumentError(
            f"{family.name} needs starts of dimensions {family.dim_z} (latents) and {family.dim} "
            f"(pool), got {latent_start.dim} and {pool_start.dim}"
        )


__all__ = ["ClosedFormPath", "averaged_flow", "solve_closed_form"]
