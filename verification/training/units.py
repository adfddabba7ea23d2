"""The units in which a model sees its data.

The model sees y = (x - shift) / scale; everything that leaves for a reader is x again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """x = shift + scale y, coordinate by coordinate; arrays (d,)."""

    shift: FloatArray
    scale: FloatArray

    @classmethod
    def none(cls, dim: int) -> Units:
        """x = y."""
        return cls(shift=np.zeros(dim), scale=np.ones(dim))

    @classmethod
    def of(cls, points: FloatArray) -> Units:
        """Mean and standard deviation of points (n, d).

        Raises
        ------
        ArgumentError
            A coordinate does not vary.
        """
        shift, scale = points.mean(axis=0), points.std(axis=0)
        flat = np.flatnonzero(~(scale > 1e-12 * np.maximum(1.0, np.abs(shift))))
        if flat.size:
            raise ArgumentError(
                f"coordinate {flat[0]} of the data does not vary; it cannot be standardised "
                "(name the other columns in data.columns; a constant needs no model)"
            )
        return cls(shift=shift, scale=scale)

    def inside(self, x: FloatArray) -> FloatArray:
        """x (n, d) as the model sees it."""
        return np.asarray((x - self.shift) / self.scale)

    def outside(self, y: FloatArray) -> FloatArray:
        """What the model calls y (n, d), in the reader's units."""
        return np.asarray(self.shift + self.scale * y)
