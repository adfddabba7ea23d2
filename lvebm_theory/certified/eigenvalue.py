"""The least eigenvalue of a symmetric matrix of balls, bounded from both sides.

A matrix is given by its upper triangle, row by row. Below: closed forms for one and two rows, else
A - m I > 0 by elimination in balls for an m just under the float eigenvalue. Above: the Rayleigh
quotient of the float eigenvector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb

from ..arrays import FloatArray


def least_eigenvalue_below(entries: Sequence[Any], size: int) -> float:
    """A float below the least eigenvalue of every matrix in the balls."""
    if not all(v.is_finite() for v in entries):
        return -math.inf
    if size == 1:
        return down(entries[0].lower())
    if size == 2:
        a, b, c = entries
        if b.is_zero():
            return min(down(a.lower()), down(c.lower()))
        # the smaller eigenvalue rises with a and c and falls with |b|
        a, c, b = a.lower(), c.lower(), b.abs_upper()
        half = (a - c) / 2
        return down(((a + c) / 2 - (half * half + b * b).sqrt()).lower())
    rows = _square(entries, size)
    floats = np.array([[float(v.mid()) for v in row] for row in rows])
    value = float(np.linalg.eigvalsh(floats)[0])
    step = 4e-16 * size * float(np.abs(floats).max()) + 1e-300
    for _ in range(60):
        if _positive_definite(rows, arb(value) - arb(step)):
            return math.nextafter(value - step, -math.inf)
        step *= 4
    return -math.inf


def least_eigenvalue_above(entries: Sequence[Any], size: int) -> float:
    """A float above the least eigenvalue of every matrix in the balls; infinity without one."""
    if not all(v.is_finite() for v in entries):
        return math.inf
    if size == 1:
        return -down(-entries[0].upper())
    rows = _square(entries, size)
    floats = np.array([[float(v.mid()) for v in row] for row in rows])
    if not np.isfinite(floats).all():
        return math.inf
    vector = [arb(float(v)) for v in np.linalg.eigh(floats)[1][:, 0]]
    image = [sum((a * v for a, v in zip(row, vector, strict=True)), arb(0)) for row in rows]
    top = sum((a * v for a, v in zip(image, vector, strict=True)), arb(0))
    quotient = top / sum((v * v for v in vector), arb(0))
    return -down(-quotient.upper()) if quotient.is_finite() else math.inf


def least_eigenvalues(entries: FloatArray, size: int) -> FloatArray:
    """Float values for upper triangles (e, n), shape (n,); NaN where not finite."""
    if size == 1:
        return np.where(np.isfinite(entries[0]), entries[0], np.nan)
    with np.errstate(all="ignore"):
        if size == 2:
            a, b, c = entries
            least = (a + c) / 2 - np.hypot((a - c) / 2, b)
            return np.where(np.isfinite(least), least, np.nan)
        good = np.isfinite(entries).all(axis=0)
    matrices = np.empty((int(good.sum()), size, size))
    for (i, j), entry in zip(_places(size), entries, strict=True):
        matrices[:, i, j] = matrices[:, j, i] = entry[good]
    least = np.full(entries.shape[1], np.nan)
    least[good] = np.linalg.eigvalsh(matrices)[:, 0]
    return least


def norm_above(entries: Sequence[Any], size: int) -> Any:
    """The Frobenius norm, an upper bound of the spectral one."""
    pairs = zip(entries, _places(size), strict=True)
    total = sum(((1 if i == j else 2) * v * v for v, (i, j) in pairs), arb(0))
    return total.abs_upper().sqrt().upper()


def _places(size: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size) for j in range(i, size)]


def _square(entries: Sequence[Any], size: int) -> list[list[Any]]:
    rows: list[list[Any]] = [[None] * size for _ in range(size)]
    for (i, j), entry in zip(_places(size), entries, strict=True):
        rows[i][j] = rows[j][i] = entry
    return rows


def _positive_definite(rows: list[list[Any]], shift: Any) -> bool:
    """Whether A - shift I > 0 for every matrix in the balls, by elimination."""
    left = [row.copy() for row in rows]
    size = len(rows)
    for k in range(size):
        left[k][k] = left[k][k] - shift
    for k in range(size):
        if not left[k][k] > 0:
            return False
        for i in range(k + 1, size):
            factor = left[i][k] / left[k][k]
            for j in range(i, size):
                left[i][j] = left[i][j] - factor * left[k][j]
                left[j][i] = left[i][j]
    return True


def down(x: Any) -> float:
    """A float that is not above an exact number."""
    value = float(x)
    if math.isnan(value):
        return -math.inf
    return value if arb(value) <= x else math.nextafter(value, -math.inf)
