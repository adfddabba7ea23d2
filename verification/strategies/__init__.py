"""Hypothesis strategies of targets inside given assumptions, and of twins that break exactly one.

from hypothesis import given
from verification import strategies

@given(strategies.strongly_convex())
def test_it(drawn): ...                      # drawn.target, drawn.formula, drawn.convexity, ...

@given(strategies.strongly_convex(breaking="strongly convex"))
def test_that_it_needs_convexity(drawn): ...

Every target has exact draws, and a formula from which the library proves what was promised.
Everything shrinks to the simplest case: one dimension, scale one, centre zero, a normal, a step
size of one half of the smallest length squared.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "ASSUMPTIONS": "assumptions",
    "Assumption": "assumptions",
    "Case": "case",
    "Drawn": "drawn",
    "Schedule": "settings",
    "around": "ladders",
    "cases": "case",
    "dissipative": "energies",
    "heavy_tailed": "energies",
    "ill_conditioned": "energies",
    "joint": "energies",
    "multimodal": "energies",
    "normals": "energies",
    "schedules": "settings",
    "step_sizes": "settings",
    "strongly_convex": "energies",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
