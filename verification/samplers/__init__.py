"""Laws for samplers: tests of anyone's sampler at a proved false-alarm rate.

from verification.samplers import check_sampler
report = check_sampler(step, kind="adjusted")
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {"check_sampler": "check", "Report": "report", "Kernel": "kernel"}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
