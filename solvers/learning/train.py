"""One learner, from start to end: records, divergence, checkpoints, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from ..noise.backends import Real
from .averaging import with_average
from .checkpoint import save
from .divergence import check_sound, diverged, error_at, far_from
from .engine import Engine, Stopped, Track
from .judge import Judge
from .problem import LearningProblem, Start, learning_problem
from .settings import LearningSettings
from .stability import warn_of_steps
from .state import LearningState
from .update import Update

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
        ``pool_covariance``, ``gradient_norm`` (O,), and what the schemes report.
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
    observe_every: int | None = None,
    backend: Backend = "numba",
    dtype: Real = "float64",
    device: str = "cpu",
    threads: int | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int | None = None,
    progress: Progress | None = None,
    update: Update | None = None,
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
        Updates between records of theta and g, and of theta for its average.
    observe_every : int, optional
        Updates between records of energies and moments; by default about a hundred in all.
    backend : {"numba", "torch"}
    dtype : {"float64", "float32"}
        Of the particles.
    device : str
        For torch: "cpu" or "cuda".
    threads : int, optional
        The result does not depend on it.
    checkpoint : path, optional
        File that holds the last good state: after every ``checkpoint_every`` updates and at the
        end. To go on from it, ``start=checkpoint.load(...)``.
    progress : callable (updates done, updates in all, observation), optional
    update : Update, optional
        Another description of one update than the settings' order.

    Raises
    ------
    ArgumentError
        Unusable arguments, before any work.
    SolverError
        Theta or particles stopped being finite, or Z diverged; names theta, carries the number of
        the update and the last good ``LearningState``.

    Warns
    -----
    StepSizeWarning
        A step size beyond the stability limit.
    """
    problem = learning_problem(energy, data, settings, noise, update)
    whole("updates", updates, 0)
    whole("record_every", record_every, 1)
    for name, value in (("observe_every", observe_every), ("checkpoint_every", checkpoint_every)):
        if value is not None:
            whole(name, value, 1)
    if checkpoint_every is not None and checkpoint is None:
        raise ArgumentError("checkpoint_every needs a file: checkpoint=path")
    if checkpoint is not None and start is None and Path(checkpoint).exists():
        raise ArgumentError(
            f"{checkpoint} exists: go on from it by start=checkpoint.load(...), or remove it"
        )
    if start is None:
        start = problem.start(latent_start, pool_start)
    else:
        problem.check(start)
    if start.update == 0:
        warn_of_steps(problem, start)
    engine = make_engine(problem, backend, dtype, device, threads)
    try:
        return _Run(
            engine=engine,
            problem=problem,
            start=start,
            last=start.update + updates,
            record_every=record_every,
            observe_every=observe_every or max(1, updates // 100),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            checkpoint_every=checkpoint_every,
            progress=progress,
        ).go()
    finally:
        engine.close()


def make_engine(
    problem: LearningProblem, backend: str, dtype: Real, device: str, threads: int | None
) -> Engine:
    """The engine for a problem.

    Raises
    ------
    ArgumentError
        For a back end that cannot run this energy, or a device that is not there.
    """
    if backend not in ("numba", "torch"):
        raise ArgumentError(f"a back end is numba or torch, got {backend!r}")
    if dtype not in ("float64", "float32"):
        raise ArgumentError(f"particles are float64 or float32, got {dtype!r}")
    if backend == "numba" and device != "cpu":
        raise ArgumentError(f"numba runs on the CPU; ask for backend='torch' on {device}")
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise ArgumentError(f"the device {device!r} was asked for, and torch sees no GPU")
    if hasattr(problem.energy, "network"):
        from .neural_engine import neural_engine

        return neural_engine(problem, backend=backend, dtype=dtype, device=device, threads=threads)
    if problem.settings.acceptance is not None:
        raise ArgumentError(
            "step sizes follow the acceptance for neural energies only; acceptance must be None "
            f"for {problem.energy.name}"
        )
    if backend == "numba":
        from .formula_engine import FormulaEngine

        return FormulaEngine(problem, dtype=dtype, threads=threads)
    if getattr(problem.energy, "formula", None) is not None:
        from .torch_engine import torch_engine

        return torch_engine(problem, dtype=dtype, device=device, threads=threads)
    raise ArgumentError(f"{problem.energy.name} is neither a formula nor a neural energy")


@dataclass(kw_only=True)
class _Run:
    """A run in pieces: between two of them it is looked at, recorded and stored."""

    engine: Engine
    problem: LearningProblem
    start: LearningState
    last: int
    record_every: int
    observe_every: int
    checkpoint: Path | None
    checkpoint_every: int | None
    progress: Progress | None
    tracks: list[Track] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)

    def go(self) -> LearningRun:
        """All pieces."""
        good, problem = self.start, self.problem
        judge = Judge(problem)
        self._normalisable(judge, good)
        stops, far = self._stops(), far_from(problem, good)
        try:
            self.engine.begin(good)
        except Stopped as stopped:
            raise error_at(problem, stopped, good.update, good) from None
        for stop in stops:
            try:
                self.tracks.append(self.engine.advance(stop, self.record_every))
                seen = self.engine.observe()
                check_sound(self.engine, seen, far)
            except Stopped as stopped:
                raise diverged(self.engine, problem, stopped, good, stop, far) from None
            now = with_average(
                self.engine.state(), good, self.tracks[-1], problem.settings.averaging_after
            )
            if self._due(stop, self.checkpoint_every):
                self._normalisable(judge, now, good)
            good = now
            self._look(stop, good, seen)
            if self.checkpoint is not None and self._due(stop, self.checkpoint_every):
                save(
                    self.checkpoint, good, problem.energy, problem.settings, problem.noise,
                    update=problem.update, data=problem.data,
                )  # fmt: skip
        return self._finished(good)

    def _due(self, stop: int, every: int | None) -> bool:
        return stop == self.last or (every is not None and stop % every == 0)

    def _stops(self) -> Sequence[int]:
        first, last = self.start.update, self.last
        stops = {last, *range(first + _PIECE, last, _PIECE)}
        for every in (self.observe_every, self.checkpoint_every):
            if every is not None:
                stops |= set(range((first // every + 1) * every, last, every))
        return sorted(stops) if last > first else []

    def _normalisable(
        self, judge: Judge, state: LearningState, good: LearningState | None = None
    ) -> None:
        reason = judge.normaliser(state.theta)
        if reason is not None:
            stopped = Stopped(state.update, reason, state.theta)
            raise error_at(self.problem, stopped, state.update, good or state)

    def _look(self, stop: int, good: LearningState, seen: dict[str, Any]) -> None:
        if stop % self.observe_every and stop != self.last:
            return
        gradient = good.averages[1] - good.averages[0]
        seen = {name: value for name, value in seen.items() if name != "largest"}
        seen |= {"updates": stop, "gradient_norm": float(np.linalg.norm(gradient))}
        self.observations.append(seen)
        if self.progress is not None:
            self.progress(stop - self.start.update, self.last - self.start.update, seen)

    def _finished(self, final: LearningState) -> LearningRun:
        thetas = len(self.problem.names)
        recorded = [t.updates for t in self.tracks]
        updates = np.concatenate(recorded) if recorded else np.zeros(0, dtype=np.int64)
        period = self.problem.settings.time_per_update
        rows = {
            name: np.concatenate([getattr(t, name) for t in self.tracks])
            if self.tracks
            else np.zeros((0, thetas))
            for name in ("theta", "gradient")
        }
        return LearningRun(
            updates=updates,
            times=np.asarray(updates * period, dtype=np.float64),
            **rows,
            records={
                name: np.array([seen[name] for seen in self.observations])
                for name in (self.observations[0] if self.observations else ())
            },
            initial=self.start,
            final=final,
            info={
                "backend": self.engine.backend,
                "names": self.problem.names,
                "updates": self.last - self.start.update,
                "time": (self.last - self.start.update) * period,
            },
        )


def whole(name: str, value: object, least: int) -> None:
    """Refuse what is not a whole number >= least."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{name} needs to be a whole number >= {least}, got {value!r}")
