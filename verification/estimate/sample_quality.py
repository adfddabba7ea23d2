"""How far samples of a model are from held-out data: sliced W2 and energy distance, with intervals.

    SW2^2(P, Q) = mean over directions t on the sphere of W2^2(t . X, t . Y)
    D^2(P, Q)   = 2 E|X - Y| - E|X - X'| - E|Y - Y'|

Intervals are Student's over disjoint blocks of the samples, each block giving one estimate. That
holds near equality too, where the usual normal limit of one large U-statistic degenerates and the
bootstrap fails; the price is a factor sqrt(blocks) in width there, and nothing far from it.

Two sliced distances are told apart. ``sliced_distance_at`` is that of samples of a stated size,
(E SW2^2(P_n, Q_n))^{1/2}, which two fresh samples of one law share as their reference.
``sliced_distance`` is that of the laws: n-point samples of one law have E SW2^2(P_n, P'_n) = O(1/n)
and not zero, which is subtracted,

    mean_{ij} SW2^2(x_i, y_j) - (SW2^2(x_1, x_2) + SW2^2(y_1, y_2)) / 2

over the halves x_1, x_2 and y_1, y_2 of a block: unbiased at equality, and elsewhere off by
O(1/n), which is measured against half the block and added as the numerical width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from solvers.transport.one_dimensional import w2_samples

from ..measurement import Measurement
from .averages import check_alpha, mean


def directions(dim: int, count: int, seed: int = 0) -> FloatArray:
    """Unit vectors (count, dim): equally spaced half-turns in the plane, uniform draws beyond."""
    if dim < 1 or count < 1:
        raise ArgumentError(f"directions need dim >= 1 and count >= 1, got {dim}, {count}")
    if dim == 1:
        return np.ones((1, 1))
    if dim == 2:
        angles = (np.arange(count) + 0.5) * np.pi / count
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rng = np.random.Generator(np.random.Philox(seed))
    rows = rng.standard_normal((count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def sliced_w2(
    x: npt.ArrayLike, y: npt.ArrayLike, *, projections: int = 128, seed: int = 0
) -> float:
    """SW2 between two empirical laws x (n, d) and y (m, d), exact along each direction."""
    a, b = clouds(x, y)
    squares = [w2_samples(a @ t, b @ t) ** 2 for t in directions(a.shape[1], projections, seed)]
    return float(np.sqrt(np.mean(squares)))


def sliced_distance_at(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int,
    alpha: float,
    *,
    projections: int = 128,
    seed: int = 0,
) -> Measurement:
    """Interval for (E SW2^2(P_size, Q_size))^{1/2}, the distance of two samples of one size.

    Parameters
    ----------
    x, y : arrays (n, d) and (m, d)
        Independent draws, cut into blocks of ``size``; at least two blocks each.
    size : int
    alpha : float
    """
    check_alpha(alpha)
    squares = sliced_squares_at(x, y, size, projections=projections, seed=seed)
    if squares.size < 2:
        raise ArgumentError(f"an interval needs two blocks of {size} draws, got {squares.size}")
    return _root(mean(squares, alpha), 0.0, alpha)


def sliced_squares_at(
    x: npt.ArrayLike, y: npt.ArrayLike, size: int, *, projections: int = 128, seed: int = 0
) -> FloatArray:
    """SW2^2 of each pair of blocks of ``size`` draws; their mean estimates E SW2^2(P_n, Q_n)."""
    a, b = clouds(x, y)
    blocks = min(len(a), len(b)) // size if size > 0 else 0
    if blocks < 1:
        raise ArgumentError(f"need a block of {size} draws, got {len(a)} and {len(b)}")
    rows = directions(a.shape[1], projections, seed)
    return np.array(
        [
            _square(_sorted(a[i : i + size], rows), _sorted(b[i : i + size], rows))
            for i in range(0, blocks * size, size)
        ]
    )


def sliced_distance(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    alpha: float,
    *,
    blocks: int = 16,
    projections: int = 128,
    seed: int = 0,
) -> Measurement:
    """Interval for SW2(P, Q) of the laws that x (n, d) and y (m, d) were drawn from.

    Parameters
    ----------
    blocks : int
        At least two; each needs eight draws of both laws.
    """
    check_alpha(alpha)
    a, b = clouds(x, y)
    size = min(len(a), len(b)) // blocks // 4 * 4 if blocks > 1 else 0
    if size < 8:
        raise ArgumentError(f"need {blocks} >= 2 blocks of 8 draws, got {len(a)} and {len(b)}")
    rows = directions(a.shape[1], projections, seed)
    whole, smaller = [], []
    for i in range(0, blocks * size, size):
        u, v = a[i : i + size], b[i : i + size]
        whole.append(_debiased(u, v, rows))
        half = size // 2
        pairs = ((u[:half], v[:half]), (u[half:], v[half:]))
        smaller.append(float(np.mean([_debiased(p, q, rows) for p, q in pairs])))
    bias = abs(float(np.mean(whole)) - float(np.mean(smaller)))
    return _root(mean(whole, alpha), bias, alpha)


def energy_distance(
    x: npt.ArrayLike, y: npt.ArrayLike, alpha: float, *, blocks: int = 20
) -> Measurement:
    """Interval for D^2(P, Q) = 2 E|X - Y| - E|X - X'| - E|Y - Y'| from x (n, d) and y (m, d).

    The mean over blocks of the unbiased statistic; it may be negative near equality.
    """
    check_alpha(alpha)
    a, b = clouds(x, y)
    size = min(len(a), len(b)) // blocks if blocks > 1 else 0
    if size < 2:
        raise ArgumentError(f"need {blocks} >= 2 blocks of 2 draws, got {len(a)} and {len(b)}")
    values = [
        _energy_statistic(a[i : i + size], b[i : i + size]) for i in range(0, blocks * size, size)
    ]
    return mean(values, alpha)


def _energy_statistic(x: FloatArray, y: FloatArray) -> float:
    n, m = len(x), len(y)
    across = _distances(x, y).mean()
    within_x = _distances(x, x).sum() / (n * (n - 1))
    within_y = _distances(y, y).sum() / (m * (m - 1))
    return float(2 * across - within_x - within_y)


def _distances(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(x[:, None, :] - y[None, :, :], axis=2))


def _sorted(x: FloatArray, rows: FloatArray) -> FloatArray:
    """Sorted projections (count, n)."""
    return np.sort(rows @ x.T, axis=1)


def _square(a: FloatArray, b: FloatArray) -> float:
    """SW2^2 from sorted projections of equally many points: order statistics are paired."""
    return float(np.mean((a - b) ** 2))


def _debiased(x: FloatArray, y: FloatArray, rows: FloatArray) -> float:
    half = len(x) // 2
    first, second = _sorted(x[:half], rows), _sorted(x[half : 2 * half], rows)
    third, fourth = _sorted(y[:half], rows), _sorted(y[half : 2 * half], rows)
    across = [_square(p, q) for p in (first, second) for q in (third, fourth)]
    return float(np.mean(across) - (_square(first, second) + _square(third, fourth)) / 2)


def _root(squared: Measurement, bias: float, alpha: float) -> Measurement:
    """The interval of a square root; ``bias`` widens the square."""
    low, high = (
        np.sqrt(max(end, 0.0))
        for end in (squared.value - squared.statistical, squared.value + squared.statistical)
    )
    outer = [np.sqrt(max(end, 0.0)) for end in (squared.lower - bias, squared.upper + bias)]
    numerical = max(low - outer[0], outer[1] - high)
    return Measurement(
        value=float(low + high) / 2,
        statistical=float(high - low) / 2,
        numerical=float(numerical),
        confidence=1 - alpha,
    )


def clouds(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Two finite samples (n, d) and (m, d) of one dimension, or an ArgumentError."""
    a, b = (np.asarray(p, dtype=float) for p in (x, y))
    for p in (a, b):
        if p.ndim != 2 or p.size == 0 or p.shape[1] != a.shape[1] or not np.all(np.isfinite(p)):
            raise ArgumentError(
                f"need finite samples (n, d) and (m, d), got shapes {a.shape} and {b.shape}"
            )
    return a, b
