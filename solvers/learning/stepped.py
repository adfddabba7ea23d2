"""The loop over updates for engines that offer the stages of one update.

An engine of arrays (torch formulas, neural energies) is a ``Phases`` and takes its loop from
``SteppedEngine``: the order of stages, rates, optimisers, gradient noise, projection, verdicts and
records are the same for all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray

from .acceptance import EVERY, MOST, adapted, metropolis_acceptance
from .engine import Stopped, Track
from .judge import Judge
from .observation import at_theta, observed
from .optimisers import TorchAscent
from .problem import LearningProblem
from .rates import TorchOptimizer
from .state import LearningState
from .update import Stage

Array = npt.NDArray[Any]
Which = Literal["latents", "pool"]
_MOVES: dict[Stage, Which] = {Stage.MOVE_LATENTS: "latents", Stage.MOVE_POOL: "pool"}
_AVERAGES: dict[Stage, Which] = {Stage.AVERAGE_LATENTS: "latents", Stage.AVERAGE_POOL: "pool"}


class Phases(Protocol):
    """Particles of both phases on one device. A vector is theta's type there: a tensor (n_theta,),
    float64 unless the engine says otherwise.

    ``rows`` are the data of the batch in increasing order; None stands for all of them.
    """

    backend: str

    def load(self, latents: Array, pool: Array, scale: float) -> None:
        """Hold copies of latents (n, K, dim_z) and pool (M, dim_x + dim_z); ``rescale``."""

    def rescale(self, scale: float) -> None:
        """Move from now on by scale h_q and scale h_p."""

    def particles(self) -> tuple[Array, Array]:
        """Copies of latents (n, K, dim_z) and pool (M, dim_x + dim_z)."""

    def vector(self, values: FloatArray) -> Any:
        """theta (n_theta,) as a vector, in memory of its own."""

    def values(self, vector: Any) -> FloatArray:
        """A vector as an array in memory of its own."""

    def restart(self, update: int, rows: IntArray | None) -> None:
        """Draw the latents of these data anew from ``Update.restart``: step update + 1 of the
        noise "latent start"."""

    def several(
        self, stages: Sequence[Stage], theta: Any, update: int, rows: IntArray | None
    ) -> dict[Which, Any]:
        """Moves and averages in this order, all at one theta; the averages by phase.

        A move is K_in Langevin steps, number update K_in + s; an average is the mean of d_theta E,
        a vector, zero where theta is not learned.
        """

    def observe(self, theta: FloatArray) -> dict[str, Any] | None:
        """What ``Engine.observe`` returns, or None to have it computed in numpy."""

    def close(self) -> None:
        """Let go of what is held."""


def one_by_one(
    phases: Any, stages: Sequence[Stage], theta: Any, update: int, rows: IntArray | None
) -> dict[Which, Any]:
    """``Phases.several`` by ``move`` and ``average``, where nothing is gained by more at once."""
    found: dict[Which, Any] = {}
    for stage in stages:
        if stage in _MOVES:
            phases.move(_MOVES[stage], theta, update, rows)
        else:
            found[_AVERAGES[stage]] = phases.average(_AVERAGES[stage], theta, rows)
    return found


def kinds_of(stages: Sequence[Stage]) -> dict[Which, str]:
    """For each phase that takes part: "move", "average", or both in their order."""
    found: dict[Which, str] = {}
    for stage in stages:
        which, kind = (_MOVES[stage], "move") if stage in _MOVES else (_AVERAGES[stage], "average")
        found[which] = f"{found[which]} {kind}" if which in found else kind
    return found


def _runs(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Moves and averages that follow each other together, every other stage alone."""
    found: list[tuple[Stage, ...]] = []
    for together, run in itertools.groupby(stages, lambda s: s in _MOVES or s in _AVERAGES):
        group = tuple(run)
        found += [group] if together else [(stage,) for stage in group]
    return found


class SteppedEngine:
    """Engine from phases; see ``Engine``.

    Parameters
    ----------
    problem : LearningProblem
    phases : Phases
    host_verdicts : bool
        False where theta is long and far away: projection and verdict are then the phases' own
        ``settle(theta) -> None`` (in place), and whether theta is finite is asked at stops only.
    """

    def __init__(
        self, problem: LearningProblem, phases: Any, *, host_verdicts: bool = True
    ) -> None:
        self.problem, self._phases, self.backend = problem, phases, phases.backend
        self._judge = Judge(problem) if host_verdicts else None
        self._ascent: TorchAscent | None = None

    def close(self) -> None:
        """Let go of what is held."""
        self._phases.close()

    def begin(self, state: LearningState) -> None:
        """Take over a state."""
        phases, problem = self._phases, self.problem
        self._scale = state.step_scale
        phases.load(state.latents, state.pool, self._scale)
        self._update = state.update
        self._theta = phases.vector(np.asarray(state.theta, dtype=np.float64))
        self._averages = [phases.vector(np.asarray(a, dtype=np.float64)) for a in state.averages]
        self._gradient = self._averages[1] - self._averages[0]
        everything = len(problem.learned) == len(problem.names)
        self._learned = None if everything else problem.learned
        rate = problem.settings.rate
        if isinstance(rate, TorchOptimizer):
            moving = self._theta if self._learned is None else self._theta[self._learned]
            self._ascent = TorchAscent(rate, moving.clone())
            self._ascent.restore(state.optimiser)
        self._settle()

    def state(self) -> LearningState:
        """A copy of the present state."""
        latents, pool = self._phases.particles()
        return LearningState(
            update=self._update,
            theta=self._phases.values(self._theta),
            latents=latents,
            pool=pool,
            averages=np.stack([self._phases.values(a) for a in self._averages]),
            optimiser={} if self._ascent is None else self._ascent.state(),
            step_scale=self._scale,
        )

    def observe(self) -> dict[str, Any]:
        """Mean energies and moments at the present theta."""
        seen: dict[str, Any] | None = self._phases.observe(self._phases.values(self._theta))
        return observed(self.problem, self.state()) if seen is None else seen

    def advance(self, last: int, record_every: int) -> Track:
        """Updates up to ``last``."""
        first, problem = self._update, self.problem
        rates = problem.rates(first, last)
        normals = problem.gradient_normals(first, last)
        chosen = problem.batches(first, last)
        updates, theta, gradient = [], [], []
        runs = _runs(problem.update.stages)
        for update in range(first, last):
            k = update - first
            rows = chosen[k] if chosen.shape[1] else None
            for stages in runs:
                self._do(stages, update, rows, float(rates[k]), normals[min(k, len(normals) - 1)])
            self._update = update + 1
            if problem.settings.acceptance is not None and self._update % EVERY == 0:
                self._adapt(problem.settings.acceptance)
            if self._update % record_every == 0:
                updates.append(self._update)
                theta.append(self._phases.values(self._theta))
                gradient.append(self._phases.values(self._gradient))
        self._finite()
        shape = (len(updates), len(problem.names))
        return Track(
            updates=np.array(updates, dtype=np.int64),
            theta=np.array(theta).reshape(shape),
            gradient=np.array(gradient).reshape(shape),
        )

    def _adapt(self, wanted: float) -> None:
        """Step sizes after a look at the pool, at updates that the configuration decides."""
        problem, settings = self.problem, self.problem.settings
        joint, _ = at_theta(problem.energy, self._phases.values(self._theta))
        few = self._phases.particles()[1][:MOST].astype(np.float64)
        noise = problem.noise.derive("acceptance")
        with np.errstate(all="ignore"):
            seen = metropolis_acceptance(
                joint,
                few,
                noise.normals(len(few), self._update, joint.dim, backend="numba"),
                settings.pool_step * self._scale,
                settings.temperature,
            )
        self._scale = adapted(self._scale, seen, wanted)
        self._phases.rescale(self._scale)

    def _do(
        self,
        stages: tuple[Stage, ...],
        update: int,
        rows: IntArray | None,
        rate: float,
        normals: FloatArray,
    ) -> None:
        match stages[0]:
            case Stage.RESTART_LATENTS:
                self._phases.restart(update, rows)
            case Stage.COMBINE:
                self._gradient = self._averages[1] - self._averages[0]
            case Stage.ASCEND:
                self._ascend(rate, normals)
            case _:
                found = self._phases.several(stages, self._theta, update, rows)
                for which, average in found.items():
                    self._averages[("latents", "pool").index(which)] = average

    def _ascend(self, rate: float, normals: FloatArray) -> None:
        tau = self.problem.settings.gradient_noise
        if self._ascent is None:
            moved = self._theta + rate * self._gradient
        else:
            self._ascent.reach(self._update)
            rate = self._ascent.rate
            moved = self._stepped(self._ascent)
        if tau > 0:
            kick = np.zeros_like(normals)
            kick[self.problem.learned] = normals[self.problem.learned]
            moved = moved + math.sqrt(2.0 * rate * tau) * self._phases.vector(kick)
        self._theta = moved
        self._settle()

    def _stepped(self, ascent: TorchAscent) -> Any:
        """theta after the optimiser's step from the present theta."""
        if self._learned is None:
            ascent.theta.copy_(self._theta)
            ascent.step(self._gradient)
            return ascent.theta.clone()
        ascent.theta.copy_(self._theta[self._learned])
        ascent.step(self._gradient[self._learned])
        moved = self._theta.clone()
        moved[self._learned] = ascent.theta
        return moved

    def _settle(self) -> None:
        if self._judge is None:
            self._phases.settle(self._theta)
            return
        values = self._phases.values(self._theta)
        before = values.copy()
        reason = self._judge.settle(values)
        if reason is not None:
            raise Stopped(self._update, reason, values)
        if not np.array_equal(before, values):
            self._theta = self._phases.vector(values)

    def _finite(self) -> None:
        if self._judge is None:
            values = self._phases.values(self._theta)
            if not np.all(np.isfinite(values)):
                raise Stopped(-1, "theta stopped being finite", values)
