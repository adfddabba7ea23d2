"""A model, its data, and how it is trained: everything between a configuration and the solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import JointEnergy

from .config import Config
from .data import Points
from .diagnosis import Reading, take_reading
from .model import at_theta
from .sampling import evenly
from .settings import Backend, back_end, latent_law, learning_settings, pool_law, precision

if TYPE_CHECKING:
    from solvers.learning.problem import LearningProblem
    from solvers.learning.settings import LearningSettings
    from solvers.learning.state import LearningState
    from solvers.learning.train import LearningRun
    from solvers.noise import Noise

    from .sources import Source


@dataclass(frozen=True, kw_only=True)
class Learner:
    """One learner.

    Parameters
    ----------
    config : Config
    energy : JointEnergy
        At the theta where learning starts.
    points : Points
    source : Source or None
        Where more points can be drawn from; None where they came from a file.
    """

    config: Config
    energy: JointEnergy
    points: Points
    source: Source | None

    @property
    def noise(self) -> Noise:
        """Of training."""
        from solvers.noise import Noise

        return Noise(self.config.seed, "train")

    @property
    def settings(self) -> LearningSettings:
        """As the solver takes them."""
        return learning_settings(self.config.training, self.energy, len(self.points.train))

    @property
    def backend(self) -> Backend:
        """numba or torch."""
        return back_end(self.config.training)

    def problem(self) -> LearningProblem:
        """What the solver is asked; raises ArgumentError where it would refuse."""
        from solvers.learning.problem import learning_problem

        return learning_problem(self.energy, self.points.seen, self.settings, self.noise)

    def start(self) -> LearningState:
        """Theta of the energy, latents from their law, the pool from its law or from the data."""
        training = self.config.training
        pool: Any = pool_law(training, self.energy)
        if pool is None:
            pool = self._pool_from_data()
        return self.problem().start(latent_law(training, self.energy), pool)

    def _pool_from_data(self) -> FloatArray:
        """Rows drawn from the data, each with a latent of its own."""
        count, data = self.config.training.pool, self.points.seen
        own, law = (
            self.noise.derive("pool from data"),
            latent_law(self.config.training, self.energy),
        )
        chance = own.uniforms(count, 0, 2, backend="numba")
        rows = evenly(chance[:, 0], len(data))
        latents = law.push_normals(chance[:, 1], own.normals(count, 0, law.dim, backend="numba"))
        return np.hstack([data[rows], latents])

    def advance(self, state: LearningState, updates: int) -> LearningRun:
        """The solver's run of some updates from a state."""
        from solvers.learning.train import train

        training = self.config.training
        return train(
            self.energy,
            self.points.seen,
            self.settings,
            noise=self.noise,
            updates=updates,
            start=state,
            record_every=training.record_every,
            observe_every=state.update + updates,
            backend=self.backend,
            dtype=precision(training, formula=self.config.model.neural is None),
            device=training.device,
            threads=training.threads,
        )

    def look(self, run: LearningRun, seconds: float) -> Reading:
        """A reading of the state in which a run ended."""
        training = self.config.training
        return take_reading(
            at_theta(self.energy, run.final.theta),
            run.final,
            {name: values[-1] for name, values in run.records.items()},
            seconds=seconds,
            pool_step=training.pool_step * run.final.step_scale,
            temperature=training.temperature,
            noise=self.noise.derive("diagnosis"),
        )
