"""A stored run as a model: draws, reconstructions and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import JointEnergy

from .data import Points
from .fast import fast
from .learner import Learner
from .model import at_theta
from .sampling import Draws, draw_model
from .scores import ALPHA, Scores, compare
from .session import reopen
from .states import stored_state
from .truth import Truth, fresh_truth, from_rows

if TYPE_CHECKING:
    from solvers.learning.state import LearningState

    from .reconstruction import Reconstruction


@dataclass(frozen=True)
class TrainedModel:
    """The learned energy with the state it was learned in."""

    learner: Learner
    state: LearningState

    @property
    def title(self) -> str:
        """What was learned."""
        return self.learner.config.title

    @property
    def points(self) -> Points:
        """The data of the run."""
        return self.learner.points

    @cached_property
    def energy(self) -> JointEnergy:
        """At the learned theta."""
        energy: JointEnergy = at_theta(self.learner.energy, self.state.learned)
        return energy

    @cached_property
    def fast(self) -> Any:
        """The same for long chains."""
        return fast(self.energy)

    def draw(self, n: int, *, seed: int, steps: int | None = None) -> Draws:
        """n draws of (x, z) as the model sees them."""
        config = self.learner.config
        return draw_model(
            self.fast.joint(),
            np.asarray(self.state.pool, dtype=np.float64),
            n,
            steps=config.evaluation.sampling_steps if steps is None else steps,
            step_size=config.training.pool_step * self.state.step_scale,
            temperature=config.training.temperature,
            seed=seed,
        )

    def draw_points(self, n: int, *, seed: int) -> FloatArray:
        """n draws of x in the reader's units."""
        draws = self.draw(n, seed=seed)
        return self.points.units.outside(draws.values[:, : self.energy.dim_x])

    def truth(self, *, seed: int, n: int | None = None) -> Truth:
        """True points that training did not see."""
        config = self.learner.config
        return fresh_truth(
            self.learner.source,
            self.points,
            n=n or config.evaluation.n,
            blocks=2 * config.evaluation.pairs,
            seed=seed,
        )

    def evaluate(self, data: Path | None, *, n: int | None, seed: int, likelihood: bool) -> Scores:
        """Scores against a file's rows, or against fresh data."""
        if data is None:
            truth = self.truth(seed=seed, n=n)
        else:
            config = self.learner.config.evaluation
            rows = self._rows(data, missing=False)
            truth = from_rows(rows, n or config.n, 2 * config.pairs, seed, f"rows of {data.name}")
        draws = self.draw_points(truth.n * len(truth.blocks) // 2, seed=seed)
        scores = compare(draws, truth, self.points.units, self.learner.source)
        return self.with_likelihood(scores, truth, seed) if likelihood else scores

    def with_likelihood(self, scores: Scores, truth: Truth, seed: int) -> Scores:
        """The same scores with the bracket of the mean log-density of the true points."""
        if self.learner.config.training.temperature != 1.0:
            return replace(scores, notes=(*scores.notes, "no likelihood: the temperature is not 1"))
        from .evidence import log_likelihood

        bracket = log_likelihood(
            self.fast,
            truth.blocks.reshape(-1, truth.blocks.shape[2]),
            self.points.units,
            np.asarray(self.state.pool, dtype=np.float64),
            seed=seed,
            alpha=ALPHA,
        )
        return replace(scores, likelihood=bracket)

    def reconstruct(
        self, data: Path, *, missing: str | None, draws: int, seed: int
    ) -> Reconstruction:
        """Fills in what is missing in a file's rows."""
        rows = self._rows(data, missing=True)
        gaps = np.isnan(rows)
        if missing is not None:
            gaps = gaps.copy()
            gaps[:, list(missing_coordinates(missing, self.points))] = True
        return self.fill_in(rows, gaps, draws=draws, seed=seed)

    def fill_in(
        self, rows: FloatArray, missing: npt.NDArray[np.bool_], *, draws: int, seed: int
    ) -> Reconstruction:
        """Draws of the missing entries (n, d) of rows (n, d) in the reader's units."""
        from .reconstruction import fill_in

        return fill_in(self, rows, missing, draws=draws, seed=seed)

    def _rows(self, data: Path, *, missing: bool) -> FloatArray:
        from .points import read_points

        asked = self.learner.config.data
        found = read_points(data, array=asked.array, missing=missing)
        if asked.columns is not None and found.values.shape[1] != self.points.dim:
            found = read_points(data, array=asked.array, columns=asked.columns, missing=missing)
        if found.values.shape[1] != self.points.dim:
            raise ArgumentError(
                f"the model has {self.points.dim} coordinates "
                f"({', '.join(self.points.coordinates)}), {data.name} has {found.values.shape[1]}"
            )
        return found.values


def missing_coordinates(text: str, points: Points) -> tuple[int, ...]:
    """``"1,2"`` or names of coordinates as numbers from 0."""
    from ..discovery import nearest

    names = list(points.coordinates)
    found: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        if part in names:
            found.append(names.index(part))
        elif part.isdigit() and int(part) < len(names):
            found.append(int(part))
        else:
            raise ArgumentError(
                f"--missing names coordinates 0 to {len(names) - 1} ({', '.join(names)}), got "
                f"{part!r}{nearest(part, names)}"
            )
    return tuple(dict.fromkeys(found))


def open_trained(path: Path) -> TrainedModel:
    """The model of a run's last good state.

    Raises
    ------
    ArgumentError
        No run there, nothing trained yet, or a checkpoint that is cut short or of another model.
    """
    session = reopen(path)
    state: Any = stored_state(session.learner, session.folder)
    return TrainedModel(session.learner, state)
