"""exp(-t A) for a tridiagonal A with real spectrum in [0, inf): shifted solves, poles in lanes.

All poles of the rational exponential are eliminated together, in split real and imaginary parts,
so that the innermost loop runs over lanes and vectorises while the recurrences run along the line.
"""

from __future__ import annotations

import weakref

import numpy as np

from lvebm_theory.arrays import ComplexArray, FloatArray

from .compiled import compiled
from .contour import nodes_and_weights
from .exponential import POLES, RESIDUES
from .lanes import TILE, combine_tile
from .workspace import borrowed, given_back, taken

_LANES = POLES.size


@compiled
def _factor(
    up: FloatArray,
    down: FloatArray,
    time: float,
    pole_re: FloatArray,
    pole_im: FloatArray,
    inverse_re: FloatArray,
    inverse_im: FloatArray,
) -> None:
    """Inverse pivots of time*A + z for every pole, shape (n, lanes).

    The pivot is z + time*up_i + e_i with e_{i+1} = time*down_{i+1} (z + e_i) / pivot_i: zero row
    sums are used exactly, so nothing of the size 1/h^2 cancels and small eigenvalues keep their
    relative accuracy.
    """
    e_re = np.zeros(_LANES)
    e_im = np.zeros(_LANES)
    for i in range(up.size):
        rate = time * up[i]
        fall = time * down[i + 1]
        for k in range(_LANES):
            rest_re = pole_re[k] + e_re[k]
            rest_im = pole_im[k] + e_im[k]
            re = rest_re + rate
            square = 1.0 / (re * re + rest_im * rest_im)
            re = re * square
            im = -rest_im * square
            inverse_re[i, k] = re
            inverse_im[i, k] = im
            e_re[k] = fall * (rest_re * re - rest_im * im)
            e_im[k] = fall * (rest_re * im + rest_im * re)


@compiled
def _solve(
    lower: FloatArray,
    upper: FloatArray,
    time: float,
    inverse_re: FloatArray,
    inverse_im: FloatArray,
    residue_re: FloatArray,
    residue_im: FloatArray,
    vector: FloatArray,
    scratch_re: FloatArray,
    scratch_im: FloatArray,
    out: FloatArray,
) -> None:
    """out = -Re sum_k residue_k (time*A + z_k)^{-1} vector, A with off-diagonals -lower, -upper."""
    n = vector.size
    for i in range(n):
        factor = time * lower[i - 1] if i > 0 else 0.0
        before = i - 1 if i > 0 else 0
        v = vector[i]
        for k in range(_LANES):
            re = v + factor * scratch_re[before, k]
            im = factor * scratch_im[before, k]
            scratch_re[i, k] = re * inverse_re[i, k] - im * inverse_im[i, k]
            scratch_im[i, k] = re * inverse_im[i, k] + im * inverse_re[i, k]
    re_next = np.zeros(_LANES)
    im_next = np.zeros(_LANES)
    for j in range(n):
        i = n - 1 - j
        factor = time * upper[i] if j > 0 else 0.0
        total = 0.0
        for k in range(_LANES):
            re = factor * re_next[k]
            im = factor * im_next[k]
            x_re = scratch_re[i, k] + re * inverse_re[i, k] - im * inverse_im[i, k]
            x_im = scratch_im[i, k] + re * inverse_im[i, k] + im * inverse_re[i, k]
            re_next[k] = x_re
            im_next[k] = x_im
            scratch_re[i, k] = residue_re[k] * x_re - residue_im[k] * x_im
        for k in range(_LANES):
            total += scratch_re[i, k]
        out[i] = -total


@compiled
def _solve_each(
    couplings: FloatArray,
    inverse_re: FloatArray,
    inverse_im: FloatArray,
    vector: FloatArray,
    scratch_re: FloatArray,
    scratch_im: FloatArray,
    first: int,
    out: FloatArray,
) -> None:
    """out[k] = real parts, out[middle + k] = imaginary parts of (A + z_k)^{-1} vector.

    The lanes are the nodes from ``first`` on.
    """
    n = vector.size
    middle = out.shape[0] // 2
    for i in range(n):
        factor = couplings[i - 1] if i > 0 else 0.0
        before = i - 1 if i > 0 else 0
        v = vector[i]
        for k in range(_LANES):
            re = v + factor * scratch_re[before, k]
            im = factor * scratch_im[before, k]
            scratch_re[i, k] = re * inverse_re[i, k] - im * inverse_im[i, k]
            scratch_im[i, k] = re * inverse_im[i, k] + im * inverse_re[i, k]
    re_next = np.zeros(_LANES)
    im_next = np.zeros(_LANES)
    for j in range(n):
        i = n - 1 - j
        factor = couplings[i] if j > 0 else 0.0
        for k in range(_LANES):
            re = factor * re_next[k]
            im = factor * im_next[k]
            re_next[k] = scratch_re[i, k] + re * inverse_re[i, k] - im * inverse_im[i, k]
            im_next[k] = scratch_im[i, k] + re * inverse_im[i, k] + im * inverse_re[i, k]
        for k in range(_LANES):
            out[first + k, i] = re_next[k]
            out[middle + first + k, i] = im_next[k]


@compiled
def _combine(weights: FloatArray, rows: FloatArray, out: FloatArray) -> None:
    """out = weights @ rows, widths padded to multiples of TILE.

    A library's product would start threads for a fraction of a millisecond of work.
    """
    last = weights.shape[0] - 1
    for begin in range(0, rows.shape[1], TILE):
        for j in range(0, last + 1, 2):
            combine_tile(weights, rows, out, j, min(j + 1, last), begin)


_POLES = POLES.real.copy(), POLES.imag.copy()
_RESIDUES = RESIDUES.real.copy(), RESIDUES.imag.copy()


class TridiagonalExponential:
    """v -> exp(-t A) v for a line of cells with jump rates between neighbours.

    Factorisations are kept for the last time asked, so equal steps cost one pair of sweeps each.

    Parameters
    ----------
    up, down : arrays (n - 1,)
        Rates from cell i to i+1 and from i+1 to i; the diagonal of A is their sum over neighbours.
    """

    def __init__(self, up: FloatArray, down: FloatArray) -> None:
        n = up.size + 1
        self._up, self._down, self._couplings = np.zeros(n), np.zeros(n + 1), np.zeros(n)
        self._up[:-1], self._down[1:-1] = up, down
        np.sqrt(up * down, out=self._couplings[:-1])
        work = taken(4 * n * _LANES)
        weakref.finalize(self, given_back, work).atexit = False
        rows = work.reshape(4, n, _LANES)
        rows[2:, 0] = 0.0
        self._inverse, self._scratch = (rows[0], rows[1]), (rows[2], rows[3])
        self._time = -1.0

    def symmetric(self, vector: FloatArray, time: float) -> FloatArray:
        """exp(-time A) v for A with off-diagonals -sqrt(up down); 2e-14 of the 2-norm of v."""
        return self._apply(self._couplings, self._couplings, vector, time)

    def symmetric_at(
        self, vector: FloatArray, times: FloatArray, tolerance: float
    ) -> tuple[FloatArray, int]:
        """exp(-t A) v at increasing times > 0, shape (T, n), and the number of shifted solves.

        All times share the solves; errors are at most ``tolerance`` of the 2-norm of v.
        """
        nodes, weights = nodes_and_weights(times, tolerance, _LANES)
        n, count = vector.size, nodes.size
        # an odd number of tiles: rows a power of two apart would share a few sets of the cache
        width = TILE * (-(-n // TILE) | 1)
        self._time = -1.0  # the factors of the last step are overwritten
        out = np.empty((times.size, width))
        with borrowed(2 * count, width) as solutions:
            solutions[:, n:] = 0.0
            for first in range(0, count, _LANES):
                some = nodes[first : first + _LANES]
                poles = some.real.copy(), some.imag.copy()
                _factor(self._up, self._down, 1.0, *poles, *self._inverse)
                _solve_each(
                    self._couplings,
                    *self._inverse,
                    np.ascontiguousarray(vector),
                    *self._scratch,
                    first,
                    solutions,
                )
            _combine(np.hstack([weights.real, -weights.imag]), solutions, out)
        return out[:, :n], count

    def masses(self, vector: FloatArray, time: float) -> FloatArray:
        """exp(time L) p for masses p; accurate while p does not move through many units of U."""
        return self._apply(self._up, self._down[1:], vector, time)

    def rational(
        self, vector: FloatArray, time: float, poles: ComplexArray, residues: ComplexArray
    ) -> FloatArray:
        """Re sum_k c_k (time*L - z_k)^{-1} p for masses p and at most eight poles z_k."""
        spare = (0, _LANES - poles.size)
        z, c = np.pad(poles, spare, constant_values=1.0), np.pad(residues, spare)
        self._time = -1.0
        _factor(self._up, self._down, time, z.real.copy(), z.imag.copy(), *self._inverse)
        return self._solved(self._up, self._down[1:], vector, time, (c.real.copy(), c.imag.copy()))

    def _apply(
        self, lower: FloatArray, upper: FloatArray, vector: FloatArray, time: float
    ) -> FloatArray:
        if time != self._time:
            _factor(self._up, self._down, time, *_POLES, *self._inverse)
            self._time = time
        return self._solved(lower, upper, vector, time, _RESIDUES)

    def _solved(
        self,
        lower: FloatArray,
        upper: FloatArray,
        vector: FloatArray,
        time: float,
        residues: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        # read, times nought, before it is written: what overflowed there last time must not stay
        self._scratch[0][0] = self._scratch[1][0] = 0.0
        out = np.empty_like(vector)
        _solve(
            lower,
            upper,
            time,
            *self._inverse,
            *residues,
            np.ascontiguousarray(vector),
            *self._scratch,
            out,
        )
        return out
