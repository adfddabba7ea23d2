"""Calling a step that numba compiles: it takes U and grad U as compiled functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from .callers import Caller, Noise


@dataclass
class NumbaCaller(Caller):
    """A compiled step for a batch of chains; arguments as for ``Caller``."""

    def _arguments(
        self, rows: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> list[Any]:
        from .bridges.numba_bridge import compiled

        if "energy" in self.names:
            raise ArgumentError(
                "a step compiled by numba takes potential and gradient, not energy: compiled code "
                "cannot hold Python objects"
            )
        functions: dict[str, Any] = {}
        if {"potential", "gradient"} & set(self.names):
            hashable: Any = energy
            potential, gradient = compiled(hashable, self.layout == "whole")
            functions = {"potential": potential, "gradient": gradient}
        plain = super()._arguments(rows, energy, h, rng, noise)
        return [functions.get(name, value) for name, value in zip(self.names, plain, strict=True)]
