"""Numba compilation with the on-disk cache, behind a typed decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile to machine code at first call; fused multiply-add allowed, nothing reordered.

    Sums keep their order, so results do not depend on the number of threads.
    """
    return cast(
        Function,
        numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, nogil=True)(function),
    )


def inlined(function: Function) -> Function:
    """The same for a part of a loop, which vectorises only where nothing is called."""
    return cast(
        Function,
        numba.njit(error_model="numpy", fastmath={"contract"}, forceinline=True)(function),
    )
