"""The last good state of a run, with the curves that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..netcdf import write_datasets
from .curves import Curves
from .folder import RunFolder
from .learner import Learner

if TYPE_CHECKING:
    from solvers.learning.state import LearningState


def store(learner: Learner, folder: RunFolder, state: LearningState, curves: Curves) -> None:
    """Curves first, then the state: a checkpoint never lacks its history."""
    from solvers.learning.checkpoint import save

    write_datasets(folder.curves_file, curves.datasets(learner.energy))
    save(
        folder.checkpoint,
        state,
        learner.energy,
        learner.settings,
        learner.noise,
        data=learner.points.seen,
    )


def stored_state(learner: Learner, folder: RunFolder) -> LearningState:
    """The stored state.

    Raises
    ------
    ArgumentError
        There is none, it is cut short, or it belongs to another model or version.
    """
    from solvers.learning.checkpoint import load

    return load(
        folder.checkpoint,
        learner.energy,
        learner.settings,
        learner.noise,
        data=learner.points.seen,
    )


def resume(learner: Learner, folder: RunFolder) -> tuple[LearningState, Curves]:
    """The stored state and its history; the start, which is then stored, where there is none."""
    if folder.checkpoint.exists():
        state = stored_state(learner, folder)
        return state, Curves.stored(folder, state.update)
    state = learner.start()
    store(learner, folder, state, Curves())
    return state, Curves()
