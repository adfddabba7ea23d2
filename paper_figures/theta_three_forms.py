"""Theta of one learner in three forms: particles, mean-field densities on a grid, closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import LABEL, WITNESS, canvas, dashed, measured, styled, witnesses

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("three-forms",)
_SETTING, _FLOW = "from-below", "bound_moment_equations"
# forms that agree lie on one another: the closed form shows as a rim around the grid's line
_RIM = {"linewidth": 4.0, "alpha": 0.45, "solid_capstyle": "butt"}


@styled
def draw(results: Results) -> Figure:
    """Theta above; below, what is left of each form when the moment equations are taken away."""
    figure, axes = canvas(rows=2, height=4.1)
    found = witnesses(results, "three-forms", _SETTING)
    closed = found["closed-form"]
    axes[0].plot(
        closed["time"],
        closed["measured"],
        color=WITNESS["closed-form"]["color"],
        label=LABEL["closed-form"],
        **_RIM,
    )
    for witness in ("grid", *(name for name in found if name not in ("grid", "closed-form"))):
        measured(axes[0], found[witness], witness)
    dashed(axes[0], found["grid"], _FLOW, "moment equations")
    axes[0].set_ylabel(r"$\theta(t)$")
    axes[0].legend(loc="lower right")
    _residuals(axes[1], found)
    axes[1].set_ylabel("difference from the\nmoment equations")
    axes[1].set_xlabel("time $t$")
    return figure


def _residuals(panel: Axes, found: dict[str, xarray.Dataset]) -> None:
    """Differences; where particles may lie, at the claim's confidence, is shaded around zero."""
    panel.axhline(0.0, color="black", linestyle="--", linewidth=0.9)
    for witness, data in found.items():
        look, time = WITNESS[witness], data["time"].values
        rest = (data["measured"] - data[_FLOW]).values
        width = (data["statistical"] + data["numerical"]).values
        if not look["marker"]:
            panel.plot(time, rest, color=look["color"], linewidth=0.9)
            continue
        panel.fill_between(
            time, -width, width, color=look["color"], alpha=0.2, linewidth=0, label="band"
        )
        panel.plot(time, rest, color=look["color"], marker=look["marker"], linestyle="")
    high = max(float(np.max(np.abs(line))) for line in panel.get_ylim())
    panel.set_ylim(-high, high)
    panel.legend(loc="upper right")
