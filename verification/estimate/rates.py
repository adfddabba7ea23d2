"""Rates and orders from curves, with what finite times and step sizes leave out in the width."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from lvebm_theory.errors import ArgumentError

from ..measurement import Measurement
from .averages import check_alpha

FloatArray = npt.NDArray[np.float64]


def _curve(
    x: npt.ArrayLike, y: npt.ArrayLike, widths: npt.ArrayLike, least: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    at, value = (np.asarray(a, dtype=float).reshape(-1) for a in (x, y))
    width = np.broadcast_to(np.asarray(widths, dtype=float), value.shape)
    if at.shape != value.shape or not all(np.all(np.isfinite(a)) for a in (at, value, width)):
        raise ArgumentError("a curve needs as many finite values and widths as abscissae")
    if at.size < least or np.any(np.diff(at) <= 0) or np.any(width < 0):
        raise ArgumentError(f"need at least {least} increasing abscissae and widths >= 0")
    return at, value, width


def _log_curve(
    value: FloatArray, width: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Midpoint and half-width of log over [v - w, v + w], and where that interval is positive."""
    usable = value > width
    low, high = np.where(usable, value - width, 1.0), np.where(usable, value + width, 1.0)
    return (np.log(high) + np.log(low)) / 2, (np.log(high) - np.log(low)) / 2, usable


def late_slope(
    times: npt.ArrayLike,
    values: npt.ArrayLike,
    widths: npt.ArrayLike,
    *,
    confidence: float = 1.0,
) -> Measurement:
    """The r of F(t) = A e^{-r t} (1 + c e^{-g t} + ...), t -> infinity, from a positive curve.

    For an end T, slopes s_1..s_4 of log F over four successive windows of length T / 5 tend to r
    geometrically once one further mode is left. Aitken's process takes that mode out,

        a_k = s_{k+2} - (s_{k+2} - s_{k+1})^2 / ((s_{k+2} - s_{k+1}) - (s_{k+1} - s_k)),

    and the width at T is what the curve's own widths can do to the last slope, worst case, plus
    |a_2 - s_4| + |a_2 - a_1|, what was taken out and how well two attempts agree (|s_4 - s_2|
    twice where the slopes do not settle geometrically). Late ends suffer from the curve's widths,
    early ones from further modes: the end with the smallest width is taken, a width being counted
    as the largest of its neighbourhood, so that no accidental agreement is picked.

    The times must reach where at most a few modes are left; a mode whose share has hardly decayed
    over the curve cannot be told from the slowest one by any rule.

    Parameters
    ----------
    times : array (k,), increasing, k >= 8
    values : array (k,)
        F; times from the first at which F does not exceed its width are left out.
    widths : array (k,) or float
        Pointwise bounds. If they hold jointly at some confidence, pass it, and the interval has it.
    confidence : float
        1 for numerical widths.

    Returns
    -------
    Measurement of r, positive for decay.
    """
    t, value, width = _curve(times, values, widths, 8)
    unusable = np.flatnonzero(value <= width)
    count = int(unusable[0]) if unusable.size else t.size
    if count < 8:
        raise ArgumentError(f"a late slope needs 8 times with F above its width, got {count}")
    t = t[:count] - t[0]
    log_value, log_width, _ = _log_curve(value[:count], width[:count])
    ends = np.unique(np.linspace(t[-1] / 3, t[-1], 60))
    found = np.array([_settled_slope(end, t, log_value, log_width) for end in ends])
    reach = 4
    padded = np.pad(found[:, 1], reach, constant_values=0.0)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(1)
    best = int(np.argmin(largest))
    half = float(largest[best])
    return Measurement(
        value=float(found[best, 0]),
        statistical=0.0 if confidence == 1.0 else half,
        numerical=half if confidence == 1.0 else 0.0,
        confidence=confidence,
    )


def _settled_slope(end: float, t: FloatArray, y: FloatArray, e: FloatArray) -> tuple[float, float]:
    """Estimate and width from four windows that end near ``end``."""
    nodes = np.unique([int(np.abs(t - end * k / 5).argmin()) for k in range(1, 6)])
    if nodes.size < 5:
        return 0.0, np.inf
    gaps = np.diff(t[nodes])
    slopes = -np.diff(y[nodes]) / gaps
    noise = float((e[nodes[-1]] + e[nodes[-2]]) / gaps[-1])
    steps = np.diff(slopes)
    ratio = steps[1:] / np.where(steps[:-1] == 0, np.inf, steps[:-1])
    if np.all((ratio > 0) & (ratio < 0.9)):
        limits = slopes[2:] + steps[1:] * ratio / (1 - ratio)
        return float(limits[1]), noise + float(
            abs(limits[1] - slopes[3]) + abs(limits[1] - limits[0])
        )
    return float(slopes[3]), noise + 2 * float(abs(slopes[3] - slopes[1]))


def order_of_convergence(
    sizes: npt.ArrayLike, errors: npt.ArrayLike, widths: npt.ArrayLike
) -> Measurement:
    """The p of error ~ C h^p as h -> 0, from errors at decreasing or increasing step sizes.

    The slope of log error against log h between the two smallest sizes. Its width is the worst
    case of the errors' widths plus the change from the slope before, which for error =
    C h^p (1 + c h + ...) and sizes halved is at least the whole of what remains.

    Parameters
    ----------
    sizes : array (k,), positive, k >= 3
    errors : array (k,), positive
    widths : array (k,) or float
        Half-widths of the errors, deterministic or joint.
    """
    order = np.argsort(np.asarray(sizes, dtype=float))
    h, value, width = _curve(
        np.asarray(sizes, dtype=float)[order],
        np.asarray(errors, dtype=float)[order],
        np.broadcast_to(np.asarray(widths, dtype=float), order.shape)[order],
        3,
    )
    log_value, log_width, usable = _log_curve(value, width)
    if not usable[:3].all() or h[0] <= 0:
        raise ArgumentError("the three smallest sizes need positive errors above their widths")
    gaps = np.diff(np.log(h[:3]))
    slopes = np.diff(log_value[:3]) / gaps
    noise = (log_width[:2] + log_width[1:3]) / gaps
    return Measurement(
        value=float(slopes[0]), numerical=float(noise[0] + abs(slopes[1] - slopes[0]))
    )


def line(
    x: npt.ArrayLike, y: npt.ArrayLike, standard_errors: npt.ArrayLike, alpha: float
) -> tuple[Measurement, Measurement]:
    """Slope and intercept of y = a + b x by weighted least squares; (slope, intercept).

    Independent errors of known standard deviation, Gaussian or nearly: exact coverage then. Each
    interval has confidence 1 - alpha on its own.

    Parameters
    ----------
    x, y, standard_errors : arrays (k,), k >= 2, standard errors > 0
    """
    check_alpha(alpha)
    at, value, sd = _curve(x, y, standard_errors, 2)
    if np.any(sd <= 0):
        raise ArgumentError("weighted least squares needs standard errors > 0")
    weight = 1 / sd**2
    centre = weight @ at / weight.sum()
    inertia = weight @ (at - centre) ** 2
    slope = weight @ ((at - centre) * value) / inertia
    intercept = weight @ value / weight.sum() - slope * centre
    quantile = -ndtri(alpha / 2)

    def interval(estimate: float, variance: float) -> Measurement:
        return Measurement(
            value=float(estimate),
            statistical=float(quantile * np.sqrt(variance)),
            confidence=1 - alpha,
        )

    return interval(slope, 1 / inertia), interval(intercept, 1 / weight.sum() + centre**2 / inertia)
