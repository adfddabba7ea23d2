"""Both phases of a neural energy on compiled loops.

theta is held in float64 and projected onto the energy's spectral caps after every update, so that
the certificate ``energy.facts_within_caps`` holds along the whole run; particles and networks are
evaluated in the asked type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.neural import NeuralEnergy

from ..noise.backends import Real
from .engine import Stopped
from .judge import NOT_FINITE
from .neural_particles import Cloud, NeuralParticles, Task
from .problem import LearningProblem
from .stepped import Which, kinds_of
from .update import Stage

Array = npt.NDArray[Any]
# where ``Task`` takes the gradient, for what a phase is asked in one go
_AVERAGING = {
    "move": None,
    "average": "after",
    "move average": "after",
    "average move": "before",
}


class NeuralPhases:
    """``Phases`` of a neural energy on the compiled loops.

    Latents (n K, dim_z) lie as they came; those of a batch are gathered into blocks for an
    update. The pool stays in blocks.
    """

    backend = "numba"

    def __init__(self, problem: LearningProblem, *, dtype: Real, threads: int | None) -> None:
        self._problem, self._real, self.dtype = problem, dtype, np.dtype(dtype)
        self._energy: NeuralEnergy = problem.energy.joint()
        self._noises = {name: problem.noise.derive(name) for name in ("latents", "pool")}
        self._learned = np.zeros(len(problem.names))
        self._learned[problem.learned] = 1.0
        self._begin(dtype, threads)

    def _begin(self, dtype: Real, threads: int | None) -> None:
        bits = self._problem.noise.bits_for(dtype)
        self._particles = NeuralParticles(self._energy, dtype=dtype, bits=bits, threads=threads)
        self._pool: Cloud | None = None
        self._latents = np.zeros((0, 0), dtype=self.dtype)
        self._scale = 1.0
        self._batch: tuple[IntArray | None, Cloud] | None = None
        self._theta: Any = None

    def close(self) -> None:
        """Let the threads go."""
        self._particles.close()

    def vector(self, values: FloatArray) -> Any:
        """A float64 tensor."""
        import torch

        return torch.from_numpy(np.array(values, dtype=np.float64))

    def values(self, vector: Any) -> FloatArray:
        """A float64 array."""
        return np.array(vector.detach().cpu().numpy(), dtype=np.float64)

    def settle(self, theta: Any) -> None:
        """Project theta onto the energy's caps, in place."""
        values = self.values(theta)
        if not np.all(np.isfinite(values)):
            raise Stopped(-1, NOT_FINITE, values)
        within = self._energy.projected(values)
        if not np.array_equal(within, values):
            theta.copy_(self.vector(within))

    def observe(self, theta: FloatArray) -> dict[str, Any] | None:
        """None: numpy does it."""
        return None

    def rescale(self, scale: float) -> None:
        """Both step sizes times ``scale``."""
        self._scale, self._batch = scale, None
        if self._pool is not None:
            settings = self._problem.settings
            self._pool.change_step(scale * settings.pool_step, settings.temperature)

    def load(self, latents: Array, pool: Array, scale: float) -> None:
        """Hold copies."""
        self._scale = scale
        settings = self._problem.settings
        self._latents = latents.reshape(-1, latents.shape[-1]).astype(self.dtype)
        self._batch = None
        self._pool = self._particles.cloud(
            pool,
            step_size=scale * settings.pool_step,
            temperature=settings.temperature,
            noise=self._noises["pool"],
        )

    def particles(self) -> tuple[Array, Array]:
        """Copies of latents (n, K, dim_z) and pool (M, dim_x + dim_z)."""
        assert self._pool is not None
        shape = (len(self._problem.data), self._problem.settings.latents, -1)
        return self._latents.reshape(shape).copy(), self._particles.positions(self._pool)

    def chosen(self, rows: IntArray | None) -> tuple[IntArray, IntArray]:
        """Numbers of the latents that take part, and their data."""
        k = self._problem.settings.latents
        data = np.arange(len(self._problem.data)) if rows is None else rows
        return (data[:, None] * k + np.arange(k)).reshape(-1), np.repeat(data, k)

    def restart(self, update: int, rows: IntArray | None) -> None:
        """Latents drawn anew from a normal law."""
        law = self._problem.update.restart
        assert law is not None
        ids, _ = self.chosen(rows)
        noise = self._problem.noise.derive("latent start")
        draws = noise.normals(ids, update + 1, law.dim, backend="numba", dtype=self._real)
        self._latents[ids] = law.means[0] + law.sds[0] * draws
        self._batch = None

    def _cloud(self, which: Which, rows: IntArray | None) -> Cloud:
        if which == "pool":
            assert self._pool is not None
            return self._pool
        if self._batch is None or self._batch[0] is not rows:
            ids, owners = self.chosen(rows)
            settings = self._problem.settings
            cloud = self._particles.cloud(
                np.hstack([self._problem.data[owners], self._latents[ids]]),
                step_size=self._scale * settings.latent_step,
                temperature=settings.temperature,
                noise=self._noises["latents"],
                start=self._problem.energy.dim_x,
                ids=ids,
            )
            self._batch = (rows, cloud)
        return self._batch[1]

    def _at(self, theta: Any) -> None:
        if theta is not self._theta:
            self._particles.change_parameters(theta.numpy())
            self._theta = theta

    def several(
        self, stages: Sequence[Stage], theta: Any, update: int, rows: IntArray | None
    ) -> dict[Which, Any]:
        """Moves and averages at one theta: threads are called together once for all of them."""
        self._at(theta)
        inner = self._problem.settings.inner_steps
        kinds = kinds_of(stages)
        tasks = [
            Task(
                cloud=self._cloud(which, rows),
                first=update * inner,
                steps=inner if "move" in kind else 0,
                averaging=_AVERAGING[kind],
            )
            for which, kind in kinds.items()
        ]
        means = self._particles.work(tasks)
        if "move" in kinds.get("latents", ""):
            ids, _ = self.chosen(rows)
            moved = self._particles.positions(self._cloud("latents", rows))
            self._latents[ids] = moved[:, self._problem.energy.dim_x :]
        return {
            which: self.vector(mean * self._learned)
            for which, mean in zip(kinds, means, strict=True)
            if mean is not None
        }
