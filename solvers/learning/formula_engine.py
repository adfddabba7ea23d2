"""The compiled engine for energies that are formulas: whole runs inside one loop.

With several threads and enough particles, blocks of one update are shared out; the numbers are
the same to the last bit, for every number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..noise.backends import Real, resolution
from . import judge
from .engine import Stopped, Track
from .formula_kernel import AVERAGE, MOVE, RESTART, PhaseText, block_for, phase_text
from .formula_loop import FINE, NOT_FINITE, NOT_NORMALISABLE, OUTSIDE_FAMILY, loop
from .observation import observed
from .optimisers import TorchAscent
from .problem import LearningProblem
from .rates import TorchOptimizer
from .state import LearningState
from .update import Stage

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

REASONS = {
    NOT_FINITE: judge.NOT_FINITE,
    OUTSIDE_FAMILY: judge.OUTSIDE_FAMILY,
    NOT_NORMALISABLE: judge.NOT_POSITIVE_DEFINITE,
}
# coordinate steps of an update from which sharing them out pays for waking threads
_WORTH_SHARING = 60_000
_NONE = np.zeros(0, dtype=np.int64)
_NO_ROWS = np.zeros((0, 0))
_NEVER = 2**62
_KINDS = (
    {
        Stage.RESTART_LATENTS: RESTART,
        Stage.MOVE_LATENTS: MOVE,
        Stage.AVERAGE_LATENTS: AVERAGE,
    },
    {Stage.MOVE_POOL: MOVE, Stage.AVERAGE_POOL: AVERAGE},
)


@dataclass
class _Side:
    """One phase: its text, its particles and the arguments of its loop."""

    text: PhaseText
    stages: IntArray
    count: int
    data: Array
    data_stride: int
    owner: IntArray
    group: int
    step: float
    streams: tuple[int, ...]
    restart: tuple[FloatArray, FloatArray]
    learned: int
    real: np.dtype[Any]
    word: np.dtype[Any]
    positions: Array = field(init=False)
    stride: int = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = -(-self.count // self.text.block)
        self.partial = np.zeros((self.blocks, max(1, self.learned)))
        size = max(1, self.blocks * len(self.text.info) * self.text.block)
        self.info = np.zeros(size, dtype=self.real)
        self._buffers: list[tuple[Array, ...]] = []

    def take(self, particles: Array) -> None:
        """Hold a copy of particles (n, d), coordinate-major."""
        self.positions = np.array(particles.T, dtype=self.real, order="C").reshape(-1)
        self.stride = len(particles)

    def particles(self) -> Array:
        """A copy, shape (n, d)."""
        return self.positions.reshape(-1, self.stride).T.copy()

    def arguments(self, chosen: IntArray, low: int, high: int, piece: int) -> tuple[Any, ...]:
        """The loop's arguments for blocks low to high - 1; each piece has its own buffers."""
        while len(self._buffers) <= piece:
            self._buffers.append(self._room())
        return (
            self.stages, self.positions, self.count, self.stride, self.data, self.data_stride,
            self.owner, chosen, self.group, self.step, self.blocks, low, high, self.partial,
            self.info, *self.restart, *self.streams, *self._buffers[piece],
        )  # fmt: skip

    def _room(self) -> tuple[Array, ...]:
        block, rows = self.text.block, self.text.rows
        real = [_aligned(rows[n] * block, self.real) for n in ("normals", "uniforms", "state")]
        real.append(_aligned(rows["fixed"] * block, self.real))
        values = _aligned(rows["values"] * block, np.dtype(np.float64))
        return (
            _aligned(4 * block, self.word), *real, values,
            _aligned(block, np.dtype(np.int64)),
        )  # fmt: skip

    def diagnostics(self) -> dict[str, FloatArray]:
        """Sums of the scheme's info over steps, for each particle of a block; then zero."""
        shape = (self.blocks, len(self.text.info), self.text.block)
        sums = self.info[: int(np.prod(shape))].astype(np.float64).reshape(shape)
        self.info[:] = 0
        flat = sums.transpose(1, 0, 2).reshape(shape[1], shape[0] * shape[2])[:, : self.count]
        return dict(zip(self.text.info, flat, strict=True))


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Zeros that begin with a cache line, so that no vector of the loop straddles two."""
    raw = np.zeros(size * dtype.itemsize + 64, dtype=np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size * dtype.itemsize].view(dtype)


@dataclass(frozen=True)
class _Series:
    """What depends on the update: rates (U,), normals (U or 1, n_theta), data of all batches."""

    rates: FloatArray
    normals: FloatArray
    chosen: IntArray

    @classmethod
    def of(cls, problem: LearningProblem, first: int, last: int) -> _Series:
        """For updates first to last - 1."""
        return cls(
            problem.rates(first, last),
            problem.gradient_normals(first, last),
            problem.batches(first, last).reshape(-1),
        )

    def only(self, k: int) -> _Series:
        """For the k-th of these updates."""
        row, batch = min(k, len(self.normals) - 1), len(self.chosen) // len(self.rates)
        return _Series(
            self.rates[k : k + 1],
            self.normals[row : row + 1],
            self.chosen[k * batch : (k + 1) * batch],
        )


def _tensor(values: FloatArray) -> Any:
    import torch

    return torch.from_numpy(values)


@dataclass(frozen=True)
class Moments:
    """Where theta's running moments are kept: over updates from ``counted`` on."""

    counted: int
    count: FloatArray
    shift: FloatArray
    mean: FloatArray
    square: FloatArray

    @classmethod
    def of(cls, thetas: int, counted: int) -> Moments:
        """Empty moments of vectors of this length."""
        return cls(
            counted, np.zeros(1), np.zeros(thetas), np.zeros(thetas), np.zeros((thetas, thetas))
        )


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
        self._sides = _sides(problem, dtype)
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
            *((_NONE, np.zeros(0)) if projection is None else projection.arrays(problem.names)),
            np.zeros(dim * (dim + 1) // 2),
            np.zeros((dim, dim)),
        )
        self._optimised = isinstance(settings.rate, TorchOptimizer)
        # an optimiser makes the last stage itself
        stages = problem.update.stages[:-1] if self._optimised else problem.update.stages
        self._stages = np.array(stages, dtype=np.int64)
        self._moments = Moments.of(1, _NEVER)
        self._ascent: TorchAscent | None = None
        steps = settings.inner_steps * sum(s.count * s.text.dim for s in self._sides)
        wanted = max(1, threads or os.cpu_count() or 1)
        shared = steps >= _WORTH_SHARING and max(s.blocks for s in self._sides) > 1
        self._threads = wanted if shared else 1
        self._theta_real = np.zeros((self._threads, thetas), dtype=self._real)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def close(self) -> None:
        """Let threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def begin(self, state: LearningState) -> None:
        """Take over a state."""
        self._update = state.update
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
        first, problem = self._update, self.problem
        rows = last // record_every - first // record_every
        theta, gradient = np.zeros((2, rows, len(self._theta)))
        if self._pool is not None or self._optimised:
            go = self._stepped(first, last, record_every, theta, gradient)
        else:
            go = self._run(
                first,
                last,
                _Series.of(problem, first, last),
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

    def _run(
        self,
        first: int,
        last: int,
        series: _Series,
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
            *pool.arguments(_NONE, *others, piece),
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
        series, records = _Series.of(self.problem, first, last), 0
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

    def _share_out(self, update: int, series: _Series) -> None:
        """The particles' stages of one update."""
        pieces = self._threads
        jobs = []
        for piece in range(pieces):
            shares = [
                (side.blocks * piece // pieces, side.blocks * (piece + 1) // pieces)
                for side in self._sides
            ]

            def work(shares: Sequence[tuple[int, int]] = shares, piece: int = piece) -> None:
                self._run(update, update + 1, series, stages=_NONE, shares=shares, piece=piece)

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
        for side, label in zip(self._sides, ("latent", "pool"), strict=True):
            found |= {f"{label}_{name}": sums for name, sums in side.diagnostics().items()}
        return found


def _sides(problem: LearningProblem, dtype: Real) -> tuple[_Side, _Side]:
    energy, settings, noise = problem.energy, problem.settings, problem.noise
    update, bits = problem.update, noise.bits_for(dtype)
    learned = tuple(int(k) for k in problem.learned)
    real = np.dtype(dtype)
    word = np.dtype(np.uint32 if resolution(bits, dtype).real == "float32" else np.int64)
    data = np.ascontiguousarray(problem.data.T, dtype=real).reshape(-1)
    dims = (energy.dim_z, energy.dim_x + energy.dim_z)
    counts = (problem.moving_latents, settings.pool)
    formulas = (energy.conditional(problem.data[0]).formula, energy.formula)
    key = noise.address[2:]
    again = noise.derive("latent start").address[:2]
    law = update.restart
    restart = (np.zeros(dims[0]), np.zeros(dims[0])) if law is None else (law.means[0], law.sds[0])
    if len(restart[0]) != dims[0]:
        raise ArgumentError(f"latents restart from a law on R^{dims[0]}, got R^{len(restart[0])}")
    own: Sequence[Any] = (
        (data, len(problem.data), np.arange(problem.latent_count) // settings.latents,
         settings.latents, settings.latent_step, update.latent_scheme, "latents"),
        (np.zeros(0, dtype=real), 0, _NONE, 1, settings.pool_step, update.pool_scheme, "pool"),
    )  # fmt: skip
    sides = []
    for k, (fixed, stride, owner, group, step, scheme, label) in enumerate(own):
        block = block_for(dims[k], counts[k])
        sides.append(
            _Side(
                text=phase_text(
                    energy.formula,
                    formulas[k],
                    scheme,
                    learned,
                    dtype,
                    bits,
                    block,
                    k == 0 and settings.batch is not None,
                    k == 0 and law is not None,
                ),
                stages=np.array(
                    [_KINDS[k][s] for s in update.stages if s in _KINDS[k]], dtype=np.int64
                ),
                count=counts[k],
                data=fixed,
                data_stride=stride,
                owner=owner,
                group=group,
                step=step * settings.temperature,
                streams=(*noise.derive(label).address[:2], *again, *key),
                restart=restart,
                learned=len(learned),
                real=real,
                word=word,
            )
        )
    return sides[0], sides[1]
