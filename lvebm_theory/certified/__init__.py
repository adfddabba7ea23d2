"""Proofs about a single potential in ball arithmetic: tails, bounds of the Hessian, the gap.

Everything returned here is proved by enclosures (python-flint), never by sampling; what could not
be proved is said so. Submodules, and with them flint and SymPy, load at first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "Normalisability": "normalisable",
    "certify_normalisable": "normalisable",
    "Tail": "tail",
    "certify_tail": "tail",
    "truncation_box": "truncation",
    "hessian_bounds": "hessian",
    "dissipativity": "dissipative",
    "centre": "dissipative",
    "certified_gap_1d": "gap",
    "certified_expectation": "integral",
    "certified_integral": "integral",
    "finite_chi_square": "start",
    "finite_relative_entropy": "start",
}

__all__ = [
    "Normalisability",
    "Tail",
    "centre",
    "certified_expectation",
    "certified_gap_1d",
    "certified_integral",
    "certify_normalisable",
    "certify_tail",
    "dissipativity",
    "finite_chi_square",
    "finite_relative_entropy",
    "hessian_bounds",
    "truncation_box",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
