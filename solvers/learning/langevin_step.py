r"""One unadjusted Langevin step of a density on a plane of nodes, without particles.

    p'(y) = int N(y; w - h grad U(w), 2 T h) p(w) dw

by the trapezoidal rule, as in ``densities.transition_kernel`` on the line: the integrand is smooth
on the scale s = sqrt(2 T h) and vanishes at the edges, so with r nodes per s the error is
exp(-pi^2 r^2). The kernel is a product, cut at 7.5 deviations.
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..densities.compiled import compiled

_BAND = 7.5  # deviations kept around a mean: what is cut is 6e-14 of a step
_EMPTY = 1e-22  # mass of a node below which it sends nothing


@compiled
def _line_kernel(
    mean: float, low: float, spacing: float, deviation: float, count: int, out: FloatArray
) -> tuple[int, int]:
    """Fills out[first:last] with N(node; mean, deviation^2) spacing; returns first, last."""
    reach = _BAND * deviation
    first = math.ceil((mean - reach - low) / spacing)
    last = math.floor((mean + reach - low) / spacing) + 1
    first, last = max(first, 0), min(last, count)
    scale = spacing / (deviation * math.sqrt(2 * math.pi))
    if first >= last:
        return first, first
    # u_j advances by a constant, so e^{-u^2/2} by a ratio that itself advances by a constant ratio
    u, gap = (low + first * spacing - mean) / deviation, spacing / deviation
    value, ratio = scale * math.exp(-0.5 * u * u), math.exp(-gap * (u + gap / 2))
    change = math.exp(-gap * gap)
    for j in range(first, last):
        out[j] = value
        value *= ratio
        ratio *= change
    return first, last


@compiled
def _plane_step(
    masses: FloatArray,
    mean_0: FloatArray,
    mean_1: FloatArray,
    lows: FloatArray,
    spacings: FloatArray,
    deviation: float,
) -> FloatArray:
    n, m = masses.shape
    out = np.zeros((n, m))
    across, along = np.empty(n), np.empty(m)
    for i in range(n):
        for j in range(m):
            mass = masses[i, j]
            if mass < _EMPTY:
                continue
            a, b = _line_kernel(mean_0[i, j], lows[0], spacings[0], deviation, n, across)
            c, d = _line_kernel(mean_1[i, j], lows[1], spacings[1], deviation, m, along)
            for k in range(a, b):
                weight = mass * across[k]
                for l in range(c, d):
                    out[k, l] += weight * along[l]
    return out


@compiled
def _row_step(
    masses: FloatArray, mean: FloatArray, low: float, spacing: float, deviation: float
) -> FloatArray:
    n, m = masses.shape
    out = np.zeros((n, m))
    along = np.empty(m)
    for i in range(n):
        for j in range(m):
            if masses[i, j] < _EMPTY:
                continue
            c, d = _line_kernel(mean[i, j], low, spacing, deviation, m, along)
            for l in range(c, d):
                out[i, l] += masses[i, j] * along[l]
    return out


@compiled
def _plane_pull(
    values: FloatArray,
    masses: FloatArray,
    mean_0: FloatArray,
    mean_1: FloatArray,
    lows: FloatArray,
    spacings: FloatArray,
    deviation: float,
) -> FloatArray:
    """E[f(y)] and its derivatives in both means, (3, n, m); zero where no mass is."""
    n, m = values.shape
    out = np.zeros((3, n, m))
    across, along = np.empty(n), np.empty(m)
    for i in range(n):
        for j in range(m):
            if masses[i, j] < _EMPTY:
                continue
            a, b = _line_kernel(mean_0[i, j], lows[0], spacings[0], deviation, n, across)
            c, d = _line_kernel(mean_1[i, j], lows[1], spacings[1], deviation, m, along)
            total, slope_0, slope_1 = 0.0, 0.0, 0.0
            for k in range(a, b):
                flat, lean = 0.0, 0.0
                for l in range(c, d):
                    value = along[l] * values[k, l]
                    flat += value
                    lean += value * (lows[1] + l * spacings[1] - mean_1[i, j])
                total += across[k] * flat
                slope_0 += across[k] * flat * (lows[0] + k * spacings[0] - mean_0[i, j])
                slope_1 += across[k] * lean
            out[0, i, j] = total
            out[1, i, j] = slope_0 / deviation**2
            out[2, i, j] = slope_1 / deviation**2
    return out


@compiled
def _row_pull(
    values: FloatArray,
    masses: FloatArray,
    mean: FloatArray,
    low: float,
    spacing: float,
    deviation: float,
) -> FloatArray:
    """E[f(y)] and its derivative in the mean, (2, n, m)."""
    n, m = values.shape
    out = np.zeros((2, n, m))
    along = np.empty(m)
    for i in range(n):
        for j in range(m):
            if masses[i, j] < _EMPTY:
                continue
            c, d = _line_kernel(mean[i, j], low, spacing, deviation, m, along)
            flat, lean = 0.0, 0.0
            for l in range(c, d):
                value = along[l] * values[i, l]
                flat += value
                lean += value * (low + l * spacing - mean[i, j])
            out[0, i, j] = flat
            out[1, i, j] = lean / deviation**2
    return out


def plane_step(
    masses: FloatArray,
    nodes: tuple[FloatArray, FloatArray],
    gradient: tuple[FloatArray, FloatArray],
    step: float,
    temperature: float,
) -> FloatArray:
    """Masses (n, m) after one step of both coordinates.

    Parameters
    ----------
    nodes : equidistant arrays (n,), (m,)
    gradient : d_x U and d_z U at the nodes, (n, m) each
    """
    x, z = nodes
    return _plane_step(
        masses,
        x[:, None] - step * gradient[0],
        z[None] - step * gradient[1],
        np.array([x[0], z[0]]),
        np.array([x[1] - x[0], z[1] - z[0]]),
        math.sqrt(2 * temperature * step),
    )


def row_step(
    masses: FloatArray, nodes: FloatArray, gradient: FloatArray, step: float, temperature: float
) -> FloatArray:
    """Masses (n, m) after one step along every row, each row a line of its own."""
    return _row_step(
        masses,
        nodes[None] - step * gradient,
        float(nodes[0]),
        float(nodes[1] - nodes[0]),
        math.sqrt(2 * temperature * step),
    )


def plane_pull(
    values: FloatArray,
    masses: FloatArray,
    nodes: tuple[FloatArray, FloatArray],
    gradient: tuple[FloatArray, FloatArray],
    step: float,
    temperature: float,
) -> tuple[FloatArray, FloatArray]:
    """The transpose of ``plane_step``: E[f after | w], and its slope (2, n, m) in the step's mean.

    ``masses`` are those before the step; where there are none, nothing is computed.
    """
    x, z = nodes
    found = _plane_pull(
        values,
        masses,
        x[:, None] - step * gradient[0],
        z[None] - step * gradient[1],
        np.array([x[0], z[0]]),
        np.array([x[1] - x[0], z[1] - z[0]]),
        math.sqrt(2 * temperature * step),
    )
    return found[0], found[1:]


def row_pull(
    values: FloatArray,
    masses: FloatArray,
    nodes: FloatArray,
    gradient: FloatArray,
    step: float,
    temperature: float,
) -> tuple[FloatArray, FloatArray]:
    """The transpose of ``row_step``: E[f after | z], and its slope (n, m) in the step's mean."""
    found = _row_pull(
        values,
        masses,
        nodes[None] - step * gradient,
        float(nodes[0]),
        float(nodes[1] - nodes[0]),
        math.sqrt(2 * temperature * step),
    )
    return found[0], found[1]
