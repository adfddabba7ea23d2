"""The two relative entropies between the saddle functional J and L, along training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import WITNESS, canvas, styled, witnesses

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("saddle-along-training",)
_PANELS = (
    ("linear-gaussian", "linear-Gaussian energy"),
    ("two-modes", "posteriors with two modes"),
)
_GAPS = (
    ("posterior", r"$\mathbb{E}\,\mathrm{KL}(q_x|p_\theta(\cdot|x))$", "grid", "-"),
    ("model", r"$\mathrm{KL}(p|p_\theta)$", "numba", "--"),
)


@styled
def draw(results: Results) -> Figure:
    """One panel per energy: both gaps, and shaded what J lies above or below L."""
    figure, axes = canvas(rows=2, height=4.1)
    for panel, (setting, title) in zip(axes, _PANELS, strict=True):
        _gaps(panel, witnesses(results, CLAIMS[0], setting)["grid"])
        panel.set_title(title)
        panel.set_ylabel("gap (nats)")
    axes[0].legend()
    axes[-1].set_xlabel("time $t$")
    return figure


def _gaps(panel: Axes, data: xarray.Dataset) -> None:
    time = data["time"].values
    curves = {}
    for name, label, witness, line in _GAPS:
        curves[name] = data[f"bound_{name}_relative_entropy"].values
        panel.plot(time, curves[name], color=WITNESS[witness]["color"], linestyle=line, label=label)
    above = curves["model"] - curves["posterior"]
    for sign, witness, label in ((1, "numba", "$J$ above $L$"), (-1, "grid", "$J$ below $L$")):
        if np.any(sign * above > 0):
            panel.fill_between(
                time,
                curves["posterior"],
                curves["model"],
                where=sign * above > 0,
                interpolate=True,
                linewidth=0,
                alpha=0.15,
                color=WITNESS[witness]["color"],
                label=label,
            )
    panel.set_yscale("log")
