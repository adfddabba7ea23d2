"""What a Metropolis test would say of unadjusted Langevin steps, and step sizes that follow it.

    E min(1, e^A),  A = (U(x) - U(y))/T + (|y - x + h U'(x)|^2 - |x - y + h U'(y)|^2)/(4 T h):

near 1 the step is short; below a half the unadjusted chain samples another law than exp(-U/T).

Under curvature L the chain's variance is T / (L (1 - h L/2)), never below 2 h T. A learner that is
shown data narrower than that sharpens its energy without end, and the pool widens with it: the
step has to shrink with what is learned.
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

#: updates between two measurements, particles of each, and the change of log h per unit of
#: acceptance: the step grows by a tenth at most, and a collapse is answered within some of them
EVERY, MOST, GAIN = 10, 500, 2.0


def metropolis_acceptance(
    joint: Energy,
    x: FloatArray,
    normals: FloatArray,
    step: float,
    temperature: float,
) -> float:
    """E min(1, e^A) over particles x (n, d) and normals (n, d)."""
    gradient = joint.gradient(x)
    y = x - step * gradient + np.sqrt(2 * temperature * step) * normals
    back = x - y + step * joint.gradient(y)
    log_ratio = (joint.potential(x) - joint.potential(y)) / temperature + (
        2 * temperature * step * np.square(normals).sum(1) - np.square(back).sum(1)
    ) / (4 * temperature * step)
    accepted = np.exp(np.minimum(log_ratio, 0.0))
    return float(np.where(np.isnan(accepted), 0.0, accepted).mean())


def adapted(scale: float, acceptance: float, wanted: float) -> float:
    """The scale of the steps after a measurement: log s + gain (acceptance - wanted), s <= 1."""
    return min(1.0, scale * math.exp(GAIN * (acceptance - wanted)))
