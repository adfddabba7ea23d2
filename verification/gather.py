"""Curves of many groups into one netCDF file per claim, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .plan import Plan
from .store import Folder

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


def gather(folder: Folder, plan: Plan, claim: str) -> None:
    """Writes the curves of a claim whose groups are finished, and the pictures of its section.

    One netCDF file with the group ``setting/witness[/run]`` per group of cases, and ``.../look-j``
    for j >= 1. The first look measures every planned case, later looks only what was still
    undecided; so the group itself is whole and its ``look-j`` children say more of part of it.
    """
    curves: dict[str, xarray.Dataset] = {}
    for group in plan.groups:
        if group.claim == claim:
            for look, dataset in enumerate(folder.read_datasets(plan, group)):
                curves[group.path if look == 0 else f"{group.path}/look-{look}"] = dataset
    pictures: list[str] = []
    if curves:
        from .netcdf import write_datasets
        from .report.plots import plots_of

        write_datasets(folder.curves_file(claim), curves)
        pictures += plots_of(claim, curves, settings_shown(plan, claim))
    folder.write_pictures(plan, claim, pictures)


def settings_shown(plan: Plan, claim: str) -> tuple[str, ...]:
    """Settings at which a claim has findings of its own, in the plan's order."""
    own = (c.setting for c in plan.cases if c.claim == claim and c.case.control is None)
    return tuple(dict.fromkeys(own))
