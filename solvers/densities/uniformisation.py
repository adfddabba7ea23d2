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

from lvebm_theory.arrays import FloatArray

from .chebyshev import aligned_zeros
from .compiled import compiled
from .generator import Generator

_WAVES = 8


@compiled
def _inflow(
    rate_up: FloatArray,
    below: FloatArray,
    rate_down: FloatArray,
    above: FloatArray,
    out: FloatArray,
) -> None:
    for j in range(out.size):
        out[j] += rate_up[j] * below[j] + rate_down[j] * above[j]


@compiled
def _stay(probability: FloatArray, masses: FloatArray, out: FloatArray) -> None:
    for j in range(out.size):
        out[j] = probability[j] * masses[j]


@compiled
def _collect(weight: float, masses: FloatArray, total: FloatArray) -> None:
    for j in range(total.size):
        total[j] += weight * masses[j]


@compiled
def _jumps(
    stay: FloatArray,
    up: FloatArray,
    down: FloatArray,
    strides: npt.NDArray[np.int64],
    first: int,
    weights: FloatArray,
    even: FloatArray,
    odd: FloatArray,
    total: FloatArray,
) -> None:
    """total += sum_k weights_k P^{first+k} even, in a wavefront over planes.

    Jump s works one plane behind jump s-1; even jumps read ``even`` and write ``odd``.
    """
    stride = strides[0]
    rows = stay.size // stride - 2
    last = first + weights.size - 1
    for begin in range(0, last, _WAVES):
        waves = min(_WAVES, last - begin)
        if begin == 0 and first == 0:
            _collect(weights[0], even, total)
        for front in range(1, rows + waves):
            for s in range(waves):
                row = front - s
                if row < 1 or row > rows:
                    continue
                a = row * stride
                b = a + stride
                source = even if (begin + s) % 2 == 0 else odd
                target = odd if (begin + s) % 2 == 0 else even
                _stay(stay[a:b], source[a:b], target[a:b])
                for k in range(strides.size):
                    c = strides[k]
                    _inflow(
                        up[k, a - c : b - c],
                        source[a - c : b - c],
                        down[k, a + c : b + c],
                        source[a + c : b + c],
                        target[a:b],
                    )
                if begin + s + 1 >= first:
                    _collect(weights[begin + s + 1 - first], target[a:b], total[a:b])


class Uniformisation:
    """p -> exp(t L) p for the jump rates of a generator."""

    def __init__(self, generator: Generator) -> None:
        self._shape = generator.grid.shape
        self._pad = int(np.prod(self._shape[1:]))
        self.rate = 1.001 * float(generator.exit_rates.max())
        self._stay = self._flat(1.0 - generator.exit_rates / self.rate)
        dim = len(self._shape)
        up, down = [], []
        for k in range(dim):
            after = [(0, 1) if j == k else (0, 0) for j in range(dim)]
            before = [(1, 0) if j == k else (0, 0) for j in range(dim)]
            up.append(self._flat(np.pad(generator.rates_up[k], after) / self.rate))
            down.append(self._flat(np.pad(generator.rates_down[k], before) / self.rate))
        self._up, self._down = np.stack(up), np.stack(down)
        self._strides = np.array([math.prod(self._shape[k + 1 :]) for k in range(dim)])

    def __call__(self, masses: FloatArray, time: float) -> FloatArray:
        """exp(time L) masses."""
        mean = self.rate * time
        first = max(0, math.floor(mean - 9 * math.sqrt(mean) - 5))
        last = math.ceil(mean + 9 * math.sqrt(mean) + 40)
        k = np.arange(first, last + 1)
        weights = np.exp(k * math.log(mean) - mean - gammaln(k + 1.0))
        weights /= weights.sum()
        p = self._flat(masses)
        total = aligned_zeros(p.size)
        _jumps(
            self._stay,
            self._up,
            self._down,
            self._strides,
            first,
            weights,
            p,
            aligned_zeros(p.size),
            total,
        )
        return np.ascontiguousarray(total[self._pad : total.size - self._pad].reshape(self._shape))

    def _flat(self, array: FloatArray) -> FloatArray:
        out = aligned_zeros(array.size + 2 * self._pad)
        out[self._pad : self._pad + array.size] = array.ravel()
        return out
