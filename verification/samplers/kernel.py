"""A user's sampler behind one face: whole chains or one, with or without its noise as argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]

WORDS = ("x", "energy", "step_size", "rng", "xi", "u")


def arguments_of(step: Callable[..., Any]) -> tuple[str, ...]:
    """Names by which the step takes its arguments.

    Raises
    ------
    ArgumentError
        The first is not the position, or a required one is not a word of ``WORDS``.
    """
    try:
        found = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):  # compiled callables show no signature
        return ("x", "energy", "step_size", "rng")
    names = []
    for p in found:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.name in WORDS:
            names.append(p.name)
        elif p.default is p.empty:
            raise ArgumentError(
                f"a step takes arguments named {', '.join(WORDS)}; it asks for {p.name!r}"
            )
    if not names or names[0] != "x":
        raise ArgumentError(f"a step takes its position x first, got arguments {names}")
    return tuple(names)


@dataclass
class Kernel:
    """One step of a sampler, as the laws call it.

    Parameters
    ----------
    step : callable
        ``step(x, energy, step_size, rng)`` -> x' or (x', info).
    vectorised : bool or None
        Whether x is (n, d), whole chains at once; None tries.
    """

    step: Callable[..., Any]
    vectorised: bool | None = None
    calls: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise ArgumentError(f"a sampler is a callable step, got {self.step!r}")
        self.names = arguments_of(self.step)

    def _once(
        self, x: FloatArray, energy: Energy, h: float, rng: np.random.Generator
    ) -> FloatArray:
        given = {"x": x, "energy": energy, "step_size": h, "rng": rng}
        if "xi" in self.names:
            given["xi"] = rng.standard_normal(x.shape)
        if "u" in self.names:
            given["u"] = rng.random(x.shape[0] if x.ndim == 2 else None)
        result = self.step(**{name: given[name] for name in self.names})
        if isinstance(result, tuple):
            result = result[0]
        return np.asarray(result, dtype=np.float64)

    def _whole(
        self, x: FloatArray, energy: Energy, h: float, rng: np.random.Generator
    ) -> FloatArray:
        after = self._once(x.copy(), energy, h, rng)
        if after.shape != x.shape:
            raise ArgumentError(f"the step took x of shape {x.shape} and returned {after.shape}")
        return after

    def _detect(self, energy: Energy, h: float) -> bool:
        # an odd number of chains, so that a broadcast against d cannot pass for a chain axis
        x = np.random.default_rng(0).standard_normal((7, energy.dim))
        try:
            self._whole(x, energy, h, np.random.default_rng(1))
        except Exception:
            return False
        return True

    def advance(
        self, x: FloatArray, energy: Energy, h: float, rng: np.random.Generator, steps: int = 1
    ) -> FloatArray:
        """x (n, d) after some steps; not-a-number where the sampler left the numbers."""
        if self.vectorised is None:
            self.vectorised = self._detect(energy, h)
        self.calls += len(x) * steps
        with np.errstate(all="ignore"):
            for _ in range(steps):
                if self.vectorised:
                    x = self._whole(x, energy, h, rng)
                else:
                    x = np.stack([self._once(row.copy(), energy, h, rng) for row in x])
        return x
