"""Joint energies as subjects of claims, and log int exp(-U) on the line and in the plane.

The trapezoidal rule over a box with certified tails: for smooth integrands that vanish at the
boundary it converges faster than any power of the spacing.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from lvebm_theory.errors import AssumptionError
from lvebm_theory.protocols import Energy, JointEnergy

from ...defaults import frame

_POINTS = {1: (2_001, 8_001), 2: (401, 1_201)}


def as_joint(claim: str, subject: Energy | JointEnergy) -> JointEnergy:
    """The subject as a joint energy of one datum and one latent coordinate.

    Raises
    ------
    AssumptionError
        When it is no joint energy, or of other dimensions.
    """
    if not isinstance(subject, JointEnergy):
        raise AssumptionError(claim, ["the energy is a joint energy E(x, z)"])
    if subject.dim_x != 1 or subject.dim_z != 1:
        raise AssumptionError(
            claim, [f"dim_x = dim_z = 1, got {subject.dim_x} and {subject.dim_z}"]
        )
    return subject


def usual_datum(energy: JointEnergy) -> list[float]:
    """A datum one length of the joint law off its centre; see ``verification.defaults.frame``."""
    centre, length = frame(energy.joint())
    return [float(centre[0] + length[0])]


def log_integral(energy: Energy) -> tuple[float, float]:
    """log int exp(-U) over the line or the plane, and its half-width from two resolutions.

    Raises
    ------
    AssumptionError
        When the tails are too heavy for a box.
    """
    from lvebm_theory.certified import truncation_box

    box = truncation_box(energy)
    if box is None:
        raise AssumptionError("quadrature", ["tails light enough for a box"])
    values = []
    for points in _POINTS[energy.dim]:
        axes = [np.linspace(low, high, points) for low, high in box]
        mesh = np.meshgrid(*axes, indexing="ij", sparse=True)
        cell = sum(np.log(a[1] - a[0]) for a in axes)
        values.append(float(logsumexp(-energy.on_coordinates("potential", mesh)) + cell))
    return values[1], 2.0 * abs(values[1] - values[0]) + 1e-13 * (1.0 + abs(values[1]))


def log_likelihood(energy: JointEnergy, data: np.ndarray) -> tuple[float, float]:
    """L = mean over data (n,) of log int e^{-E(x, z)} dz - log Z, and its half-width."""
    log_z, width = log_integral(energy.joint())
    evidence = [log_integral(energy.conditional([float(x)])) for x in data]
    values, widths = zip(*evidence, strict=True)
    return float(np.mean(values)) - log_z, width + float(np.mean(widths))
