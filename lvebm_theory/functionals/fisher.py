"""Relative Fisher information of cell masses, from differences of log(p/pi) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..errors import ArgumentError
from .ratios import GibbsRatio

Cells = TypeVar("Cells", FloatArray, npt.NDArray[np.bool_])

_NEGLIGIBLE = 1e-15  # of the largest mass: such cells carry rounding, not information


def fisher_information(
    masses: npt.ArrayLike,
    log_gibbs: npt.ArrayLike,
    centres: Sequence[npt.ArrayLike],
    excess: npt.ArrayLike | None = None,
) -> float:
    """FI(p | pi) = sum_i p_i |grad log(p/pi)|^2 at the cells; see ``fisher_terms``."""
    return float(fisher_terms(masses, log_gibbs, centres, excess).sum())


def fisher_terms(
    masses: npt.ArrayLike,
    log_gibbs: npt.ArrayLike,
    centres: Sequence[npt.ArrayLike],
    excess: npt.ArrayLike | None = None,
) -> FloatArray:
    """p_i |grad log(p/pi)|^2 of every cell, shape (*shape).

    Derivatives are fourth-order central differences of log(p/pi) in the cell index over those of
    the centres (second order next to the wall). No transport coefficient enters, so the result is
    independent of the scheme that moved the density.

    Parameters
    ----------
    masses : array (*shape), non-negative
    log_gibbs : array (*shape)
    centres : d increasing arrays of lengths shape_k
    excess : array (*shape), optional, p - pi
    """
    ratio = GibbsRatio.of(masses, log_gibbs, excess)
    p = ratio.masses
    if len(centres) != p.ndim:
        raise ArgumentError(f"{p.ndim}-dimensional masses need {p.ndim} axes, got {len(centres)}")
    known = p > _NEGLIGIBLE * p.max()
    logs = np.where(known, ratio.log(), 0.0)
    found = np.zeros_like(p)
    for axis, c in enumerate(centres):
        spacing = _difference(np.asarray(c, dtype=float), 0, np.ones(p.shape[axis], dtype=bool))
        slope = _difference(logs, axis, known)
        spacing = spacing.reshape([-1 if k == axis else 1 for k in range(p.ndim)])
        found += p * (slope / spacing) ** 2
    return found


def _difference(values: FloatArray, axis: int, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Derivative in the index: fourth order where five neighbours are known, else second, else
    one-sided, else zero."""
    f = np.moveaxis(values, axis, -1)
    good = np.moveaxis(known, axis, -1)

    up, down = _shifted(f, 1), _shifted(f, -1)
    up_good, down_good = _shifted(good, 1) & good, _shifted(good, -1) & good
    central = up_good & down_good
    wide = central & _shifted(good, 2) & _shifted(good, -2)
    fourth = (8 * (up - down) - (_shifted(f, 2) - _shifted(f, -2))) / 12
    sides = np.where(up_good, up - f, np.where(down_good, f - down, 0.0))
    result = np.where(wide, fourth, np.where(central, (up - down) / 2, sides))
    return np.moveaxis(result, -1, axis)


def _shifted(array: Cells, by: int) -> Cells:
    """array[..., i + by], zero (or False) where that lies outside."""
    out = np.zeros_like(array)
    n = array.shape[-1]
    if by >= 0:
        out[..., : n - by] = array[..., by:]
    else:
        out[..., -by:] = array[..., : n + by]
    return out
