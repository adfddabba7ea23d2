"""What a learner's state says of the run: energies of both phases, acceptance, moments.

The saddle functional J = E_p E - E_data E_q E + E_data H(q) - H(p) has entropies that particles do
not give; its energy part, E_p E - E_data E_q E, is what theta ascends and what is shown.

The acceptance is that which a Metropolis test would have had at the next step of the pool,

    E min(1, e^A),  A = (U(x) - U(y))/T + (|y - x + h U'(x)|^2 - |x - y + h U'(y)|^2)/(4 T h):

near 1 the step is short; below a half the unadjusted chain samples another law than exp(-U/T).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.protocols import Energy, JointEnergy
from solvers.noise import Noise

FloatArray = npt.NDArray[np.float64]
# enough for a few per cent; a reading must cost less than the updates between two of them
MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One look at a learner.

    Attributes
    ----------
    update : int
    seconds : float
        Of training so far.
    pool_energy, conditional_energy : float
        E_p E and E_data E_q E.
    gradient_norm, theta_norm : float
    acceptance : float
        Of the pool, in [0, 1].
    pool_mean, pool_sd : tuple of float
        By coordinate of (x, z).
    """

    update: int
    seconds: float
    pool_energy: float
    conditional_energy: float
    gradient_norm: float
    theta_norm: float
    acceptance: float
    pool_mean: tuple[float, ...]
    pool_sd: tuple[float, ...]

    @property
    def contrast(self) -> float:
        """The energy part of J."""
        return self.pool_energy - self.conditional_energy

    @property
    def size(self) -> float:
        """Root mean square distance of the pool from the origin."""
        return float(np.sqrt(np.square(self.pool_mean).sum() + np.square(self.pool_sd).sum()))


def take_reading(
    energy: JointEnergy,
    data: FloatArray,
    latents: FloatArray,
    pool: FloatArray,
    *,
    update: int,
    seconds: float,
    gradient_norm: float,
    theta_norm: float,
    pool_step: float,
    temperature: float,
    noise: Noise,
) -> Reading:
    """A look at particles under the energy at the present theta.

    Parameters
    ----------
    energy : JointEnergy at the present theta
    data : array (n, dim_x)
    latents : array (n, K, dim_z)
    pool : array (M, dim_x + dim_z)
    noise : Noise
        Of the proposals; a reading leaves the run's own noise alone.
    """
    joint = energy.joint()
    few = np.asarray(pool[:MOST], dtype=np.float64)
    chosen = slice(None, None, max(1, len(data) // MOST))
    clamped = np.hstack([data[chosen], np.asarray(latents[chosen, 0], dtype=np.float64)])
    with np.errstate(all="ignore"):
        here = joint.potential(few)
        acceptance = metropolis_acceptance(
            joint, few, here, pool_step, temperature, noise.normals(len(few), update, joint.dim)
        )
        return Reading(
            update=update,
            seconds=seconds,
            pool_energy=float(here.mean()),
            conditional_energy=float(joint.potential(clamped).mean()),
            gradient_norm=gradient_norm,
            theta_norm=theta_norm,
            acceptance=acceptance,
            pool_mean=tuple(map(float, np.mean(pool, axis=0, dtype=np.float64))),
            pool_sd=tuple(map(float, np.std(pool, axis=0, dtype=np.float64))),
        )


def metropolis_acceptance(
    joint: Energy,
    x: FloatArray,
    potential: FloatArray,
    step: float,
    temperature: float,
    normals: FloatArray,
) -> float:
    """E min(1, e^A) over particles x (n, d) with their potential (n,) and normals (n, d)."""
    gradient = joint.gradient(x)
    y = x - step * gradient + np.sqrt(2 * temperature * step) * normals
    back = x - y + step * joint.gradient(y)
    log_ratio = (potential - joint.potential(y)) / temperature + (
        2 * temperature * step * np.square(normals).sum(1) - np.square(back).sum(1)
    ) / (4 * temperature * step)
    accepted = np.exp(np.minimum(log_ratio, 0.0))
    return float(np.where(np.isnan(accepted), 0.0, accepted).mean())
