"""Kernels with planted bugs, and correct ones, to examine the laws with.

Every module below with ``CORRECT`` and ``MUTANTS`` belongs to it; there is no list to edit.
"""

from __future__ import annotations

import importlib
import pkgutil

from .entry import Entry


def entries() -> dict[str, Entry]:
    """Every kernel by name, correct ones first."""
    found: dict[str, Entry] = {}
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    for group in ("CORRECT", "MUTANTS"):
        for module in modules:
            for entry in getattr(module, group, ()):
                assert entry.name not in found, entry.name
                found[entry.name] = entry
    return found
