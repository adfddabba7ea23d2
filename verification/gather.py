"""Curves of many groups into one netCDF file per claim, and their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plan import Plan
from .store import Folder

if TYPE_CHECKING:
    import xarray


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


def gather_rest(folder: Folder, plan: Plan) -> None:
    """``gather`` for every claim that is not gathered yet."""
    for claim in dict.fromkeys(group.claim for group in plan.groups):
        if folder.read_pictures(plan, claim) is None:
            gather(folder, plan, claim)


def settings_shown(plan: Plan, claim: str) -> tuple[str, ...]:
    """Settings at which a claim has findings of its own, in the plan's order."""
    own = (c.setting for c in plan.cases if c.claim == claim and c.case.control is None)
    return tuple(dict.fromkeys(own))
