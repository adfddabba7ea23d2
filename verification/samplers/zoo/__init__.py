"""Kernels with planted bugs, and correct ones, to examine the laws with.

Every module below with ``CORRECT`` and ``MUTANTS`` belongs to it; there is no list to edit.
``LATE`` are those that were written after the laws were frozen.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entry import Entry

LATE: tuple[str, ...] = ("late_adjusted", "late_schemes")


@lru_cache(maxsize=1)
def entries() -> Mapping[str, Entry]:
    """Every kernel by name, correct ones first."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found: dict[str, Entry] = {}
    for group in ("CORRECT", "MUTANTS"):
        for module in modules:
            for entry in getattr(module, group, ()):
                if entry.name in found:
                    raise ArgumentError(f"two kernels of the zoo are called {entry.name}")
                found[entry.name] = entry
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def written_later() -> frozenset[str]:
    """Names of the mutants that were written after the laws were frozen."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in LATE]
    return frozenset(entry.name for module in modules for entry in module.MUTANTS)
