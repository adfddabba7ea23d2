"""A sampler from a user's own file: ``"my_sampler.py:step"``."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError
from lvebm_theory.user_file import module_of

from .targets.exact_target import ExactTarget


def load_step(text: str) -> Callable[..., Any]:
    """The function called ``name`` in the Python file of ``"file.py:name"``; "step" by default.

    Raises
    ------
    ArgumentError
        No such file, no such name, a file that cannot be run, or a name that is not callable.
    """
    name, found = _named(text, "step", "a sampler")
    if not callable(found):
        raise ArgumentError(f"{name} is a {type(found).__name__}, not a step(x, ...)")
    step: Callable[..., Any] = found
    return step


def load_targets(text: str) -> list[ExactTarget]:
    """The targets called ``name`` in the Python file of ``"file.py:name"``; "targets" by default.

    Raises
    ------
    ArgumentError
        As ``load_step``, or what is neither a target, nor a list, nor a function that returns one.
    """
    name, found = _named(text, "targets", "targets")
    if callable(found):
        try:
            found = found()
        except Exception as error:  # a function that is no maker of targets, or a fault of it
            said = f"{type(error).__name__}: {error}"
            raise ArgumentError(f"{name}() was to return targets and raised {said}") from error
    targets = [found] if isinstance(found, ExactTarget) else found
    if not isinstance(targets, list | tuple) or not all(
        isinstance(t, ExactTarget) for t in targets
    ):
        raise ArgumentError(f"{name} is no ExactTarget and no list of them, but {found!r}")
    return list(targets)


def names_in(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers_in(text: str) -> list[float]:
    """Numbers separated by commas.

    Raises
    ------
    ArgumentError
        What is no number.
    """
    try:
        return [float(word) for word in names_in(text)]
    except ValueError as error:
        raise ArgumentError(f"numbers separated by commas are needed, got {text!r}") from error


def _named(text: str, usual: str, what: str) -> tuple[str, Any]:
    """What a file calls by a name, and both for messages."""
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, name = text, usual
    if not path.endswith(".py"):
        raise ArgumentError(f"{what} is given as file.py:{usual}, got {text!r}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ArgumentError(f"no such file: {path}")
    module = module_of(file.resolve())
    if not hasattr(module, name):
        own = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        near = get_close_matches(name, own, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own) or 'no function'}"
        raise ArgumentError(f"{path} has no {name!r}; {hint}")
    return f"{path}:{name}", getattr(module, name)
