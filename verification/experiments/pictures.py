"""Arrays for figures: samples, learned densities on a grid, reconstructions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from solvers.learning.systems import System, system_named

from ..netcdf import read_datasets, write_datasets
from .held_out import held_out
from .methods import Fitted, log_density_at, reconstructed
from .plan import OBSERVED, Run

if TYPE_CHECKING:
    import xarray

STORED = "learned_densities.nc"
SAMPLES, GRID, REACH = 1500, 72, 0.08
_MASKED, _DRAWS = 150, 4


def picture(run: Run, model: Fitted, folder: Path) -> xarray.Dataset:
    """Samples of the model, its density where the data are a plane, and reconstructions."""
    import xarray

    system = system_named(run.system)
    truth = held_out(system, run.sizes, folder).truth
    observed = OBSERVED[run.system]
    some = truth[:_MASKED]
    draws, _ = reconstructed(run.method, model, some, observed, draws=_DRAWS, seed=run.seed + 43)
    found = {
        "samples": (("sample", "coordinate"), model.sample(SAMPLES, run.seed + 31)),
        "reconstructed": (("datum", "draw", "coordinate"), draws),
    }
    if system.dim == 2:
        axes = _axes(truth)
        points = np.array(list(itertools.product(*axes)))
        density = np.exp(log_density_at(run.method, model, points)).reshape(GRID, GRID)
        found["density"] = (("x", "y"), density)
    return _small(xarray.Dataset(found, attrs={"system": run.system, "method": run.method}))


def truth_picture(system: System, run: Run, folder: Path) -> xarray.Dataset:
    """Held-out data, the grid, and the true density where it is known."""
    import xarray

    truth = held_out(system, run.sizes, folder).truth
    found: dict[str, Any] = {"samples": (("sample", "coordinate"), truth[:SAMPLES])}
    if system.dim == 2:
        axes = _axes(truth)
        found["x"], found["y"] = (("x",), axes[0]), (("y",), axes[1])
        if system.log_density is not None:
            points = np.array(list(itertools.product(*axes)))
            density = np.exp(system.log_density(points)).reshape(GRID, GRID)
            found["density"] = (("x", "y"), density)
    attributes = {
        "system": system.name,
        "title": system.title,
        "coordinates": list(system.coordinates),
        "observed": [int(seen) for seen in OBSERVED[system.name]],
    }
    return _small(xarray.Dataset(found, attrs=attributes))


def write(folder: Path, target: Path, runs: list[Run]) -> Path:
    """One file with a group per system and method, of the pictures that are there."""
    groups: dict[str, xarray.Dataset] = {}
    for system in dict.fromkeys(run.system for run in runs):
        own = [run for run in runs if run.system == system]
        groups[f"{system}/truth"] = truth_picture(system_named(system), own[0], folder)
        groups |= {f"{system}/{run.method}": read(folder / f"{run.name}.nc") for run in own}
    encodings = {
        name: {
            str(k): {"zlib": True, "complevel": 9} for k, v in dataset.data_vars.items() if v.ndim
        }
        for name, dataset in groups.items()
    }
    write_datasets(target, groups, encodings)
    return target


def read(path: Path) -> xarray.Dataset:
    """A stored picture."""
    return read_datasets(path)[""]


def _axes(truth: FloatArray) -> list[FloatArray]:
    low, high = truth.min(0), truth.max(0)
    reach = REACH * (high - low)
    return [np.linspace(a, b, GRID) for a, b in zip(low - reach, high + reach, strict=True)]


def _small(dataset: xarray.Dataset) -> xarray.Dataset:
    """Single precision, rounded to what a picture shows: the file travels with the figures."""
    small = dataset.map(lambda v: v.round(4).astype("float32"), keep_attrs=True)
    # map forgets the axes of a grid that carries no density
    return small.assign_coords(dataset.coords)
