"""The soft transform of squared distance along one axis of a plane grid, compiled.

    out[l, i] = e log sum_j exp((h[j, l] - (x_i - y_j)^2) / e)

in the logarithmic domain, with few exponentials. For the points of one tile, x_i = X + a_i,

    (x_i - y_j)^2 = (X - y_j)^2 + 2 a_i (X - y_j) + a_i^2,

so that v_j = exp((h_j - (X - y_j)^2) / e - M), M the largest exponent, serves the whole tile, and
what is left is a product with the matrix E_ij = exp(-2 a_i (X - y_j) / e), the same for all lines.
Tiles are so small that |log E| <= 300; nothing that matters can then be lost. Terms that are
below e^{-45} of another at all points of a tile are left out.
"""

from __future__ import annotations

import importlib

import numba
import numpy as np

from ..particles.elementary_module import elementary_functions

_elementary = importlib.import_module(elementary_functions("float64").split()[1])
_exp, _log = _elementary.exp_64, _elementary.natural_log_64

LINES = 32
REACH = 300.0  # the largest |log E|
NEGLIGIBLE = -45.0


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _finish(total, top, e, shift, out):  # type: ignore[no-untyped-def]
    """out = e (log total + top) - shift; ``total`` is overwritten."""
    for l in range(LINES):
        total[l] = _log(total[l])
    for l in range(out.size):
        out[l] = e * (total[l] + top[l]) - shift


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def soft_transform(h, first, last, x, y, starts, matrix, e, out):  # type: ignore[no-untyped-def]
    """Lines first to last of the above.

    Parameters
    ----------
    h : array (m, lines), finite or below -1e200 where there is no mass
    x, y : arrays (n,) and (m,), targets and sources
    starts : array of the tiles' first targets, and n
    matrix : array (n, m) of E
    out : array (lines, n)
    """
    m = y.size
    v, kept = np.empty((m + 4, LINES)), np.empty(m + 4, dtype=np.uint64)
    top, where = np.empty(LINES), np.empty(LINES)
    total, second, exponent = np.empty(LINES), np.empty(LINES), np.empty(LINES)
    inverse = 1.0 / e
    for begin in range(first, last, LINES):
        width = min(LINES, last - begin)
        for tile in range(starts.size - 1):
            start, stop = starts[tile], starts[tile + 1]
            centre = (x[start] + x[stop - 1]) / 2
            steep = 2.0 * (x[stop - 1] - centre) * inverse
            for l in range(LINES):
                top[l], where[l] = -np.inf, 0.0
            for j in range(m):
                row, away = h[j, begin : begin + width], (centre - y[j]) ** 2
                for l in range(row.size):
                    s = (row[l] - away) * inverse
                    larger = s > top[l]
                    top[l] = s if larger else top[l]
                    where[l] = y[j] if larger else where[l]
            count = 0
            for j in range(m):
                row, away = h[j, begin : begin + width], (centre - y[j]) ** 2
                near, here = -np.inf, y[j]
                for l in range(row.size):
                    s = (row[l] - away) * inverse - top[l]
                    # fused, it may round above zero, far above where a line has no mass
                    s = s if s < 0.0 else 0.0
                    exponent[l] = s
                    bound = s + steep * abs(here - where[l])
                    near = bound if bound > near else near
                if near > NEGLIGIBLE:
                    target = v[count]
                    for l in range(LINES):
                        target[l] = _exp(exponent[l]) if l < width else 0.0
                    kept[count] = np.uint64(j)
                    count += 1
            while count & 3:
                v[count, :] = 0.0
                kept[count] = kept[0]
                count += 1
            for i in range(start, stop, 2):
                # two rows at once read v half as often; an odd last row is done twice
                other = min(i + 1, stop - 1)
                first_row, second_row = matrix[i], matrix[other]
                total[:] = 0.0
                second[:] = 0.0
                for k in range(0, count, 4):
                    j_a, j_b, j_c, j_d = kept[k], kept[k + 1], kept[k + 2], kept[k + 3]
                    a, b, c, d = first_row[j_a], first_row[j_b], first_row[j_c], first_row[j_d]
                    p, q, r, s = second_row[j_a], second_row[j_b], second_row[j_c], second_row[j_d]
                    v_a, v_b, v_c, v_d = v[k], v[k + 1], v[k + 2], v[k + 3]
                    for l in range(LINES):
                        total[l] += a * v_a[l] + b * v_b[l] + c * v_c[l] + d * v_d[l]
                        second[l] += p * v_a[l] + q * v_b[l] + r * v_c[l] + s * v_d[l]
                _finish(total, top, e, (x[i] - centre) ** 2, out[begin : begin + width, i])
                _finish(second, top, e, (x[other] - centre) ** 2, out[begin : begin + width, other])


def tiles(x: np.ndarray, y: np.ndarray, e: float) -> tuple[np.ndarray, np.ndarray]:
    """First targets of the tiles (and n), and the matrix E of all of them."""
    starts, n = [0], len(x)
    log_matrix = np.empty((n, len(y)))
    while starts[-1] < n:
        start, stop = starts[-1], n
        while True:
            centre = (x[start] + x[stop - 1]) / 2
            far = max(abs(centre - y[0]), abs(centre - y[-1]))
            if stop == start + 1 or (x[stop - 1] - x[start]) * far <= REACH * e:
                break
            stop = start + max(1, (stop - start) // 2)
        log_matrix[start:stop] = -2 / e * (x[start:stop, None] - centre) * (centre - y)
        starts.append(stop)
    return np.array(starts), np.exp(log_matrix)
