"""exp(-t A) for a symmetric nearest-neighbour A on a tensor grid, by Chebyshev expansion.

    exp(-t A) v = sum_k (2 - delta_k0) e^{-alpha} I_k(alpha) T_k(X) v,   X = 1 - 2A/bound,
    alpha = t bound / 2,

for spectra in [0, bound]. All coefficients are positive and sum to one, so rounding does not
grow; the degree is about sqrt(72 alpha). Arrays are flat and padded with zeros, neighbours along
axis k lie a fixed stride away, and couplings vanish across the wall.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ive

from .compiled import compiled

FloatArray = npt.NDArray[np.float64]

_ROUNDING = 1e-17


@compiled
def _clenshaw_2d(
    centre: FloatArray,
    near: FloatArray,
    far: FloatArray,
    stride: int,
    vector: FloatArray,
    current: FloatArray,
    previous: FloatArray,
    coefficient: float,
) -> None:
    """previous <- coefficient*vector + (2X) current - previous on flat padded arrays."""
    for i in range(stride, vector.size - stride):
        previous[i] = (
            coefficient * vector[i]
            - previous[i]
            + centre[i] * current[i]
            + near[i] * current[i + 1]
            + near[i - 1] * current[i - 1]
            + far[i] * current[i + stride]
            + far[i - stride] * current[i - stride]
        )


@compiled
def _clenshaw_3d(
    centre: FloatArray,
    near: FloatArray,
    middle: FloatArray,
    far: FloatArray,
    short: int,
    stride: int,
    vector: FloatArray,
    current: FloatArray,
    previous: FloatArray,
    coefficient: float,
) -> None:
    """The same in three dimensions."""
    for i in range(stride, vector.size - stride):
        previous[i] = (
            coefficient * vector[i]
            - previous[i]
            + centre[i] * current[i]
            + near[i] * current[i + 1]
            + near[i - 1] * current[i - 1]
            + middle[i] * current[i + short]
            + middle[i - short] * current[i - short]
            + far[i] * current[i + stride]
            + far[i - stride] * current[i - stride]
        )


class ChebyshevExponential:
    """v -> exp(-t A) v, A with diagonal ``exit_rates`` and off-diagonals minus ``couplings``.

    Parameters
    ----------
    exit_rates : array (*shape), d = 2 or 3
    couplings : for each axis an array with one entry less along it
    """

    def __init__(self, exit_rates: FloatArray, couplings: tuple[FloatArray, ...]) -> None:
        self._shape = exit_rates.shape
        row_sums = exit_rates.copy()
        padded = []
        for k, coupling in enumerate(couplings):
            after = [(0, 1) if j == k else (0, 0) for j in range(exit_rates.ndim)]
            before = [(1, 0) if j == k else (0, 0) for j in range(exit_rates.ndim)]
            padded.append(np.pad(coupling, after))
            row_sums += padded[-1] + np.pad(coupling, before)
        self.bound = float(min(row_sums.max(), 2 * exit_rates.max()))
        self._stride = int(np.prod(self._shape[1:]))
        scale = 4.0 / self.bound
        self._centre = self._flat(2.0 - scale * exit_rates)
        self._couplings = [self._flat(scale * c) for c in padded]

    def __call__(self, vector: FloatArray, time: float) -> FloatArray:
        """exp(-time A) vector, to rounding in the 2-norm."""
        coefficients = self._coefficients(time * self.bound / 2)
        v = self._flat(vector)
        current, previous = np.zeros_like(v), np.zeros_like(v)
        for coefficient in coefficients[:0:-1]:
            self._advance(v, current, previous, float(coefficient))
            current, previous = previous, current
        # the last Clenshaw step has X, not 2X: (c_0 v + 2X b_1 - b_2 + c_0 v - b_2) / 2
        minus = previous.copy()
        self._advance(v, current, previous, float(coefficients[0]))
        result = (previous + coefficients[0] * v - minus) / 2
        inner = result[self._stride : result.size - self._stride]
        return np.ascontiguousarray(inner.reshape(self._shape))

    def _advance(
        self, v: FloatArray, current: FloatArray, previous: FloatArray, coefficient: float
    ) -> None:
        if len(self._shape) == 2:
            far, near = self._couplings
            _clenshaw_2d(self._centre, near, far, self._stride, v, current, previous, coefficient)
        else:
            far, middle, near = self._couplings
            short = self._shape[2]
            _clenshaw_3d(
                self._centre,
                near,
                middle,
                far,
                short,
                self._stride,
                v,
                current,
                previous,
                coefficient,
            )

    @staticmethod
    def _coefficients(alpha: float) -> FloatArray:
        count = int(16 + math.sqrt(80 * alpha) + 8 * alpha ** (1 / 3))
        values = ive(np.arange(count), alpha)
        values[1:] *= 2
        kept = np.nonzero(values > _ROUNDING)[0]
        values = values[: max(int(kept[-1]) + 1, 2)]
        return np.asarray(values / values.sum())

    def _flat(self, array: FloatArray) -> FloatArray:
        return np.pad(np.ascontiguousarray(array).ravel(), self._stride)
