r"""Bounded functions of a standard normal whose means are known in closed form, and centred by
them.

    E tanh R = 0,  E R^2/(R^2 + 2) = 1 - 2 sqrt(pi/2) e erfc(1)/sqrt(2),  E cos(2R) = e^{-2},
    E (|R| - a)^+ = 2 (phi(a) - a Phi(-a)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erfcx, ndtr

from lvebm_theory.arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class Shape:
    """phi(r) with E phi(N(0, 1)) = 0 and |phi| <= 1.

    Parameters
    ----------
    name : str
        What of the law it sees.
    function : callable
        Before centring.
    mean : float
        E function(N(0, 1)), exact to rounding.
    size : float
        A bound of |phi|.
    """

    name: str
    function: Callable[[FloatArray], FloatArray]
    mean: float
    size: float

    @cached_property
    def deviation(self) -> float:
        """Standard deviation under N(0, 1), by quadrature: for units only."""
        r = np.linspace(-9.0, 9.0, 3601)
        mass = np.exp(-r * r / 2)
        return float(np.sqrt(mass @ self(r) ** 2 / mass.sum()))

    def __call__(self, r: FloatArray) -> FloatArray:
        """Values in the shape of r."""
        return self.function(r) - self.mean


def _excess(a: float) -> float:
    """E (|R| - a)^+."""
    return 2 * (math.exp(-a * a / 2) / math.sqrt(2 * math.pi) - a * float(ndtr(-a)))


def _square(r: FloatArray) -> FloatArray:
    s = r * r
    return np.asarray(s / (s + 2))


def _skewness(r: FloatArray) -> FloatArray:
    a = np.abs(r)
    cube = a * a * a
    return np.asarray(np.sign(r) * cube / (1 + cube) - np.tanh(r))


LOCATION = Shape(name="location", function=np.tanh, mean=0.0, size=1.0)
SCALE = Shape(
    name="scale",
    function=_square,
    mean=1 - 2 * math.sqrt(math.pi / 2) * float(erfcx(1.0)) / math.sqrt(2),
    size=0.76,
)
SKEWNESS = Shape(name="skewness", function=_skewness, mean=0.0, size=0.36)
FINE_SCALE = Shape(
    name="fine scale",
    function=lambda r: np.cos(2 * r) / 2,
    mean=math.exp(-2) / 2,
    size=0.57,
)
TAILS = Shape(
    name="tails",
    function=lambda r: np.clip(np.abs(r) - 2.0, 0, 1),
    mean=_excess(2.0) - _excess(3.0),
    size=1.0,
)
FAR_TAILS = Shape(
    name="far tails",
    function=lambda r: np.clip(5 * (np.abs(r) - 3.0), 0, 1),
    mean=5 * (_excess(3.0) - _excess(3.2)),
    size=1.0,
)
SHAPES = (LOCATION, SCALE, SKEWNESS, FINE_SCALE, TAILS, FAR_TAILS)


def tame(r: FloatArray) -> FloatArray:
    """r with what left the numbers at the far end, where every shape is at its limit."""
    return np.clip(np.nan_to_num(r, nan=1e3, posinf=1e3, neginf=-1e3), -1e3, 1e3)
