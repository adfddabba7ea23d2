"""The projections themselves: plain functions that compiled loops take in as they stand.

Each changes theta in place: ``name(theta, index, numbers)``. Their text is copied into the loops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# body: the functions below are copied into the generated loops


def nothing(theta: Any, index: Any, numbers: Any) -> None:
    """Theta as it is."""
    return


def box(theta: Any, index: Any, numbers: Any) -> None:
    """Clip theta[index] to numbers = (all lower, all upper)."""
    count = len(index)
    for k in range(count):
        theta[index[k]] = min(max(theta[index[k]], numbers[k]), numbers[count + k])


def above_square(theta: Any, index: Any, numbers: Any) -> None:
    """The nearest (a, b) with a - b^2 >= m.

    With r = m - a + b^2 > 0 the nearest t between 0 and b is the root of
    f(t) = 2 t^3 + (1 + 2 (m - a)) t - b that has the sign of b: f(0) f(b) < 0, and f is convex
    where t > 0, so that Newton's steps from |b| come down to the root without overshooting. For
    b = 0 two points are nearest if m - a < -1/2, which r > 0 excludes.
    """
    a, b, margin = theta[index[0]], theta[index[1]], numbers[0]
    if not a - b * b < margin:
        return
    slope = 1.0 + 2.0 * (margin - a)
    size = abs(b)
    t = size
    for _ in range(100):
        step = (2.0 * t * t * t + slope * t - size) / (6.0 * t * t + slope)
        t -= step
        if not step > 1e-16 * t:
            break
    theta[index[1]] = math.copysign(t, b)
    theta[index[0]] = margin + t * t
    while theta[index[0]] - theta[index[1]] * theta[index[1]] < margin:
        theta[index[0]] = np.nextafter(theta[index[0]], np.inf)


def positive_definite(theta: Any, index: Any, numbers: Any) -> None:
    """Eigenvalues of the symmetric part raised to the margin; untouched if they are above it."""
    size = round(math.sqrt(len(index)))
    matrix = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            matrix[i, j] = 0.5 * (theta[index[i * size + j]] + theta[index[j * size + i]])
            if not math.isfinite(matrix[i, j]):
                return
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= numbers[0]:
        return
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += vectors[i, k] * max(values[k], numbers[0]) * vectors[j, k]
            theta[index[i * size + j]] = total
