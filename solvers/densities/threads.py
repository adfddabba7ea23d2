"""Pieces of work on as many threads as numba may use; compiled functions release the lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba


def in_pieces(work: Callable[[int, int], None], count: int, least: int) -> None:
    """work(begin, end) over 0..count, in pieces of at least ``least``, one per thread.

    Threads meet once, at the end: on busy processors every further meeting costs a time slice.
    """
    pieces = max(1, min(numba.get_num_threads(), count // max(least, 1)))
    marks = [count * k // pieces for k in range(pieces + 1)]
    if pieces == 1:
        work(0, count)
        return
    with ThreadPoolExecutor(pieces - 1) as pool:
        others = [pool.submit(work, marks[k], marks[k + 1]) for k in range(1, pieces)]
        work(marks[0], marks[1])
        for other in others:
            other.result()
