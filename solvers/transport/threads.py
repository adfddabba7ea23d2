"""Independent pieces of work on threads that sleep while they wait.

The threads of a compiled parallel loop spin at its end, which costs milliseconds where another
process has the core; these loops take less than one. What is run must release the interpreter.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def number_of_threads() -> int:
    """As many as compiled loops may use (``numba.set_num_threads``)."""
    import numba

    return int(numba.get_num_threads())


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="transport")


def run_all(task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """task(*a) for every a, in order; this thread takes its share."""
    others = min(number_of_threads(), len(arguments)) - 1
    if others < 1:
        return [task(*a) for a in arguments]
    share = -(-len(arguments) // (others + 1))

    def several(first: int) -> list[Any]:
        return [task(*a) for a in arguments[first : first + share]]

    pool = _pool(os.getpid(), others)  # a forked child has no threads of its parent's pool
    running = [pool.submit(several, k) for k in range(share, len(arguments), share)]
    found = several(0)
    for future in running:
        found += future.result()
    return found
