"""exp(t L) p on a line in short steps, for mass far out in steep tails.

    r(z) = P_3(z)/Q_4(z) = e^z + O(z^8)        the four-stage Radau IIA method, order 7

A-stable, and zero at infinity: where L moves mass through many units of U it is far from normal,
and approximations of exp that are small only near the negative half-line make mass there grow.
Source: Hairer, Wanner, Solving ODEs II, table IV.3.1 (Pade) and section IV.5 (Radau IIA).
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from .exponential import RADAU_POLES, RADAU_RESIDUES
from .tridiagonal import TridiagonalExponential

_ORDER = 8.0  # of the error of one step
_GAIN = 32.0  # two halves err by less than whole and halves differ, by at least this
_SHORTEST = 0.1  # factors between lengths of steps
_LONGEST = 4.0
_SAFETY = 0.8


class CarryingSteps:
    """Steps of p -> exp(t L) p whose lengths follow from their errors.

    Parameters
    ----------
    line : the jump rates
    tolerance : L1 error of a step
    """

    def __init__(self, line: TridiagonalExponential, tolerance: float) -> None:
        self._line, self._tolerance = line, tolerance
        self._step = math.inf
        self.passes = 0

    def advance(self, masses: FloatArray, left: float) -> tuple[FloatArray, float, float]:
        """One step of at most ``left``: the masses after it, its length, its estimated error."""
        step = min(left, self._step)
        while True:
            whole = self._line.rational(masses, step, RADAU_POLES, RADAU_RESIDUES)
            half = self._line.rational(masses, step / 2, RADAU_POLES, RADAU_RESIDUES)
            halves = self._line.rational(half, step / 2, RADAU_POLES, RADAU_RESIDUES)
            self.passes += 3
            error = float(np.abs(whole - halves).sum()) / _GAIN
            factor = _SAFETY * (self._tolerance / max(error, 1e-300)) ** (1 / _ORDER)
            factor = min(max(factor, _SHORTEST), _LONGEST) if math.isfinite(error) else _SHORTEST
            before, self._step = step, step * factor
            if error <= self._tolerance or self._step <= 0.0:
                return halves, before, error
            step = self._step
