"""Compiled loops of one-dimensional transport; imported only when first needed."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def quantile_cost(mass_a, left_a, right_a, mass_b, left_b, right_b, limit):  # type: ignore[no-untyped-def]
    """int_0^limit (Q_a(u) - Q_b(u))^2 du for laws made of pieces in increasing order.

    Piece i spreads ``mass[i]`` evenly from ``left[i]`` to ``right[i]`` (an atom when they agree),
    so both quantile functions are linear between consecutive break points and each stretch of
    length s, with end differences p and q, costs s (p^2 + p q + q^2) / 3. Levels are counted from
    the pieces' own end, which keeps their relative accuracy in the tail.
    """
    i, j = 0, 0
    used_a, used_b, level, cost = 0.0, 0.0, 0.0, 0.0
    while i < mass_a.size and j < mass_b.size and level < limit:
        rest_a, rest_b, rest = mass_a[i] - used_a, mass_b[j] - used_b, limit - level
        step = min(rest_a, rest_b, rest)
        if step > 0.0:
            span_a = (right_a[i] - left_a[i]) / mass_a[i]
            span_b = (right_b[j] - left_b[j]) / mass_b[j]
            p = (left_a[i] + span_a * used_a) - (left_b[j] + span_b * used_b)
            q = p + (span_a - span_b) * step
            cost += step * (p * p + p * q + q * q) / 3.0
            level += step
        # the exhausted piece is left by its index: sums of used masses need not reach it exactly
        if rest_a <= step:
            i, used_a = i + 1, 0.0
        else:
            used_a += step
        if rest_b <= step:
            j, used_b = j + 1, 0.0
        else:
            used_b += step
        if step == rest:
            break
    return cost


@numba.njit(cache=True, nogil=True)
def bin_offsets(x, low, width, counts, offsets):  # type: ignore[no-untyped-def]
    """Count x into bins and sum, bin by bin, the offsets from the bin centres.

    Returns the sum of the squared offsets. Values at or beyond the ends go to the end bins.
    """
    squares, last = 0.0, counts.size - 1
    for value in x:
        k = min(max(int(np.floor((value - low) / width)), 0), last)
        offset = value - (low + (k + 0.5) * width)
        counts[k] += 1.0
        offsets[k] += offset
        squares += offset * offset
    return squares


@numba.njit(cache=True, nogil=True)
def monotone_spread(mass_a, place_a, mass_b, place_b):  # type: ignore[no-untyped-def]
    """Along the monotone coupling of two atomic laws: E (A - B)^2, E Var(B | A), E Var(A | B).

    Each variance is summed atom by atom around the first partner, so nothing cancels.
    """
    cost, spread_b = 0.0, 0.0
    sums_a = np.zeros((mass_b.size, 2))
    first_a = np.full(mass_b.size, np.nan)
    j, used_b = 0, 0.0
    for i in range(mass_a.size):
        rest = mass_a[i]
        first, sum_1, sum_2 = np.nan, 0.0, 0.0
        while rest > 0.0 and j < mass_b.size:
            rest_b = mass_b[j] - used_b
            step = min(rest, rest_b)
            if step > 0.0:
                if np.isnan(first):
                    first = place_b[j]
                if np.isnan(first_a[j]):
                    first_a[j] = place_a[i]
                cost += step * (place_a[i] - place_b[j]) ** 2
                shift_b, shift_a = place_b[j] - first, place_a[i] - first_a[j]
                sum_1 += step * shift_b
                sum_2 += step * shift_b**2
                sums_a[j, 0] += step * shift_a
                sums_a[j, 1] += step * shift_a**2
            if rest_b <= rest:
                j, used_b = j + 1, 0.0
                rest -= step
            else:
                used_b += step
                rest = 0.0
        if mass_a[i] > 0.0:
            spread_b += max(sum_2 - sum_1**2 / mass_a[i], 0.0)
    spread_a = 0.0
    for j in range(mass_b.size):
        if mass_b[j] > 0.0:
            spread_a += max(sums_a[j, 1] - sums_a[j, 0] ** 2 / mass_b[j], 0.0)
    return cost, spread_b, spread_a
