"""The machine that measures: processor, vector instructions, and what else it was doing."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def _processor() -> tuple[str, str]:
    """Model and flags, as the kernel states them."""
    model, flags = platform.processor(), ""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value
    return model, flags


@functools.cache
def instruction_set() -> str:
    """The widest vectors: "avx512", "avx2" or "other"; results are kept apart by it."""
    flags = _processor()[1].split()
    return "avx512" if "avx512f" in flags else "avx2" if "avx2" in flags else "other"


def machine() -> dict[str, Any]:
    """What a stored result says about where it was measured."""
    return {
        "processor": _processor()[0],
        "cores": os.cpu_count(),
        "vector": instruction_set(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def load() -> float:
    """Processes that ran or waited, over the last minute; nan where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
