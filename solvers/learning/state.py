"""Everything that the next update needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class LearningState:
    """A learner between two updates.

    Attributes
    ----------
    update : int
        Updates made so far.
    theta : array (n_theta,)
    latents : array (n, K, dim_z)
    pool : array (M, dim_x + dim_z)
        Data coordinates first.
    averages : array (2, n_theta)
        The last averages of d_theta E in the conditional and in the joint phase.
    optimiser : mapping from name to array
        State of a ``TorchOptimizer``; empty for rates.
    average : array (n_theta,), optional
        Mean of theta over the recorded updates that count, see ``LearningSettings``.
    averaged : int
        How many those were.
    step_scale : float
        What both step sizes are multiplied by; 1 unless ``LearningSettings.acceptance`` is set.
    """

    update: int
    theta: FloatArray
    latents: Array
    pool: Array
    averages: FloatArray
    optimiser: Mapping[str, Array] = field(default_factory=dict)
    average: FloatArray | None = None
    averaged: int = 0
    step_scale: float = 1.0

    @property
    def learned(self) -> FloatArray:
        """What was learned: the average where there is one, else theta."""
        return self.theta if self.average is None else self.average
