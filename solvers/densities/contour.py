"""One set of shifted solves for the exponential at many times.

    exp(-t A) v = (1/2 pi i) int exp(z t) (z + A)^{-1} v dz

by the midpoint rule on a hyperbola around the negative half-line (Weideman, Trefethen, Math. Comp.
76, 2007, section 4): z(u) = mu (1 + sin(i u - alpha)), u = (k + 1/2) h, k < n, and conjugates.
With h = a/n, mu t_max = (4 pi alpha - pi^2) n/a and
cosh a = ((pi - 2 alpha) r + 4 alpha - pi)/((4 alpha - pi) sin alpha), r = t_max/t_min, the error is
about exp(-(pi^2 - 2 pi alpha) n/a) at all times between t_min and t_max, uniformly in A >= 0.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.optimize import minimize_scalar

from lvebm_theory.arrays import ComplexArray, FloatArray

_SAFETY = 10.0  # of the error estimate, which is a rate without its constant


def nodes_and_weights(
    times: FloatArray, tolerance: float, multiple: int
) -> tuple[ComplexArray, ComplexArray]:
    """Nodes z_k and weights w_jk with exp(t_j x) ~ Re sum_k w_jk/(z_k - x) for x <= 0.

    Parameters
    ----------
    times : increasing, > 0
    tolerance : error asked at every time, 1e-13 to 1
    multiple : the number of nodes is a multiple of this

    Returns
    -------
    nodes (n,), weights (len(times), n)
    """
    latest = float(times[-1])
    ratio = max(latest / float(times[0]), 1.01)
    alpha, rate = _best_angle(round(math.log(ratio), 6))
    wanted = math.log(_SAFETY / tolerance) / rate
    count = multiple * max(1, math.ceil(wanted / multiple))
    wide = _width(alpha, ratio)
    scale = (4 * math.pi * alpha - math.pi**2) * count / (wide * latest)
    angle = 1j * (np.arange(count) + 0.5) * wide / count - alpha
    nodes = scale * (1 + np.sin(angle))
    # (h/pi) Im(exp(z t) z'/(z - x)), z' = i mu cos: the factor i turns Im into Re
    slopes = scale * np.cos(angle) * wide / (count * math.pi)
    return nodes, np.exp(np.multiply.outer(times, nodes)) * slopes


def most_nodes(ratio: float, tolerance: float) -> int:
    """Number of nodes for times within a ratio, before it is rounded up."""
    _, rate = _best_angle(round(math.log(max(ratio, 1.01)), 6))
    return math.ceil(math.log(_SAFETY / tolerance) / rate)


def _width(alpha: float, ratio: float) -> float:
    return math.acosh(
        ((math.pi - 2 * alpha) * ratio + 4 * alpha - math.pi)
        / ((4 * alpha - math.pi) * math.sin(alpha))
    )


@functools.lru_cache(maxsize=256)
def _best_angle(log_ratio: float) -> tuple[float, float]:
    """The angle alpha of fastest convergence, and its rate per node."""
    ratio = math.exp(log_ratio)

    def slowness(alpha: float) -> float:
        return -(math.pi**2 - 2 * math.pi * alpha) / _width(alpha, ratio)

    found = minimize_scalar(
        slowness, bounds=(math.pi / 4 + 1e-4, math.pi / 2 - 1e-4), method="bounded"
    )
    return float(found.x), -float(found.fun)
