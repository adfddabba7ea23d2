"""Energies from a user's own file: ``"my_model.py:my_energy"``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from .energy import EnergyFamily
from .errors import ArgumentError, LvebmError
from .joint import JointEnergyFamily
from .protocols import Energy, JointEnergy


def load_energy(text: str) -> Energy | JointEnergy:
    """The energy called ``name`` in the Python file of ``"file.py:name"``.

    A family made by ``@energy`` or ``@joint_energy`` comes at its default parameters. The name may
    be left out when the file defines exactly one energy.

    Raises
    ------
    ArgumentError
        No such file, no such name, a file that cannot be run, or a name that is no energy.
    """
    # from the right, so that a drive letter stays with its path
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, name = text, ""
    if not path.endswith(".py"):
        raise ArgumentError(f"an energy file is given as file.py:name, got {text!r}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ArgumentError(f"no such energy file: {path}")
    module = module_of(file.resolve())
    found = {k: v for k, v in vars(module).items() if _is_energy(v)}
    if not name:
        if len(found) != 1:
            raise ArgumentError(
                f"{path} defines {len(found)} energies ({', '.join(found) or 'none'}); "
                f"say which as {path}:name"
            )
        (name,) = found
    if not hasattr(module, name):
        near = get_close_matches(name, list(found), n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(found) or 'no energy'}"
        raise ArgumentError(f"{path} has no {name!r}; {hint}")
    if name not in found:
        raise ArgumentError(
            f"{path}:{name} is a {type(getattr(module, name)).__name__}, not an energy; decorate "
            "the function with @energy(dim=..., ...)"
        )
    value = found[name]
    result = value() if isinstance(value, EnergyFamily | JointEnergyFamily) else value
    if hasattr(result, "formula"):
        _ = result.formula  # a formula that cannot be traced is reported here
    return result


def _is_energy(value: Any) -> bool:
    if isinstance(value, type):
        return False
    return isinstance(value, EnergyFamily | JointEnergyFamily | Energy | JointEnergy)


def module_of(file: Path) -> ModuleType:
    """The module in a Python file, run once; the file may import its neighbours.

    Raises
    ------
    ArgumentError
        When the file cannot be run.
    """
    name = "lvebm_user_" + hashlib.sha256(str(file).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{file} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(file.parent))  # the file may import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        kind = "" if isinstance(error, LvebmError) else f"{type(error).__name__}: "
        raise ArgumentError(f"{file.name} cannot be run: {kind}{error}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module
