r"""Functions of a whole ensemble: averages over its walkers, plain, and in units of their own.

An ensemble kernel that is right leaves pi x ... x pi as it is, so E[g(X') - g(X)] = 0 for every
bounded g of the ensemble. With a = mean over walkers of f, plain payoffs are a(X') - a(X), and
rescaled ones S(a(X')) - S(a(X)) with S(a) = tanh((a - m) sqrt(W)/s)/2, m and s the mean and the
standard deviation of f under pi: without them no bet on W walkers could stake more than 0.8 of
1/sqrt(W) of what is worth staking. Both are exact; m and s are units only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lvebm_theory.arrays import FloatArray

from .dictionary import RARE, Dictionary

# E sech^2 of a standard normal
_SLOPE = 0.6057


@lru_cache(maxsize=128)
def _units(dictionary: Dictionary) -> tuple[FloatArray, FloatArray]:
    values = dictionary(dictionary.target.pilot)
    return values.mean(axis=0), dictionary.deviations


def names(dictionary: Dictionary) -> Sequence[str]:
    """Of plain and of rescaled averages."""
    return (*dictionary.names, *(f"{name} of the ensemble" for name in dictionary.names))


def units(dictionary: Dictionary, size: int) -> FloatArray:
    """What one standard deviation of a function of one walker is, to first order."""
    rescaled = np.full(len(dictionary.names), math.sqrt(size) * _SLOPE / 2)
    return np.concatenate([dictionary.deviations, rescaled])


def slack(rounding: float, size: int) -> float:
    """What rounding and draws add to the mean of a payoff: S has a slope of sqrt(W)/(2 s) at most.

    The law of the draws of W walkers is W times as far off as that of one.
    """
    return min(rounding * max(size, math.sqrt(size) / (2 * RARE)), 0.05)


def payoffs(dictionary: Dictionary, x: FloatArray, after: FloatArray, size: int) -> FloatArray:
    """Rows (n/size, 2 m) for states (n, k) before and after, ensembles one after the other."""
    before, later = (
        dictionary(z).reshape(-1, size, len(dictionary.names)).mean(axis=1) for z in (x, after)
    )
    mean, deviation = _units(dictionary)
    scale = math.sqrt(size) / deviation
    rescaled = (np.tanh((later - mean) * scale) - np.tanh((before - mean) * scale)) / 2
    return np.concatenate([later - before, rescaled], axis=1)
