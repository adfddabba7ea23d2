"""What is exactly known about an energy, each with where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .constant import Constant

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class KnownFacts:
    """Exact knowledge about pi proportional to exp(-U); None where nothing is known.

    Parameters
    ----------
    gap, log_sobolev, smoothness, convexity, dissipativity : Constant, optional
        Poincare constant, LSI constant, Lipschitz constant of grad U, lower bound of Hess U, and
        a in <grad U, x> >= a |x|^2 - c.
    dissipativity_offset : float, optional
        c.
    log_normaliser : Constant, optional
        log of Z = int exp(-U).
    mean, covariance : arrays (d,) and (d, d), optional
    sample : callable (rng, n) -> (n, d), optional
        Exact independent draws from pi.
    box : tuple of (low, high), optional
        A hint where the mass is, one pair per coordinate; proves nothing.
    sources : mapping from fact to where it comes from
        Required for mean, covariance and sample; the constants carry their own.
    """

    gap: Constant | None = None
    log_sobolev: Constant | None = None
    smoothness: Constant | None = None
    convexity: Constant | None = None
    dissipativity: Constant | None = None
    dissipativity_offset: float | None = None
    log_normaliser: Constant | None = None
    mean: FloatArray | None = None
    covariance: FloatArray | None = None
    sample: Callable[[np.random.Generator, int], FloatArray] | None = None
    box: tuple[tuple[float, float], ...] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def constants(self) -> dict[str, Constant]:
        """The constants that are known, by name."""
        names = ("gap", "log_sobolev", "smoothness", "convexity", "dissipativity")
        return {n: c for n in (*names, "log_normaliser") if (c := getattr(self, n)) is not None}


NOTHING_KNOWN = KnownFacts()
