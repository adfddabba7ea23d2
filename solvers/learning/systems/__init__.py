"""The physical systems that the learning experiments learn from, one per file.

A module below this package that holds a module-level ``system`` is in the index; nothing is
registered by hand.
"""

from __future__ import annotations

import importlib
import pkgutil

from lvebm_theory.errors import ArgumentError

from .system import System

__all__ = ["System", "system_named", "systems"]


def systems() -> dict[str, System]:
    """Every ``system`` below this package, by name, in sorted order.

    Raises
    ------
    ArgumentError
        When two systems share a name.
    """
    found: dict[str, System] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__, prefix=__name__ + ".")):
        value = getattr(importlib.import_module(module), "system", None)
        if not isinstance(value, System):
            continue
        if value.name in found:
            raise ArgumentError(f"two systems are called {value.name} (one in {module})")
        found[value.name] = value
    return dict(sorted(found.items()))


def system_named(name: str) -> System:
    """The system of this name; hyphens count as underscores.

    Raises
    ------
    ArgumentError
        When there is none; the message lists what exists.
    """
    index = systems()
    if (key := name.replace("-", "_")) not in index:
        raise ArgumentError(f"a system is one of {', '.join(index)}; got {name!r}")
    return index[key]
