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


def wide_64(i: Any) -> Any:
    """Integer below 2^51 in size to float64; compiled code may take another way than real_64."""
    return real_64(i)


def real_32(i: Any) -> Any:
    """Integer to float32, rounded to nearest."""
    return np.asarray(i).astype(np.float32)


def low_32(i: Any) -> Any:
    """The low 32 bits of an integer as int32."""
    return np.asarray(i).astype(np.int32)


def turned_64(cosine: Any, sine: Any, quarter: Any) -> tuple[Any, Any]:
    """(cos, sin) advanced by a number of quarter turns."""
    swap = (quarter & 1) == 1
    c = where(swap, sine, cosine)
    s = where(swap, cosine, sine)
    return where(((quarter + 1) & 2) == 2, -c, c), where((quarter & 2) == 2, -s, s)


turned_32 = turned_64
