"""Compiled loops of one-dimensional transport; imported only when first needed.

Walks along two quantile functions at once have no branches that a processor could guess wrong:
the next level is a minimum, and each index advances by the truth of a comparison.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _total(mass):  # type: ignore[no-untyped-def]
    """The sum of the masses; nan where they make no law."""
    wrong, n = np.int64(0), mass.size
    for i in range(n):
        wrong += np.int64(not (mass[i] >= 0.0))
    a, b, c, d, whole = 0.0, 0.0, 0.0, 0.0, n // 4 * 4
    for i in range(0, whole, 4):
        a += mass[i]
        b += mass[i + 1]
        c += mass[i + 2]
        d += mass[i + 3]
    for i in range(whole, n):
        a += mass[i]
    total = (a + b) + (c + d)
    return total if wrong == 0 and 0.0 < total < np.inf else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _divide(right, left, slope):  # type: ignore[no-untyped-def]
    """slope = (right - left) / slope, zero where it was."""
    for i in range(slope.size):
        gap = slope[i]
        slope[i] = (right[i] - left[i]) / gap if gap > 1e-290 else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _levels(mass, left, right, total, up, rise, down, fall):  # type: ignore[no-untyped-def]
    """Distribution function and slopes of the quantile function, from both ends to the median.

    up[i] = P(pieces before i) and down[i] = P(pieces after n - 1 - i), each summed from its own
    end; the first at or beyond one half is 1/2 and the last. Slopes, in the order of the pieces,
    are zero without mass.
    """
    n, last, scale, one = np.uint64(mass.size), np.uint64(mass.size - 1), 1.0 / total, np.uint64(1)
    below, above, i, k = 0.0, 0.0, np.uint64(0), np.uint64(0)
    up[0], down[0] = 0.0, 0.0
    more_below: Any = True
    more_above: Any = True
    while more_below or more_above:  # together, so that neither sum waits for the other
        if more_below:
            new = below + mass[i] * scale
            rise[i] = new - below
            below = new
            i += one
            up[i] = below
            more_below = below < 0.5 and i < n
        if more_above:
            new = above + mass[last - k] * scale
            fall[last - k] = new - above
            above = new
            k += one
            down[k] = above
            more_above = above < 0.5 and k < n
    up[i], down[k] = 0.5, 0.5
    _divide(right[:i], left[:i], rise[:i])
    _divide(right[n - k :], left[n - k :], fall[n - k :])


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _walk(mass_a, left_a, right_a, mass_b, left_b, right_b):  # type: ignore[no-untyped-def]
    """``quantile_cost`` for ends that are in order; nan for masses that make no law.

    From both ends to the median, in one loop whose two halves do not wait for each other.
    """
    n, m = mass_a.size, mass_b.size
    total_a, total_b = _total(mass_a), _total(mass_b)
    if not total_a + total_b > 0.0:
        return np.nan
    work_a, work_b = np.empty((4, n + 1)), np.empty((4, m + 1))
    up_a, down_a, rise_a, fall_a = work_a[0], work_a[1], work_a[2], work_a[3]
    up_b, down_b, rise_b, fall_b = work_b[0], work_b[1], work_b[2], work_b[3]
    _levels(mass_a, left_a, right_a, total_a, up_a, rise_a, down_a, fall_a[:n])
    _levels(mass_b, left_b, right_b, total_b, up_b, rise_b, down_b, fall_b[:m])
    # levels are positive, so that they compare like their bits, which is quicker
    bits_up_a, bits_down_a = up_a.view(np.int64), down_a.view(np.int64)
    bits_up_b, bits_down_b = up_b.view(np.int64), down_b.view(np.int64)
    half, one = np.float64(0.5).view(np.int64), np.uint64(1)
    i, j, k, l = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    last_a, last_b = np.uint64(n - 1), np.uint64(m - 1)
    at, to, low, high, cost_low, cost_high = np.int64(0), np.int64(0), 0.0, 0.0, 0.0, 0.0
    while at < half or to < half:
        if at < half:
            end_a, end_b = bits_up_a[i + one], bits_up_b[j + one]
            at = min(end_a, end_b)
            step = np.int64(at).view(np.float64) - low
            p = left_a[i] - left_b[j] + rise_a[i] * (low - up_a[i]) - rise_b[j] * (low - up_b[j])
            q = p + (rise_a[i] - rise_b[j]) * step
            cost_low += step * (p * p + p * q + q * q)
            low = np.int64(at).view(np.float64)
            i += np.uint64(end_a == at)
            j += np.uint64(end_b == at)
        if to < half:
            end_a, end_b = bits_down_a[k + one], bits_down_b[l + one]
            to = min(end_a, end_b)
            step = np.int64(to).view(np.float64) - high
            r = right_a[last_a - k] - right_b[last_b - l]
            slope_a, slope_b = fall_a[last_a - k], fall_b[last_b - l]
            r = r - slope_a * (high - down_a[k]) + slope_b * (high - down_b[l])
            s = r - (slope_a - slope_b) * step
            cost_high += step * (r * r + r * s + s * s)
            high = np.int64(to).view(np.float64)
            k += np.uint64(end_a == to)
            l += np.uint64(end_b == to)
    return (cost_low + cost_high) / 3.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _in_order(left, right):  # type: ignore[no-untyped-def]
    """Whether left[i] <= right[i] <= left[i + 1], all finite."""
    wrong = np.int64(not right[right.size - 1] - left[0] < np.inf)
    for i in range(left.size):
        wrong += np.int64(not right[i] >= left[i])
    for i in range(left.size - 1):
        wrong += np.int64(not left[i + 1] >= right[i])
    return wrong == 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def quantile_cost(mass_a, left_a, right_a, mass_b, left_b, right_b):  # type: ignore[no-untyped-def]
    """int_0^1 (Q_a(u) - Q_b(u))^2 du for laws made of pieces in increasing order.

    Piece i spreads its mass evenly from ``left[i]`` to ``right[i]`` (an atom when they agree), so
    both quantile functions are linear between consecutive break points and each stretch of length
    s, with end differences p and q, costs s (p^2 + p q + q^2) / 3. nan for what is no law.
    """
    if not (_in_order(left_a, right_a) and _in_order(left_b, right_b)):
        return np.nan
    return _walk(mass_a, left_a, right_a, mass_b, left_b, right_b)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def squared_gap(a, b):  # type: ignore[no-untyped-def]
    """sum (a_i - b_i)^2 in blocks, eight partial sums each, which vectorise.

    The order of summation is fixed, and its error that of sums of a few thousand terms.
    """
    total, sums = 0.0, np.zeros(8)
    for start in range(0, a.size, 4096):
        x, y = a[start : start + 4096], b[start : start + 4096]
        whole = x.size // 8
        x8, y8 = x[: whole * 8].reshape(whole, 8), y[: whole * 8].reshape(whole, 8)
        sums[:] = 0.0
        for k in range(whole):
            for lane in range(8):
                gap = x8[k, lane] - y8[k, lane]
                sums[lane] += gap * gap
        part = 0.0
        for lane in range(8):
            part += sums[lane]
        for k in range(whole * 8, x.size):
            part += (x[k] - y[k]) ** 2
        total += part
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def monotone_spread(count_a, place_a, count_b, place_b):  # type: ignore[no-untyped-def]
    """Along the monotone coupling of two atomic laws with masses in proportion to integers.

    Counts (n,) and (m,), positive and with the same total. Returns E (A - B)^2 and bounds on
    E Var(B | A) and E Var(A | B): a variance is at most a quarter of the squared range (Popoviciu).
    """
    n, m = count_a.size, count_b.size
    first_b, last_b = np.zeros(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    first_a, last_a = np.zeros(m + 1, dtype=np.int64), np.zeros(m + 1, dtype=np.int64)
    total, level, end_a, end_b = count_a.sum(), np.int64(0), count_a[0], count_b[0]
    cost, i, j = 0.0, np.uint64(0), np.uint64(0)
    most_a, most_b = np.uint64(n - 1), np.uint64(m - 1)
    new_a, new_b = True, True
    while level < total:
        to = min(end_a, end_b)
        gap = place_a[i] - place_b[j]
        cost += np.float64(to - level) * (gap * gap)
        first_b[i] = np.int64(j) if new_a else first_b[i]
        first_a[j] = np.int64(i) if new_b else first_a[j]
        last_b[i], last_a[j] = np.int64(j), np.int64(i)
        new_a, new_b = end_a == to, end_b == to
        i, j, level = i + np.uint64(new_a), j + np.uint64(new_b), to
        end_a += count_a[min(i, most_a)] if new_a else 0
        end_b += count_b[min(j, most_b)] if new_b else 0
    spread_b, spread_a = 0.0, 0.0
    for k in range(n):
        spread_b += count_a[k] * (place_b[last_b[k]] - place_b[first_b[k]]) ** 2
    for k in range(m):
        spread_a += count_b[k] * (place_a[last_a[k]] - place_a[first_a[k]]) ** 2
    return cost, spread_b / 4.0, spread_a / 4.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def grid_cost(mass_a, edges_a, mass_b, edges_b):  # type: ignore[no-untyped-def]
    """The same for two grids by their edges (n + 1,); nan for what is no law on a grid."""
    n, m = mass_a.size, mass_b.size
    if n == 0 or m == 0 or edges_a.size != n + 1 or edges_b.size != m + 1:
        return np.nan
    wrong = np.int64(not edges_a[n] - edges_a[0] < np.inf)
    wrong += np.int64(not edges_b[m] - edges_b[0] < np.inf)
    for i in range(n):
        wrong += np.int64(not edges_a[i + 1] > edges_a[i])
    for i in range(m):
        wrong += np.int64(not edges_b[i + 1] > edges_b[i])
    if wrong > 0:
        return np.nan
    return _walk(mass_a, edges_a[:n], edges_a[1:], mass_b, edges_b[:m], edges_b[1:])
