"""One phase on the compiled loop: its text, its particles, and the arguments that both make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from ..noise.backends import Real, resolution
from .formula_kernel import AVERAGE, MOVE, RESTART, PhaseText, block_for, phase_text
from .problem import LearningProblem
from .update import Stage

Array = npt.NDArray[Any]

#: no numbers of data
NONE = np.zeros(0, dtype=np.int64)
_KINDS = (
    {
        Stage.RESTART_LATENTS: RESTART,
        Stage.MOVE_LATENTS: MOVE,
        Stage.AVERAGE_LATENTS: AVERAGE,
    },
    {Stage.MOVE_POOL: MOVE, Stage.AVERAGE_POOL: AVERAGE},
)


@dataclass
class Side:
    """One phase: its text, its particles and the arguments of its loop."""

    label: str
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

    def listen(self, noise: Noise) -> None:
        """Read another noise from now on; its bits are those of the one before."""
        self.streams = _streams(noise, self.label)

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

    def diagnostics(self) -> dict[str, float]:
        """Sums of the scheme's info over particles and steps since the last call."""
        shape = (self.blocks, len(self.text.info), self.text.block)
        sums = self.info[: int(np.prod(shape))].astype(np.float64).reshape(shape)
        self.info[:] = 0
        flat = sums.transpose(1, 0, 2).reshape(shape[1], shape[0] * shape[2])[:, : self.count]
        return {name: float(row.sum()) for name, row in zip(self.text.info, flat, strict=True)}


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Zeros that begin with a cache line, so that no vector of the loop straddles two."""
    raw = np.zeros(size * dtype.itemsize + 64, dtype=np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size * dtype.itemsize].view(dtype)


def _streams(noise: Noise, label: str) -> tuple[int, ...]:
    """Words of the addresses: the phase's own stream, that of restarts (latents alone have
    them), and the key."""
    own = noise.derive(label).address
    again = noise.derive("latent start").address if label == "latents" else own
    return (*own[:2], *again[:2], *own[2:])


def sides_of(problem: LearningProblem, dtype: Real) -> tuple[Side, Side]:
    """The conditional and the joint phase of a problem."""
    energy, settings, noise = problem.energy, problem.settings, problem.noise
    update, bits = problem.update, noise.bits_for(dtype)
    learned = tuple(int(k) for k in problem.learned)
    real = np.dtype(dtype)
    word = np.dtype(np.uint32 if resolution(bits, dtype).real == "float32" else np.int64)
    data = np.ascontiguousarray(problem.data.T, dtype=real).reshape(-1)
    dims = (energy.dim_z, energy.dim_x + energy.dim_z)
    counts = (problem.moving_latents, settings.pool)
    formulas = (energy.conditional(problem.data[0]).formula, energy.formula)
    law = update.restart
    restart = (np.zeros(dims[0]), np.zeros(dims[0])) if law is None else (law.means[0], law.sds[0])
    if len(restart[0]) != dims[0]:
        raise ArgumentError(f"latents restart from a law on R^{dims[0]}, got R^{len(restart[0])}")
    own: Sequence[Any] = (
        (data, len(problem.data), np.arange(problem.latent_count) // settings.latents,
         settings.latents, settings.latent_step, update.latent_scheme, "latents"),
        (np.zeros(0, dtype=real), 0, NONE, 1, settings.pool_step, update.pool_scheme, "pool"),
    )  # fmt: skip
    sides = []
    for k, (fixed, stride, owner, group, step, scheme, label) in enumerate(own):
        block = block_for(dims[k], counts[k])
        sides.append(
            Side(
                label=label,
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
                streams=_streams(noise, label),
                restart=restart,
                learned=len(learned),
                real=real,
                word=word,
            )
        )
    return sides[0], sides[1]
