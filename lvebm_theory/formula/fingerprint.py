"""What a plain function's value can depend on, as a hash; or that it cannot be told.

Two functions with one fingerprint trace to one formula: their bytecode is equal, and so is all
that it reaches - constants, defaults, closures, globals, helper functions, and the files of this
package. Where something is reached whose value no text can vouch for (another module, an object of
unknown class, randomness, a file), there is no fingerprint.
"""

from __future__ import annotations

import builtins
import dis
import functools
import hashlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGE = __name__.rpartition(".")[0]
_MODULES = ("math", "numpy", _PACKAGE)
_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "int", "len"}
    | {"isinstance", "list", "map", "max", "min", "pow", "range", "reversed", "round", "set"}
    | {"sorted", "str", "sum", "tuple", "zip", "ValueError"}
)
#: attributes by which a module that is allowed leads to what is not
_IMPURE = frozenset(
    {"random", "load", "loads", "loadtxt", "genfromtxt", "fromfile", "memmap", "ctypeslib", "lib"}
    | {"empty", "empty_like", "core", "_core", "__dict__", "__globals__", "__builtins__"}
)


class _Unknown(Exception):
    """Something is reached that has no fingerprint."""


def fingerprint(function: Callable[..., Any], *others: Any) -> str | None:
    """Hash of a function and of further plain values; None where it depends on more than is seen.

    Parameters
    ----------
    function : callable
    others : numbers, strings, tuples and arrays
    """
    hasher = hashlib.sha256()
    try:
        for part in (*_surroundings(), *_value(others, {}), *_value(function, {})):
            hasher.update(repr(part).encode() + b"\0")
    except _Unknown:
        return None
    return hasher.hexdigest()


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """Interpreter, SymPy, and the text of this package, which traces, differentiates and prints."""
    hasher = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        hasher.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return (sys.version, version("sympy"), version("numpy"), hasher.hexdigest())


def _value(value: Any, seen: dict[int, int]) -> Iterator[Any]:
    """Hashable words that say what a value is."""
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            yield type(value).__name__, value
        case tuple() | list():
            yield type(value).__name__, len(value)
            for item in value:
                yield from _value(item, seen)
        case frozenset():
            yield "frozenset", sorted(map(repr, value))
        case dict():
            yield "dict", len(value)
            for key, item in value.items():
                yield from _value(key, seen)
                yield from _value(item, seen)
        case np.ndarray() | np.generic() if value.dtype.kind in "biufc":
            yield value.dtype.str, np.shape(value), hashlib.sha256(value.tobytes()).hexdigest()
        case types.ModuleType() if value.__name__ in _MODULES:
            yield "module", value.__name__
        case types.CodeType():
            yield from _code(value, seen)
        case types.FunctionType() if _in_package(value.__module__):
            yield "ours", value.__module__, value.__qualname__
        case types.FunctionType():
            yield from _function(value, seen)
        case types.BuiltinFunctionType() if value.__module__ == "math":
            yield "math", value.__name__
        case _:
            raise _Unknown


def _in_package(name: str | None) -> bool:
    return name is not None and (name == _PACKAGE or name.startswith(_PACKAGE + "."))


def _function(function: types.FunctionType, seen: dict[int, int]) -> Iterator[Any]:
    if id(function) in seen:  # a helper that calls itself
        yield "again", seen[id(function)]
        return
    seen[id(function)] = len(seen)
    yield from _code(function.__code__, seen)
    yield from _value(function.__defaults__, seen)
    yield from _value(function.__kwdefaults__, seen)
    try:
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    except ValueError:  # a name that is not bound yet
        raise _Unknown from None
    yield from _value(cells, seen)
    for name in sorted(set(_names(function.__code__, function.__globals__))):
        yield "global", name
        if name in function.__globals__:
            yield from _value(function.__globals__[name], seen)
        elif not (name in _BUILTINS and hasattr(builtins, name)):
            raise _Unknown


def _code(code: types.CodeType, seen: dict[int, int]) -> Iterator[Any]:
    if _IMPURE.intersection(code.co_names):
        raise _Unknown
    # not its name, its file or its lines: a function that has moved is the same function
    yield "code", code.co_code, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    yield code.co_flags, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    yield code.co_exceptiontable
    for constant in code.co_consts:
        yield from _value(constant, seen)


def _names(code: types.CodeType, scope: Mapping[str, Any]) -> Iterator[str]:
    """Names that are looked up outside, also in the functions inside; imports are followed."""
    instructions = list(dis.get_instructions(code))
    for k, instruction in enumerate(instructions):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
        elif instruction.opname == "IMPORT_NAME":
            level = instructions[k - 2].argval
            if not isinstance(level, int):
                raise _Unknown
            name = "." * level + instruction.argval
            target = importlib.util.resolve_name(name, scope.get("__package__"))
            if target not in _MODULES and not _in_package(target):
                raise _Unknown
        elif instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise _Unknown
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant, scope)
