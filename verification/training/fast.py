"""A learned model for long chains: networks through torch, formulas as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import JointEnergy


@dataclass(frozen=True)
class FastJoint:
    """E(x, z) of a network at fixed theta, value and gradient in one pass."""

    dim_x: int
    dim_z: int
    whole: Any

    def joint(self) -> Any:
        """(x, z) -> E(x, z)."""
        return self.whole

    def potential(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """E at x (n, dim_x), z (n, dim_z), shape (n,)."""
        return np.asarray(self.whole.potential(np.hstack([x, z])))


def fast(energy: JointEnergy) -> Any:
    """The same model where there is a faster route, else the model itself."""
    if not hasattr(energy, "network"):
        return energy
    from solvers.learning.tensor_energy import FastEnergy

    whole: Any = energy.joint()
    return FastJoint(energy.dim_x, energy.dim_z, FastEnergy(whole))
