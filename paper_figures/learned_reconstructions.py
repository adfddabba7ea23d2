r"""Draws of missing coordinates from $p_\theta(x_{\mathrm{missing}}\mid x_1)$, over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .canvas import styled
from .experiment_panels import COLUMNS, label, panels, pictures, plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS: tuple[str, ...] = ()


@styled
def draw(results: Results) -> Figure:
    """Grey: held-out data. Orange: draws of the last coordinate given the first."""
    stored = pictures(results)
    figure, named = panels(list(stored))
    for system, methods in stored.items():
        cloud = methods["truth"]["samples"].values
        first, last = plane(methods["truth"])
        for method in COLUMNS:
            axes = named[system, method]
            dots: dict[str, Any] = {
                "linestyle": "",
                "marker": ".",
                "markersize": 0.8,
                "markeredgewidth": 0.0,
                "rasterized": True,
            }
            axes.plot(cloud[:, first], cloud[:, last], color="#9a9aa8", **dots)
            if method in methods and "reconstructed" in methods[method]:
                draws = methods[method]["reconstructed"].values.reshape(-1, cloud.shape[1])
                axes.plot(draws[:, first], draws[:, last], color="#d55e00", **dots)
            room = 0.08 * (cloud[:, last].max() - cloud[:, last].min())
            axes.set_ylim(cloud[:, last].min() - room, cloud[:, last].max() + room)
            label(axes, system.replace("_", " "), first=method == "truth")
    for method in COLUMNS:
        named[list(stored)[-1], method].set_xlabel("$x_1$", fontsize=5, labelpad=1)
    return figure
