"""Compiled loops of ``moving_rates``: rates, stochastic matrices and their Poisson mixtures."""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..densities.compiled import compiled, inlined

_DUST = 1e-200


@inlined
def _bernoulli(y: float) -> float:
    """y/(e^y - 1)."""
    small = abs(y) < 1e-3
    safe = 1.0 if small else y
    far = safe / math.expm1(safe)
    near = 1.0 - y / 2 + y * y / 12
    return near if small else far


@inlined
def _bernoulli_slope(y: float) -> float:
    """B'(y) = B(y) (1 - B(y) - y)/y, by its series at zero."""
    small = abs(y) < 1e-2
    safe = 1.0 if small else y
    b = safe / math.expm1(safe)
    far = b * (1.0 - b - safe) / safe
    near = -0.5 + y / 6 - y * y * y / 180
    return near if small else far


@compiled
def fill_rates(
    potential: FloatArray,
    masses: FloatArray,
    inverse_squares: FloatArray,
    by_row: bool,
    height: float,
    least_mass: float,
    up_0: FloatArray,
    down_0: FloatArray,
    up_1: FloatArray,
    down_1: FloatArray,
    leave: FloatArray,
) -> float:
    """Fills the rates; ``by_row`` leaves rows on their own. Returns the largest exit rate."""
    n, m = potential.shape
    lowest = np.empty(n)
    for i in range(n):
        low = potential[i, 0]
        for j in range(m):
            low = min(low, potential[i, j])
        lowest[i] = low
    if not by_row:
        low = lowest[0]
        for i in range(n):
            low = min(low, lowest[i])
        for i in range(n):
            lowest[i] = low
    for i in range(n):
        for j in range(m):
            leave[i, j] = 0.0
    for i in range(n):
        for j in range(m):
            here = potential[i, j]
            idle = here > lowest[i] + height and masses[i, j] < least_mass
            if j + 1 < m:
                there = potential[i, j + 1]
                cut = idle or (there > lowest[i] + height and masses[i, j + 1] < least_mass)
                rise = there - here
                b = _bernoulli(rise)
                up_1[i, j] = 0.0 if cut else b * inverse_squares[1]
                down_1[i, j] = 0.0 if cut else (b + rise) * inverse_squares[1]
                leave[i, j] += up_1[i, j]
                leave[i, j + 1] += down_1[i, j]
            if not by_row and i + 1 < n:
                there = potential[i + 1, j]
                cut = idle or (there > lowest[i] + height and masses[i + 1, j] < least_mass)
                rise = there - here
                b = _bernoulli(rise)
                up_0[i, j] = 0.0 if cut else b * inverse_squares[0]
                down_0[i, j] = 0.0 if cut else (b + rise) * inverse_squares[0]
                leave[i, j] += up_0[i, j]
                leave[i + 1, j] += down_0[i, j]
    most = 0.0
    for i in range(n):
        for j in range(m):
            most = max(most, leave[i, j])
    return most


@compiled
def push_masses(
    masses: FloatArray,
    up_0: FloatArray,
    down_0: FloatArray,
    up_1: FloatArray,
    down_1: FloatArray,
    leave: FloatArray,
    scale: float,
    out: FloatArray,
) -> None:
    """out = (1 + scale L') p for masses p."""
    n, m = masses.shape
    for i in range(n):
        for j in range(m):
            out[i, j] = (1.0 - scale * leave[i, j]) * masses[i, j]
        for j in range(m - 1):
            out[i, j + 1] += scale * up_1[i, j] * masses[i, j]
        for j in range(m - 1):
            out[i, j] += scale * down_1[i, j] * masses[i, j + 1]
        if up_0.size > 0 and i > 0:
            for j in range(m):
                out[i, j] += scale * up_0[i - 1, j] * masses[i - 1, j]
        if up_0.size > 0 and i + 1 < n:
            for j in range(m):
                out[i, j] += scale * down_0[i, j] * masses[i + 1, j]


@compiled
def pull_values(
    values: FloatArray,
    up_0: FloatArray,
    down_0: FloatArray,
    up_1: FloatArray,
    down_1: FloatArray,
    leave: FloatArray,
    scale: float,
    out: FloatArray,
) -> None:
    """out = (1 + scale L) f for functions f, the transpose of ``push_masses``."""
    n, m = values.shape
    for i in range(n):
        for j in range(m):
            out[i, j] = (1.0 - scale * leave[i, j]) * values[i, j]
        for j in range(m - 1):
            out[i, j] += scale * up_1[i, j] * values[i, j + 1]
        for j in range(m - 1):
            out[i, j + 1] += scale * down_1[i, j] * values[i, j]
        if up_0.size > 0 and i > 0:
            for j in range(m):
                out[i, j] += scale * down_0[i - 1, j] * values[i - 1, j]
        if up_0.size > 0 and i + 1 < n:
            for j in range(m):
                out[i, j] += scale * up_0[i, j] * values[i + 1, j]


@compiled
def mixture(
    transpose: bool,
    start: FloatArray,
    up_0: FloatArray,
    down_0: FloatArray,
    up_1: FloatArray,
    down_1: FloatArray,
    leave: FloatArray,
    scale: float,
    weights: FloatArray,
    first: int,
) -> FloatArray:
    """sum_k weights_k (1 + scale L)^{first + k} applied to the start."""
    now, following = start.copy(), np.empty_like(start)
    total = np.zeros_like(start)
    for k in range(first + weights.size):
        if k >= first:
            w = weights[k - first]
            for i in range(start.shape[0]):
                for j in range(start.shape[1]):
                    total[i, j] += w * now[i, j]
        if k + 1 < first + weights.size:
            if transpose:
                pull_values(now, up_0, down_0, up_1, down_1, leave, scale, following)
            else:
                push_masses(now, up_0, down_0, up_1, down_1, leave, scale, following)
            now, following = following, now
    for i in range(start.shape[0]):
        for j in range(start.shape[1]):
            # powers of such numbers leave the normal range, where arithmetic is slow
            if abs(total[i, j]) < _DUST:
                total[i, j] = 0.0
    return total


@compiled
def generator_response(
    potential: FloatArray,
    slope: FloatArray,
    masses: FloatArray,
    values: FloatArray,
    inverse_squares: FloatArray,
    by_row: bool,
    weights: FloatArray,
) -> float:
    """sum_i w_row p_i sum_j (d rate_ij/d theta) (f_j - f_i) when U moves by ``slope``."""
    n, m = potential.shape
    total = 0.0
    for i in range(n):
        row = 0.0
        for j in range(m):
            if j + 1 < m:
                rise = potential[i, j + 1] - potential[i, j]
                lean = slope[i, j + 1] - slope[i, j]
                # d/dy of B(y) and of B(-y) = B(y) + y
                b = _bernoulli_slope(rise) * lean * inverse_squares[1]
                back = b + lean * inverse_squares[1]
                gap = values[i, j + 1] - values[i, j]
                row += (masses[i, j] * b - masses[i, j + 1] * back) * gap
            if not by_row and i + 1 < n:
                rise = potential[i + 1, j] - potential[i, j]
                lean = slope[i + 1, j] - slope[i, j]
                b = _bernoulli_slope(rise) * lean * inverse_squares[0]
                back = b + lean * inverse_squares[0]
                gap = values[i + 1, j] - values[i, j]
                row += (masses[i, j] * b - masses[i + 1, j] * back) * gap
        total += weights[i] * row
    return total
