"""Particles of a neural energy in blocks, moved and averaged by compiled loops on all threads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.neural import NeuralEnergy

from ..noise import Noise
from ..noise.backends import Real
from ..threads import thread_count
from .neural_layout import BLOCK, Layout, loops

Array = npt.NDArray[Any]
#: blocks that one sum of the gradient runs over; fixed, so that sums do not depend on threads
_PIECE = 16


@dataclass
class Cloud:
    """Particles (n, d) as (blocks, d, BLOCK), flattened; the last block is filled with copies.

    Coordinates before ``start`` stay clamped.
    """

    state: Array
    ids: npt.NDArray[np.int64]
    count: int
    dim: int
    start: int
    step_size: float
    kick: float
    address: tuple[int, int, int, int]

    def change_step(self, step_size: float, temperature: float) -> None:
        """Go on with another step size."""
        self.step_size, self.kick = float(step_size), math.sqrt(2 * temperature * step_size)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.ids) // BLOCK


@dataclass(frozen=True, kw_only=True)
class Task:
    """Langevin steps ``first`` to ``first + steps`` - 1 of a cloud, and where to take its gradient.

    ``averaging`` is "before" the steps, "after" them, or None.
    """

    cloud: Cloud
    first: int = 0
    steps: int = 0
    averaging: str | None = None


class NeuralParticles:
    """Moves clouds under a neural energy at a theta that may change between calls.

    All numbers are the same bits whatever the number of threads: blocks are independent, noise is
    addressed by particle and step, and gradients are float64 sums over pieces of fixed length,
    added in their order.

    Parameters
    ----------
    energy : NeuralEnergy
        Shape, confinement, centre and the first theta.
    dtype : {"float32", "float64"}
    bits : 53 or 32
        Of the noise, ``noise.bits_for(dtype)``.
    threads : int, optional
        None: every core.
    """

    def __init__(
        self,
        energy: NeuralEnergy,
        *,
        dtype: Real = "float32",
        bits: Any = None,
        threads: int | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.dim = energy.dim
        self._layout = Layout.of(energy.network)
        self._module = loops(energy.activation, dtype, bits or (32 if dtype == "float32" else 53))
        self._weights = np.zeros(self._layout.weights, dtype=self.dtype)
        self._stiffness = np.asarray(energy.confinement, dtype=self.dtype)
        self._centre = np.asarray(energy.centre, dtype=self.dtype)
        self._threads = thread_count(threads)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None
        self.change_parameters(energy.theta)

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def change_parameters(self, theta: FloatArray) -> None:
        """Go on at another theta (n_theta,)."""
        self._layout.packed(theta, self.dtype, self._weights)

    def cloud(
        self,
        w: Array,
        *,
        step_size: float,
        noise: Noise,
        temperature: float = 1.0,
        start: int = 0,
        ids: npt.ArrayLike | None = None,
    ) -> Cloud:
        """Particles at w (n, d), numbered by ids (n,) for the noise; coordinates < start clamped.

        Raises
        ------
        ArgumentError
            For an empty cloud, a wrong dimension, or a step size that is not > 0.
        """
        w = np.asarray(w)
        if w.ndim != 2 or w.shape[1] != self.dim or len(w) == 0:
            raise ArgumentError(f"particles need shape (n >= 1, {self.dim}), got {w.shape}")
        if not (step_size > 0 and math.isfinite(step_size)):
            raise ArgumentError(f"a step size needs to be positive and finite, got {step_size}")
        numbers = np.arange(len(w)) if ids is None else np.asarray(ids)
        pad = np.minimum(np.arange(-(-len(w) // BLOCK) * BLOCK), len(w) - 1)
        return Cloud(
            _in_blocks(w[pad].astype(self.dtype)),
            np.ascontiguousarray(numbers[pad], dtype=np.int64),
            len(w),
            self.dim,
            start,
            float(step_size),
            math.sqrt(2 * temperature * step_size),
            noise.address,
        )

    def positions(self, cloud: Cloud) -> Array:
        """The particles, shape (n, d)."""
        state = cloud.state.reshape(-1, cloud.dim, BLOCK)
        return state.transpose(0, 2, 1).reshape(-1, cloud.dim)[: cloud.count].copy()

    def work(self, tasks: Sequence[Task]) -> list[FloatArray | None]:
        """Every task's mean of grad_theta E over its cloud, (n_theta,), or None if not asked."""
        jobs, sums = [], []
        for task in tasks:
            pieces = -(-task.cloud.blocks // _PIECE)
            sums.append(np.zeros((pieces if task.averaging else 1, self._layout.sums)))
            jobs += [
                (task, p * _PIECE, min((p + 1) * _PIECE, task.cloud.blocks), sums[-1])
                for p in range(pieces)
            ]
        self._share(jobs)
        return [
            self._layout.unpacked(part.sum(axis=0)) / task.cloud.count if task.averaging else None
            for task, part in zip(tasks, sums, strict=True)
        ]

    def _share(self, jobs: list[Any]) -> None:
        if self._pool is None or len(jobs) == 1:
            for job in jobs:
                self._one(*job)
            return
        turn = itertools.count()

        def worker() -> None:
            while (k := next(turn)) < len(jobs):
                self._one(*jobs[k])

        futures = [self._pool.submit(worker) for _ in range(min(self._threads, len(jobs)))]
        for future in futures:
            future.result()

    def _one(self, task: Task, low: int, high: int, sums: FloatArray) -> None:
        cloud, real = task.cloud, self.dtype.type
        moving = cloud.dim - cloud.start
        self._module.work(
            cloud.state, cloud.ids, cloud.count, cloud.dim, low, high,
            self._weights, self._layout.shape, self._layout.readout, self._stiffness, self._centre,
            cloud.start, moving, real(cloud.step_size), real(cloud.kick),
            task.first, task.steps, max(1, 16 // moving),
            {None: 0, "before": 1, "after": 2}[task.averaging],
            sums[low // _PIECE if task.averaging else 0], self._layout.last,
            *cloud.address,
        )  # fmt: skip


def _in_blocks(w: Array) -> Array:
    blocks = w.reshape(-1, BLOCK, w.shape[1]).transpose(0, 2, 1)
    flat = np.empty(w.size + 16, dtype=w.dtype)
    # vectors of the loops should not straddle cache lines
    flat = flat[(-flat.ctypes.data % 64) // w.itemsize :][: w.size]
    flat.reshape(blocks.shape)[:] = blocks
    return flat
