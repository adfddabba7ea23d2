"""One law per file: a statement about samplers, how it is tested, and its blind spots.

A law module has ``NAME``, ``STATEMENT`` and ``reason(subject)`` (why it does not apply, or empty),
and at least one of ``examine(subject) -> Outcome`` (no chance involved) and ``trials(subject)``
with ``SHARE``, its part of the error probability relative to the other laws that apply. A law of
learners says so by ``OF = "learner"``. Its docstring says what is stated, at what level, with what
power, and what it cannot see.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=1)
def all_laws() -> tuple[ModuleType, ...]:
    """Every law module, found by walking this package; those without chance first."""
    found = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    laws = [module for module in found if hasattr(module, "NAME")]
    return tuple(sorted(laws, key=lambda m: (not hasattr(m, "examine"), -share(m), m.NAME)))


def speaks_of(law: ModuleType) -> str:
    """ "sampler" or "learner"."""
    return str(getattr(law, "OF", "sampler"))


def share(law: ModuleType) -> float:
    """The law's part of the error probability, relative to the others; 0 without chance."""
    return float(getattr(law, "SHARE", 0.0))
