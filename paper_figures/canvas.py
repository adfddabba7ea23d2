"""What all figures share: the style, the colours of the witnesses, and files with stable bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

    from verification.report.results import Results

STYLE = Path(__file__).with_name("style.mplstyle")
# distinguishable in print and with colour-vision deficiency; markers repeat what colour says
WITNESS = {
    "grid": {"color": "#0072b2", "marker": ""},
    "numba": {"color": "#d55e00", "marker": "o"},
    "torch": {"color": "#cc79a7", "marker": "s"},
    "closed-form": {"color": "#009e73", "marker": ""},
    "quadrature": {"color": "#009e73", "marker": ""},
}
LABEL = {
    "grid": "grid",
    "numba": "particles",
    "torch": "particles (torch)",
    "closed-form": "closed form",
    "quadrature": "quadrature",
}
BOUND: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.9}


def styled(draw: Callable[[Results], Figure]) -> Callable[[Results], Figure]:
    """Decorator: ``draw`` runs under the project's style, whatever the caller's settings."""

    def inside(results: Results) -> Figure:
        with mpl.rc_context(), mpl.style.context(["default", str(STYLE)]):
            figure = draw(results)
            FigureCanvasAgg(figure).draw()
            return figure

    inside.__doc__ = draw.__doc__
    return inside


def canvas(rows: int = 1, height: float = 2.5) -> tuple[Figure, list[Axes]]:
    """A figure one column wide with panels on top of each other."""
    figure = Figure(figsize=(3.35, height), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, 1))
    return figure, list(axes)


def stored(results: Results, claim: str, group: str) -> xarray.Dataset:
    """One stored dataset.

    Raises
    ------
    ArgumentError
        The run did not store it; says which claim to run.
    """
    curves = results.curves(claim)
    if group not in curves:
        raise ArgumentError(
            f"the figure needs the dataset {group} of claim {claim}, which this run did not store; "
            f"run `lvebm verify --claims {claim}`"
        )
    return curves[group]


def witnesses(results: Results, claim: str, setting: str) -> dict[str, xarray.Dataset]:
    """Stored datasets of a setting by witness, mutated runs left out."""
    found = {
        name.split("/")[1]: data
        for name, data in results.curves(claim).items()
        if name.split("/")[0] == setting and len(name.split("/")) == 2
    }
    if not found:
        raise ArgumentError(
            f"the figure needs datasets of {setting} of claim {claim}, which this run did not "
            f"store; run `lvebm verify --claims {claim}`"
        )
    return found


def measured(axes: Axes, data: xarray.Dataset, witness: str, along: str = "time") -> None:
    """Measured values: a line for what is dense and exact, points with error bars otherwise."""
    look = WITNESS[witness]
    label = LABEL[witness]
    if "upper_bound_of" in data.attrs:
        label += ", coupled (from above)"
    x, y = data[along].values, data["measured"].values
    width = data["numerical"].values.copy()
    if "statistical" in data:
        width += data["statistical"].values
    if look["marker"]:
        # a logarithmic axis shows the part of a bar that stays positive
        low = np.minimum(width, np.where(y > 0, 0.999 * y, width))
        axes.errorbar(
            x,
            y,
            yerr=[low, width],
            linestyle="",
            label=label,
            color=look["color"],
            marker=look["marker"],
        )
    else:
        axes.plot(x, y, label=label, color=look["color"])
        axes.fill_between(x, y - width, y + width, color=look["color"], alpha=0.25, linewidth=0)


def dashed(axes: Axes, data: xarray.Dataset, name: str, label: str, along: str = "time") -> None:
    """A bound stored with the data."""
    axes.plot(data[along].values, data[name].values, label=label, **BOUND)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """PDF and PNG without dates or versions, so that equal results give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    with mpl.rc_context(), mpl.style.context(["default", str(STYLE)]):
        figure.savefig(paths[0], metadata={"CreationDate": None, "Producer": None, "Creator": None})
        figure.savefig(paths[1], metadata={"Software": None})
    return paths
