"""The theorems, one subject per folder, one statement (with its equality cases) per file.

Nothing is registered by hand: ``all_theorems`` walks this package. To add a theorem, add a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from ..errors import ArgumentError
from ..theorem import Theorem

__all__ = ["all_theorems", "theorem_modules"]


def theorem_modules() -> Iterator[str]:
    """Dotted names of the modules below this package, in sorted order; packages left out."""
    found = pkgutil.walk_packages(__path__, prefix=__name__ + ".")
    yield from sorted(module.name for module in found if not module.ispkg)


def all_theorems() -> dict[str, Theorem]:
    """Every module-level Theorem below this package, by name.

    Raises
    ------
    ArgumentError
        When two theorems share a name.
    """
    theorems: dict[str, Theorem] = {}
    for name in theorem_modules():
        module = importlib.import_module(name)
        for value in vars(module).values():
            if not isinstance(value, Theorem) or theorems.get(value.name) is value:
                continue
            if value.name in theorems:
                raise ArgumentError(f"two theorems are called {value.name} (one in {name})")
            theorems[value.name] = value
    return theorems
