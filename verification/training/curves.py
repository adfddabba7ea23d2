"""What is recorded of a run while it trains, and how it is stored."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import JointEnergy

from .diagnosis import Reading
from .naming import coordinates

if TYPE_CHECKING:
    import xarray

    from .folder import RunFolder

log = logging.getLogger(__name__)
# beyond, only norms are stored: theta itself is in the checkpoint
MOST_PARAMETERS = 64
_READ = (
    "update",
    "seconds",
    "pool_energy",
    "conditional_energy",
    "gradient_norm",
    "theta_norm",
    "acceptance",
)


@dataclass(kw_only=True)
class Curves:
    """Recorded points along the run, and readings."""

    update: list[int] = field(default_factory=list)
    theta: list[FloatArray] = field(default_factory=list)
    theta_norm: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of training so far."""
        return self.readings[-1].seconds if self.readings else 0.0

    def add(self, run: Any) -> None:
        """Takes in a piece of the solver's run."""
        for update, theta, gradient in zip(run.updates, run.theta, run.gradient, strict=True):
            if self.update and update <= self.update[-1]:
                continue
            self.update.append(int(update))
            self.theta_norm.append(float(np.linalg.norm(theta)))
            self.gradient_norm.append(float(np.linalg.norm(gradient)))
            if theta.size <= MOST_PARAMETERS:
                self.theta.append(np.array(theta, dtype=np.float64))

    def look(self, reading: Reading) -> None:
        """Takes in a reading."""
        self.readings.append(reading)

    def datasets(self, energy: JointEnergy) -> dict[str, xarray.Dataset]:
        """``path`` over updates and ``readings`` over looks."""
        import xarray

        update = np.array(self.update, dtype=np.int64)
        path: dict[str, Any] = {
            "theta_norm": ("update", np.array(self.theta_norm), {"long_name": "norm of theta"}),
            "gradient_norm": ("update", np.array(self.gradient_norm), {"long_name": "norm of g"}),
        }
        coords: dict[str, Any] = {"update": update}
        if self.theta:
            path["theta"] = (("update", "parameter"), np.array(self.theta))
            coords["parameter"] = list(energy.parameters)
        columns: dict[str, Any] = {
            name: ("look", np.array([getattr(r, name) for r in self.readings])) for name in _READ
        }
        names = [*coordinates("x", energy.dim_x), *coordinates("z", energy.dim_z)]
        for name in ("pool_mean", "pool_sd"):
            rows = np.array([getattr(r, name) for r in self.readings]).reshape(-1, len(names))
            columns[name] = (("look", "particle_coordinate"), rows)
        return {
            "path": xarray.Dataset(path, coords=coords),
            "readings": xarray.Dataset(columns, coords={"particle_coordinate": names}),
        }

    @classmethod
    def stored(cls, folder: RunFolder, update: int) -> Curves:
        """The stored history up to an update; raises ArgumentError where it is damaged."""
        path = folder.read_dataset(folder.curves_file, "path")
        looks = folder.read_dataset(folder.curves_file, "readings")
        if path is None or looks is None:
            log.warning(
                "%s is not there: the curves begin at update %d", folder.curves_file, update
            )
            return cls()
        keep = path["update"].values <= update
        curves = cls(
            update=[int(k) for k in path["update"].values[keep]],
            theta_norm=[float(v) for v in path["theta_norm"].values[keep]],
            gradient_norm=[float(v) for v in path["gradient_norm"].values[keep]],
        )
        if "theta" in path:
            curves.theta = list(np.asarray(path["theta"].values[keep], dtype=np.float64))
        for k in range(looks.sizes["look"]):
            if int(looks["update"].values[k]) > update:
                break
            numbers = {name: float(looks[name].values[k]) for name in _READ if name != "update"}
            curves.readings.append(
                Reading(
                    **numbers,
                    update=int(looks["update"].values[k]),
                    pool_mean=tuple(map(float, looks["pool_mean"].values[k])),
                    pool_sd=tuple(map(float, looks["pool_sd"].values[k])),
                )
            )
        return curves
