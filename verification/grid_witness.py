"""The grid witness: densities of the flow on grids, as curves with numerical half-widths.

Functionals of several densities at once (a distance between two copies, an action along a path)
are evaluated on every resolution and extrapolated, like those of one density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .claim import Setting
from .curves import Curve
from .subjects import energy_of

if TYPE_CHECKING:
    from solvers.densities import DensityPath, DensityState


LARGEST_DIMENSION = 2
SHOWN = 16

_LOST_MASS = 1e-13
_UNSEEN = 1e-15  # of the mass; below it a cumulative sum holds rounding only


def density_path(
    energy: Energy,
    start: InitialLaw,
    times: Sequence[float],
    *,
    claim: str,
    cells: int | None = None,
    box: Sequence[tuple[float, float]] | None = None,
) -> DensityPath:
    """The flow from ``start`` at time 0 and at these times.

    Without ``cells`` the grid is refined until relative entropy is; without ``box`` it holds pi
    and the start.

    Raises
    ------
    AssumptionError
        When the dimension is beyond the grid.
    """
    from solvers.densities import solve_fokker_planck

    if energy.dim > LARGEST_DIMENSION:
        raise AssumptionError(
            claim, [f"the grid witness needs dimension <= {LARGEST_DIMENSION}, got {energy.dim}"]
        )
    return solve_fokker_planck(energy, start, sorted({0.0, *times}), cells=cells, box=box)


def with_shown(setting: Setting) -> list[float]:
    """The setting's times and, between them, enough others for a curve in report and figures.

    Not for a user's energy in the plane, where every further time costs a solve.
    """
    times = set(setting.times)
    energy = energy_of(setting)
    if times and (energy.dim == 1 or not setting.of_user):
        last = max(times)
        times |= {last * k / SHOWN for k in range(1, SHOWN)}
    return sorted(times)


def curve(path: DensityPath, quantity: str) -> Curve:
    """KL, chi2, FI or W2 (to pi; in the plane between bounds) along the path."""
    if quantity == "W2" and path.grid.dim == 2:
        return _w2_in_plane([path])
    method = {
        "KL": path.relative_entropy,
        "chi2": path.chi_square,
        "FI": path.fisher_information,
        "W2": path.w2_to_gibbs,
    }[quantity]
    values, widths = method()
    if quantity == "W2":
        widths = widths + transport_rounding(path)
    return Curve(quantity=quantity, times=path.times, values=values, numerical=widths)


def since(path: DensityPath, time: float) -> DensityPath:
    """The same path without what lies before a time."""
    from dataclasses import replace

    first = int(np.argmin(np.abs(path.times - time)))
    levels = tuple(
        replace(
            level,
            snapshots=level.snapshots[first:],
            generators=level.generators[first:] if len(level.generators) > 1 else level.generators,
        )
        for level in path.levels
    )
    return replace(path, times=path.times[first:], levels=levels)


def transport_rounding(path: DensityPath) -> float:
    """What mass of ``_LOST_MASS`` moved across the densities can change W2 by: sqrt(mass) x length.

    Cell masses are right to rounding of the whole, not of each tail cell; a distance sees that.
    The length is that of all places where a density of the path has mass beyond rounding.
    """
    length = 0.0
    finest = path.levels[-1]
    for axis, edges in enumerate(path.grid.edges):
        low, high = np.inf, -np.inf
        others = tuple(k for k in range(len(path.grid.edges)) if k != axis)
        for k in range(len(path.times)):
            below = np.cumsum(finest.state(k).masses.sum(axis=others))
            seen = np.flatnonzero((below > _UNSEEN) & (below[-1] - below > _UNSEEN))
            low = min(low, edges[seen[0]])
            high = max(high, edges[min(seen[-1] + 2, len(edges) - 1)])
        length = max(length, float(high - low))
    return float(np.sqrt(_LOST_MASS) * length)


def on_one_grid(
    energy: Energy,
    starts: Sequence[InitialLaw],
    times: Sequence[float],
    *,
    claim: str,
    cells: int | None = None,
) -> list[DensityPath]:
    """Flows of several starts on the same grids: those that their equal mixture asks for."""
    from solvers.densities.fokker_planck import solve_on_grids

    together = InitialLaw(
        weights=np.concatenate([start.weights for start in starts]) / len(starts),
        means=np.concatenate([start.means for start in starts]),
        sds=np.concatenate([start.sds for start in starts]),
    )
    path = density_path(energy, together, times, claim=claim, cells=cells)
    grids = [level.grid for level in path.levels]
    return [solve_on_grids(energy, start, path.times, grids) for start in starts]


def of_levels(
    paths: Sequence[DensityPath],
    function: Callable[[Sequence[Sequence[DensityState]]], npt.ArrayLike],
    *,
    kept: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """A functional of whole paths: evaluated on every resolution, extrapolated.

    ``kept`` is for quantities whose errors are no power series; see ``extrapolate``.

    Parameters
    ----------
    paths : flows on the same grids
    function : callable
        Takes, for each path, its states in time order on one resolution; returns an array.

    Returns
    -------
    value, half_width : arrays of the shape that ``function`` returns
    """
    from solvers.densities.extrapolation import extrapolate

    times = range(len(paths[0].times))
    rows = [
        np.asarray(function([[level.state(k) for k in times] for level in levels]), dtype=float)
        for levels in zip(*(path.levels for path in paths), strict=True)
    ]
    cells = [level.grid.shape[0] for level in paths[0].levels]
    return extrapolate(np.array(rows), cells, kept=kept)


def w2_between(a: DensityState, b: DensityState) -> float:
    """Exact W2 of two one-dimensional cell densities."""
    from solvers.transport.one_dimensional import w2_grids

    return float(w2_grids(a.masses, a.grid.edges[0], b.masses, b.grid.edges[0]))


def w2_between_paths(a: DensityPath, b: DensityPath) -> Curve:
    """W2 between two flows on the same grids, at every time; in the plane between bounds."""
    from solvers.densities.extrapolation import IRREGULAR

    if a.grid.dim == 2:
        return _w2_in_plane([a, b])
    values, widths = of_levels(
        [a, b], lambda s: [w2_between(x, y) for x, y in zip(*s, strict=True)], kept=IRREGULAR
    )
    return Curve(
        quantity="W2", times=a.times, values=values, numerical=widths + transport_rounding(a)
    )


def _w2_in_plane(paths: Sequence[DensityPath]) -> Curve:
    """W2 between two plane flows on the same grids, or of one to pi, from bounds on both sides.

    The bounds that cost milliseconds (marginals and Gelbrich's below, Knothe's coupling above),
    each extrapolated over the resolutions; the half-width spans both with their own half-widths.
    """
    from solvers.densities.extrapolation import IRREGULAR
    from solvers.transport.two_dimensional import w2_grids_2d

    def bounds(states: Sequence[Sequence[DensityState]]) -> list[tuple[float, float]]:
        second = [s.masses for s in states[1]] if len(states) > 1 else None
        found = []
        for k, state in enumerate(states[0]):
            other = np.exp(state.log_gibbs) if second is None else second[k]
            interval = w2_grids_2d(state.masses, other, state.grid.edges, boxes=0)
            found.append((interval.lower, interval.upper))
        return found

    values, widths = of_levels(paths, bounds, kept=IRREGULAR)
    lower = np.maximum(values[:, 0] - widths[:, 0], 0.0)
    upper = np.maximum(values[:, 1] + widths[:, 1], lower)
    return Curve(
        quantity="W2",
        times=paths[0].times,
        values=(lower + upper) / 2,
        numerical=(upper - lower) / 2 + transport_rounding(paths[0]),
    )
