"""The phases of a neural energy on torch tensors, CPU or CUDA: the compiled loops' second witness.

The chain rule is written out (no graph), in place where memory traffic counts, on pieces of
particles whose activations stay in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray, IntArray
from lvebm_theory.neural import NeuralEnergy

from ..noise.backends import Real
from .neural_phases import NeuralPhases
from .problem import LearningProblem
from .stepped import Which, one_by_one
from .update import Stage

Array = npt.NDArray[Any]

#: particles at a time: 64 neurons of 65536 particles fill 16 MiB, within a GPU's cache
_PIECE = {"cpu": 1024, "cuda": 65536}
_NORMALS_AT_ONCE = 1 << 24


def _value_and_slope(activation: str, a: Any) -> tuple[Any, Any]:
    """phi and phi' at a; ``a`` is overwritten where that saves an array."""
    if activation == "tanh":
        value = a.tanh_()
        return value, 1.0 - value * value
    s = a.sigmoid()
    if activation == "softplus":
        return a.logaddexp(a.new_zeros(())), s
    value = a.mul_(s)
    return value, s.addcmul_(1.0 - s, value)


class TensorNetwork:
    """f_theta and its derivatives on tensors w (n, d).

    Parameters
    ----------
    energy : NeuralEnergy
    options : dtype and device of tensors
    """

    def __init__(self, energy: NeuralEnergy, **options: Any) -> None:
        import torch

        self._energy, self._torch, self._options = energy, torch, options
        self._centre = torch.as_tensor(np.array(energy.centre), **options)
        self._stiffness = torch.as_tensor(np.array(energy.confinement), **options)
        self._parts: dict[str, Any] = {}

    def change_parameters(self, theta: Any) -> None:
        """Go on at theta (n_theta,), a tensor."""
        self._parts = self._energy.network.parts(theta.to(**self._options))

    def _forwards(self, w: Any) -> tuple[list[Any], list[Any]]:
        """h_0 = w, h_1 .. h_L, and phi'(a_1) .. phi'(a_L)."""
        values, slopes = [w], []
        for index in range(1, len(self._energy.widths) + 1):
            weight, bias = self._parts[f"weight_{index}"], self._parts[f"bias_{index}"]
            a = self._torch.addmm(bias, values[-1], weight.T)
            value, slope = _value_and_slope(self._energy.activation, a)
            values.append(value)
            slopes.append(slope)
        return values, slopes

    def gradient(self, w: Any) -> Any:
        """grad E, shape (n, d)."""
        _, slopes = self._forwards(w)
        u = slopes[-1].mul_(self._parts["readout"])
        for index in range(len(slopes), 1, -1):
            u = (u @ self._parts[f"weight_{index}"]).mul_(slopes[index - 2])
        bowl = (w - self._centre).mul_(self._stiffness)
        return bowl.addmm_(u, self._parts["weight_1"])

    def parameter_sum(self, w: Any) -> list[Any]:
        """The sum over w of df/dW_1, df/db_1, ..., df/dv."""
        values, slopes = self._forwards(w)
        found = [values[-1].sum(0)]
        u = slopes[-1].mul_(self._parts["readout"])
        for index in range(len(slopes), 0, -1):
            found[:0] = [(u.T @ values[index - 1]).reshape(-1), u.sum(0)]
            if index > 1:
                u = (u @ self._parts[f"weight_{index}"]).mul_(slopes[index - 2])
        return found


class NeuralTensorPhases(NeuralPhases):
    """``Phases`` of a neural energy on torch.

    Parameters
    ----------
    problem : LearningProblem
    dtype : {"float32", "float64"}
    device : str
    """

    backend = "torch"

    def __init__(self, problem: LearningProblem, *, dtype: Real, device: str) -> None:
        import torch

        self._torch, self._device = torch, device
        super().__init__(problem, dtype=dtype, threads=None)

    def _begin(self, dtype: Real, threads: int | None) -> None:
        options = {"dtype": getattr(self._torch, dtype), "device": self._device}
        self._options = options
        self._network = TensorNetwork(self._energy, **options)
        self._piece = _PIECE["cuda" if self._device.startswith("cuda") else "cpu"]
        self._data = self._tensor(self._problem.data)
        self._held: dict[str, Any] = {}
        self._scale = 1.0
        self._mask = self.vector(self._learned)

    def _tensor(self, values: Array) -> Any:
        return self._torch.as_tensor(np.array(values), **self._options)

    def _places(self, ids: IntArray) -> Any:
        return self._torch.as_tensor(ids, device=self._device)

    def close(self) -> None:
        """Nothing to let go."""

    def vector(self, values: FloatArray) -> Any:
        """A float64 tensor on the device."""
        return super().vector(values).to(self._device)

    def rescale(self, scale: float) -> None:
        """Both step sizes times ``scale``."""
        self._scale = scale

    def load(self, latents: Array, pool: Array, scale: float) -> None:
        """Hold copies."""
        self._scale = scale
        self._held = {
            "latents": self._tensor(latents.reshape(-1, latents.shape[-1])),
            "pool": self._tensor(pool),
        }

    def particles(self) -> tuple[Array, Array]:
        """Copies of latents (n, K, dim_z) and pool (M, dim_x + dim_z)."""
        shape = (len(self._problem.data), self._problem.settings.latents, -1)
        latents, pool = (self._held[name].cpu().numpy().copy() for name in ("latents", "pool"))
        return latents.reshape(shape), pool

    def restart(self, update: int, rows: IntArray | None) -> None:
        """Latents drawn anew from a normal law."""
        law = self._problem.update.restart
        assert law is not None
        ids, _ = self.chosen(rows)
        draws = self._problem.noise.derive("latent start").normals(
            ids, update + 1, law.dim, backend="torch", dtype=self._real, device=self._device
        )
        mean, sd = self._tensor(law.means[0]), self._tensor(law.sds[0])
        self._held["latents"][self._places(ids)] = mean + sd * draws

    def _positions(self, which: Which, rows: IntArray | None) -> tuple[Any, IntArray, Any]:
        """Positions (n, d) in memory of their own, particle numbers, and where latents lie."""
        if which == "pool":
            pool = self._held["pool"]
            return pool, np.arange(len(pool)), None
        ids, owners = self.chosen(rows)
        places = self._places(ids)
        data = self._data[self._places(owners)]
        return self._torch.cat([data, self._held["latents"][places]], 1), ids, places

    def several(
        self, stages: Sequence[Stage], theta: Any, update: int, rows: IntArray | None
    ) -> dict[Which, Any]:
        """Moves and averages one after the other."""
        return one_by_one(self, stages, theta, update, rows)

    def move(self, which: Which, theta: Any, update: int, rows: IntArray | None) -> None:
        """K_in steps of one phase."""
        settings = self._problem.settings
        h = self._scale * (settings.pool_step if which == "pool" else settings.latent_step)
        kick = math.sqrt(2 * settings.temperature * h)
        start = 0 if which == "pool" else self._problem.energy.dim_x
        self._network.change_parameters(theta)
        w, ids, places = self._positions(which, rows)
        inner, moving = settings.inner_steps, w.shape[1] - start
        first, last = update * inner, (update + 1) * inner
        span = max(1, min(inner, _NORMALS_AT_ONCE // (moving * len(w))))
        for begin in range(first, last, span):
            end = min(begin + span, last)
            normals = self._noises[which].tape(
                ids,
                begin * moving,
                (end - begin) * moving,
                backend="torch",
                dtype=self._real,
                device=self._device,
            )
            normals = normals.reshape(end - begin, moving, len(w)).transpose(1, 2)
            for low in range(0, len(w), self._piece):
                piece = w[low : low + self._piece]
                for noise in normals[:, low : low + self._piece]:
                    slope = self._network.gradient(piece)
                    piece[:, start:].sub_(slope[:, start:], alpha=h).add_(noise, alpha=kick)
        if which == "latents":
            self._held["latents"][places] = w[:, start:]

    def average(self, which: Which, theta: Any, rows: IntArray | None) -> Any:
        """Mean of d_theta E over one phase."""
        self._network.change_parameters(theta)
        w, _, _ = self._positions(which, rows)
        total = self._torch.zeros_like(theta)
        for low in range(0, len(w), self._piece):
            parts = self._network.parameter_sum(w[low : low + self._piece])
            total += self._torch.cat(parts).to(total.dtype)
        return total / len(w) * self._mask
