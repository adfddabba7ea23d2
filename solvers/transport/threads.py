"""Independent pieces of work on threads that sleep while they wait.

The threads of a compiled parallel loop spin at its end, which costs milliseconds where another
process has the core; these loops take less than one. What is run must release the interpreter.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any


def number_of_threads() -> int:
    """As many as compiled loops may use (``numba.set_num_threads``)."""
    import numba

    return int(numba.get_num_threads())


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="transport")


def run_all(task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """task(*a) for every a, in order.

    This thread and helpers take whatever is next. A helper that has not come by the time all is
    taken is not waited for, so that on a busy machine the work takes no longer than on one thread.
    """
    others = min(number_of_threads(), len(arguments)) - 1
    if others < 1:
        return [task(*a) for a in arguments]
    found: list[Any] = [None] * len(arguments)
    numbers = iter(range(len(arguments)))

    def several() -> None:
        for k in numbers:
            found[k] = task(*arguments[k])

    pool = _pool(os.getpid(), others)  # a forked child has no threads of its parent's pool
    running = [pool.submit(several) for _ in range(others)]
    try:
        several()
    finally:
        late = [future for future in running if not future.cancel()]
        wait(late)
    for future in late:
        future.result()
    return found
