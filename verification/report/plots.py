"""Curves of one claim as inline SVG, drawn from the stored datasets alone.

A dataset is drawn when it has a variable ``measured`` over one dimension; ``numerical`` and
``statistical`` half-widths become bands, and each ``bound_<name>`` a dashed black line.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .html import Html, tag

if TYPE_CHECKING:
    import xarray

MOST_PLOTS = 6
# ratio of largest to smallest value from which an axis is logarithmic
DECADES = 30.0
TICKS = 5
# a logarithmic axis of fewer than two decades has ticks between powers of ten
SHORT = 100.0
# beyond, the arithmetic of axes overflows
LARGEST = 1e100
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
COLOURS = {"grid": "#2a78b8", "numba": "#d1622b", "torch": "#8a5fb0", "closed-form": "#3c8d53"}
OTHER = "#b8860b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "path.simplify_threshold": 0.3,
}


def plots_of(claim: str, curves: Mapping[str, xarray.Dataset], chosen: Iterable[str]) -> list[Html]:
    """One figure per setting and quantity, witnesses overlaid.

    Parameters
    ----------
    curves : datasets by ``setting/witness[/run]``
    chosen : names of settings, in the order to draw; the first few are drawn
    """
    drawn: list[Html] = []
    for setting in chosen:
        by_quantity: dict[str, dict[str, xarray.Dataset]] = {}
        for name, dataset in sorted(curves.items()):
            parts = name.split("/")
            if len(parts) == 2 and parts[0] == setting and _drawable(dataset):
                quantity = str(dataset.attrs.get("quantity", ""))
                by_quantity.setdefault(quantity, {})[parts[1]] = dataset
        drawn += [_figure(claim, setting, own) for own in by_quantity.values()]
        if len(drawn) >= MOST_PLOTS:
            break
    return drawn[:MOST_PLOTS]


def _drawable(dataset: xarray.Dataset) -> bool:
    measured = dataset.get("measured")
    return measured is not None and measured.ndim == 1 and measured.dims[0] in dataset.coords


def _figure(claim: str, setting: str, witnesses: Mapping[str, xarray.Dataset]) -> Html:
    quantity = next(iter(witnesses.values())).attrs.get("quantity", "")
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"{claim}/{setting}/{quantity}"}):
        figure = Figure(figsize=(4.4, 3.0))
        axes = figure.add_axes((0.17, 0.17, 0.79, 0.76))
        heights: list[np.ndarray[Any, Any]] = []
        bounds: dict[str, tuple[Any, np.ndarray[Any, Any]]] = {}
        for witness, dataset in witnesses.items():
            heights.append(_draw_measured(axes, witness, dataset))
            x = dataset[dataset["measured"].dims[0]].values
            for name in sorted(map(str, dataset.data_vars)):
                if name.startswith("bound") and dataset[name].dims == dataset["measured"].dims:
                    bounds.setdefault(name, (x, _shown(dataset[name].values)))
        styles = ("--", ":", "-.")
        for number, (name, (x, y)) in enumerate(bounds.items()):
            label = name.removeprefix("bound").strip("_").replace("_", " ") or "bound"
            axes.plot(x, y, color="#000000", lw=1.2, ls=styles[number % 3], label=label)
            heights.append(y)
        _finish_axes(axes, next(iter(witnesses.values())), np.concatenate(heights))
        stream = io.StringIO()
        figure.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True
        )
    picture = inline(stream.getvalue(), f"{claim} at {setting}: measured against its bound")
    return tag("figure", picture, tag("figcaption", setting))


def _draw_measured(axes: Any, witness: str, dataset: xarray.Dataset) -> np.ndarray[Any, Any]:
    y = _shown(dataset["measured"].values)
    x = dataset[dataset["measured"].dims[0]].values
    half = sum(
        (_shown(dataset[k].values) for k in ("statistical", "numerical") if k in dataset),
        start=np.zeros_like(y),
    )
    colour = COLOURS.get(witness, OTHER)
    if "statistical" in dataset and np.any(dataset["statistical"].values > 0):
        style = {"fmt": "o", "ms": 3, "lw": 0, "elinewidth": 1, "capsize": 2}
        axes.errorbar(x, y, yerr=half, color=colour, label=witness, **style)
    else:
        axes.fill_between(x, y - half, y + half, color=colour, alpha=0.25, lw=0)
        axes.plot(x, y, color=colour, lw=1.4, label=witness, marker="." if len(x) < 12 else None)
    return y


def _shown(values: Any) -> np.ndarray[Any, Any]:
    """What an axis can show; a gap where a number is infinite, or nearly."""
    y = np.array(values, dtype=float)
    y[~(np.abs(y) < LARGEST)] = np.nan
    y[np.abs(y) < 1 / LARGEST] = 0.0
    return y


def _finish_axes(axes: Any, dataset: xarray.Dataset, heights: np.ndarray[Any, Any]) -> None:
    measured = dataset["measured"]
    across = dataset[measured.dims[0]]
    if _spread(heights):
        positive = heights[np.isfinite(heights) & (heights > 0)]
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 2, positive.max() * 2)
    if _spread(np.asarray(across.values, dtype=float)):
        axes.set_xscale("log")
    # most of the time goes into ticks: a few, none of them minor, labelled without TeX
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            low, high = axis.get_view_interval()
            between = (1.0, 2.0, 5.0) if high < SHORT * low else (1.0,)
            axis.set_major_locator(LogLocator(subs=between, numticks=TICKS))
            axis.set_major_formatter(FuncFormatter(_power))
        else:
            axis.set_major_locator(MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10]))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(str(across.attrs.get("long_name", measured.dims[0])))
    axes.set_ylabel(_labelled(dataset, measured))
    axes.legend(fontsize=8)


def _power(value: float, _: int) -> str:
    """A power of ten as the unit, or as ten with its exponent raised; else plain digits."""
    exponent = round(math.log10(value))
    if not math.isclose(value, 10.0**exponent, rel_tol=1e-6):
        return f"{value:g}"
    return "1" if exponent == 0 else f"10{str(exponent).translate(RAISED)}"


def _labelled(dataset: xarray.Dataset, measured: xarray.DataArray) -> str:
    name = str(dataset.attrs.get("quantity", measured.attrs.get("long_name", "measured")))
    units = str(measured.attrs.get("units", "1"))
    return name if units == "1" else f"{name} ({units})"


def _spread(values: np.ndarray[Any, Any]) -> bool:
    """True when the values are non-negative and cover more than a decade and a half."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    return bool(positive.size and np.all(finite >= 0) and positive.max() > DECADES * positive.min())


def inline(svg: str, label: str) -> Html:
    """The svg element alone: as wide as its place, black as the text's colour, no stray ids."""
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r"#([A-Za-z][\w-]*)", svg))
    svg = re.sub(
        r' id="([^"]*)"', lambda found: found.group(0) if found.group(1) in used else "", svg
    )
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("#000000", "currentColor")
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    return Html(f'{opening} role="img" aria-label="{text_of(label)}">{rest}')


def text_of(label: str) -> str:
    """A label as an attribute's value."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
