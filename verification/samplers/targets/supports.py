"""Parameters with bounds, moved on the whole line: log for positive ones, logit for shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray

SUPPORTS = ("real", "positive", "unit")


class Supports:
    """theta = t(free), coordinate by coordinate: free itself, exp(free), or 1/(1 + exp(-free)).

    Parameters
    ----------
    kinds : sequence of p of ``SUPPORTS``
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._positive = np.array([k == "positive" for k in kinds])
        self._unit = np.array([k == "unit" for k in kinds])

    def bound(self, free: FloatArray) -> FloatArray:
        """theta (n, p)."""
        theta = np.array(free, dtype=float)
        theta[:, self._positive] = np.exp(theta[:, self._positive])
        theta[:, self._unit] = _share(theta[:, self._unit])
        return theta

    def free(self, theta: FloatArray) -> FloatArray:
        """The inverse of ``bound``."""
        free = np.array(theta, dtype=float)
        free[:, self._positive] = np.log(free[:, self._positive])
        unit = free[:, self._unit]
        free[:, self._unit] = np.log(unit) - np.log1p(-unit)
        return free

    def rate(self, free: FloatArray) -> FloatArray:
        """d theta / d free (n, p)."""
        rate = np.ones_like(free)
        rate[:, self._positive] = np.exp(free[:, self._positive])
        share = _share(free[:, self._unit])
        rate[:, self._unit] = share * (1 - share)
        return rate

    def log_jacobian(self, free: FloatArray) -> FloatArray:
        """sum log d theta / d free, shape (n,)."""
        unit = free[:, self._unit]
        of_unit = -np.logaddexp(0, unit) - np.logaddexp(0, -unit)
        return np.asarray(free[:, self._positive].sum(axis=1) + of_unit.sum(axis=1))

    def slope_of_jacobian(self, free: FloatArray) -> FloatArray:
        """Gradient of ``log_jacobian``, shape (n, p)."""
        slope = np.zeros_like(free)
        slope[:, self._positive] = 1.0
        slope[:, self._unit] = 1 - 2 * _share(free[:, self._unit])
        return slope


def _share(free: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-np.logaddexp(0, -free)))
