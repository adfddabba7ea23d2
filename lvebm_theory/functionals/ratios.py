"""The ratio of cell masses to Gibbs masses, kept accurate near one and far out in the tails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class GibbsRatio:
    """Cell masses p relative to the Gibbs masses pi of the same cells.

    Parameters
    ----------
    masses : array (*shape), non-negative
    log_gibbs : array (*shape), logarithms of pi (they may lie below the range of exp)
    excess : array (*shape), p - pi; give it where it is known better than by subtraction
    """

    masses: FloatArray
    log_gibbs: FloatArray
    excess: FloatArray

    @classmethod
    def of(
        cls,
        masses: npt.ArrayLike,
        log_gibbs: npt.ArrayLike,
        excess: npt.ArrayLike | None = None,
    ) -> GibbsRatio:
        """From masses and log Gibbs masses, and the excess if it is known separately."""
        p = np.asarray(masses, dtype=float)
        logs = np.asarray(log_gibbs, dtype=float)
        d = p - np.exp(logs) if excess is None else np.asarray(excess, dtype=float)
        if not p.shape == logs.shape == d.shape:
            raise ArgumentError(
                f"masses {p.shape}, log_gibbs {logs.shape} and excess {d.shape} differ in shape"
            )
        if np.any(p < 0):
            raise ArgumentError(f"masses must be >= 0, the smallest is {p.min():g}")
        return cls(masses=p, log_gibbs=logs, excess=d)

    @property
    def gibbs(self) -> FloatArray:
        """pi."""
        return np.asarray(np.exp(self.log_gibbs))

    def _near(self) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        """Where p is within a factor of two of pi, and there w = p/pi - 1."""
        gibbs = self.gibbs
        near = np.abs(self.excess) < 0.5 * gibbs
        return near, np.divide(self.excess, gibbs, out=np.zeros_like(gibbs), where=near)

    def log(self) -> FloatArray:
        """log(p/pi); -inf where p = 0."""
        near, w = self._near()
        with np.errstate(divide="ignore"):
            far = np.log(self.masses) - self.log_gibbs
        return np.asarray(np.where(near, np.log1p(w), far))

    def entropy_terms(self) -> FloatArray:
        """p log(p/pi) - p + pi >= 0, cell by cell."""
        near, w = self._near()
        gibbs = self.gibbs
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(self.masses) - self.log_gibbs
            far = np.where(self.masses > 0, self.masses * logs, 0.0) - self.masses + gibbs
        return np.asarray(np.where(near, gibbs * _relative_entropy_density(w), far))


def _relative_entropy_density(w: FloatArray) -> FloatArray:
    """(1+w) log(1+w) - w, by its series where the terms would cancel."""
    small = np.abs(w) < 1e-2
    s = np.where(small, w, 0.0)
    # sum_{k>=2} (-1)^k w^k / (k (k-1)), to w^9
    series = np.zeros_like(s)
    for k in range(9, 1, -1):
        series = (-1.0) ** k / (k * (k - 1)) + s * series
    return np.asarray(np.where(small, s * s * series, (1 + w) * np.log1p(w) - w))
