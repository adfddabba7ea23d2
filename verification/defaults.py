"""The start and the times of a user's energy where nothing is said of them."""

from __future__ import annotations

import math

from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from . import subjects

# mass outside the box that sets the scale of the start
START_TAIL = 1e-4
TIMES_OVER_RELAXATION = (0.1, 0.3, 1.0, 2.0)


def default_start(energy: Energy) -> InitialLaw:
    """A broad Gaussian off the centre of the box that holds all but 1e-4 of the mass.

    With the box's centre c and half-width h per coordinate: mean c + h/4, standard deviation h/5,
    each rounded to two digits. For a Gaussian target that is about one standard deviation off
    and four fifths as wide; it sees odd and even modes alike. Where no box could be proved, the
    start of ``subjects.default_start``.
    """
    from lvebm_theory.certified import truncation_box

    try:
        box = truncation_box(energy, tail_mass=START_TAIL)
    except AssumptionError:
        box = None
    if box is None:
        return subjects.default_start(energy.dim)
    half = [(high - low) / 2 for low, high in box]
    mean = [(low + high) / 2 + h / 4 for (low, high), h in zip(box, half, strict=True)]
    return InitialLaw.normal([_rounded(m) for m in mean], [_rounded(h / 5) for h in half])


def default_times(energy: Energy) -> tuple[float, ...]:
    """0.1, 0.3, 1 and 2 over the spectral gap, to two digits; as they are where it is unknown."""
    from lvebm_theory.constants import constants_of

    gap = constants_of(energy, certify=False).gap.value
    relaxation = 1.0 / gap if math.isfinite(gap) and gap > 0 else 1.0
    return tuple(_rounded(t * relaxation) for t in TIMES_OVER_RELAXATION)


def _rounded(x: float) -> float:
    return float(f"{x:.2g}")
