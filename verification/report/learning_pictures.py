"""Pictures of a training run as inline SVG, drawn from its stored datasets alone."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from lvebm_theory.arrays import FloatArray

from .html import Html, tag
from .plots import DECADES, STYLE, inline

if TYPE_CHECKING:
    import xarray

FIRST, SECOND = "#2a78b8", "#d1622b"
SEVERAL = ("#2a78b8", "#d1622b", "#3c8d53", "#8a5fb0", "#b8860b", "#7a7f85", "#c2407f", "#2f9e9e")
# beyond, a legend hides the curves: only the norm is drawn
MOST_PARAMETERS = 8
# pairs of coordinates shown; three coordinates have three
MOST_PAIRS = 3
MOST_CELLS = 56


def _svg(label: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Html:
    """A figure as inline SVG with a caption; equal data give equal bytes."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": label, "savefig.dpi": 160}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    return tag("figure", inline(out.getvalue(), label), tag("figcaption", label))


def training_pictures(path: xarray.Dataset, readings: xarray.Dataset) -> list[Html]:
    """Theta, gradient norm, energies of both phases, acceptance and spread of the pool."""
    update = path["update"].values
    drawn = [_theta(path), _curve("Norm of the gradient", update, path["gradient_norm"].values)]
    look = readings["update"].values
    energies = {
        "pool": readings["pool_energy"].values,
        "data and latents": readings["conditional_energy"].values,
    }
    drawn.append(_curves("Mean energy of the two phases", look, energies))
    drawn.append(
        _curve(
            "Acceptance that a Metropolis test of the pool's step would have had",
            look,
            readings["acceptance"].values,
            limits=(0.0, 1.02),
        )
    )
    spread = readings["pool_sd"]
    names = [str(name) for name in spread["particle_coordinate"].values]
    columns = {name: spread.values[:, k] for k, name in enumerate(names[:MOST_PARAMETERS])}
    drawn.append(_curves("Standard deviation of the pool, by coordinate", look, columns))
    return drawn


def _theta(path: xarray.Dataset) -> Html:
    update = path["update"].values
    if "theta" in path and path.sizes["parameter"] <= MOST_PARAMETERS:
        names = [str(name) for name in path["parameter"].values]
        columns = {name: path["theta"].values[:, k] for k, name in enumerate(names)}
        return _curves("Parameters", update, columns)
    return _curve("Norm of theta", update, path["theta_norm"].values)


def _curve(
    label: str, x: FloatArray, y: FloatArray, *, limits: tuple[float, float] | None = None
) -> Html:
    return _curves(label, x, {"": y}, limits=limits)


def _curves(
    label: str,
    x: FloatArray,
    columns: dict[str, FloatArray],
    *,
    limits: tuple[float, float] | None = None,
) -> Html:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for colour, (name, y) in zip(itertools.cycle(SEVERAL), columns.items(), strict=False):
            axes.plot(x, y, color=colour, lw=1.2, label=name or None)
        every = np.concatenate(list(columns.values()))
        if limits is not None:
            axes.set_ylim(*limits)
        elif np.all(every > 0) and every.max() > DECADES * every.min():
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("update")
        if len(columns) > 1:
            axes.legend(fontsize=8, ncols=2 if len(columns) > 4 else 1)

    return _svg(label, (4.4, 3.0), draw)


# densities ----------------------------------------------------------------------------------------


def density_pictures(samples: xarray.Dataset) -> list[Html]:
    """True beside learned density: marginals of pairs of coordinates, or the line."""
    names = [str(name) for name in samples["coordinate"].values]
    true, learned = samples["fresh"].values, samples["learned"].values
    if len(names) == 1:
        return [_line(names[0], true[:, 0], learned[:, 0])]
    pairs = list(itertools.combinations(range(len(names)), 2))[:MOST_PAIRS]
    drawn = [_plane(names, pair, true, learned) for pair in pairs]
    if len(names) == 3:
        drawn.append(_space(names, true, learned))
    return drawn


def _cells(count: int) -> int:
    """Cells per axis of a histogram of some samples: the more of them, the finer."""
    return int(min(MOST_CELLS, max(16, 2.6 * count ** (1 / 3))))


def _limits(true: FloatArray) -> tuple[float, float]:
    """What holds nearly all true samples, with a margin in which strays of the model show."""
    low, high = np.quantile(true, [0.001, 0.999])
    margin = 0.12 * max(high - low, 1e-12)
    return float(low - margin), float(high + margin)


def _line(name: str, true: FloatArray, learned: FloatArray) -> Html:
    low, high = _limits(true)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        edges = np.linspace(low, high, _cells(len(learned)) + 1)
        for values, colour, label in ((true, FIRST, "true"), (learned, SECOND, "learned")):
            heights = np.histogram(values, edges)[0] / len(values) / np.diff(edges)
            axes.stairs(heights, edges, color=colour, label=label, lw=1.4)
        axes.set_xlabel(name)
        axes.set_ylabel("density")
        axes.legend(fontsize=8)

    return _svg(f"True and learned density of {name}", (5.2, 3.2), draw)


def _plane(
    names: Sequence[str], pair: tuple[int, int], true: FloatArray, learned: FloatArray
) -> Html:
    i, j = pair
    box = (_limits(true[:, i]), _limits(true[:, j]))

    def draw(figure: Figure) -> None:
        cells = _cells(len(learned))
        edges = [np.linspace(low, high, cells + 1) for low, high in box]
        masses = [np.histogram2d(s[:, i], s[:, j], bins=edges)[0] / len(s) for s in (true, learned)]
        most = max(float(np.quantile(mass[mass > 0], 0.995)) for mass in masses if mass.any())
        for axes, mass, title in zip(
            figure.subplots(1, 2, sharey=True), masses, ("true", "learned"), strict=True
        ):
            shown = np.ma.masked_equal(mass.T, 0.0)
            axes.pcolormesh(
                *edges, shown, vmin=0.0, vmax=most, cmap="viridis", rasterized=True, lw=0
            )
            axes.set_title(title, fontsize=9)
            axes.set_xlabel(names[i])
        figure.axes[0].set_ylabel(names[j])

    return _svg(f"True and learned density of ({names[i]}, {names[j]})", (6.4, 3.2), draw)


def _space(names: Sequence[str], true: FloatArray, learned: FloatArray) -> Html:
    box = [_limits(true[:, k]) for k in range(3)]

    def draw(figure: Figure) -> None:
        for place, (points, colour, title) in enumerate(
            ((true, FIRST, "true"), (learned, SECOND, "learned")), start=1
        ):
            axes: Any = figure.add_subplot(1, 2, place, projection="3d")
            inside = np.all(
                [(points[:, k] > a) & (points[:, k] < b) for k, (a, b) in enumerate(box)], 0
            )
            few = points[inside][:3000]
            axes.scatter(*few.T, s=3.0, c=colour, alpha=0.6, lw=0, rasterized=True)
            axes.view_init(elev=14, azim=-62)
            axes.set_box_aspect((1, 1, 0.9), zoom=0.9)  # labels are outside the layout
            for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
                axis.set_pane_color((0.5, 0.5, 0.5, 0.06))
            axes.set(xlim=box[0], ylim=box[1], zlim=box[2])
            axes.set_title(title, fontsize=9)
            for axis, name in zip((axes.xaxis, axes.yaxis, axes.zaxis), names, strict=True):
                axis.set_major_locator(MaxNLocator(4))
                axis.set_label_text(name)
                axis.labelpad = -2
            axes.tick_params(labelsize=7, pad=0)
            axes.set_facecolor("none")

    return _svg("Samples in space, true and learned", (6.4, 3.4), draw)


# reconstructions ----------------------------------------------------------------------------------


def reconstruction_pictures(reconstruction: xarray.Dataset) -> list[Html]:
    """Each missing coordinate: its mean and spread over draws against the truth."""
    names = [str(name) for name in reconstruction["coordinate"].values]
    missing = [int(k) for k in reconstruction["missing"].values]
    truth, draws = reconstruction["truth"].values, reconstruction["draws"].values
    drawn = [_against(names[k], truth[:, k], draws[:, :, at]) for at, k in enumerate(missing)]
    known = [k for k in range(len(names)) if k not in missing]
    if known:
        at = 0
        drawn.append(
            _fibres(
                names[known[0]],
                names[missing[at]],
                truth[:, known[0]],
                truth[:, missing[at]],
                draws[:, :, at],
            )
        )
    return drawn


def _against(name: str, truth: FloatArray, draws: FloatArray) -> Html:
    """Draws (draw, row) of one coordinate against its true value (row,)."""
    low, high = _limits(truth)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color="#000000", ls="--", lw=0.9)
        axes.errorbar(
            truth,
            draws.mean(0),
            yerr=draws.std(0),
            fmt="o",
            ms=2.2,
            lw=0,
            elinewidth=0.6,
            color=FIRST,
            alpha=0.6,
        )
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.set_xlabel(f"{name}, true")
        axes.set_ylabel(f"{name}, mean of draws")

    label = f"{name} filled in from the other coordinates: mean and standard deviation of the draws"
    return _svg(label, (4.0, 3.4), draw)


def _fibres(
    known: str, missing: str, given: FloatArray, truth: FloatArray, draws: FloatArray
) -> Html:
    """Draws over what is known, beside the truth: a conditional law may have several modes."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        few = min(20, draws.shape[0])
        axes.scatter(
            np.tile(given, few),
            draws[:few].ravel(),
            s=2,
            c=SECOND,
            alpha=0.35,
            lw=0,
            label="draws",
            rasterized=True,
        )
        axes.scatter(given, truth, s=5, c=FIRST, lw=0, label="true")
        axes.set_xlabel(f"{known}, known")
        axes.set_ylabel(missing)
        axes.set_ylim(*_limits(np.concatenate([truth, draws.ravel()])))
        axes.legend(fontsize=8, markerscale=2.5)

    return _svg(f"Draws of {missing} where {known} is known", (4.0, 3.4), draw)
