"""exp and log of ``solvers.elementary`` for compiled loops over lanes, where they vectorise."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import numpy as np

from solvers.elementary import exp_64
from solvers.noise.box_muller import log_64


@numba.njit(error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator]
def _where(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b


@numba.njit(error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator]
def _bits(x: Any) -> Any:
    return np.float64(x).view(np.int64)


@numba.njit(error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator]
def _real_of_bits(i: Any) -> Any:
    return np.int64(i).view(np.float64)


@numba.njit(error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator]
def _real(i: Any) -> Any:
    return np.float64(i)


@numba.njit(error_model="numpy", fastmath={"contract"}, forceinline=True)  # type: ignore[untyped-decorator]
def _fma(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def _for_numba(function: Callable[..., Any]) -> Callable[..., Any]:
    """The one source, with the primitives that numba compiles."""
    names = {
        "where": _where,
        "fma": _fma,
        "bits_64": _bits,
        "real_of_bits_64": _real_of_bits,
        "real_64": _real,
    }
    bound = FunctionType(function.__code__, names, function.__name__)
    compiled: Callable[..., Any] = numba.njit(
        error_model="numpy", fastmath={"contract"}, forceinline=True
    )(bound)
    return compiled


exponential = _for_numba(exp_64)
logarithm = _for_numba(log_64)  # of normal numbers > 0
