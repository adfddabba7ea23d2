"""Sums over cells in a fixed order, on the thread that asks.

A library's product would start threads for microseconds of work and wait for all of them.
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from .compiled import compiled

_PIECE = 1024


@compiled
def _inner(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for begin in range(0, a.size, _PIECE):
        end = min(begin + _PIECE, a.size)
        one, two, three, four = 0.0, 0.0, 0.0, 0.0
        last = begin + (end - begin) // 4 * 4
        for i in range(begin, last, 4):
            one += a[i] * b[i]
            two += a[i + 1] * b[i + 1]
            three += a[i + 2] * b[i + 2]
            four += a[i + 3] * b[i + 3]
        for i in range(last, end):
            one += a[i] * b[i]
        total += (one + two) + (three + four)
    return total


@compiled
def _total(a: FloatArray) -> float:
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    last = a.size // 4 * 4
    for i in range(0, last, 4):
        one += a[i]
        two += a[i + 1]
        three += a[i + 2]
        four += a[i + 3]
    for i in range(last, a.size):
        one += a[i]
    return (one + two) + (three + four)


@compiled
def _weighted_distance(weight: FloatArray, a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for begin in range(0, a.size, _PIECE):
        end = min(begin + _PIECE, a.size)
        one, two = 0.0, 0.0
        last = begin + (end - begin) // 2 * 2
        for i in range(begin, last, 2):
            one += weight[i] * abs(a[i] - b[i])
            two += weight[i + 1] * abs(a[i + 1] - b[i + 1])
        for i in range(last, end):
            one += weight[i] * abs(a[i] - b[i])
        total += one + two
    return total


@compiled
def excess_from_masses(
    masses: FloatArray, gibbs: FloatArray, root: FloatArray, least: float, out: FloatArray
) -> tuple[float, float, float, float]:
    """out = (masses - gibbs)/root, zero where root < least; flat arrays.

    Returns
    -------
    norm of out, sum and minimum of the masses, mass where root < least
    """
    total, lowest, stranded = 0.0, np.inf, 0.0
    for i in range(masses.size):
        mass = masses[i]
        total += mass
        lowest = min(lowest, mass)
        if root[i] < least:
            stranded += abs(mass)
            out[i] = 0.0
        else:
            out[i] = (mass - gibbs[i]) / root[i]
    return math.sqrt(_inner(out, out)), total, lowest, stranded


@compiled
def masses_from_excess(
    gibbs: FloatArray, root: FloatArray, excess: FloatArray, out: FloatArray, negative: FloatArray
) -> float:
    """out = gibbs + root*excess, row by row, with total one; negative values set to zero.

    Parameters
    ----------
    gibbs, root : arrays (n,), Gibbs masses and their roots
    excess, out : arrays (T, n), (p - pi)/sqrt(pi) and masses
    negative : array (T,), filled with the mass that was set to zero

    Returns
    -------
    the smallest value before that; nan where something is not finite
    """
    rows, n = excess.shape
    lowest = np.inf
    for t in range(rows):
        share = 1.0 - _inner(root, excess[t])
        least = np.inf
        for i in range(n):
            mass = gibbs[i] * share + root[i] * excess[t, i]
            out[t, i] = mass
            least = min(least, mass)
        below = 0.0
        if least < 0.0:
            for i in range(n):
                if out[t, i] < 0.0:
                    below -= out[t, i]
                    out[t, i] = 0.0
        kept = _total(out[t])
        for i in range(n):
            out[t, i] /= kept
        negative[t] = below
        if not math.isfinite(kept):
            return np.nan
        lowest = min(lowest, least)
    return lowest


def inner(a: FloatArray, b: FloatArray) -> float:
    """sum a b over arrays of one shape."""
    return _inner(_flat(a), _flat(b))


def norm(a: FloatArray) -> float:
    """sqrt(sum a^2)."""
    flat = _flat(a)
    return math.sqrt(_inner(flat, flat))


def weighted_distance(weight: FloatArray, a: FloatArray, b: FloatArray) -> float:
    """sum weight |a - b| over arrays of one shape."""
    return _weighted_distance(_flat(weight), _flat(a), _flat(b))


def _flat(array: FloatArray) -> FloatArray:
    return np.ascontiguousarray(array).reshape(-1)
