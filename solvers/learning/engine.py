"""What ``train`` asks of an engine: the particles of one learner, moved from update to update.

An engine is made for one ``LearningProblem`` and holds theta, latents, pool, averages and the
optimiser's state in its own layout. It either owns its loop over updates (the compiled one), or
offers the stages of one update and takes its loop from ``stepped.SteppedEngine``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray

from .state import LearningState


@dataclass(frozen=True, kw_only=True)
class Track:
    """What was recorded on the way.

    Attributes
    ----------
    updates : array (t,)
        Numbers u of updates made; every row is the state after u updates.
    theta, gradient : array (t, n_theta)
        theta_u and the g that led to it.
    """

    updates: npt.NDArray[np.int64]
    theta: FloatArray
    gradient: FloatArray


class Stopped(Exception):
    """An engine stopped in the update that follows ``update`` good ones.

    Attributes
    ----------
    update : int
    reason : str
    theta : array (n_theta,)
        Where that update led.
    """

    def __init__(self, update: int, reason: str, theta: FloatArray) -> None:
        self.update, self.reason, self.theta = update, reason, theta
        super().__init__(reason)


class Engine(Protocol):
    """One learner's particles and theta."""

    @property
    def backend(self) -> str:
        """Name, for the run's info."""

    def begin(self, state: LearningState) -> None:
        """Take over a state; later calls go on from it. The state's arrays are copied."""

    def advance(self, last: int, record_every: int) -> Track:
        """Updates from the present one to ``last``; records after every u with
        u % record_every == 0.

        Raises
        ------
        Stopped
            Where theta stopped being finite, left its family, or lost its normaliser.
        """

    def state(self) -> LearningState:
        """A copy of the present state."""

    def observe(self) -> dict[str, Any]:
        """At the present theta: ``conditional_energy`` and ``joint_energy`` (means of E),
        ``latent_mean`` (dim_z,), ``latent_covariance`` (dim_z, dim_z) over all latents,
        ``pool_mean`` (d,), ``pool_covariance`` (d, d), and ``largest``, the largest coordinate in
        absolute value (not finite if any is not)."""

    def close(self) -> None:
        """Let threads go."""
