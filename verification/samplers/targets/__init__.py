"""Targets whose exact draws are known; one kind per file."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "ExactTarget": "exact_target",
    "banana": "warped",
    "decoder": "ancestral",
    "default_targets": "defaults",
    "from_model": "models",
    "funnel": "ancestral",
    "gaussian": "gaussians",
    "half_normal": "warped",
    "log_gamma": "warped",
    "mixture": "mixtures",
    "moved": "maps",
    "on_the_line": "line",
    "product": "maps",
    "student": "heavy_tailed",
    "subsampled_targets": "defaults",
    "summed": "sums",
    "with_momenta": "maps",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
