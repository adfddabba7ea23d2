"""The late slope of a logarithm from a curve at five equally spaced times.

If y(t) = log(A e^{-st}(1 + a_1 e^{-k_1 t} + ...)) then the slopes of consecutive pairs,
s_i = (y_i - y_{i+1})/d, tend to s geometrically; Aitken's process removes the slowest of the
corrections, and what it removed is taken as the half-width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .curves import Curve
from .measurement import Measurement

POINTS = 5


def window(rate: float, amplitude: float, smallest: float) -> list[float]:
    """Five times in the late phase of amplitude e^{-rate t}, the last where it is ``smallest``.

    They span one half of a unit of 1/rate each, as late as the curve can still be read.
    """
    last = np.log(amplitude / smallest) / rate
    spacing = min(1.0 / rate, last / POINTS)
    return [float(last - (POINTS - 1 - i) * spacing) for i in range(POINTS)]


def late_slope(curve: Curve, times: Sequence[float]) -> Measurement:
    """-d/dt log of the curve, late, from its values at five equally spaced times."""
    places = [curve.index(t) for t in times]
    values, widths = curve.values[places], curve.numerical[places]
    spacing = times[1] - times[0]
    slopes = np.log(values[:-1] / values[1:]) / spacing
    noise = float((widths / values)[:-1].max() + (widths / values)[1:].max()) / spacing
    before, here, last = slopes[-3:]
    first_step, second_step = here - before, last - here
    shrinks = abs(second_step) < abs(first_step)
    removed = second_step**2 / (second_step - first_step) if shrinks else 0.0
    value = last - removed
    # where the corrections do not shrink there is nothing but noise, or no exponential yet
    width = abs(removed) if shrinks else abs(last - slopes[0])
    return Measurement(value=float(value), numerical=float(width + noise))
