"""A value and its numerical half-width from a sequence of resolutions n, n/2, n/4, n/8.

Second-order quantities of nested grids expand in even powers of the spacing. The reported value
removes the first term (so it is of fourth order); what a further extrapolation would still change
is its error, known from the same data, and the half-width is twice that plus the last change.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_SAFETY = 2.0
_ROUNDING = 1e-12


def extrapolate(levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and half-width from values at successively doubled resolutions.

    Parameters
    ----------
    levels : array (k, ...), k >= 2, finest last

    Returns
    -------
    value, half_width : arrays (...)
    """
    table = [np.asarray(levels, dtype=float)]
    for order in range(1, min(len(levels), 4)):
        rows = table[-1]
        table.append(rows[1:] + (rows[1:] - rows[:-1]) / (4.0**order - 1))
    value = table[1][-1]
    if len(table) == 2:
        width = _SAFETY * np.abs(table[1][-1] - table[0][-1])
    elif len(table) == 3:
        width = _SAFETY * (np.abs(table[2][-1] - value) + np.abs(table[2][-1] - value) / 4)
    else:
        width = _SAFETY * np.abs(table[3][-1] - value) + np.abs(table[3][-1] - table[2][-1])
    return value, width + _ROUNDING * np.abs(value)
