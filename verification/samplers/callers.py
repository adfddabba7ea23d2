"""Calling a step of numpy or torch, for all chains at once or one by one; numpy outside."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from .arguments import SOURCES_OF_NOISE
from .meter import Meter
from .portable import Backend, arrays
from .posterior import PosteriorEnergy, PosteriorView
from .views import EnergyView, as_numpy

Layout = Literal["whole", "one"]
Noise = dict[str, FloatArray]


@contextlib.contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Global generators of Python, numpy and torch set to a seed, and put back afterwards."""
    torch = sys.modules.get("torch")
    before = (random.getstate(), np.random.get_state(), torch and torch.random.get_rng_state())  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (for steps that use the global generator)
    if torch is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if torch is not None:
            torch.random.set_rng_state(before[2])


@dataclass
class Caller:
    """One step for a batch of chains, in the layout and on the back end that the step wants.

    Parameters
    ----------
    step : callable
    names : tuple of str
        Its arguments, words of ``arguments.WORDS``.
    backend : {"numpy", "torch"}
    layout : {"whole", "one"}
        Whether the step takes all chains at once.
    dtype : {"float64", "float32"}
        Of the positions it is given.
    meter : Meter
        Asked before each chain of a step of one chain.
    """

    step: Callable[..., Any]
    names: tuple[str, ...]
    backend: Backend
    layout: Layout
    dtype: str = "float64"
    views: dict[int, tuple[Energy, EnergyView]] = field(default_factory=dict)
    rounding: float = float(np.finfo(np.float64).eps)
    meter: Meter = field(default_factory=Meter)

    def view(self, energy: Energy) -> EnergyView:
        """The energy as the step sees it."""
        if id(energy) not in self.views:
            # the energy is kept beside its view, so that its id is not given to another
            self.views[id(energy)] = (energy, EnergyView(energy, self.backend))
        return self.views[id(energy)][1]

    def __call__(
        self,
        state: FloatArray,
        energy: Energy,
        h: float,
        rng: np.random.Generator,
        noise: Noise | None = None,
    ) -> FloatArray:
        """The state (n, d), or (n, 2d) with momenta, after one step.

        ``noise`` holds xi (n, d) and u (n,) for a step that takes them; without it they are drawn.
        """
        given = self.drawn(len(state), energy.dim, rng) if noise is None else noise
        if isinstance(energy, PosteriorEnergy) and self.backend != "numpy":
            raise ArgumentError(f"a target with data is known to numpy only, not {self.backend}")
        if SOURCES_OF_NOISE.isdisjoint(self.names):
            with seeded_globals(int(rng.integers(2**63))):
                return self._batch(state, energy, h, rng, given)
        return self._batch(state, energy, h, rng, given)

    def drawn(self, n: int, d: int, rng: np.random.Generator) -> Noise:
        """The noise that the step asks for by name."""
        noise: Noise = {}
        if "xi" in self.names:
            noise["xi"] = rng.standard_normal((n, d))
        if "u" in self.names:
            noise["u"] = rng.random(n)
        return noise

    def _batch(
        self, state: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> FloatArray:
        if self.layout == "whole":
            return self._called(state, energy, h, rng, noise)
        rows = []
        for i in range(len(state)):
            self.meter.check()
            own = {name: value[i : i + 1] for name, value in noise.items()}
            rows.append(self._called(state[i : i + 1], energy, h, rng, own))
        return np.concatenate(rows, axis=0)

    def _called(
        self, state: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> FloatArray:
        result = self.step(*self._arguments(state.astype(self.dtype), energy, h, rng, noise))
        if isinstance(energy, PosteriorEnergy):
            d = energy.dim
            return np.concatenate([self.state_after(result, (len(state), d)), state[:, d:]], axis=1)
        return self.state_after(result, state.shape)

    def _arguments(
        self, rows: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> list[Any]:
        d = energy.dim
        view: Any
        if isinstance(energy, PosteriorEnergy):
            data = rows[:, d:] if self.layout == "whole" else rows[0, d:]
            view = PosteriorView(energy, data)
        else:
            view = self.view(energy)
        makers: dict[str, Callable[[], Any]] = {
            "x": lambda: self._on_arrays(rows[:, :d]),
            "theta": lambda: self._on_arrays(rows[:, :d]),
            "y": lambda: view.data,
            "data": lambda: view.data,
            "v": lambda: self._on_arrays(rows[:, d:]),
            "energy": lambda: view,
            "potential": lambda: view.potential,
            "gradient": lambda: view.gradient,
            "step_size": lambda: h,
            "rng": lambda: self._generator(rng),
            "key": lambda: self._generator(rng),
            "xi": lambda: self._on_arrays(noise["xi"].astype(self.dtype)),
            "u": lambda: self._on_arrays(noise["u"].astype(self.dtype)),
        }
        return [makers[name]() for name in self.names]

    def _on_arrays(self, rows: FloatArray) -> Any:
        value = np.array(rows if self.layout == "whole" else rows[0])
        if value.ndim == 0:
            return float(value)
        if self.backend == "torch":
            return arrays("torch").from_numpy(value)
        return value

    def _generator(self, rng: np.random.Generator) -> Any:
        if self.backend == "numpy":
            return rng
        import torch

        return torch.Generator().manual_seed(int(rng.integers(2**63)))

    def heed(self, after: npt.NDArray[Any]) -> None:
        """Notes the coarsest floating point type that the step has returned."""
        if after.dtype.kind == "f":
            self.rounding = max(self.rounding, float(np.finfo(after.dtype).eps))

    def state_after(self, result: Any, shape: tuple[int, ...]) -> FloatArray:
        """The state (n, k) in what a step returned.

        Raises
        ------
        ArgumentError
            Another shape than the step was given.
        """
        n, k = shape
        parts = 2 if "v" in self.names else 1
        if parts == 2 and not (isinstance(result, tuple) and len(result) >= 2):
            raise ArgumentError("a step that takes momenta v returns (x', v') or (x', v', info)")
        found = list(result[:parts]) if isinstance(result, tuple) else [result]
        wanted = (n, k // parts) if self.layout == "whole" else (k // parts,)
        pieces = []
        for value in found:
            after = as_numpy(value)
            if after.dtype.kind not in "fiub":
                raise ArgumentError(
                    f"the step took positions of shape {wanted} and returned no numbers but a "
                    f"{type(value).__name__}"
                )
            # one number will do for one coordinate
            if after.shape != wanted and not (wanted == (1,) and after.shape == ()):
                raise ArgumentError(
                    f"the step took positions of shape {wanted} and returned {after.shape}"
                )
            self.heed(after)
            pieces.append(after.astype(np.float64).reshape(n, -1))
        return np.concatenate(pieces, axis=1)
