"""What a learner's state says of the run: energies of both phases, acceptance, moments.

The saddle functional J = E_p E - E_data E_q E + E_data H(q) - H(p) has entropies that particles do
not give; its energy part, E_p E - E_data E_q E, is what theta ascends and what is shown.

The acceptance is that which a Metropolis test would have had at the next step of the pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.protocols import JointEnergy

if TYPE_CHECKING:
    from solvers.learning.state import LearningState
    from solvers.noise import Noise

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
    state: LearningState,
    observed: Mapping[str, Any],
    *,
    seconds: float,
    pool_step: float,
    temperature: float,
    noise: Noise,
) -> Reading:
    """A look at a learner.

    Parameters
    ----------
    energy : JointEnergy
        At the state's theta.
    observed : mapping
        What the solver recorded at this state: energies, moments, the gradient's norm.
    noise : Noise
        Of the proposals; a reading leaves the run's own noise alone.
    """
    from solvers.learning.acceptance import metropolis_acceptance

    joint = energy.joint()
    few = np.asarray(state.pool[:MOST], dtype=np.float64)
    normals = noise.normals(len(few), state.update, joint.dim)
    with np.errstate(all="ignore"):
        acceptance = metropolis_acceptance(joint, few, normals, pool_step, temperature)
    return Reading(
        update=state.update,
        seconds=seconds,
        pool_energy=float(observed["joint_energy"]),
        conditional_energy=float(observed["conditional_energy"]),
        gradient_norm=float(observed["gradient_norm"]),
        theta_norm=float(np.linalg.norm(state.theta)),
        acceptance=acceptance,
        pool_mean=tuple(map(float, observed["pool_mean"])),
        pool_sd=tuple(map(float, np.sqrt(np.diag(observed["pool_covariance"])))),
    )
