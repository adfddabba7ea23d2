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
from scipy.special import ive

from lvebm_theory.arrays import FloatArray

from .compiled import compiled

_ROUNDING = 1e-17
_WAVES = 16
_LINE = 8  # numbers in 64 bytes


@compiled
def _plane_2d(
    coefficient: float,
    vector: FloatArray,
    centre: FloatArray,
    near: FloatArray,
    above: FloatArray,
    below: FloatArray,
    current: FloatArray,
    current_above: FloatArray,
    current_below: FloatArray,
    out: FloatArray,
) -> None:
    """out <- coefficient*vector + 2X current - out on one row; ``near`` and ``current`` start one
    cell earlier."""
    for j in range(out.size):
        out[j] = (
            coefficient * vector[j]
            - out[j]
            + centre[j] * current[j + 1]
            + near[j] * current[j]
            + near[j + 1] * current[j + 2]
            + above[j] * current_above[j]
            + below[j] * current_below[j]
        )


@compiled
def _plane_3d(
    coefficient: float,
    vector: FloatArray,
    centre: FloatArray,
    near: FloatArray,
    left: FloatArray,
    right: FloatArray,
    above: FloatArray,
    below: FloatArray,
    current: FloatArray,
    current_left: FloatArray,
    current_right: FloatArray,
    current_above: FloatArray,
    current_below: FloatArray,
    out: FloatArray,
) -> None:
    """The same on one plane of a three-dimensional grid, flat."""
    for j in range(out.size):
        out[j] = (
            coefficient * vector[j]
            - out[j]
            + centre[j] * current[j + 1]
            + near[j] * current[j]
            + near[j + 1] * current[j + 2]
            + left[j] * current_left[j]
            + right[j] * current_right[j]
            + above[j] * current_above[j]
            + below[j] * current_below[j]
        )


@compiled
def _sweep_2d(
    centre: FloatArray,
    near: FloatArray,
    far: FloatArray,
    stride: int,
    vector: FloatArray,
    even: FloatArray,
    odd: FloatArray,
    coefficients: FloatArray,
) -> None:
    """Clenshaw steps in a wavefront: step s works one row behind step s-1, in place.

    Even steps read ``even`` and write ``odd``; a handful of rows stays in cache meanwhile.
    """
    rows = vector.size // stride - 2
    for front in range(1, rows + coefficients.size):
        for s in range(coefficients.size):
            row = front - s
            if row < 1 or row > rows:
                continue
            a = row * stride
            b = a + stride
            source = even if s % 2 == 0 else odd
            target = odd if s % 2 == 0 else even
            _plane_2d(
                coefficients[s],
                vector[a:b],
                centre[a:b],
                near[a - 1 : b],
                far[a:b],
                far[a - stride : b - stride],
                source[a - 1 : b + 1],
                source[a + stride : b + stride],
                source[a - stride : b - stride],
                target[a:b],
            )


@compiled
def _sweep_3d(
    centre: FloatArray,
    near: FloatArray,
    middle: FloatArray,
    far: FloatArray,
    short: int,
    stride: int,
    vector: FloatArray,
    even: FloatArray,
    odd: FloatArray,
    coefficients: FloatArray,
) -> None:
    """The same by planes in three dimensions."""
    rows = vector.size // stride - 2
    for front in range(1, rows + coefficients.size):
        for s in range(coefficients.size):
            row = front - s
            if row < 1 or row > rows:
                continue
            a = row * stride
            b = a + stride
            source = even if s % 2 == 0 else odd
            target = odd if s % 2 == 0 else even
            _plane_3d(
                coefficients[s],
                vector[a:b],
                centre[a:b],
                near[a - 1 : b],
                middle[a:b],
                middle[a - short : b - short],
                far[a:b],
                far[a - stride : b - stride],
                source[a - 1 : b + 1],
                source[a + short : b + short],
                source[a - short : b - short],
                source[a + stride : b + stride],
                source[a - stride : b - stride],
                target[a:b],
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

    def __call__(self, vector: FloatArray, time: float, tolerance: float = _ROUNDING) -> FloatArray:
        """exp(-time A) vector; coefficients below a tolerance, relative to the 2-norm, end it."""
        coefficients = _coefficients(time * self.bound / 2, tolerance)
        v = self._flat(vector)
        even, odd = aligned_zeros(v.size), aligned_zeros(v.size)
        descending = np.ascontiguousarray(coefficients[:0:-1])
        for first in range(0, descending.size, _WAVES):
            # an even number of waves leaves the newest iterate in ``even``
            waves = descending[first : first + _WAVES]
            self._sweep(v, even, odd, waves)
            if waves.size % 2:
                even, odd = odd, even
        # the last Clenshaw step has X, not 2X: (c_0 v + 2X b_1 - b_2 + c_0 v - b_2) / 2
        minus = odd.copy()
        self._sweep(v, even, odd, coefficients[:1])
        result = (odd + coefficients[0] * v - minus) / 2
        inner = result[self._stride : result.size - self._stride]
        return np.ascontiguousarray(inner.reshape(self._shape))

    def degree(self, time: float, tolerance: float = _ROUNDING) -> int:
        """Degree of the polynomial for a time, the number of applications of A."""
        return chebyshev_degree(time * self.bound / 2, tolerance)

    def _sweep(
        self, v: FloatArray, even: FloatArray, odd: FloatArray, coefficients: FloatArray
    ) -> None:
        if len(self._shape) == 2:
            far, near = self._couplings
            _sweep_2d(self._centre, near, far, self._stride, v, even, odd, coefficients)
        else:
            far, middle, near = self._couplings
            short = self._shape[2]
            _sweep_3d(
                self._centre, near, middle, far, short, self._stride, v, even, odd, coefficients
            )

    def _flat(self, array: FloatArray) -> FloatArray:
        out = aligned_zeros(array.size + 2 * self._stride)
        out[self._stride : self._stride + array.size] = array.ravel()
        return out


def aligned_zeros(size: int) -> FloatArray:
    """Zeros that begin at a line of the cache, so that whole vectors are read from whole lines."""
    room = np.zeros(size + _LINE)
    skip = -(room.ctypes.data // 8) % _LINE
    return room[skip : skip + size]


def chebyshev_degree(alpha: float, tolerance: float) -> int:
    """Degree at which the expansion of exp(-alpha (1 - x)) ends."""
    return int(_coefficients(alpha, tolerance).size) - 1


def _coefficients(alpha: float, tolerance: float) -> FloatArray:
    """Coefficients of exp(-alpha (1 - x)) until what follows stays below the tolerance."""
    count = int(16 + math.sqrt(80 * alpha) + 8 * alpha ** (1 / 3))
    values = ive(np.arange(count), alpha)
    values[1:] *= 2
    beyond = np.cumsum(values[::-1])[::-1] if tolerance > _ROUNDING else values
    kept = np.nonzero(beyond > tolerance)[0]
    values = values[: max(int(kept[-1]) + 1 if kept.size else 0, 2)]
    return np.asarray(values / values.sum())
