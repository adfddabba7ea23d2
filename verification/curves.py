"""A measured quantity along time, with its widths, and the dataset that report and figures read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, AssumptionError

from .measurement import Measurement

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """values(t) with numerical and statistical half-widths, all arrays (T,).

    Parameters
    ----------
    quantity : str
        "KL", "chi2", "FI", "W2", ...
    statistical : array or None
        None where nothing is random.
    confidence : float
        Of each statistical half-width.
    """

    quantity: str
    times: FloatArray
    values: FloatArray
    numerical: FloatArray
    statistical: FloatArray | None = None
    confidence: float = 1.0

    def __post_init__(self) -> None:
        for name, widths in (("numerical", self.numerical), ("statistical", self.statistical)):
            if widths is not None and not np.all(np.asarray(widths) >= 0):
                raise ArgumentError(
                    f"{name} half-widths of {self.quantity} must be >= 0, got {np.min(widths)}"
                )

    def index(self, time: float) -> int:
        """Place of a time; ArgumentError when the curve does not have it."""
        near = int(np.argmin(np.abs(self.times - time)))
        if not np.isclose(self.times[near], time, rtol=1e-9, atol=1e-12):
            raise ArgumentError(f"the {self.quantity} curve has no time {time}")
        return near

    def at(self, time: float, *, extra_numerical: float = 0.0) -> Measurement:
        """The measurement at one time; ``extra_numerical`` is what the bound adds of its own.

        Raises
        ------
        AssumptionError
            The quantity is infinite then, or nothing bounds what the grid does not see of it.
        """
        k = self.index(time)
        if not (np.isfinite(self.values[k]) and np.isfinite(self.numerical[k])):
            raise AssumptionError(
                "the measurement", [f"{self.quantity} at time {time:g} is finite and known"]
            )
        statistical = 0.0 if self.statistical is None else float(self.statistical[k])
        return Measurement(
            value=float(self.values[k]),
            statistical=statistical,
            numerical=float(self.numerical[k]) + extra_numerical,
            confidence=self.confidence if statistical > 0 else 1.0,
        )

    def mapped(self, f: Callable[[FloatArray], FloatArray], least: float) -> Curve:
        """f of the curve for increasing f on [least, inf); each width by its farther end."""

        def width(half: FloatArray) -> FloatArray:
            centre = f(np.maximum(self.values, least))
            up = f(np.maximum(self.values + half, least)) - centre
            down = centre - f(np.maximum(self.values - half, least))
            return np.asarray(np.maximum(up, down))

        return Curve(
            quantity=self.quantity,
            times=self.times,
            values=f(np.maximum(self.values, least)),
            numerical=width(self.numerical),
            statistical=None if self.statistical is None else width(self.statistical),
            confidence=self.confidence,
        )


def dataset(
    curve: Curve, bounds: Mapping[str, Callable[[float], float]] | None = None, **labels: str
) -> xarray.Dataset:
    """The curve and its bounds as labelled arrays over the dimension ``time``.

    Variables: ``measured``, ``numerical``, ``statistical``, and ``bound_<name>`` for each bound.

    Parameters
    ----------
    bounds : mapping from a name to a function of time
    labels : attributes of the dataset (setting, witness, ...)
    """
    import xarray

    time = {"units": "time of the flow", "long_name": "time t"}
    statistical = np.zeros_like(curve.values) if curve.statistical is None else curve.statistical
    arrays = {
        "measured": (curve.values, f"{curve.quantity}, measured"),
        "numerical": (curve.numerical, f"{curve.quantity}, numerical half-width"),
        "statistical": (statistical, f"{curve.quantity}, statistical half-width"),
    }
    for name, bound in (bounds or {}).items():
        values = np.array([bound(float(t)) for t in curve.times])
        arrays[f"bound_{name.replace('-', '_')}"] = (values, f"{curve.quantity}, {name}")
    return xarray.Dataset(
        {
            name: ("time", values, {"units": _UNITS.get(curve.quantity, "1"), "long_name": text})
            for name, (values, text) in arrays.items()
        },
        coords={"time": ("time", curve.times, time)},
        attrs={"quantity": curve.quantity, **labels},
    )


_UNITS = {
    "KL": "nats",
    "W2": "length",
    "coupled distance": "length",
    "moment": "length squared",
    "rate": "1 / time",
}
