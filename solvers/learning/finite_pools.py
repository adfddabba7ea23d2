"""The law of theta with finitely many particles, for a quadratic joint energy.

Around the recursion of infinitely many particles the averages of ``raw_moments`` and theta move by

    s_{k+1} = Phi(s_k) + xi_k,     C_{k+1} = J C_k J' + Q,     J = D Phi,  Q = Cov xi,

with J by imaginary steps through Phi itself. For location families E = (w - A theta)' P (w - A
theta)/2 this is exact for every number of particles; for other families it is the leading order in
1/M and 1/(nK). In continuous time C' = A C + C A' + Q with the drift's derivative A.

Worked case: E = (x - t)^2/2, simultaneous, M in the pool, data known: Var(t) =
(2a/h)(2 - h + a h)/(M (1 - a)(4 - 2h + a h)), and eps/M as a = eps h, h -> 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from .closed_form import check_speeds, check_starts, checked_times
from .closed_form_discrete import (
    Algorithm,
    check_settings,
    complex_step_jacobian,
    fixed_point,
    rate_at,
)
from .gaussian_family import GaussianFamily
from .gaussian_values import DataMoments
from .raw_moments import RawMoments

FloatArray = npt.NDArray[np.float64]

_NEUTRAL = 1e-9  # distance of an eigenvalue from one below which its direction is not held at all


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Departures from the algorithm whose exact law serves as a reference for wrong trainers.

    Parameters
    ----------
    persistent_latents : bool
        False: before every update all latents are drawn anew from ``latent_start``.
    stale_pool : bool
        The joint phase is read before the inner steps of an update, the conditional phase after.
    """

    persistent_latents: bool = True
    stale_pool: bool = False


_FAITHFUL = Variant()


@dataclass(frozen=True, kw_only=True, eq=False)
class FinitePoolPath:
    """Mean (T, p) and covariance (T, p, p) of theta; ``exact`` or else of leading order."""

    names: tuple[str, ...]
    times: FloatArray
    theta: FloatArray
    covariance: FloatArray
    exact: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class StationaryLaw:
    """The stationary law of theta.

    Attributes
    ----------
    theta : mean (p,) (of leading order unless ``exact``)
    neutral : (p, k), directions in which nothing holds theta, so that it wanders freely
    """

    names: tuple[str, ...]
    theta: FloatArray
    neutral: FloatArray
    exact: bool
    _matrix: FloatArray
    _covariance: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """Cov theta, (p, p).

        Raises
        ------
        SolverError
            When some direction is neutral: then only ``variance`` of contrasts exists.
        """
        if self.neutral.shape[1]:
            raise SolverError("theta has no stationary law: it wanders along neutral directions")
        p = len(self.names)
        return self._covariance[:p, :p]

    def variance(self, contrast: npt.ArrayLike) -> float:
        """Var(c' theta) for a contrast c (p,) that no neutral direction moves."""
        c = np.asarray(contrast, dtype=float)
        p = len(self.names)
        if c.shape != (p,):
            raise ArgumentError(f"a contrast needs {p} values, got {c.shape}")
        if np.abs(c @ self.neutral).max(initial=0.0) > 1e-6 * np.abs(c).max():
            raise ArgumentError(f"the contrast {c.tolist()} is not held: theta wanders along it")
        return float(c @ self._covariance[:p, :p] @ c)

    def autocovariance(self, lags: Sequence[int]) -> FloatArray:
        """Cov(theta_{k+l}, theta_k) at lags l >= 0, (L, p, p)."""
        p = len(self.names)
        return np.array(
            [(np.linalg.matrix_power(self._matrix, lag) @ self._covariance)[:p, :p] for lag in lags]
        )


def finite_pool_path(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    updates: int,
    theta_start: npt.ArrayLike | None = None,
    record_every: int = 1,
    variant: Variant = _FAITHFUL,
) -> FinitePoolPath:
    """Mean and covariance of theta after 0, record_every, ... updates with K and M particles.

    Parameters
    ----------
    energy, data, latent_start, pool_start, theta_start : as ``solve_closed_form``
    settings : every field of ``Algorithm``
    """
    system, theta = _system(energy, data, settings, theta_start)
    check_starts(system.family, latent_start, pool_start)
    vector, covariance = system.start(theta, latent_start, pool_start)
    redraw = _redrawn(system, latent_start, variant)
    p = len(theta)
    times, means, covariances = [0.0], [theta], [covariance[:p, :p]]
    affine: dict[float, tuple[FloatArray, FloatArray, FloatArray]] = {}
    for k in range(updates):
        size = rate_at(settings.rate, k)
        if system.family.location:
            if size not in affine:
                after, matrix, noise = _update(system, settings, vector, size, redraw, variant)
                affine[size] = (matrix, after - matrix @ vector, noise)
            matrix, offset, noise = affine[size]
            after = matrix @ vector + offset
        else:
            after, matrix, noise = _update(system, settings, vector, size, redraw, variant)
        covariance = matrix @ covariance @ matrix.T + noise
        vector = after
        if not np.all(np.isfinite(vector)):
            raise SolverError("the averages stopped being finite", step=k + 1, last_state=theta)
        if (k + 1) % record_every == 0:
            times.append(k + 1.0)
            means.append(vector[:p])
            covariances.append(covariance[:p, :p])
    return FinitePoolPath(
        names=system.family.names,
        times=np.array(times),
        theta=np.array(means),
        covariance=np.array(covariances),
        exact=system.family.location,
    )


def stationary_law(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    theta_start: npt.ArrayLike | None = None,
    latent_start: InitialLaw | None = None,
    variant: Variant = _FAITHFUL,
) -> StationaryLaw:
    """The law of theta after very many updates at a constant rate (that of update 0).

    ``latent_start`` is needed where a variant draws latents anew. Nothing is assumed about the
    pool's start: it is forgotten.

    Raises
    ------
    SolverError
        No fixed point, or one that repels.
    """
    system, theta = _system(energy, data, settings, theta_start)
    size = rate_at(settings.rate, 0)
    redraw = _redrawn(system, latent_start, variant)
    rest = fixed_point(energy, data, settings, theta_start=theta)
    vector = _rest(system, settings, system.vector(rest), size, redraw, variant)
    _, matrix, noise = _update(system, settings, vector, size, redraw, variant)
    return _stationary(system, vector, matrix, noise, discrete=True)


def flow_covariance(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latents: int,
    pool: int,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float = 1.0,
    gradient_noise: float = 0.0,
    learned: Sequence[str] | None = None,
    theta_start: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
) -> FinitePoolPath:
    """The same in continuous time: K latents per datum and M in the pool, time as in the flow."""
    from scipy.integrate import solve_ivp

    family = GaussianFamily.of(energy, learned)
    system = RawMoments(
        family=family, data=DataMoments.of(data, family.dim_x), latents=latents, pool=pool
    )
    _check_counts(latents, pool)
    check_speeds(eta, latent_speed)
    check_starts(family, latent_start, pool_start)
    asked = checked_times(times)
    mean, covariance = system.start(family.start(theta_start), latent_start, pool_start)
    n, p = system.size, len(family.names)

    def slope(_: float, y: FloatArray) -> FloatArray:
        vector, c = y[:n], y[n:].reshape(n, n)
        matrix, noise = _flow_linear(system, vector, eta, latent_speed, gradient_noise)
        moved = matrix @ c
        rate = system.drift(vector, eta, latent_speed)
        return np.concatenate([rate, (moved + moved.T + noise).ravel()])

    start = np.concatenate([mean, covariance.ravel()])
    if asked[-1] == 0:
        rows = start[None]
    else:
        # columns of the covariance scale like 1/M: its own absolute tolerance
        floor = np.full(start.size, tolerance)
        floor[n:] *= 1 / max(latents, pool)
        run = solve_ivp(
            slope, (0.0, float(asked[-1])), start, method="DOP853", t_eval=asked,
            rtol=tolerance, atol=floor,
        )  # fmt: skip
        if run.status != 0:
            raise SolverError(f"the covariance could not be integrated: {run.message}")
        rows = run.y.T
    return FinitePoolPath(
        names=family.names,
        times=asked,
        theta=rows[:, :p],
        covariance=rows[:, n:].reshape(-1, n, n)[:, :p, :p],
        exact=family.location,
    )


def flow_stationary_law(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    theta: npt.ArrayLike,
    latents: int,
    pool: int,
    eta: float,
    latent_speed: float = 1.0,
    gradient_noise: float = 0.0,
    learned: Sequence[str] | None = None,
) -> StationaryLaw:
    """The stationary law in continuous time around a maximum likelihood theta (p,)."""
    from .gaussian_values import equilibrium

    family = GaussianFamily.of(energy, learned)
    system = RawMoments(
        family=family, data=DataMoments.of(data, family.dim_x), latents=latents, pool=pool
    )
    _check_counts(latents, pool)
    check_speeds(eta, latent_speed)
    vector = system.vector(equilibrium(family, family.start(theta)))
    push = np.abs(system.drift(vector, eta, latent_speed)).max()
    if push > 1e-6 * (1 + np.abs(vector).max()):
        raise ArgumentError(f"theta is no stationary point: the flow moves it at rate {push:.3g}")
    matrix, noise = _flow_linear(system, vector, eta, latent_speed, gradient_noise)
    return _stationary(system, vector, matrix, noise, discrete=False)


def flow_rates(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    theta: npt.ArrayLike,
    eta: float,
    latent_speed: float = 1.0,
    learned: Sequence[str] | None = None,
) -> npt.NDArray[np.complex128]:
    """Eigenvalues of the mean-field flow linearised at the equilibrium of theta, by real part.

    Oscillation where they are complex, stability where their real parts are <= 0. Second moments
    off the diagonal count twice; zero eigenvalues belong to directions that are not identifiable.
    """
    family = GaussianFamily.of(energy, learned)
    moments = DataMoments.of(data, family.dim_x)
    system = RawMoments(family=family, data=moments, latents=1, pool=1)
    from .gaussian_values import equilibrium

    vector = system.vector(equilibrium(family, family.start(theta)))
    matrix, _ = _flow_linear(system, vector, eta, latent_speed, 0.0)
    rates = np.linalg.eigvals(matrix).astype(complex)
    return np.asarray(rates[np.lexsort((rates.imag, rates.real))])


def _system(
    energy: JointEnergy, data: npt.ArrayLike, settings: Algorithm, theta: npt.ArrayLike | None
) -> tuple[RawMoments, FloatArray]:
    family = GaussianFamily.of(energy, settings.learned)
    check_settings(settings)
    _check_counts(settings.latents, settings.pool)
    system = RawMoments(
        family=family,
        data=DataMoments.of(data, family.dim_x),
        latents=settings.latents,
        pool=settings.pool,
    )
    return system, family.start(theta)


def _check_counts(latents: int, pool: int) -> None:
    if latents < 1 or pool < 1:
        raise ArgumentError(f"at least one latent and one pool particle, got {latents}, {pool}")


Redraw = tuple[FloatArray, FloatArray] | None


def _redrawn(system: RawMoments, latent_start: InitialLaw | None, variant: Variant) -> Redraw:
    """Mean and covariance of latents drawn anew, for variants that do."""
    if variant.persistent_latents:
        return None
    if latent_start is None:
        raise ArgumentError("latents that are drawn anew need a latent_start")
    f = system.family
    pool = InitialLaw.normal(np.zeros(f.dim), 1.0)
    vector, covariance = system.start(f.theta, latent_start, pool)
    part = system.latent_part
    return vector[part], covariance[part, part]


def _update(
    system: RawMoments,
    settings: Algorithm,
    vector: FloatArray,
    size: float,
    redraw: Redraw,
    variant: Variant,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Phi(s), its derivative J, and the covariance Q of the noise, of one whole update."""
    n = system.size
    steps = (settings.latent_step, settings.pool_step, settings.temperature)
    matrix, noise, now = np.eye(n), np.zeros((n, n)), vector.copy()
    if redraw is not None:
        part = system.latent_part
        now[part], matrix[part] = redraw[0], 0.0
        noise[part, part] = redraw[1]
    for _ in range(settings.inner_steps):
        jacobian = complex_step_jacobian(lambda s: system.inner_step(s, *steps), now)
        matrix = jacobian @ matrix
        noise = jacobian @ noise @ jacobian.T + system.inner_noise(now, *steps)
        now = np.real(system.inner_step(now, *steps))
    fresh = np.full(n, settings.order == "sequential")
    if variant.stale_pool:
        if settings.order != "sequential":
            raise ArgumentError("a stale pool is a variant of the sequential order")
        fresh[system.pool_part] = False
    theta = system.parts["theta"]
    read = np.where(fresh, now, vector)
    slope = complex_step_jacobian(system.ascent, read)
    push = size * system.ascent(read)
    new, old = size * slope * fresh, size * slope * ~fresh
    # theta itself is the same before and after the inner steps
    rows = np.eye(n)[theta]
    total = matrix.copy()
    total[theta] = rows + new @ matrix + old
    spread = np.eye(n)
    spread[theta] = rows + new
    noise = spread @ noise @ spread.T
    noise[theta, theta] += 2 * size * settings.gradient_noise * np.eye(len(rows))
    after = now.copy()
    after[theta] = vector[theta] + push
    return after, total, noise


def _rest(
    system: RawMoments,
    settings: Algorithm,
    vector: FloatArray,
    size: float,
    redraw: Redraw,
    variant: Variant,
) -> FloatArray:
    """The fixed point of an update next to a vector, by Newton's method."""
    for _ in range(50):
        after, matrix, _noise = _update(system, settings, vector, size, redraw, variant)
        gap = after - vector
        if np.abs(gap).max() <= 1e-13 * (1 + np.abs(vector).max()):
            break
        vector = vector + np.linalg.pinv(np.eye(system.size) - matrix, rcond=1e-10) @ gap
    else:
        raise SolverError("the averages have no fixed point here", last_state=vector)
    return vector


def _flow_linear(
    system: RawMoments,
    vector: FloatArray,
    eta: float,
    latent_speed: float,
    gradient_noise: float,
) -> tuple[FloatArray, FloatArray]:
    """Derivative of the drift, and the covariance of the noise per unit of time."""
    matrix = complex_step_jacobian(lambda s: system.drift(s, eta, latent_speed), vector)
    noise = system.diffusion(vector, latent_speed)
    theta = system.parts["theta"]
    noise[theta, theta] += 2 * eta * gradient_noise * np.eye(theta.stop)
    return matrix, noise


def _stationary(
    system: RawMoments,
    vector: FloatArray,
    matrix: FloatArray,
    noise: FloatArray,
    *,
    discrete: bool,
) -> StationaryLaw:
    values, left, right = scipy.linalg.eig(matrix, left=True)
    margin = 1 - np.abs(values) if discrete else -values.real
    neutral = np.abs(values - 1 if discrete else values) < _NEUTRAL
    if np.any(margin[~neutral] <= 0):
        worst = values[~neutral][margin[~neutral].argmin()]
        raise SolverError(
            f"the fixed point repels: it has the eigenvalue {worst:.6g}",
            last_state=vector[system.parts["theta"]],
        )
    directions = np.zeros((system.size, 0))
    held: Any = np.eye(system.size)
    if neutral.any():
        # remove the spectral projector of the neutral eigenvalues
        r, l = right[:, neutral], left[:, neutral]
        projector = np.real(r @ np.linalg.solve(l.conj().T @ r, l.conj().T))
        held = held - projector
        directions = np.linalg.qr(np.real(r))[0]
    part = held @ matrix
    forced = held @ noise @ held.T
    if discrete:
        covariance = scipy.linalg.solve_discrete_lyapunov(part, forced, method="direct")
    else:
        # neutral directions decay at unit rate in the auxiliary problem, where nothing drives them
        covariance = scipy.linalg.solve_continuous_lyapunov(
            part - (np.eye(system.size) - held), -forced
        )
    p = len(system.family.names)
    columns = directions[:p]
    return StationaryLaw(
        names=system.family.names,
        theta=vector[:p],
        neutral=columns,
        exact=system.family.location,
        _matrix=matrix,
        _covariance=np.asarray((covariance + covariance.T) / 2),
    )


__all__ = [
    "FinitePoolPath",
    "StationaryLaw",
    "Variant",
    "finite_pool_path",
    "flow_covariance",
    "flow_rates",
    "flow_stationary_law",
    "stationary_law",
]
