"""Bounds on W2 from samples where no exact formula is at hand: beyond one dimension."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..measurement import Measurement
from .averages import check_alpha, mean
from .transport import ReferenceOnLine, wasserstein


def _from_ends(lower: float, upper: float, numerical: float, alpha: float) -> Measurement:
    return Measurement(
        value=(lower + upper) / 2,
        statistical=(upper - lower) / 2,
        numerical=numerical,
        confidence=1 - alpha,
    )


def coupling_distance(x: npt.ArrayLike, y: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for (E |X - Y|^2)^{1/2}, which is never below W2 of the two laws.

    For two runs on the same noise (the synchronous coupling). The root of the interval for the
    mean of |x_i - y_i|^2; rests on the central limit theorem as ``averages.mean`` does.

    Parameters
    ----------
    x, y : arrays (n, d)
        Independent pairs (x_i, y_i), dependent within a pair.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.ndim != 2 or a.shape != b.shape:
        raise ArgumentError(f"a coupling pairs arrays (n, d), got {a.shape} and {b.shape}")
    squared = mean(((a - b) ** 2).sum(1), alpha)
    return _from_ends(
        float(np.sqrt(max(squared.lower, 0.0))), float(np.sqrt(squared.upper)), 0.0, alpha
    )


def projected_distance(
    x: npt.ArrayLike,
    directions: npt.ArrayLike,
    references: Sequence[ReferenceOnLine],
    alpha: float,
) -> Measurement:
    """Interval for ( sum_k W2^2(q_k . X, q_k . Y) )^{1/2}, which is never above W2(X, Y).

    |x - y|^2 is at least the sum of its squares along orthonormal q_k, and a coupling couples the
    projections. Y is known through its projections' laws; alpha is split evenly over them.

    Parameters
    ----------
    x : array (n, d)
        Independent draws of X.
    directions : array (k, d)
        Orthonormal rows, chosen without looking at x.
    references : k laws of q_k . Y, made for n samples
    """
    check_alpha(alpha)
    points, rows = np.asarray(x, dtype=float), np.asarray(directions, dtype=float)
    if points.ndim != 2 or rows.ndim != 2 or rows.shape[1] != points.shape[1]:
        raise ArgumentError(f"need x (n, d), directions (k, d): {points.shape}, {rows.shape}")
    if len(rows) != len(references):
        raise ArgumentError(f"{len(rows)} directions need as many laws, got {len(references)}")
    if np.abs(rows @ rows.T - np.eye(len(rows))).max() > 1e-10:
        raise ArgumentError("the directions must be orthonormal")
    parts = [
        wasserstein(points @ row, reference, alpha / len(rows))
        for row, reference in zip(rows, references, strict=True)
    ]
    lower = np.linalg.norm([p.value - p.statistical for p in parts])
    upper = np.linalg.norm([p.value + p.statistical for p in parts])
    numerical = np.linalg.norm([p.numerical for p in parts])
    return _from_ends(float(lower), float(upper), float(numerical), alpha)
