"""How well missing coordinates are filled in: error of the mean, and a proper score of the law.

    error        ( E |mean of draws - truth|^2 )^{1/2}
    energy score E|Y - y| - E|Y - Y'| / 2,   Y, Y' drawn given what was observed, y the truth

The score is least, in expectation, for the true conditional law (Gneiting and Raftery 2007); the
error of the mean says little where that law has several modes, since the mean may lie in none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..measurement import Measurement
from .averages import check_alpha, mean


def energy_scores(draws: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """The score of each datum (n,), from draws (n, K, d), K >= 2, and truth (n, d); unbiased."""
    y, at = _checked(draws, truth)
    first = np.linalg.norm(y - at[:, None], axis=2).mean(1)
    count = y.shape[1]
    pairs = np.zeros(len(y))
    for k in range(1, count):
        pairs += np.linalg.norm(y[:, k:] - y[:, :-k], axis=2).sum(1)
    return np.asarray(first - pairs / (count * (count - 1)))


def energy_score(draws: npt.ArrayLike, truth: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for the expected score over independent data."""
    check_alpha(alpha)
    return mean(energy_scores(draws, truth), alpha)


def error_of_mean(draws: npt.ArrayLike, truth: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for the root mean square error of the mean of the draws over independent data."""
    check_alpha(alpha)
    y, at = _checked(draws, truth)
    squared = mean(((y.mean(1) - at) ** 2).sum(1), alpha)
    low, high = (float(np.sqrt(max(end, 0.0))) for end in (squared.lower, squared.upper))
    return Measurement(
        value=(low + high) / 2, statistical=(high - low) / 2, confidence=squared.confidence
    )


def _checked(draws: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, at = np.asarray(draws, dtype=float), np.asarray(truth, dtype=float)
    if y.ndim != 3 or at.shape != (y.shape[0], y.shape[2]) or y.shape[1] < 2:
        raise ArgumentError(f"need draws (n, K >= 2, d), truth (n, d): {y.shape}, {at.shape}")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(at))):
        raise ArgumentError("draws and truth must be finite")
    return y, at
