"""Orders of convergence and straight lines, with what step sizes leave out in the width."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..measurement import Measurement
from .averages import check_alpha


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
