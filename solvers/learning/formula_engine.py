"""The compiled engine for energies that are formulas: whole runs inside one loop.

With several threads and enough particles, blocks of one update are shared out; the numbers are
the same to the last bit, for every number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError

from ..noise.backends import Real
from ..threads import thread_count
from . import judge
from .engine import Stopped, Track
from .formula_loop import FINE, NOT_FINITE, NOT_NORMALISABLE, OUTSIDE_FAMILY, loop
from .formula_side import NONE, sides_of
from .observation import observed
from .optimisers import TorchAscent
from .problem import LearningProblem
from .rates import TorchOptimizer
from .series import Series
from .state import LearningState
from .theta_moments import Moments

Array = npt.NDArray[Any]

REASONS = {
    NOT_FINITE: judge.NOT_FINITE,
    OUTSIDE_FAMILY: judge.OUTSIDE_FAMILY,
    NOT_NORMALISABLE: judge.NOT_POSITIVE_DEFINITE,
}
# coordinate steps of an update from which sharing them out pays for waking threads
_WORTH_SHARING = 60_000
_NO_ROWS = np.zeros((0, 0))
_NEVER = 2**62
_TAPE = 2**32 - 64


def _tensor(values: FloatArray) -> Any:
    import torch

    return torch.from_numpy(values)


class FormulaEngine:
    """One learner on the compiled loop; see ``Engine``.

    Parameters
    ----------
    problem : LearningProblem
        With a ``FormulaJointEnergy``.
    dtype : {"float64", "float32"}
        Of particles; theta and averages are float64.
    threads : int or None
        None: every core.
    """

    backend = "numba"

    def __init__(
        self, problem: LearningProblem, *, dtype: Real = "float64", threads: int | None = None
    ) -> None:
        energy, settings = problem.energy, problem.settings
        if getattr(energy, "formula", None) is None:
            raise ArgumentError(f"{energy.name} has no formula to compile; ask for backend='torch'")
        self.problem = problem
        self._real = np.dtype(dtype)
        self._sides = sides_of(problem, dtype)
        learned = tuple(int(k) for k in problem.learned)
        projection = settings.projection
        self._loop = loop(
            energy.formula,
            self._sides[0].text,
            self._sides[1].text,
            learned,
            "nothing" if projection is None else projection.function,
            dtype,
            problem.noise.bits_for(dtype),
        )
        thetas, dim = len(problem.names), energy.dim_x + energy.dim_z
        self._judging = (
            problem.learned,
            problem.positive,
            *((NONE, np.zeros(0)) if projection is None else projection.arrays(problem.names)),
            np.zeros(dim * (dim + 1) // 2),
            np.zeros((dim, dim)),
        )
        self._optimised = isinstance(settings.rate, TorchOptimizer)
        # an optimiser makes the last stage itself
        stages = problem.update.stages[:-1] if self._optimised else problem.update.stages
        self._stages = np.array(stages, dtype=np.int64)
        self._moments = Moments.of(1, _NEVER)
        # updates and their series, for the next learner
        self._kept: tuple[tuple[int, int], Series] | None = None
        self._ascent: TorchAscent | None = None
        steps = settings.inner_steps * sum(s.count * s.text.dim for s in self._sides)
        wanted = thread_count(threads)
        shared = steps >= _WORTH_SHARING and max(s.blocks for s in self._sides) > 1
        self._threads = wanted if shared else 1
        self._theta_real = np.zeros((self._threads, thetas), dtype=self._real)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def close(self) -> None:
        """Let threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def listen(self, problem: LearningProblem) -> None:
        """Take over a problem that differs from the present one in its noise alone."""
        self.problem = problem
        for side in self._sides:
            side.listen(problem.noise)

    def begin(self, state: LearningState) -> None:
        """Take over a state."""
        self._update = self._observed = state.update
        self._theta = np.array(state.theta, dtype=np.float64)
        self._sides[0].take(state.latents.reshape(-1, self.problem.energy.dim_z))
        self._sides[1].take(state.pool)
        self._averages = np.array(state.averages, dtype=np.float64)
        self._gradient = np.zeros(len(self._theta))
        if isinstance(self.problem.settings.rate, TorchOptimizer):
            moving = self._theta[self.problem.learned]
            self._ascent = TorchAscent(self.problem.settings.rate, _tensor(moving))
            self._ascent.restore(state.optimiser)
        self._good(self._loop.settle(self._theta, *self._judging))

    @property
    def theta(self) -> FloatArray:
        """A copy of theta (n_theta,)."""
        return self._theta.copy()

    def largest(self) -> float:
        """The largest coordinate of a particle in absolute value; not finite if any is not."""
        # the larger of two, as max takes it, would lose a nan
        return float(np.maximum(*(np.abs(side.positions).max() for side in self._sides)))

    def keep_moments(self, after: int) -> Moments:
        """Fill running moments of theta over the updates after ``after``."""
        self._moments = Moments.of(len(self.problem.names), after)
        return self._moments

    def state(self) -> LearningState:
        """A copy of the present state."""
        latents, pool = (side.particles() for side in self._sides)
        shape = (len(self.problem.data), self.problem.settings.latents, -1)
        return LearningState(
            update=self._update,
            theta=self._theta.copy(),
            latents=latents.reshape(shape),
            pool=pool,
            averages=self._averages.copy(),
            optimiser={} if self._ascent is None else self._ascent.state(),
        )

    def _good(self, verdict: int) -> None:
        if verdict != FINE:
            raise Stopped(self._update, REASONS[verdict], self._theta.copy())

    def advance(self, last: int, record_every: int) -> Track:
        """Updates up to ``last``."""
        first = self._update
        self._check_tape(last)
        rows = last // record_every - first // record_every
        theta, gradient = np.zeros((2, rows, len(self._theta)))
        if self._pool is not None or self._optimised:
            go = self._stepped(first, last, record_every, theta, gradient)
        else:
            go = self._run(
                first,
                last,
                self._series(first, last),
                stages=self._stages,
                shares=[(0, side.blocks) for side in self._sides],
                every=record_every,
                theta=theta,
                gradient=gradient,
            )
        verdict, self._update = go
        self._good(verdict)
        recorded = np.arange(first // record_every + 1, last // record_every + 1) * record_every
        return Track(updates=recorded, theta=theta, gradient=gradient)

    def _series(self, first: int, last: int) -> Series:
        if self._kept is None or self._kept[0] != (first, last) or not Series.shared(self.problem):
            self._kept = (first, last), Series.of(self.problem, first, last)
        return self._kept[1]

    def _check_tape(self, last: int) -> None:
        """A particle's tape of normals has an end."""
        entries = last * self.problem.settings.inner_steps * max(s.text.dim for s in self._sides)
        if entries > _TAPE:
            raise ArgumentError(
                f"a stream of noise has {_TAPE} normals per particle, {last} updates need "
                f"{entries}; go on with another stream"
            )

    def _run(
        self,
        first: int,
        last: int,
        series: Series,
        *,
        stages: IntArray,
        shares: Sequence[tuple[int, int]],
        piece: int = 0,
        every: int = _NEVER,
        theta: FloatArray = _NO_ROWS,
        gradient: FloatArray = _NO_ROWS,
    ) -> tuple[int, int]:
        """The compiled loop over some updates, blocks (one range for each phase) and stages."""
        settings, moments = self.problem.settings, self._moments
        (latents, pool), (own, others) = self._sides, shares
        counted = moments.counted if every != _NEVER else _NEVER
        verdict, update, _ = self._loop.run(
            first, last, stages,
            *latents.arguments(series.chosen, *own, piece),
            *pool.arguments(NONE, *others, piece),
            settings.inner_steps, 1.0 / settings.temperature, self._theta_real[piece],
            self._averages, self._gradient, self._theta, series.rates, settings.gradient_noise,
            series.normals, *self._judging, every, theta, gradient,
            counted, moments.count, moments.shift, moments.mean, moments.square,
        )  # fmt: skip
        return verdict, update

    def _stepped(
        self, first: int, last: int, every: int, theta: FloatArray, gradient: FloatArray
    ) -> tuple[int, int]:
        """Update by update: blocks shared out to threads, or theta moved by an optimiser."""
        series, records = Series.of(self.problem, first, last), 0
        nobody = [(side.blocks, side.blocks) for side in self._sides]
        for update in range(first, last):
            now = series.only(update - first)
            self._share_out(update, now)
            verdict, _ = self._run(update, update + 1, now, stages=self._stages, shares=nobody)
            if self._ascent is not None:
                self._ascent.reach(update)
                verdict = self._optimise(self._ascent, now.normals[0])
            if verdict != FINE:
                return verdict, update
            if (update + 1) % every == 0:
                theta[records], gradient[records] = self._theta, self._gradient
                records += 1
        return FINE, last

    def _share_out(self, update: int, series: Series) -> None:
        """The particles' stages of one update."""
        pieces = self._threads
        jobs = []
        for piece in range(pieces):
            shares = [
                (side.blocks * piece // pieces, side.blocks * (piece + 1) // pieces)
                for side in self._sides
            ]

            def work(shares: Sequence[tuple[int, int]] = shares, piece: int = piece) -> None:
                self._run(update, update + 1, series, stages=NONE, shares=shares, piece=piece)

            if self._pool is None:
                work()
            else:
                jobs.append(self._pool.submit(work))
        for job in jobs:
            job.result()

    def _optimise(self, ascent: TorchAscent, normals: FloatArray) -> int:
        """The optimiser's step, gradient noise and the verdict."""
        learned, tau = self.problem.learned, self.problem.settings.gradient_noise
        ascent.theta.numpy()[:] = self._theta[learned]
        ascent.step(_tensor(self._gradient[learned]))
        self._theta[learned] = ascent.theta.numpy()
        if tau > 0:
            self._theta[learned] += np.sqrt(2.0 * ascent.rate * tau) * normals[learned]
        verdict: int = self._loop.settle(self._theta, *self._judging)
        return verdict

    def observe(self) -> dict[str, Any]:
        """Mean energies and moments at the present theta."""
        found = observed(self.problem, self.state())
        steps = max(1, (self._update - self._observed) * self.problem.settings.inner_steps)
        self._observed = self._update
        for side, label in zip(self._sides, ("latent", "pool"), strict=True):
            for name, total in side.diagnostics().items():
                found[f"{label}_{name}"] = total / (steps * side.count)
        return found
