"""The late slope of a logarithm from a curve at five equally spaced times.

If y(t) = log(A e^{-st}(1 + a_1 e^{-k_1 t} + ...)) then the slopes of consecutive pairs,
s_i = (y_i - y_{i+1})/d, tend to s. Aitken's process removes a single exponential. Where several
are left, and none slower than k, what is still to come is at most the last change over
e^{kd} - 1: the half-width reaches from the last slope to there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .curves import Curve
from .measurement import Measurement

POINTS = 5


def window(rate: float, amplitude: float, smallest: float) -> list[float]:
    """Five times in the late phase of amplitude e^{-rate t}, the last where it is ``smallest``.

    They stand 1.5/rate apart, as late as the curve can still be read.
    """
    last = np.log(amplitude / smallest) / rate
    spacing = min(1.5 / rate, last / POINTS)
    return [float(last - (POINTS - 1 - i) * spacing) for i in range(POINTS)]


def late_slope(curve: Curve, times: Sequence[float], slowest: float) -> Measurement:
    """-d/dt log of the curve, late, from its values at five equally spaced times.

    Parameters
    ----------
    curve : Curve
    times : five times
    slowest : float
        The least rate k > 0 at which corrections of the slope die.
    """
    places = [curve.index(t) for t in times]
    values, widths = curve.values[places], curve.numerical[places]
    spacing = times[1] - times[0]
    slopes = np.log(values[:-1] / values[1:]) / spacing
    noise = float((widths / values)[:-1].max() + (widths / values)[1:].max()) / spacing
    before, here, last = slopes[-3:]
    first_step, second_step = here - before, last - here
    shrinks = abs(second_step) < abs(first_step)
    removed = second_step**2 / (second_step - first_step) if shrinks else 0.0
    still = 1.0 / np.expm1(slowest * spacing)
    end = last + second_step * still
    value = float(np.clip(last - removed, *sorted((last, end))))
    width = max(abs(value - last), abs(value - end)) + noise * (1.0 + 2.0 * still)
    return Measurement(value=value, numerical=float(width))
