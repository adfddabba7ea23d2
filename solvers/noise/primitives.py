"""The few elementwise operations beyond arithmetic that the noise needs, for numpy.

The numba and torch versions of the same names are the headers in ``backends.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

sqrt = np.sqrt
where = np.where


def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c; numpy rounds twice, compiled code once."""
    return a * b + c


def bits_64(x: Any) -> Any:
    """The bit pattern of float64 as int64."""
    return x.view(np.int64)


def real_of_bits_64(i: Any) -> Any:
    """Float64 with this bit pattern."""
    return i.view(np.float64)


def bits_32(x: Any) -> Any:
    """The bit pattern of float32 as int32."""
    return x.view(np.int32)


def real_of_bits_32(i: Any) -> Any:
    """Float32 with this bit pattern."""
    return i.view(np.float32)


def real_64(i: Any) -> Any:
    """Integer to float64."""
    return np.asarray(i).astype(np.float64)


def real_32(i: Any) -> Any:
    """Integer to float32, rounded to nearest."""
    return np.asarray(i).astype(np.float32)
