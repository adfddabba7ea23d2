"""The catalogue of energies, one family per file; found by walking this package."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


@functools.cache
def catalogue() -> Mapping[str, Any]:
    """Every energy and joint energy family of this package, by name.

    Returns
    -------
    mapping
        Calling an entry gives the energy at its default parameters.
    """
    from ..energy import EnergyFamily
    from ..joint import JointEnergyFamily

    found: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, EnergyFamily | JointEnergyFamily):
                found[value.name] = value
    return MappingProxyType(found)
