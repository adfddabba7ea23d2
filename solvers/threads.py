"""How many threads a compiled loop takes where nobody says."""

from __future__ import annotations


def thread_count(threads: int | None) -> int:
    """``threads``, at least one; for None as many as compiled loops may use.

    That is the number of cores, unless ``NUMBA_NUM_THREADS`` allows fewer: a worker process that
    was given one core does not crowd the others out.
    """
    from numba import config

    return max(1, threads or int(config.NUMBA_NUM_THREADS))
