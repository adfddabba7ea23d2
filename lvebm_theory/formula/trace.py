"""From a plain Python function to a Formula: one call on symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy

from ..errors import ArgumentError, LvebmError
from .expression import Formula


def coordinate_symbols(names: tuple[str, ...]) -> tuple[Any, ...]:
    """Real symbols with these names."""
    return tuple(sympy.Symbol(name, real=True) for name in names)


def parameter_names(name: str, shape: tuple[int, ...]) -> list[str]:
    """``name`` for a scalar, ``name_0_1`` for the entries of an array, row by row."""
    return ["_".join([name, *map(str, index)]) for index in np.ndindex(shape)]


def trace(
    function: Callable[..., Any],
    groups: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, tuple[int, ...]],
) -> Formula:
    """Call ``function(*coordinate_groups, **parameters)`` on symbols.

    Parameters
    ----------
    function : callable
        Takes one array of coordinates per group, then the parameters by name.
    groups : mapping from group name to the names of its coordinates
    shapes : mapping from parameter name to its shape, () for a scalar

    Raises
    ------
    ArgumentError
        When the function cannot run on symbols, with the reason.
    """
    coordinates = [coordinate_symbols(names) for names in groups.values()]
    parameters: dict[str, Any] = {}
    flat: list[Any] = []
    for name, shape in shapes.items():
        symbols = coordinate_symbols(tuple(parameter_names(name, shape)))
        flat.extend(symbols)
        parameters[name] = (
            symbols[0] if shape == () else np.array(symbols, dtype=object).reshape(shape)
        )
    arrays = [np.array(group, dtype=object) for group in coordinates]
    try:
        result = function(*arrays, **parameters)
    except LvebmError:
        raise
    except Exception as error:
        raise ArgumentError(_explanation(function, error)) from error
    if isinstance(result, np.ndarray) and result.size == 1:
        result = result.item()
    if isinstance(result, np.ndarray | list | tuple | bool) or result is None:
        raise ArgumentError(
            f"{_name(function)} must return one expression, got {type(result).__name__}"
        )
    flat_coordinates = [symbol for group in coordinates for symbol in group]
    return Formula(result, flat_coordinates, flat)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "the formula")


def _explanation(function: Callable[..., Any], error: Exception) -> str:
    name, text = _name(function), str(error)
    if "truth value" in text:
        return (
            f"{name} branches on a coordinate or parameter, which has no value while the formula "
            "is traced; write it with absolute, maximum, minimum or sign"
        )
    if "ufunc" in text or "convert expression to float" in text or "convert" in text:
        return (
            f"{name} calls a numerical function on symbols ({text}); take exp, log, cos, ... from "
            "lvebm_theory.formula"
        )
    return f"{name} cannot be traced: {type(error).__name__}: {text}"
