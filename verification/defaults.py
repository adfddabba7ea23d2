"""The start, the times and the lengths of a user's energy where nothing is said of them."""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

# mass outside the box that sets the scale of the start
START_TAIL = 1e-4
TIMES_OVER_RELAXATION = (0.1, 0.3, 1.0, 2.0)


def frame(energy: Energy) -> tuple[FloatArray, FloatArray]:
    """Centre c and length l of pi in every coordinate, each (d,).

    c is the middle and l a quarter of the half-width of the box that holds all but 1e-4 of the
    mass: about mean and standard deviation of a Gaussian target. Lengths that a claim chooses for
    itself are multiples of l, so that its settings move and scale with the energy. Where no box
    could be proved, c = 0 and l = 1.
    """
    from lvebm_theory.certified import truncation_box

    try:
        box = truncation_box(energy, tail_mass=START_TAIL)
    except AssumptionError:
        box = None
    if box is None:
        return np.zeros(energy.dim), np.ones(energy.dim)
    low, high = np.array(box, dtype=float).T
    return (low + high) / 2, (high - low) / 8


def length_of(energy: Energy) -> float:
    """|l|, the Euclidean norm of the lengths of ``frame``: the unit of a floor in W2."""
    return float(np.linalg.norm(frame(energy)[1]))


def default_start(energy: Energy) -> InitialLaw:
    """A broad Gaussian off the centre c of the energy's frame, by its lengths l.

    Mean c + l and standard deviation 4 l/5 in every coordinate, each rounded to two digits of l.
    For a Gaussian target that is about one standard deviation off and four fifths as wide; it
    sees odd and even modes alike.
    """
    centre, length = frame(energy)
    digits = [1 - math.floor(math.log10(l)) for l in length]
    mean = [round(float(m), n) for m, n in zip(centre + length, digits, strict=True)]
    return InitialLaw.normal(mean, [_rounded(s) for s in 0.8 * length])


def moved(law: InitialLaw, energy: Energy) -> InitialLaw:
    """The law moved back by the energy's length in every coordinate, for a second copy."""
    _, length = frame(energy)
    return InitialLaw(weights=law.weights, means=law.means - length, sds=law.sds)


def default_times(energy: Energy) -> tuple[float, ...]:
    """0.1, 0.3, 1 and 2 over the spectral gap, to two digits; as they are where it is unknown."""
    from lvebm_theory.constants import constants_of

    gap = constants_of(energy, certify=False).gap.value
    relaxation = 1.0 / gap if math.isfinite(gap) and gap > 0 else 1.0
    return tuple(_rounded(t * relaxation) for t in TIMES_OVER_RELAXATION)


def _rounded(x: float) -> float:
    return float(f"{x:.2g}")
