"""The folder of a training run.

    run.json       what was asked, and the library's version; written before the first update
    points.npz     training and held-out points, in the reader's units
    checkpoint.safetensors
                   the last good state: no sign of divergence stood when it was written
    curves.nc      what was recorded up to that state
    results.nc     samples, reconstructions and scores behind the report
    report.html

Every file is written aside and renamed, so that a killed run leaves whole files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.errors import ArgumentError

from ..store import ENGINE, write_json, written_aside
from .config import Config, config_of
from .data import Points
from .units import Units

if TYPE_CHECKING:
    import xarray

SCHEMA = "lvebm-theory/training/1"
_ARRAYS = ("train", "held_out", "shift", "scale")


class RunFolder:
    """Where a training run keeps what it has."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.run_file = self.path / "run.json"
        self.points_file = self.path / "points.npz"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.curves_file = self.path / "curves.nc"
        self.results_file = self.path / "results.nc"
        self.report_file = self.path / "report.html"

    @property
    def holds_a_run(self) -> bool:
        """True where a run has left anything."""
        return self.run_file.exists() or self.points_file.exists()

    def begin(self, run: Mapping[str, Any], points: Points) -> None:
        """Stores what is asked; raises ArgumentError where the folder cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with written_aside(self.points_file) as aside, aside.open("wb") as stream:
                np.savez(
                    stream,
                    train=points.train,
                    held_out=points.held_out,
                    shift=points.units.shift,
                    scale=points.units.scale,
                )
            digest = hashlib.sha256(self.points_file.read_bytes()).hexdigest()
            names = list(points.coordinates)
            content = {"schema": SCHEMA, **run, "points": digest, "coordinates": names}
            write_json(self.run_file, content, indent=1)
        except OSError as error:
            raise ArgumentError(f"cannot write to {self.path}: {error.strerror}") from error

    def run(self) -> dict[str, Any]:
        """What ``run.json`` holds.

        Raises
        ------
        ArgumentError
            There is no training run here, or its description is damaged.
        """
        try:
            content: dict[str, Any] = json.loads(self.run_file.read_text())
        except FileNotFoundError as error:
            raise ArgumentError(f"{self.path} holds no training run (no run.json)") from error
        except (OSError, ValueError) as error:
            raise ArgumentError(f"{self.run_file} cannot be used: {error}") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ArgumentError(f"{self.run_file} is no {SCHEMA} file")
        return content

    def config(self) -> Config:
        """The configuration of the stored run."""
        return config_of(self.run()["config"])

    def points(self) -> Points:
        """The stored points; raises ArgumentError where they are not what the run began with."""
        content = self.run()
        try:
            data = self.points_file.read_bytes()
        except OSError as error:
            raise ArgumentError(f"{self.points_file} is not there any more") from error
        if hashlib.sha256(data).hexdigest() != content["points"]:
            raise ArgumentError(f"{self.points_file} is not the file that the run began with")
        with np.load(self.points_file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in _ARRAYS}
        return Points(
            train=arrays["train"],
            held_out=arrays["held_out"],
            units=Units(shift=arrays["shift"], scale=arrays["scale"]),
            coordinates=tuple(content["coordinates"]),
        )

    def write_dataset(self, target: Path, groups: Mapping[str, xarray.Dataset]) -> None:
        """Datasets as groups of one netCDF file."""
        with written_aside(target) as aside:
            for k, (name, dataset) in enumerate(groups.items()):
                dataset.to_netcdf(aside, mode="a" if k else "w", group=name, engine=ENGINE)

    def read_dataset(self, source: Path, group: str) -> xarray.Dataset | None:
        """One group of a netCDF file; None where it was not stored."""
        import xarray

        if not source.exists():
            return None
        try:
            with xarray.open_dataset(source, group=group, engine=ENGINE) as dataset:
                return dataset.load()
        except (OSError, KeyError, ValueError):
            return None
