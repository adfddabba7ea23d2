"""Normals and uniforms step by step, drawn from the tape in blocks.

A call of the counter-based generator costs as much as a thousand of its numbers, so the steps of
a chain on arrays are drawn many at a time; values are those of ``Noise.normals`` and
``Noise.uniforms`` at the same step.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..noise import Noise

_ENTRIES = 1 << 20


class StepNoise:
    """The noise of n rows in dimension d, step after step.

    Parameters
    ----------
    noise : Noise
    rows, dim : int
    steps : int
        How many steps there will be; none is drawn beyond.
    """

    def __init__(self, noise: Noise, rows: int, dim: int, steps: int) -> None:
        self._noise, self._rows, self._dim, self._steps = noise, rows, dim, steps
        self._blocks: dict[str, tuple[int, FloatArray]] = {}

    def normals(self, step: int) -> FloatArray:
        """Standard normals of a step, shape (n, d)."""
        return np.asarray(self._entries("normals", step, self._dim).T)

    def uniforms(self, step: int) -> FloatArray:
        """Uniforms on (0, 1) of a step, shape (n,)."""
        return np.asarray(self._entries("uniforms", step, 1)[0])

    def _entries(self, law: Literal["normals", "uniforms"], step: int, width: int) -> FloatArray:
        span = max(1, _ENTRIES // (width * self._rows))
        first = step // span * span
        if law not in self._blocks or self._blocks[law][0] != first:
            count = max(min(span, self._steps - first), step - first + 1)
            tape = self._noise.tape(self._rows, first * width, count * width, law=law)
            self._blocks[law] = (first, tape)
        at = (step - first) * width
        return self._blocks[law][1][at : at + width]
