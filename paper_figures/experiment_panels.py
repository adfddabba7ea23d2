"""What figures of the learning experiments share: the stored arrays and a grid of small panels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

    from verification.report.results import Results

NAME = "learned_densities.nc"
COLUMNS = {
    "truth": "held-out data",
    "latent_energy": "LV-EBM",
    "contrastive": "PCD",
    "variational": "VAE",
    "particles": "PGD",
}


def pictures(results: Results | None) -> dict[str, dict[str, xarray.Dataset]]:
    """Stored arrays by system and method: of the results folder, else those beside this file.

    Raises
    ------
    ArgumentError
        Neither is there; says what to run.
    """
    import h5netcdf
    import xarray

    places = [Path(__file__).with_name(NAME)]
    if results is not None:
        places.insert(0, results.folder.path / NAME)
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise ArgumentError(f"no {NAME} is stored; run `python -m benchmarks experiments`")
    with h5netcdf.File(path, "r") as file:
        names = {system: list(file[system].groups) for system in file.groups}
    found: dict[str, dict[str, xarray.Dataset]] = {}
    for system, methods in names.items():
        for method in methods:
            with xarray.open_dataset(path, group=f"{system}/{method}", engine="h5netcdf") as data:
                found.setdefault(system, {})[method] = data.load()
    return found


def panels(systems: list[str], height: float = 0.72) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """One row per system, one column per method, a column of text wide."""
    layout = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(3.35, height * len(systems) + 0.3), layout=layout)
    grid = np.atleast_2d(figure.subplots(len(systems), len(COLUMNS)))
    named = {}
    for row, system in enumerate(systems):
        for column, method in enumerate(COLUMNS):
            axes = grid[row, column]
            axes.set_xticks([])
            axes.set_yticks([])
            named[system, method] = axes
            if row == 0:
                axes.set_title(COLUMNS[method], fontsize=6, pad=2)
    return figure, named


def label(axes: Axes, text: str, *, first: bool) -> None:
    """The row's name at its first panel; the others carry it unseen, for who reads the axes."""
    axes.set_ylabel(text, fontsize=5, labelpad=1)
    axes.yaxis.label.set_visible(first)


def plane(dataset: xarray.Dataset) -> tuple[int, int]:
    """The two coordinates that are shown: the first and the last."""
    return 0, int(dataset.sizes["coordinate"]) - 1
