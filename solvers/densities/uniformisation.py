"""exp(t L) p by uniformisation: a Poisson mixture of powers of a stochastic matrix.

    exp(t L) p = sum_k e^{-q t} (q t)^k / k!  (1 + L/q)^k p,   q >= every exit rate

Nothing is subtracted, so every entry keeps its relative accuracy, however far out in the tail the
mass starts. The cost grows like q t, so it serves short times only.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from .compiled import compiled
from .generator import Generator

FloatArray = npt.NDArray[np.float64]


@compiled
def _jump(
    stay: FloatArray,
    up: FloatArray,
    down: FloatArray,
    stride: int,
    pad: int,
    start: bool,
    masses: FloatArray,
    out: FloatArray,
) -> None:
    """out (+)= stay*masses + inflow along one axis, on flat padded arrays."""
    for i in range(pad, masses.size - pad):
        inflow = up[i - stride] * masses[i - stride] + down[i + stride] * masses[i + stride]
        out[i] = inflow + (stay[i] * masses[i] if start else out[i])


class Uniformisation:
    """p -> exp(t L) p for the jump rates of a generator."""

    def __init__(self, generator: Generator) -> None:
        self._shape = generator.grid.shape
        self._pad = int(np.prod(self._shape[1:]))
        self.rate = 1.001 * float(generator.exit_rates.max())
        self._stay = self._flat(1.0 - generator.exit_rates / self.rate)
        self._axes = []
        for k in range(len(self._shape)):
            after = [(0, 1) if j == k else (0, 0) for j in range(len(self._shape))]
            before = [(1, 0) if j == k else (0, 0) for j in range(len(self._shape))]
            up = self._flat(np.pad(generator.rates_up[k], after) / self.rate)
            down = self._flat(np.pad(generator.rates_down[k], before) / self.rate)
            self._axes.append((up, down, int(np.prod(self._shape[k + 1 :]))))

    def __call__(self, masses: FloatArray, time: float) -> FloatArray:
        """exp(time L) masses."""
        mean = self.rate * time
        first = max(0, math.floor(mean - 9 * math.sqrt(mean) - 5))
        last = math.ceil(mean + 9 * math.sqrt(mean) + 40)
        k = np.arange(first, last + 1)
        weights = np.exp(k * math.log(mean) - mean - gammaln(k + 1.0))
        weights /= weights.sum()
        p = self._flat(masses)
        out = np.zeros_like(p)
        spare = np.zeros_like(p)
        for step in range(last + 1):
            if step >= first:
                out += weights[step - first] * p
            if step < last:
                for axis, (up, down, stride) in enumerate(self._axes):
                    _jump(self._stay, up, down, stride, self._pad, axis == 0, p, spare)
                p, spare = spare, p
        return np.ascontiguousarray(out[self._pad : out.size - self._pad].reshape(self._shape))

    def _flat(self, array: FloatArray) -> FloatArray:
        return np.pad(np.ascontiguousarray(array).ravel(), self._pad)
