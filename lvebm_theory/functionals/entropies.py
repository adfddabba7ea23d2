"""Entropies of cell masses relative to a Gibbs state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .ratios import GibbsRatio


def relative_entropy(
    masses: npt.ArrayLike, log_gibbs: npt.ArrayLike, excess: npt.ArrayLike | None = None
) -> float:
    """KL(p | pi) = sum_i p_i log(p_i / pi_i), in nats.

    Summed as p log(p/pi) - p + pi, whose terms are non-negative, so that values far below
    rounding of one keep their relative accuracy when ``excess`` = p - pi is known separately.

    Parameters
    ----------
    masses : array (*shape), non-negative, summing to one
    log_gibbs : array (*shape), logarithms of the Gibbs masses
    excess : array (*shape), optional, p - pi
    """
    return float(GibbsRatio.of(masses, log_gibbs, excess).entropy_terms().sum())


def chi_square(
    masses: npt.ArrayLike, log_gibbs: npt.ArrayLike, excess: npt.ArrayLike | None = None
) -> float:
    """chi2(p | pi) = sum_i (p_i - pi_i)^2 / pi_i; parameters as ``relative_entropy``."""
    ratio = GibbsRatio.of(masses, log_gibbs, excess)
    with np.errstate(divide="ignore", over="ignore"):
        terms = np.exp(2 * np.log(np.abs(ratio.excess)) - ratio.log_gibbs)
    return float(terms.sum())


def entropy(masses: npt.ArrayLike, volumes: npt.ArrayLike) -> float:
    """H(p) = -sum_i p_i log(p_i / |cell_i|), the differential entropy in nats."""
    p = np.asarray(masses, dtype=float)
    density = p / np.asarray(volumes, dtype=float)
    return float(-(p * np.log(np.where(p > 0, density, 1.0))).sum())


def expectation(masses: npt.ArrayLike, values: npt.ArrayLike) -> float:
    """E_p f = sum_i p_i f_i for values of f at the cells."""
    return float((np.asarray(masses, dtype=float) * np.asarray(values, dtype=float)).sum())
