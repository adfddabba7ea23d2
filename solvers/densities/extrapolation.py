"""A value and its numerical half-width from four resolutions.

Second-order quantities of nested grids expand in even powers of the spacing. Neville's scheme in
the squared spacing removes these powers one by one. The reported value has only the first removed
(fourth order); what the full scheme would still change is its error, known from the same data:
the half-width is twice that, plus the last change of the scheme.

That is worth what the series is worth. The limits that neighbouring pairs of resolutions give
approach each other by the fourth power of the spacing where it has set in; where they do not, by a
factor of two either way, nothing is known of the order, and with ``doubt`` the half-width is three
times their spread: the safety factor of Eca and Hoekstra (J. Comput. Phys. 262, 2014) for data
without an order of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray

_SAFETY = 2.0
_SCATTER = 1.5
_ROUNDING = 1e-12
_UNKNOWN_ORDER = 3.0  # Eca, Hoekstra, section 4
# share of the correction that stays in the half-width of a quantity whose errors are not an even
# power series: a transport distance between piecewise constant densities, where whole cells enter
IRREGULAR = 0.1


def extrapolate(
    levels: Sequence[FloatArray] | FloatArray,
    cells: Sequence[float],
    *,
    kept: float = 0.0,
    doubt: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Value and half-width from values at increasing resolutions.

    Parameters
    ----------
    levels : array (k, ...), k >= 3, finest last
    cells : numbers of cells (along any one axis) of the k resolutions
    kept : float
        Share of the correction (value less finest level) that the half-width keeps at least.
    doubt : bool
        Whether the half-width widens where the series has not set in: for densities, whose starts
        may stand on slopes that cells do not resolve.

    Returns
    -------
    value, half_width : arrays (...)
    """
    squares = [1.0 / float(n) ** 2 for n in cells]
    column = [np.asarray(row, dtype=float) for row in np.asarray(levels, dtype=float)]
    newest: list[FloatArray] = [column[-1]]
    limits: list[FloatArray] = []
    for order in range(1, min(len(column), 4)):
        column = [
            fine + (fine - coarse) * squares[i + order] / (squares[i] - squares[i + order])
            for i, (coarse, fine) in enumerate(itertools.pairwise(column))
        ]
        newest.append(column[-1])
        limits = limits or column
    value, best = newest[1], newest[-1]
    width = _SAFETY * np.abs(best - value) + np.abs(best - newest[-2])
    # the same extrapolation from a wider pair differs by 1.25 times the error if errors are
    # regular, and by their scatter if they are not (a kink of U between cell edges)
    finest, wider = np.asarray(levels[-1], dtype=float), np.asarray(levels[-3], dtype=float)
    other = finest + (finest - wider) * squares[-1] / (squares[-3] - squares[-1])
    width = np.maximum(width, _SCATTER * np.abs(value - other))
    if doubt:
        width = np.maximum(width, _irregular(limits, squares))
    width = np.maximum(width, kept * np.abs(value - finest))
    return value, width + _ROUNDING * np.abs(value)


def _irregular(limits: Sequence[FloatArray], squares: Sequence[float]) -> FloatArray:
    """Half-width from limits of neighbouring pairs that do not approach each other as h^4 does."""
    if len(limits) < 3:
        return np.zeros_like(limits[-1])
    before, last = limits[-3] - limits[-2], limits[-2] - limits[-1]
    errors = [a * b for a, b in itertools.pairwise(squares)][-3:]
    expected = (errors[0] - errors[1]) / (errors[1] - errors[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / last / expected
    regular = (ratio >= 0.5) & (ratio <= 2.0)
    spread = np.maximum(np.abs(last), np.abs(before + last))
    return np.where(regular | (spread == 0), 0.0, _UNKNOWN_ORDER * spread)
