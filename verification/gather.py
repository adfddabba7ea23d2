"""Curves of many groups into one netCDF file per claim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import h5netcdf

from .store import ENGINE, written_aside


def _looks(piece: Path) -> list[str]:
    with h5netcdf.File(piece, "r") as file:
        return sorted(file.groups)


def write_curves(target: Path, pieces: Sequence[tuple[str, Path]]) -> None:
    """One file with the group ``setting/witness[/run]`` per piece, and ``.../look-j`` for j >= 1.

    The first look measures every planned case, later looks only what was still undecided; so
    the group itself is whole and its ``look-j`` children say more of part of it.

    Parameters
    ----------
    target : Path
    pieces : sequence of (group path, piece file); pieces that made no dataset have no file
    """
    import xarray

    present = [(path, piece) for path, piece in pieces if piece.exists()]
    if not present:
        return
    with written_aside(target) as aside:
        mode: Literal["w", "a"] = "w"
        for path, piece in present:
            for look, name in enumerate(_looks(piece)):
                group = path if look == 0 else f"{path}/{name}"
                with xarray.open_dataset(piece, group=name, engine=ENGINE) as dataset:
                    dataset.to_netcdf(aside, mode=mode, group=group, engine=ENGINE)
                mode = "a"
