"""The compiled engine for energies that are formulas: whole runs inside one loop.

With several threads and enough particles, blocks of one update are shared out; the numbers are
the same to the last bit, for every number of threads.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from ..noise.backends import Real
from .engine import Stopped, Track
from .formula_kernel import Phase, block_for, phase
from .formula_loop import FINE, NOT_FINITE, NOT_NORMALISABLE, OUTSIDE_FAMILY, loop
from .problem import LearningProblem
from .rates import TorchOptimizer
from .state import LearningState
from .update import Stage

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

REASONS = {
    NOT_FINITE: "theta stopped being finite",
    OUTSIDE_FAMILY: "a parameter that must be > 0 is not",
    NOT_NORMALISABLE: "Z diverges: the joint energy's Hessian is not positive definite",
}
# coordinate steps of an update from which sharing them out pays for waking threads
_WORTH_SHARING = 60_000


def _address(noise: Noise) -> npt.NDArray[np.int64]:
    return np.array(noise.address, dtype=np.int64)


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
        energy, settings, noise = problem.energy, problem.settings, problem.noise
        formula = getattr(energy, "formula", None)
        if formula is None:
            raise ArgumentError(f"{energy.name} has no formula to compile; ask for backend='torch'")
        if isinstance(settings.rate, TorchOptimizer):
            raise ArgumentError("a torch optimiser needs backend='torch'")
        self.problem = problem
        self._real = np.dtype(dtype)
        learned = tuple(int(k) for k in problem.learned)
        bits = noise.bits_for(dtype)
        conditional = energy.family.conditional_formula(
            energy.x_names, energy.z_names, energy._shapes
        )
        dim, dim_z = energy.dim_x + energy.dim_z, energy.dim_z
        update = problem.update
        self._phases: tuple[Phase, Phase] = (
            phase(
                formula, conditional, update.latent_scheme, learned, dtype, bits,
                block_for(dim_z, problem.moving_latents),
            ),
            phase(
                formula, formula, update.pool_scheme, learned, dtype, bits,
                block_for(dim, settings.pool),
            ),
        )  # fmt: skip
        projection = settings.projection
        self._loop = loop(
            formula,
            self._phases[0].module.__name__,
            self._phases[1].module.__name__,
            learned,
            "nothing" if projection is None else projection.function,
        )
        self._index, self._numbers = (
            (np.zeros(0, dtype=np.int64), np.zeros(0))
            if projection is None
            else projection.arrays(problem.names)
        )
        self._stages = np.array(update.stages, dtype=np.int64)
        self._phase_stages = tuple(
            np.array([int(s == average) for s in update.stages if s in (move, average)])
            for move, average in (
                (Stage.MOVE_LATENTS, Stage.AVERAGE_LATENTS),
                (Stage.MOVE_POOL, Stage.AVERAGE_POOL),
            )
        )
        self._addresses = tuple(_address(noise.derive(label)) for label in ("latents", "pool"))
        counts = (problem.moving_latents, settings.pool)
        self._counts = counts
        self._blocks = tuple(-(-n // p.block) for n, p in zip(counts, self._phases, strict=True))
        self._partials = tuple(np.zeros((blocks, len(learned))) for blocks in self._blocks)
        self._infos = tuple(
            np.zeros(max(1, blocks * len(p.info) * p.block), dtype=self._real)
            for blocks, p in zip(self._blocks, self._phases, strict=True)
        )
        steps = settings.inner_steps * sum(n * d for n, d in zip(counts, (dim_z, dim), strict=True))
        wanted = max(1, threads or os.cpu_count() or 1)
        self._threads = wanted if steps >= _WORTH_SHARING and max(self._blocks) > 1 else 1
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None
        self._data = np.ascontiguousarray(problem.data.T, dtype=self._real)

    def close(self) -> None:
        """Let threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def begin(self, state: LearningState) -> None:
        """Take over a state."""
        dim_z = self.problem.energy.dim_z
        self._update = state.update
        self._theta = np.array(state.theta, dtype=np.float64)
        self._latents = np.array(state.latents.reshape(-1, dim_z).T, dtype=self._real, order="C")
        self._joint = np.array(state.pool.T, dtype=self._real, order="C")
        self._averages = np.array(state.averages, dtype=np.float64)
        self._gradient = np.zeros(len(self._theta))
        verdict = self._loop.judged(self._theta, self.problem.learned, self.problem.positive)
        if verdict != FINE:
            raise Stopped(state.update, REASONS[verdict], self._theta.copy())

    def state(self) -> LearningState:
        """A copy of the present state."""
        n, settings = len(self.problem.data), self.problem.settings
        return LearningState(
            update=self._update,
            theta=self._theta.copy(),
            latents=self._latents.T.reshape(n, settings.latents, -1).copy(),
            pool=self._joint.T.copy(),
            averages=self._averages.copy(),
        )

    def advance(self, last: int, record_every: int) -> Track:
        """Updates up to ``last``."""
        first, problem = self._update, self.problem
        rows = last // record_every - first // record_every
        theta, gradient = np.zeros((rows, len(self._theta))), np.zeros((rows, len(self._theta)))
        series = (
            problem.rates(first, last),
            problem.gradient_normals(first, last),
            problem.batches(first, last),
        )
        if self._pool is None:
            verdict, update = self._fused(first, last, record_every, theta, gradient, series)
        else:
            verdict, update = self._shared(first, last, record_every, theta, gradient, series)
        self._update = update
        if verdict != FINE:
            raise Stopped(update, REASONS[verdict], self._theta.copy())
        recorded = np.arange(first // record_every + 1, last // record_every + 1) * record_every
        return Track(updates=recorded, theta=theta, gradient=gradient)

    def _fused(
        self,
        first: int,
        last: int,
        every: int,
        theta: FloatArray,
        gradient: FloatArray,
        series: tuple[Array, Array, Array],
    ) -> tuple[int, int]:
        settings, problem = self.problem.settings, self.problem
        rates, normals, chosen = series
        t = settings.temperature
        verdict, update, _ = self._loop.run(
            first, last, self._stages, *self._phase_stages,
            self._latents, self._counts[0], self._blocks[0], settings.latents, chosen, self._data,
            settings.latent_step * t, self._partials[0], self._infos[0], self._addresses[0],
            self._joint, self._counts[1], self._blocks[1], settings.pool_step * t,
            self._partials[1], self._infos[1], self._addresses[1],
            settings.inner_steps, 1.0 / t, self._averages, self._gradient, self._theta,
            self._theta.astype(self._real), rates, settings.gradient_noise, normals,
            problem.learned, problem.positive, self._index, self._numbers,
            every, theta, gradient,
        )  # fmt: skip
        return verdict, update

    def _shared(
        self,
        first: int,
        last: int,
        every: int,
        theta: FloatArray,
        gradient: FloatArray,
        series: tuple[Array, Array, Array],
    ) -> tuple[int, int]:
        settings, problem = self.problem.settings, self.problem
        rates, normals, chosen = series
        row = 0
        for update in range(first, last):
            k = update - first
            self._move(update, chosen[min(k, len(chosen) - 1)])
            verdict = self._loop.outer(
                self._stages, self._partials[0], self._blocks[0], self._counts[0],
                self._partials[1], self._blocks[1], self._counts[1],
                self._averages, self._gradient, self._theta, rates[k],
                float(np.sqrt(2.0 * rates[k] * settings.gradient_noise)),
                normals[min(k, len(normals) - 1)],
                problem.learned, problem.positive, self._index, self._numbers,
            )  # fmt: skip
            if verdict != FINE:
                return verdict, update
            if (update + 1) % every == 0:
                theta[row], gradient[row] = self._theta, self._gradient
                row += 1
        return FINE, last

    def _move(self, update: int, chosen: Array) -> None:
        """The particles' stages of one update, blocks shared out to threads."""
        settings = self.problem.settings
        t, inner = settings.temperature, settings.inner_steps
        theta = self._theta.astype(self._real)
        none = np.zeros(0, dtype=np.int64)
        nothing = np.zeros((0, 0), dtype=self._real)
        both = (
            (self._latents, self._data, settings.latent_step, chosen, settings.latents),
            (self._joint, nothing, settings.pool_step, none, 1),
        )
        assert self._pool is not None
        futures = []
        for p, (positions, data, h, rows, group) in enumerate(both):
            pieces = min(self._blocks[p], 2 * self._threads)
            edges = [self._blocks[p] * k // pieces for k in range(pieces + 1)]
            futures += [
                self._pool.submit(
                    self._phases[p].module.work,
                    self._phase_stages[p], positions, data, theta, 1.0 / t, h * t,
                    update * inner, inner, self._counts[p], rows, group, a, b,
                    self._partials[p], self._infos[p], *map(int, self._addresses[p]),
                )
                for a, b in itertools.pairwise(edges)
            ]  # fmt: skip
        for future in futures:
            future.result()

    def observe(self) -> dict[str, Any]:
        """Mean energies and moments at the present theta."""
        energy, settings = self.problem.energy, self.problem.settings
        theta = self._theta.astype(self._real)
        nothing = np.zeros((0, 0), dtype=self._real)
        found: dict[str, Any] = {}
        largest = 0.0
        for name, label, p, positions, data, count, dim, group in (
            ("conditional", "latent", self._phases[0], self._latents, self._data,
             self.problem.latent_count, energy.dim_z, settings.latents),
            ("joint", "pool", self._phases[1], self._joint, nothing,
             settings.pool, energy.dim_x + energy.dim_z, 1),
        ):  # fmt: skip
            blocks = -(-count // p.block)
            sums = np.zeros((blocks, 1 + dim + dim * (dim + 1) // 2))
            p.module.observe(positions, data, theta, count, group, 0, blocks, sums)
            means = sums.sum(axis=0) / count
            mean = means[1 : 1 + dim]
            square = np.zeros((dim, dim))
            square[np.triu_indices(dim)] = means[1 + dim :]
            square = square + np.triu(square, 1).T
            found[f"{name}_energy"] = float(means[0])
            found[f"{label}_mean"] = mean
            found[f"{label}_covariance"] = square - np.outer(mean, mean)
            with np.errstate(invalid="ignore"):
                largest = float(np.maximum(largest, np.max(np.abs(positions))))
        found["largest"] = largest
        return found
