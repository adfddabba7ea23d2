"""The law of theta with finitely many particles in continuous time, for a quadratic joint energy.

    ds = b(s) ds + noise,     C' = A C + C A' + Q,     A = D b

for theta and the averages of ``raw_moments``: exact for location families, else of leading order
in 1/M and 1/(nK). The same numbers come from the adjoint on grids (``fluctuations``) by a route
that shares nothing with this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from .closed_form import check_speeds, check_starts, checked_times
from .closed_form_discrete import complex_step_jacobian
from .finite_pools import FinitePoolPath, check_counts
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, equilibrium
from .raw_moments import RawMoments
from .stationary_law import StationaryLaw, stationary
from .wick import wick


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
    """Mean and covariance of theta at times of the flow, K latents per datum and M in the pool.

    Parameters as ``solve_closed_form``; ``gradient_noise`` tau adds sqrt(2 eta tau) dB to theta.
    """
    from scipy.integrate import solve_ivp

    system = _system(energy, data, latents, pool, learned)
    family = system.family
    check_speeds(eta, latent_speed)
    check_starts(family, latent_start, pool_start)
    asked = checked_times(times)
    mean, covariance = system.start(family.start(theta_start), latent_start, pool_start)
    n, p = system.size, len(family.names)

    def slope(_: float, y: FloatArray) -> FloatArray:
        vector, c = y[:n], y[n:].reshape(n, n)
        matrix, noise = _linearised(system, vector, eta, latent_speed, gradient_noise)
        moved = matrix @ c
        rate = drift(system, vector, eta, latent_speed)
        return np.concatenate([rate, (moved + moved.T + noise).ravel()])

    start = np.concatenate([mean, covariance.ravel()])
    rows = start[None]
    if asked[-1] > 0:
        # the covariance is of order 1/M: an absolute tolerance of its own
        floor = np.full(start.size, tolerance)
        floor[n:] /= max(latents, pool)
        run = solve_ivp(
            slope,
            (0.0, float(asked[-1])),
            start,
            method="DOP853",
            t_eval=asked,
            rtol=tolerance,
            atol=floor,
        )
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
    system = _system(energy, data, latents, pool, learned)
    family = system.family
    check_speeds(eta, latent_speed)
    vector = system.vector(equilibrium(family, family.start(theta)))
    push = np.abs(drift(system, vector, eta, latent_speed)).max()
    if push > 1e-6 * (1 + np.abs(vector).max()):
        raise ArgumentError(f"theta is no stationary point: the flow moves it at rate {push:.3g}")
    matrix, noise = _linearised(system, vector, eta, latent_speed, gradient_noise)
    return stationary(
        family.names,
        vector[: len(family.names)],
        matrix,
        noise,
        discrete=False,
        exact=family.location,
    )


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
    system = _system(energy, data, 1, 1, learned)
    check_speeds(eta, latent_speed)
    vector = system.vector(equilibrium(system.family, system.family.start(theta)))
    matrix, _ = _linearised(system, vector, eta, latent_speed, 0.0)
    rates = np.linalg.eigvals(matrix).astype(complex)
    return np.asarray(rates[np.lexsort((rates.imag, rates.real))])


def drift(system: RawMoments, vector: Array, eta: float, latent_speed: float) -> Array:
    """d/dt of theta and the expected averages in continuous time."""
    family, parts = system.family, system.parts
    rate = np.zeros(system.size, dtype=vector.dtype)
    quadratic, _ = family.coefficients(vector[parts["theta"]])
    k = family.dim_x
    precision, b = quadratic.precision, quadratic.shift
    inner, cross = precision[k:, k:], precision[k:, :k]
    x, xx = system.data.first, system.data.second
    w, z = vector[parts["w"]], vector[parts["z"]]
    rate[parts["theta"]] = eta * system.ascent(vector)
    rate[parts["w"]] = b - precision @ w
    rate[parts["z"]] = latent_speed * (b[k:] - cross @ x - inner @ z)
    if family.location:
        return rate
    d, dz = family.dim, family.dim_z
    ww = vector[parts["ww"]].reshape(d, d)
    xz = vector[parts["xz"]].reshape(k, dz)
    zz = vector[parts["zz"]].reshape(dz, dz)
    # written for ww that is not symmetric either, so that its odd part decays too
    own = np.outer(b, w) + np.outer(w, b) - precision @ ww - ww @ precision
    rate[parts["ww"]] = (own + 2 * np.eye(d)).ravel()
    pulled = np.outer(x, b[k:]) - xx @ cross.T - xz @ inner.T
    rate[parts["xz"]] = latent_speed * pulled.ravel()
    driven = np.outer(b[k:], z) - cross @ xz
    moved = driven + driven.T - inner @ zz - zz @ inner + 2 * np.eye(dz)
    rate[parts["zz"]] = latent_speed * moved.ravel()
    return rate


def diffusion(system: RawMoments, vector: FloatArray, latent_speed: float) -> FloatArray:
    """Covariance that the particles' noise adds per unit of time, (size, size)."""
    family = system.family
    out = np.zeros((system.size, system.size))
    first, second = system.latent_part, system.pool_part
    v_q, v_p = 2 * latent_speed * np.eye(family.dim_z), 2 * np.eye(family.dim)
    if family.location:
        out[first, first], out[second, second] = system.per_latent * v_q, v_p / system.pool
        return out
    k = family.dim_x
    (z, zz), (w, ww) = system.moments(vector)
    out[second, second] = wick(v_p, w, ww, quartic=False) / system.pool
    noise = wick(v_q, z[k:], zz[k:, k:], clamped=(system.data, zz[:k, k:]), quartic=False)
    out[first, first] = system.per_latent * noise
    return out


def _system(
    energy: JointEnergy,
    data: npt.ArrayLike,
    latents: int,
    pool: int,
    learned: Sequence[str] | None,
) -> RawMoments:
    family = GaussianFamily.of(energy, learned)
    check_counts(latents, pool)
    return RawMoments(
        family=family, data=DataMoments.of(data, family.dim_x), latents=latents, pool=pool
    )


def _linearised(
    system: RawMoments,
    vector: FloatArray,
    eta: float,
    latent_speed: float,
    gradient_noise: float,
) -> tuple[FloatArray, FloatArray]:
    """Derivative of the drift, and the covariance of the noise per unit of time."""
    matrix = complex_step_jacobian(lambda s: drift(system, s, eta, latent_speed), vector)
    noise = diffusion(system, vector, latent_speed)
    theta = system.parts["theta"]
    noise[theta, theta] += 2 * eta * gradient_noise * np.eye(theta.stop)
    return matrix, noise
