"""Where a run went wrong: the first update that leads to no model, found by replay.

Noise is addressed by the update, so a replay from any good state is the run itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.errors import SolverError

from .engine import Engine, Stopped
from .problem import LearningProblem, named
from .state import LearningState

#: times the size of the start: particles that far out ran away
FAR = 1e6
RAN_AWAY = "particles ran away"


def far_from(problem: LearningProblem, start: LearningState) -> float:
    """How far out a coordinate may lie before its particle has run away."""
    sizes = [float(np.max(np.abs(a))) for a in (problem.data, start.latents, start.pool)]
    return FAR * (1.0 + max(sizes))


def check_sound(engine: Engine, seen: dict[str, Any], far: float) -> None:
    """Raise ``Stopped``, at an update not yet known, where particles are beyond ``far``."""
    if not seen["largest"] <= far:
        raise Stopped(-1, RAN_AWAY, engine.state().theta)


def diverged(
    engine: Engine,
    problem: LearningProblem,
    stopped: Stopped,
    good: LearningState,
    stop: int,
    far: float,
    who: str = "",
) -> SolverError:
    """The error of a run that was good at ``good`` and failed at or before update ``stop``.

    It names theta and the failing update, and carries the last good state.
    """
    low, high = good.update, stop if stopped.update < 0 else stopped.update + 1
    while high - low > 1:
        # an exact word is tried once; where particles ran away before it, halving goes on
        middle = high - 1 if stopped.update >= 0 else (low + high) // 2
        try:
            engine.begin(good)
            engine.advance(middle, stop + 1)
            check_sound(engine, engine.observe(), far)
        except Stopped as earlier:
            high = middle if earlier.update < 0 else earlier.update + 1
            stopped = earlier
            continue
        good, low = engine.state(), middle
    return error_at(problem, stopped, low, good, who)


def error_at(
    problem: LearningProblem, stopped: Stopped, update: int, good: LearningState, who: str = ""
) -> SolverError:
    """The error for a failure in the update after ``update`` good ones."""
    return SolverError(
        f"{who}{stopped.reason}, with {named(problem.names, stopped.theta)}",
        step=update,
        last_state=good,
    )
