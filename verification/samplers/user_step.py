"""A sampler from a user's own file: ``"my_sampler.py:step"``."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError
from lvebm_theory.user_file import module_of


def load_step(text: str) -> Callable[..., Any]:
    """The function called ``name`` in the Python file of ``"file.py:name"``; "step" by default.

    Raises
    ------
    ArgumentError
        No such file, no such name, a file that cannot be run, or a name that is not callable.
    """
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, name = text, "step"
    if not path.endswith(".py"):
        raise ArgumentError(f"a sampler is given as file.py:step, got {text!r}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ArgumentError(f"no such file: {path}")
    module = module_of(file.resolve())
    if not hasattr(module, name):
        own = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        near = get_close_matches(name, own, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own) or 'no function'}"
        raise ArgumentError(f"{path} has no {name!r}; {hint}")
    found = getattr(module, name)
    if not callable(found):
        raise ArgumentError(f"{path}:{name} is a {type(found).__name__}, not a step(x, ...)")
    step: Callable[..., Any] = found
    return step
