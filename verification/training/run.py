"""Training, piece by piece: between two pieces the run is looked at, stored, and can be stopped.

A piece is some updates made by one call of the solver. How long pieces are, which depends on the
machine, does not change the numbers: noise is addressed by the update, the state is all that the
next update needs, and readings are kept, judged and followed by a checkpoint at updates that the
configuration alone decides. Between these a reading is only shown.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.errors import SolverError

from .curves import Curves
from .diagnosis import Reading
from .folder import RunFolder
from .learner import Learner
from .states import resume, store
from .watch import Sign, Watch

if TYPE_CHECKING:
    from solvers.learning.state import LearningState
    from solvers.learning.train import LearningRun

    from .config import Training

# seconds between two looks: often enough to be live, seldom enough to cost nothing
PIECE_SECONDS = 0.7
# readings kept of a run: curves need points
LOOKS = 100
# of them in a row with a sign of divergence: the run is lost
LOST = 10


@dataclass(frozen=True, kw_only=True)
class Step:
    """The run after a piece.

    Attributes
    ----------
    reading : Reading
    signs : sequence of Sign
        Of divergence; none for a healthy run.
    total : int
        Updates asked for.
    seconds_left : float or None
        At the speed so far; None while only the first piece, which also compiles, is known.
    """

    reading: Reading
    signs: Sequence[Sign]
    total: int
    seconds_left: float | None


@dataclass(kw_only=True)
class Speed:
    """Updates per second; the first piece, which also compiles, does not count."""

    pieces: int = 0
    updates: int = 0
    seconds: float = 0.0

    def add(self, updates: int, seconds: float) -> None:
        """Takes in a piece."""
        self.pieces += 1
        if self.pieces > 1:
            self.updates += updates
            self.seconds += seconds

    def left(self, updates: int) -> float | None:
        """Seconds that some updates will take; None where no speed is known."""
        if updates == 0:
            return 0.0
        return updates * self.seconds / self.updates if self.updates else None


Listener = Callable[[Step], None]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run that made its last update.

    Attributes
    ----------
    state, curves
        At the last good state: at the last update, unless signs of divergence stood there.
    signs : tuple of Sign
        Of divergence that stood at the last update.
    """

    state: LearningState
    curves: Curves
    signs: tuple[Sign, ...]


def silent(step: Step) -> None:
    """Listens and says nothing."""


def run_training(learner: Learner, folder: RunFolder, listener: Listener = silent) -> Trained:
    """All updates from the folder's checkpoint, or from the start.

    While signs of divergence stand, the checkpoint stays where it was: at the last good state.

    Raises
    ------
    SolverError
        Theta or particles stopped being finite, or Z diverged, or signs of divergence stood for
        ``LOST`` looks in a row: names theta or the signs, the update, and where the last good
        state is.
    KeyboardInterrupt
        Passed on, once the last finished piece is stored.
    """
    training = learner.config.training
    state, curves = resume(learner, folder)
    begun, before = time.monotonic(), curves.seconds
    stored, speed = state.update, Speed()
    watch = Watch(size=_size(learner), dim=state.pool.shape[1])
    signs: tuple[Sign, ...] = ()
    standing = 0
    for reading in curves.readings:
        standing = standing + 1 if watch.look(reading) else 0
    count, stride = training.record_every, look_every(training)
    try:
        while state.update < training.updates:
            clock = time.monotonic()
            until = min(training.updates, (state.update // stride + 1) * stride)
            count = min(count, until - state.update)
            run = _advance(learner, folder, state, count)
            state = run.final
            seconds = time.monotonic() - clock
            speed.add(count, seconds)
            curves.add(run)
            reading = learner.look(run, before + time.monotonic() - begun)
            if state.update == until:
                curves.look(reading)
                signs = tuple(watch.look(reading))
                standing = standing + 1 if signs else 0
                done = state.update >= training.updates
                every = training.checkpoint_every
                if not signs and (done or state.update // every > stored // every):
                    store(learner, folder, state, curves)
                    stored = state.update
            listener(
                Step(
                    reading=reading,
                    signs=signs,
                    total=training.updates,
                    seconds_left=speed.left(training.updates - state.update),
                )
            )
            if standing >= LOST:
                raise _lost(learner, folder, signs, state.update)
            count = min(_next_count(count, seconds, training.record_every), stride)
    except KeyboardInterrupt:
        if not signs and state.update > stored:
            store(learner, folder, state, curves)
        raise
    if signs:
        state, curves = resume(learner, folder)
    return Trained(state=state, curves=curves, signs=signs)


def look_every(training: Training) -> int:
    """Updates between two readings that are kept: a multiple of those between recorded points."""
    return max(1, training.updates // LOOKS // training.record_every) * training.record_every


def _size(learner: Learner) -> float:
    """Root mean square distance of the pool from the origin at the start."""
    return float(np.sqrt(np.square(learner.start().pool).sum(axis=1).mean()))


def _next_count(count: int, seconds: float, record_every: int) -> int:
    """Updates of the next piece, at most four times those of the last, in whole records."""
    wanted = count * PIECE_SECONDS / max(seconds, 1e-3)
    bounded = min(max(wanted, count / 4), 4 * count)
    return max(1, round(bounded / record_every)) * record_every


def _lost(learner: Learner, folder: RunFolder, signs: Sequence[Sign], update: int) -> SolverError:
    kept, _ = resume(learner, folder)
    said = "; ".join(f"{sign.name}: {sign.sentence}" for sign in signs)
    stopped = SolverError(
        f"training stopped after update {update}: not learned, signs of divergence stood at "
        f"{LOST} looks in a row ({said}); the last good state, at update {kept.update}, is kept in "
        f"{folder.path}",
        last_state=kept,
    )
    stopped.step = update  # the sentence has it already
    return stopped


def _advance(learner: Learner, folder: RunFolder, state: LearningState, count: int) -> LearningRun:
    from solvers.learning.stability import StepSizeWarning

    try:
        with warnings.catch_warnings():
            # said before the start; each piece would say it again
            warnings.simplefilter("ignore", StepSizeWarning)
            return learner.advance(state, count)
    except SolverError as error:
        kept, _ = resume(learner, folder)
        stopped = SolverError(
            f"training stopped after update {error.step}: {error.reason}; the last good state, at "
            f"update {kept.update}, is kept in {folder.path}",
            last_state=kept,
        )
        stopped.step = error.step  # the sentence has it already
        raise stopped from error
