"""Rows with missing values, filled in by draws from the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Draws of whole rows, known values as they came.

    Attributes
    ----------
    names : tuple of str
        Coordinates.
    missing : array of bool (n, d)
    draws : array (draws, n, d)
    """

    names: tuple[str, ...]
    missing: npt.NDArray[np.bool_]
    draws: FloatArray
