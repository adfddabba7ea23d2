"""The law of theta with finitely many particles, for a quadratic joint energy.

Around the recursion of infinitely many particles, theta, the averages over the particles and the
registers of an update move by

    s_{k+1} = Phi(s_k) + xi_k,     C_{k+1} = J C_k J' + Q,     J = D Phi,  Q = Cov xi,

with J by imaginary steps through Phi itself. For location families E = (w - A theta)' P (w - A
theta)/2 this is exact for every number of particles; for other families it is the leading order in
1/M and 1/(nK).

Worked case: E = (x - t)^2/2, simultaneous, M in the pool, data known: Var(t) =
(2a/h)(2 - h + a h)/(M (1 - a)(4 - 2h + a h)), which tends to eps/M as a = eps h, h -> 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from .closed_form import check_starts
from .closed_form_discrete import Algorithm, check_settings, rate_at
from .fixed_point import fixed_point
from .gaussian_family import GaussianFamily
from .gaussian_values import DataMoments
from .raw_moments import RawMoments
from .stationary_law import StationaryLaw, stationary
from .update import Update
from .update_map import Linear, UpdateMap

_NEWTON_STEPS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class FinitePoolPath:
    """Mean (T, p) and covariance (T, p, p) of theta; ``exact``, or else of leading order.

    ``times`` (T,) are numbers of updates, or times of the flow.
    """

    names: tuple[str, ...]
    times: FloatArray
    theta: FloatArray
    covariance: FloatArray
    exact: bool


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
    update: Update | None = None,
    redraw: InitialLaw | None = None,
) -> FinitePoolPath:
    """Mean and covariance of theta after 0, record_every, ... updates with K and M particles.

    Parameters
    ----------
    energy, data, latent_start, pool_start, theta_start : as ``solve_closed_form``
    settings : every field of ``Algorithm``; a projection is not applied
    updates : number of updates, >= 0
    update : stages other than those of the settings' order
    redraw : law from which all latents are drawn anew before they move; None: they persist
    """
    system, theta = _system(energy, data, settings, theta_start)
    check_starts(system.family, latent_start, pool_start)
    if updates < 0 or record_every < 1:
        raise ArgumentError(f"updates >= 0 and record_every >= 1, got {updates}, {record_every}")
    map_ = UpdateMap.of(system, settings, update, redraw)
    mean, spread = system.start(theta, latent_start, pool_start)
    vector, p = map_.extended(mean), len(theta)
    covariance = np.pad(spread, (0, map_.size - system.size))
    times, means, covariances = [0.0], [theta], [covariance[:p, :p]]
    affine: dict[float, Linear] = {}
    for k in range(updates):
        size = rate_at(settings.rate, k)
        if system.family.location:
            # one affine map serves every update of this size
            if size not in affine:
                after, matrix, noise = map_.linearised(vector, size)
                affine[size] = (after - matrix @ vector, matrix, noise)
            offset, matrix, noise = affine[size]
            after = matrix @ vector + offset
        else:
            after, matrix, noise = map_.linearised(vector, size)
        covariance = matrix @ covariance @ matrix.T + noise
        if not (np.all(np.isfinite(after)) and np.all(np.isfinite(covariance))):
            raise SolverError("the averages diverge", step=k + 1, last_state=vector[:p])
        vector = after
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
    update: Update | None = None,
    redraw: InitialLaw | None = None,
) -> StationaryLaw:
    """The law of theta after very many updates at a constant rate (that of update 0).

    Parameters as ``finite_pool_path``; ``theta_start`` is where the fixed point is searched.

    Raises
    ------
    SolverError
        No fixed point is found, or one that repels.
    """
    system, theta = _system(energy, data, settings, theta_start)
    map_ = UpdateMap.of(system, settings, update, redraw)
    size = rate_at(settings.rate, 0)
    rest = fixed_point(energy, data, settings, theta_start=theta)
    vector = _rest(map_, map_.extended(system.vector(rest)), size)
    _, matrix, noise = map_.linearised(vector, size)
    return stationary(
        system.family.names,
        vector[: len(theta)],
        matrix,
        noise,
        discrete=True,
        exact=system.family.location,
    )


def _system(
    energy: JointEnergy, data: npt.ArrayLike, settings: Algorithm, theta: npt.ArrayLike | None
) -> tuple[RawMoments, FloatArray]:
    family = GaussianFamily.of(energy, settings.learned)
    check_settings(settings)
    check_counts(settings.latents, settings.pool)
    system = RawMoments(
        family=family,
        data=DataMoments.of(data, family.dim_x),
        latents=settings.latents,
        pool=settings.pool,
    )
    return system, family.start(theta)


def check_counts(latents: int, pool: int) -> None:
    """Refuse fewer than one latent particle per datum or one pool particle."""
    if latents < 1 or pool < 1:
        raise ArgumentError(f"at least one latent and one pool particle, got {latents}, {pool}")


def _rest(map_: UpdateMap, vector: FloatArray, size: float) -> FloatArray:
    """The fixed point of an update next to a vector, by Newton's method."""
    for _ in range(_NEWTON_STEPS):
        after, matrix, _noise = map_.linearised(vector, size)
        gap = after - vector
        if np.abs(gap).max() <= 1e-13 * (1 + np.abs(vector).max()):
            return vector
        vector = vector + np.linalg.pinv(np.eye(map_.size) - matrix, rcond=1e-10) @ gap
    raise SolverError("the averages have no fixed point here", last_state=vector)
