"""Compiled loops that put samples into cells; imported only when first needed.

Places are computed for a short block of samples by a loop that vectorises, then counted one by
one. Blocks are slices, since an index with an offset may be negative and keeps a loop scalar.
All sums are of integers, so that nothing depends on how the samples are shared out.
"""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 512
PLACE = 26  # bits of a place: its bin, and below that where in the bin
SHARE = 44  # bits for the sum of the places of one chunk; the count stands above them
CHUNK = 1 << (SHARE - PLACE)
OUTSIDE = np.int64(1 << 60)
# added to a number it leaves the nearest integer in the last bits
ROUND = 6755399441055744.0
ROUND_BITS = np.int64(np.float64(ROUND).view(np.int64))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def count_even(x, low, high, scale, counts):  # type: ignore[no-untyped-def]
    """Counts x (n,) into even cells of width 1 / scale between low and high.

    ``counts`` has a place more at either end, for what is below and beyond. Returns how many are
    not finite (those are counted somewhere).
    """
    place = np.empty(BLOCK, dtype=np.int32)
    cells, bad = np.float64(counts.size - 2), np.int64(0)
    for start in range(0, x.size, BLOCK):
        part = x[start : start + BLOCK]
        here = place[: part.size]
        for k in range(here.size):
            t = (part[k] - low) * scale + 1.0
            t = t if t < cells else cells
            t = t if part[k] <= high else cells + 1.0
            here[k] = np.int32(t if part[k] >= low else 0.0)
            bad += np.int64(part[k] - part[k] != 0.0)
        for k in range(here.size):
            counts[np.uint32(here[k])] += 1
    return bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def count_plane(x, lows, highs, scales, columns, counts):  # type: ignore[no-untyped-def]
    """The same for n pairs (2n,) on an even plane grid.

    ``counts`` are flat, with this many columns; both count the places at the ends.
    """
    place = np.empty(BLOCK, dtype=np.int32)
    low_1, high_1, scale_1 = lows[0], highs[0], scales[0]
    low_2, high_2, scale_2 = lows[1], highs[1], scales[1]
    cells_1, cells_2 = np.float64(counts.size // columns - 2), np.float64(columns - 2)
    width, bad = np.int32(columns), np.int64(0)
    for start in range(0, x.size, 2 * BLOCK):
        part = x[start : start + 2 * BLOCK]
        here = place[: part.size // 2]
        for k in range(here.size):
            a, b = part[2 * k], part[2 * k + 1]
            t, u = (a - low_1) * scale_1 + 1.0, (b - low_2) * scale_2 + 1.0
            t = t if t < cells_1 else cells_1
            u = u if u < cells_2 else cells_2
            t = t if a <= high_1 else cells_1 + 1.0
            u = u if b <= high_2 else cells_2 + 1.0
            t = t if a >= low_1 else 0.0
            u = u if b >= low_2 else 0.0
            here[k] = np.int32(t) * width + np.int32(u)
            bad += np.int64((a - a) + (b - b) != 0.0)
        for k in range(here.size):
            counts[np.uint32(here[k])] += 1
    return bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_cells(x, edges, table, scale, stride, found):  # type: ignore[no-untyped-def]
    """found += stride * (cell of x) between any increasing edges; below zero where x is outside.

    ``table`` (m + 1,) holds, for m even buckets of the whole range, the cell of each bucket's
    left end; a step or two, or bisection, is left to do. Returns how many are not finite.
    """
    last, bad = np.uint64(edges.size - 2), np.int64(0)
    most, first, one = np.float64(table.size - 2), edges[0], np.uint64(1)
    for k in range(x.size):
        value = x[k]
        bad += np.int64(value - value != 0.0)
        t = (value - first) * scale
        t = t if t > 0.0 else 0.0
        bucket = np.uint64(t if t < most else most)
        low, high = table[bucket], table[bucket + one]
        while high > low + np.uint64(4):
            middle = (low + high) >> one
            if value >= edges[middle]:
                low = middle
            else:
                high = middle
        # also mends a bucket that rounding put beside the right one
        while low < last and value >= edges[low + one]:
            low += one
        while low > 0 and value < edges[low]:
            low -= one
        if first <= value <= edges[edges.size - 1]:
            found[k] += stride * np.int64(low)
        else:
            found[k] -= OUTSIDE
    return bad


@numba.njit(cache=True, nogil=True, error_model="numpy")
def count_found(found, counts):  # type: ignore[no-untyped-def]
    """Counts cell numbers that are not below zero."""
    for k in range(found.size):
        if found[k] >= 0:
            counts[found[k]] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bin_chunk(x, low, scale, within, table, outside, lost):  # type: ignore[no-untyped-def]
    """Adds to each sample's bin 2^SHARE + its place; appends samples beyond the bins."""
    place = np.empty(BLOCK, dtype=np.int64)
    bins, one, shift = np.uint64(table.size), np.uint64(1 << SHARE), np.uint64(within)
    for start in range(0, x.size, BLOCK):
        part = x[start : start + BLOCK]
        here = place[: part.size]
        for k in range(here.size):
            # whatever is below, beyond, or not a number has other leading bits: no bin
            here[k] = np.float64((part[k] - low) * scale + ROUND).view(np.int64) - ROUND_BITS
        for k in range(here.size):
            t = np.uint64(here[k])
            cell = t >> shift
            if cell < bins:
                table[cell] += t | one
            else:
                if lost < outside.size:
                    outside[lost] = part[k]
                lost += 1
    return lost


@numba.njit(cache=True, nogil=True, error_model="numpy")
def bin_places(x, low, width, within, counts, places, outside):  # type: ignore[no-untyped-def]
    """Counts x (n,) into equal bins, and sums the samples' places within their bins.

    A place is (x - low) / width in units of 2^-within, rounded to nearest. Returns how many were
    not in any bin, finite or not; those are in ``outside`` as far as it goes.
    """
    table = np.zeros(counts.size, dtype=np.uint64)
    lost, scale, mask = 0, 2.0**within / width, np.uint64((1 << SHARE) - 1)
    for start in range(0, x.size, CHUNK):
        table[:] = 0
        chunk = x[start : start + CHUNK]
        lost = _bin_chunk(chunk, low, scale, within, table, outside, lost)
        for k in range(table.size):
            number = np.int64(table[k] >> np.uint64(SHARE))
            counts[k] += number
            places[k] += np.int64(table[k] & mask) - number * (k << within)
    return lost


@numba.njit(cache=True, nogil=True, error_model="numpy")
def bin_atoms(counts, places, low, width, within, size, at):  # type: ignore[no-untyped-def]
    """Counts and means of the bins that hold something, and n / width^2 E Var(X | bin) at most.

    Var(X | bin) <= (m - low)(high - m) for the bin's mean m (Bhatia and Davis 2000). Returns the
    number of such bins and the bound.
    """
    full, spread, unit = 0, 0.0, 2.0 ** (-within)
    for k in range(counts.size):
        if counts[k] > 0:
            share = places[k] / counts[k] * unit
            spread += counts[k] * share * (1.0 - share)
            size[full], at[full] = counts[k], low + (k + share) * width
            full += 1
    return full, spread


@numba.njit(cache=True, nogil=True, error_model="numpy")
def merge_thin(counts, expected, least, many, held, wanted):  # type: ignore[no-untyped-def]
    """Cells that have enough, and unions of neighbours for the rest.

    ``counts`` and ``expected`` (n_1, n_2); enough are ``least`` expected or ``many`` counted. What
    has less goes up a quadtree until together it has enough. Fills ``held`` and ``wanted`` with
    the sums over each union and returns how many there are; the last may have less.
    """
    (n, m), found = counts.shape, 0
    rest, due = counts.copy(), expected.copy()
    while True:
        for i in range(n):
            for j in range(m):
                something = due[i, j] > 0.0 or rest[i, j] > 0.0
                if something and (due[i, j] >= least or rest[i, j] >= many):
                    held[found], wanted[found] = rest[i, j], due[i, j]
                    rest[i, j], due[i, j] = 0.0, 0.0
                    found += 1
        if n == 1 and m == 1:
            break
        for i in range(n):
            for j in range(m):
                # the first part of a block starts its sum, in place
                first = (i | j) & 1 == 0
                before, before_due = rest[i >> 1, j >> 1], due[i >> 1, j >> 1]
                part, part_due = rest[i, j], due[i, j]
                rest[i >> 1, j >> 1] = part if first else before + part
                due[i >> 1, j >> 1] = part_due if first else before_due + part_due
        n, m = (n + 1) >> 1, (m + 1) >> 1
    if rest[0, 0] > 0.0 or due[0, 0] > 0.0:
        held[found], wanted[found] = rest[0, 0], due[0, 0]
        found += 1
    return found
