"""Times side by side, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def interleaved(
    functions: Mapping[str, Callable[[], Any]],
    repeats: int,
    fewer: Mapping[str, int] | None = None,
) -> dict[str, tuple[float, Any]]:
    """Median milliseconds and last result of each, called in turn, after one call to warm up.

    What takes under a millisecond is called often enough in a row to be seen. What ``fewer``
    names is timed that many times only, and is not warmed up: it has to come compiled.
    """
    results, calls = {}, {}
    fewer = fewer or {}
    for name, function in functions.items():
        if name in fewer:
            calls[name] = 1
            continue
        results[name] = function()
        began = time.perf_counter()
        function()
        calls[name] = max(1, min(200, int(1e-3 / max(time.perf_counter() - began, 1e-7))))
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats):
        for name, function in functions.items():
            if turn >= fewer.get(name, repeats):
                continue
            began = time.perf_counter()
            for _ in range(calls[name]):
                results[name] = function()
            seconds[name].append((time.perf_counter() - began) / calls[name])
    return {name: (1e3 * float(np.median(s)), results[name]) for name, s in seconds.items()}
