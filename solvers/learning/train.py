"""One learner, from start to end: records, divergence, checkpoints, progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError

from ..noise import Noise
from ..noise.backends import Real
from .engine import Engine, Stopped, Track
from .problem import LearningProblem, Start, learning_problem, named
from .settings import LearningSettings
from .state import LearningState
from .update import Update

FloatArray = npt.NDArray[np.float64]
Backend = Literal["numba", "torch"]
Progress = Callable[[int, int, dict[str, Any]], None]

_PIECE = 4096  # updates between looks at the particles, at most


@dataclass(frozen=True, kw_only=True)
class LearningRun:
    """What a run leaves behind.

    Attributes
    ----------
    updates : array (T,)
        Numbers u of updates, multiples of ``record_every``; rows below are taken after u updates.
    times : array (T,)
        s = u h_p K_in.
    theta, gradient : array (T, n_theta)
        theta_u and the g that led to it.
    records : dict
        ``updates`` (O,) of the observations, and at each ``conditional_energy``,
        ``joint_energy`` (O,), ``latent_mean``, ``latent_covariance``, ``pool_mean``,
        ``pool_covariance``, ``gradient_norm`` (O,).
    initial, final : LearningState
    info : dict
        ``backend``, ``names`` of the entries of theta, ``updates``, ``time``.
    """

    updates: npt.NDArray[np.int64]
    times: FloatArray
    theta: FloatArray
    gradient: FloatArray
    records: dict[str, Any]
    initial: LearningState
    final: LearningState
    info: dict[str, Any] = field(default_factory=dict)


def train(
    energy: Any,
    data: npt.ArrayLike,
    settings: LearningSettings,
    *,
    noise: Noise,
    updates: int,
    start: LearningState | None = None,
    latent_start: Start | None = None,
    pool_start: Start | None = None,
    record_every: int = 1,
    backend: Backend = "numba",
    dtype: Real = "float64",
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
    update: Update | None = None,
    observe_every: int | None = None,
) -> LearningRun:
    """Learn theta by ``updates`` updates of the particle algorithm.

    Parameters
    ----------
    energy : JointEnergy
        theta starts from its parameters.
    data : array (n, dim_x)
    settings : LearningSettings
    noise : Noise
        The same noise gives the same run on every back end, to rounding.
    updates : int
        Updates to make now.
    start : LearningState, optional
        Go on from here, with the same noise, settings and data.
    latent_start, pool_start : InitialLaw or array, optional
        Where particles start; by default N(0, I), and N(data mean, data variances) x N(0, I).
    record_every : int
        Updates between records of theta and g.
    backend : {"numba", "torch"}
    dtype : {"float64", "float32"}
        Of the particles.
    device : str
        For torch.
    threads : int, optional
        The result does not depend on it.
    progress : callable (updates done, updates in all, observation), optional
    update : Update, optional
        Another description of one update than the settings' order.
    observe_every : int, optional
        Updates between records of energies and moments; by default about a hundred in all.

    Raises
    ------
    ArgumentError
        Unusable arguments, before any work.
    SolverError
        Theta or particles stopped being finite, or Z diverged; carries the update and the last
        good ``LearningState``.
    """
    problem = learning_problem(energy, data, settings, noise, update)
    whole("updates", updates, 0)
    whole("record_every", record_every, 1)
    if observe_every is not None:
        whole("observe_every", observe_every, 1)
    if start is None:
        start = problem.start(latent_start, pool_start)
    engine = _engine(problem, backend, dtype, device, threads)
    observing = observe_every or max(1, updates // 100)
    try:
        return _run(engine, problem, start, updates, record_every, observing, progress)
    finally:
        engine.close()


def _engine(
    problem: LearningProblem, backend: str, dtype: Real, device: str, threads: int | None
) -> Engine:
    if backend == "numba":
        from .formula_engine import FormulaEngine

        return FormulaEngine(problem, dtype=dtype, threads=threads)
    raise ArgumentError(f"a back end is numba or torch, got {backend!r}")


def _run(
    engine: Engine,
    problem: LearningProblem,
    start: LearningState,
    updates: int,
    record_every: int,
    observe_every: int,
    progress: Progress | None,
) -> LearningRun:
    first, last = start.update, start.update + updates
    stops = sorted(
        {
            last,
            *(u for u in range(first + 1, last) if u % observe_every == 0),
            *range(first + _PIECE, last, _PIECE),
        }
    )
    tracks: list[Track] = []
    observations: list[dict[str, Any]] = []
    good = start
    try:
        engine.begin(start)
        limit = 1e8 * (1.0 + _largest(problem, start))
        for stop in stops:
            tracks.append(engine.advance(stop, record_every))
            seen = engine.observe()
            if not seen["largest"] < limit:
                raise Stopped(stop - 1, "particles ran away", engine.state().theta)
            good = engine.state()
            if stop % observe_every == 0 or stop == last:
                gradient = good.averages[1] - good.averages[0]
                seen |= {"updates": stop, "gradient_norm": float(np.linalg.norm(gradient))}
                observations.append(seen)
                if progress is not None:
                    progress(stop - first, updates, seen)
    except Stopped as stopped:
        raise SolverError(
            f"{stopped.reason}, at {named(problem.names, tuple(stopped.theta))}",
            step=stopped.update,
            last_state=good,
        ) from None
    recorded = np.concatenate([t.updates for t in tracks]) if tracks else np.zeros(0, np.int64)
    return LearningRun(
        updates=recorded,
        times=recorded * problem.settings.time_per_update,
        theta=np.concatenate([t.theta for t in tracks]),
        gradient=np.concatenate([t.gradient for t in tracks]),
        records={
            name: np.array([seen[name] for seen in observations])
            for name in (observations[0] if observations else ())
            if name != "largest"
        },
        initial=start,
        final=good,
        info={
            "backend": engine.backend,
            "names": problem.names,
            "updates": updates,
            "time": updates * problem.settings.time_per_update,
        },
    )


def _largest(problem: LearningProblem, start: LearningState) -> float:
    return max(float(np.max(np.abs(a))) for a in (problem.data, start.latents, start.pool))


def whole(name: str, value: object, least: int) -> None:
    """Refuse what is not a whole number >= least."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{name} needs to be a whole number >= {least}, got {value!r}")
