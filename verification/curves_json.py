"""Curves as plain JSON, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

# numpy's kinds that lists of plain numbers and words give back to the last bit
PLAIN = "biufU"


def curves_to_json(dataset: xarray.Dataset) -> dict[str, Any]:
    """A dataset as plain JSON.

    netCDF would take a hundred times as long, and each piece is read by its own run alone.

    Raises
    ------
    TypeError
        A variable holds neither numbers, truth values nor words.
    """
    variables = {}
    for name, variable in dataset.variables.items():
        values = np.asarray(variable.values)
        if values.dtype.kind not in PLAIN:
            raise TypeError(f"curves hold numbers or words, {name} holds {values.dtype}")
        variables[str(name)] = {
            "dims": [str(dim) for dim in variable.dims],
            "type": values.dtype.str,
            "values": values.tolist(),
            "attributes": _plain(variable.attrs),
            "coordinate": name in dataset.coords,
        }
    return {"variables": variables, "attributes": _plain(dataset.attrs)}


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(k): v.tolist() if isinstance(v, np.ndarray | np.generic) else v
        for k, v in attributes.items()
    }


def curves_from_json(row: Mapping[str, Any]) -> xarray.Dataset:
    """Inverse of ``curves_to_json``."""
    import xarray

    made: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for name, variable in row["variables"].items():
        values = np.array(variable["values"], dtype=variable["type"])
        made[variable["coordinate"]][name] = (variable["dims"], values, variable["attributes"])
    return xarray.Dataset(made[False], coords=made[True], attrs=row["attributes"])
