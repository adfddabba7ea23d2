"""The folder of a training run.

    run.json       what was asked, and the library's version; written before the first update
    points.npz     training and held-out points, in the reader's units
    checkpoint.safetensors
                   the last good state: no sign of divergence stood when it was written
    curves.nc      what was recorded up to that state
    results.nc     samples, reconstructions and scores behind the report
    report.html

Every file is written whole and carries a digest (``keeping``, ``netcdf``): a killed run leaves
whole files, and what was damaged or altered is refused.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lvebm_theory.errors import ArgumentError

from ..keeping import (
    digest_of,
    read_json,
    sealed,
    unsealed,
    write_json,
    writing_to,
    written_aside,
)
from ..netcdf import read_datasets
from .config import Config, config_of
from .data import Points
from .units import Units

if TYPE_CHECKING:
    import xarray

SCHEMA: Final = "lvebm-theory/training/2"
_ARRAYS: Final = ("train", "held_out", "shift", "scale")
_KEYS: Final = frozenset(("version", "config", "beside", "file_digest", "points", "coordinates"))


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
        """True where a run has left its description; points alone are of one that never began."""
        with writing_to(self.path):
            return self.run_file.exists()

    def begin(self, run: Mapping[str, Any], points: Points) -> None:
        """Stores what is asked; raises ArgumentError where the folder cannot be written."""
        stream = io.BytesIO()
        np.savez(
            stream,
            train=points.train,
            held_out=points.held_out,
            shift=points.units.shift,
            scale=points.units.scale,
        )
        data, names = stream.getvalue(), list(points.coordinates)
        content = {"schema": SCHEMA, **run, "points": digest_of(data), "coordinates": names}
        with writing_to(self.path):
            with written_aside(self.points_file) as aside:
                aside.write_bytes(data)
            write_json(self.run_file, sealed(content), indent=1)

    def run(self) -> dict[str, Any]:
        """What ``run.json`` holds.

        Raises
        ------
        ArgumentError
            There is no training run here, or its description is damaged.
        """
        try:
            content = read_json(self.run_file)
        except FileNotFoundError as error:
            raise ArgumentError(f"{self.path} holds no training run (no run.json)") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ArgumentError(f"{self.run_file} is no {SCHEMA} file")
        body = unsealed(content, self.run_file)
        if missing := sorted(_KEYS - body.keys()):
            raise ArgumentError(f"{self.run_file} cannot be used: it lacks {', '.join(missing)}")
        return body

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
        if digest_of(data) != content["points"]:
            raise ArgumentError(f"{self.points_file} is not the file that the run began with")
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            arrays = {name: found[name] for name in _ARRAYS}
        return Points(
            train=arrays["train"],
            held_out=arrays["held_out"],
            units=Units(shift=arrays["shift"], scale=arrays["scale"]),
            coordinates=tuple(content["coordinates"]),
        )

    def read_dataset(self, source: Path, group: str) -> xarray.Dataset | None:
        """One group of a netCDF file; None where it was not stored.

        Raises
        ------
        ArgumentError
            The file was altered or damaged.
        """
        try:
            return read_datasets(source).get(group)
        except FileNotFoundError:
            return None
