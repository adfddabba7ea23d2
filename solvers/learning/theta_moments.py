"""Running moments of theta, filled by the compiled loop (Welford)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray


@dataclass(frozen=True)
class Moments:
    """Moments over updates from ``counted`` on.

    Attributes
    ----------
    counted : int
    count : array (1,)
        Updates so far.
    shift, mean : array (n_theta,)
        Scratch; the mean so far.
    square : array (n_theta, n_theta)
        Sum of products of deviations from the mean.
    """

    counted: int
    count: FloatArray
    shift: FloatArray
    mean: FloatArray
    square: FloatArray

    @classmethod
    def of(cls, thetas: int, counted: int) -> Moments:
        """Empty moments of vectors of this length."""
        return cls(
            counted, np.zeros(1), np.zeros(thetas), np.zeros(thetas), np.zeros((thetas, thetas))
        )
