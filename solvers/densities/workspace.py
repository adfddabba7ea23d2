"""Work arrays that wait for the next solve instead of going back to the system.

Memory that is new to a process costs a page fault per four kilobytes, more than the arithmetic of a
solve on a long line. Arrays of a megabyte and more are kept, up to a bound, and handed out again;
they begin with a cache line.
"""

from __future__ import annotations

import collections
import contextlib
import math
from collections.abc import Iterator

import numpy as np

from lvebm_theory.arrays import FloatArray

_LEAST, _MOST = 2**20, 2**27  # bytes: worth keeping, and kept in all
_waiting: collections.deque[FloatArray] = collections.deque()


def taken(size: int) -> FloatArray:
    """So many numbers of no particular value, from those that wait if possible."""
    if 8 * size >= _LEAST:
        for _ in range(len(_waiting)):
            try:  # another thread may have been quicker
                array = _waiting.popleft()
            except IndexError:
                break
            if array.size == size:
                return array
            _waiting.append(array)
    raw = np.empty(size + 8)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + size]


def given_back(array: FloatArray) -> None:
    """Let an array from ``taken`` wait; what waited longest goes when there are too many."""
    if array.nbytes < _LEAST:
        return
    _waiting.append(array)
    with contextlib.suppress(IndexError, RuntimeError):
        while sum(a.nbytes for a in _waiting) > _MOST:
            _waiting.popleft()


@contextlib.contextmanager
def borrowed(*shape: int) -> Iterator[FloatArray]:
    """An array of no particular value, for the length of a ``with``."""
    array = taken(math.prod(shape))
    try:
        yield array.reshape(shape)
    finally:
        given_back(array)
