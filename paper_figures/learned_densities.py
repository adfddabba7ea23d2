r"""True against learned densities $p_\theta(x)$ of five systems, from the stored experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import styled
from .experiment_panels import COLUMNS, label, panels, pictures, plane

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS: tuple[str, ...] = ()
_SHADES = "BuPu"


@styled
def draw(results: Results) -> Figure:
    """A density where the data are a plane and it is known; else samples."""
    stored = pictures(results)
    figure, named = panels(list(stored))
    for system, methods in stored.items():
        truth = methods["truth"]
        reach = _reach(truth)
        highest = _highest(methods)
        for method in COLUMNS:
            axes = named[system, method]
            if method in methods:
                _panel(axes, methods[method], truth, highest)
            axes.set_xlim(*reach[0])
            axes.set_ylim(*reach[1])
            label(axes, system.replace("_", " "), first=method == "truth")
    for method in COLUMNS:
        named[list(stored)[-1], method].set_xlabel("$x$", fontsize=5, labelpad=1)
    return figure


def _panel(axes: Axes, data: xarray.Dataset, truth: xarray.Dataset, highest: float | None) -> None:
    if "density" in data:
        axes.pcolormesh(
            truth["x"].values,
            truth["y"].values,
            data["density"].values.T,
            cmap=_SHADES,
            vmin=0.0,
            vmax=highest,
            rasterized=True,
            shading="nearest",
        )
        return
    first, second = plane(data)
    points = data["samples"].values
    axes.plot(
        points[:, first],
        points[:, second],
        linestyle="",
        marker=".",
        markersize=0.8,
        markeredgewidth=0.0,
        color="#101030",
        rasterized=True,
    )


def _highest(methods: dict[str, xarray.Dataset]) -> float | None:
    """The upper end of the shades: the truth's where it is known, else the median of the others."""
    tops = {m: float(d["density"].max()) for m, d in methods.items() if "density" in d}
    if "truth" in tops:
        return tops["truth"]
    return float(np.median(list(tops.values()))) if tops else None


def _reach(truth: xarray.Dataset) -> list[tuple[float, float]]:
    points = truth["samples"].values
    ends = []
    for axis in plane(truth):
        low, high = float(points[:, axis].min()), float(points[:, axis].max())
        room = 0.08 * (high - low)
        ends.append((low - room, high + room))
    return ends
