"""Intervals for means, variances and differences of means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..measurement import Measurement


def check_alpha(alpha: float) -> None:
    """An error probability lies strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise ArgumentError(f"alpha must lie in (0, 1), got {alpha}")


def sample(values: npt.ArrayLike, least: int) -> FloatArray:
    """The values as a vector; at least so many, all finite."""
    x = np.asarray(values, dtype=float).reshape(-1)
    if x.size < least or not np.all(np.isfinite(x)):
        raise ArgumentError(f"need at least {least} finite values, got {x.size}")
    return x


def mean_from_moments(
    count: int, mean: float, variance: float, skewness: float, alpha: float
) -> Measurement:
    """Interval for E X from the moments of n independent draws.

    half-width = s n^{-1/2} [ t + |g| (2 t^2 + 1) / (6 sqrt n) ],  t = t_{n-1}(1 - alpha / 2)

    Student's quantile plus the first Edgeworth term of the t-statistic with skewness g, taken with
    its bad sign on both sides (Hall 1992, section 3.10.6). What remains is O(t^4 / n) times the
    fourth cumulant: good at alpha = 1e-9 once n is some thousands and tails are exponential or
    lighter, not for heavy tails.

    Parameters
    ----------
    count : int
        n >= 2.
    variance : float
        Unbiased (divided by n - 1).
    skewness : float
        Third central moment over the 3/2 power of the second.
    """
    check_alpha(alpha)
    if count < 2:
        raise ArgumentError(f"a mean with an interval needs two values, got {count}")
    quantile = float(-stdtrit(count - 1, alpha / 2))
    edgeworth = abs(skewness) * (2 * quantile**2 + 1) / (6 * np.sqrt(count))
    half = np.sqrt(variance / count) * (quantile + edgeworth)
    return Measurement(value=float(mean), statistical=float(half), confidence=1 - alpha)


def mean(values: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for E X from independent draws (n,); error as in ``mean_from_moments``."""
    x = sample(values, 2)
    centre = x.mean()
    offsets = x - centre
    second = np.mean(offsets**2)
    if second <= (4 * np.finfo(float).eps * abs(centre)) ** 2:
        skewness = 0.0
    else:
        skewness = float(np.mean(offsets**3) / second**1.5)
    return mean_from_moments(
        x.size, float(centre), float(second * x.size / (x.size - 1)), skewness, alpha
    )


def bounded_mean(values: npt.ArrayLike, low: float, high: float, alpha: float) -> Measurement:
    """Interval for E X of draws that lie in [low, high], valid for every n.

    half-width = sqrt(2 s^2 log(4 / alpha) / n) + 7 (high - low) log(4 / alpha) / (3 (n - 1))

    Empirical Bernstein (Maurer and Pontil 2009, Theorem 4, both sides): no limit is taken, so it
    is conservative.
    """
    check_alpha(alpha)
    x = sample(values, 2)
    if x.min() < low or x.max() > high:
        raise ArgumentError(f"values leave [{low}, {high}]: [{x.min()}, {x.max()}]")
    log_term = np.log(4 / alpha)
    half = np.sqrt(2 * x.var(ddof=1) * log_term / x.size)
    half += 7 * (high - low) * log_term / (3 * (x.size - 1))
    return Measurement(value=float(x.mean()), statistical=float(half), confidence=1 - alpha)


def variance(values: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for Var X from independent draws (n,).

    The unbiased s^2 is, up to O(1/n), the mean of (X - E X)^2, and takes that mean's interval; it
    needs four moments, and six for the skewness term.
    """
    x = sample(values, 3)
    squares = (x - x.mean()) ** 2
    interval = mean(squares, alpha)
    return Measurement(
        value=float(x.var(ddof=1)), statistical=interval.statistical, confidence=1 - alpha
    )


def paired_difference(x: npt.ArrayLike, y: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for E X - E Y from pairs (x_i, y_i), dependent within a pair.

    Made for couplings: two runs on the same noise differ far less than each varies.
    """
    a, b = sample(x, 2), sample(y, 2)
    if a.shape != b.shape:
        raise ArgumentError(f"pairs need equal numbers of values, got {a.size} and {b.size}")
    return mean(a - b, alpha)


def mean_difference(x: npt.ArrayLike, y: npt.ArrayLike, alpha: float) -> Measurement:
    """Interval for E X - E Y from two independent samples (Welch), with the Edgeworth term."""
    check_alpha(alpha)
    a, b = sample(x, 2), sample(y, 2)
    va, vb = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    value = float(a.mean() - b.mean())
    total = va + vb
    if total == 0:
        return Measurement(value=value, confidence=1 - alpha)
    freedom = total**2 / (va**2 / (a.size - 1) + vb**2 / (b.size - 1))
    quantile = float(-stdtrit(freedom, alpha / 2))
    third = sum(np.mean((s - s.mean()) ** 3) / s.size**2 * sign for s, sign in ((a, 1), (b, -1)))
    edgeworth = abs(third) / total**1.5 * (2 * quantile**2 + 1) / 6
    half = np.sqrt(total) * (quantile + edgeworth)
    return Measurement(value=value, statistical=float(half), confidence=1 - alpha)
