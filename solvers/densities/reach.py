"""Where the flow goes: a box that holds pi, the start and every place in between.

    P(the flow has left the box by time T) + mu_0(outside) + pi(outside) <= about the tail mass

Wells that pi hardly knows hold the flow for as long as it takes to leave them. So the box of pi
and the start is looked at as the flow would see it (``outflow`` on a coarse grid), and where mass
leaves through a wall the wall moves out: down along U into the wells beyond, then up until U has
risen by the logarithm of what must be held back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .box import TAIL_MASS, find_box
from .generator import build_generator
from .grid import Grid
from .mapping import AxisMap, Feature
from .outflow import Outflow, outflow
from .resolution import base_maps

Box = list[tuple[float, float]]

_CELLS = {1: 256, 2: 48, 3: 16}
_START_SHARE = 1.0  # of the cells, around every component of the start, to those of the rest
_START_WIDTH = 4.0  # standard deviations over which the cells of a start are small
_ROUNDS = 16
_MARGIN = 1.5  # units of U: another grid may see a little more
_PLACES = 8  # of one wall from which the way out is followed
_STEPS = 4000
_LARGEST_CLIMB = 2.0  # of U in one step
_SMALLEST_CHANGE = 0.5  # of U in one step, below which steps grow
_SLOWEST = 1e-10  # smallest step relative to the box


def flow_box(energy: Energy, start: InitialLaw, time: float, tail_mass: float | None = None) -> Box:
    """Intervals (low, high) per axis that hold pi, the start and the flow until ``time``.

    Parameters
    ----------
    energy : Energy of dimension 1, 2 or 3
    start : initial law
    time : T >= 0
    tail_mass : 1e-14, 1e-12, 1e-10 in dimension 1, 2, 3 unless given

    Raises
    ------
    AssumptionError
        "the grid witness does not apply": no box of reasonable size holds the mass.
    """
    allowed = TAIL_MASS[energy.dim] if tail_mass is None else tail_mass
    box = find_box(energy, start, allowed)
    if time <= 0.0:
        return box
    for _ in range(_ROUNDS):
        maps = [
            _planning(base, start.means[:, k], start.sds[:, k])
            for k, base in enumerate(base_maps(energy, box))
        ]
        grid = Grid(nodes=tuple(m.nodes(_CELLS[energy.dim]) for m in maps))
        masses = start.cell_masses(grid.edges)
        masses /= masses.sum()
        leaving = outflow(build_generator(energy, grid, masses), masses, time)
        if leaving.total <= allowed / 2:
            return box
        box = widened(energy, grid, leaving, allowed)
    raise out_of_reach(energy, start, box, leaving.total)


def out_of_reach(energy: Energy, start: InitialLaw, box: Box, leaving: float) -> AssumptionError:
    """What to raise where no box holds the flow."""
    sides = " x ".join(f"[{low:g}, {high:g}]" for low, high in box)
    return AssumptionError(
        "the grid witness",
        [f"the flow of {energy.name} from {start} leaves every box, {sides} by {leaving:.2g}"],
    )


def widened(energy: Energy, grid: Grid, leaving: Outflow, allowed: float) -> Box:
    """The box of a grid with the walls moved out through which more than allowed would leave."""
    share = allowed / (4 * grid.dim)
    box = []
    for k, (low, high) in enumerate(grid.box):
        ends = []
        for wall, outward, through in zip((low, high), (-1.0, 1.0), leaving.walls[k], strict=True):
            mass = float(through.sum())
            if mass <= share:
                ends.append(wall)
                continue
            level = math.log(mass / share) + _MARGIN
            most = np.argsort(through.ravel())[::-1][:_PLACES]
            places = [p for p in most if through.ravel()[p] > share / through.size]
            found = [
                _way_out(
                    _line(energy, grid, k, through.shape, int(p)), wall, outward, high - low, level
                )
                for p in places or most[:1]
            ]
            ends.append(max(found) if outward > 0 else min(found))
        box.append((ends[0], ends[1]))
    return box


def _planning(base: AxisMap, means: FloatArray, sds: FloatArray) -> AxisMap:
    """A map of few cells that still sees every component of the start."""
    width = base.high - base.low
    laws = sorted(set(zip(means.tolist(), sds.tolist(), strict=True)))
    features = base.features
    for mean, sd in laws:
        length = _START_WIDTH * sd
        if length < width / 2:
            weight = _START_SHARE / (2 * len(laws) * math.asinh(width / (2 * length)))
            features += (Feature(centre=mean, length=length, weight=weight),)
    return AxisMap(low=base.low, high=base.high, features=features)


def _line(
    energy: Energy, grid: Grid, axis: int, shape: tuple[int, ...], place: int
) -> Callable[[float], float]:
    """U along an axis through the centre of one of the outermost cells."""
    index = np.unravel_index(place, shape)
    point = [float(grid.centres[k][index[k]]) for k in range(grid.dim)]

    def along(x: float) -> float:
        where = [np.array([x if k == axis else point[k]]) for k in range(grid.dim)]
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(np.ravel(energy.on_coordinates("potential", where))[0])
        return math.inf if math.isnan(value) else value

    return along


def _way_out(
    along: Callable[[float], float], wall: float, outward: float, width: float, level: float
) -> float:
    """Where U, on the way out from a wall, first stands ``level`` above the least it was there."""
    x, step = wall, width / 64
    here = lowest = along(x)
    for _ in range(_STEPS):
        there = along(x + outward * step)
        if there - here > _LARGEST_CLIMB and step > _SLOWEST * width:
            step /= 2
            continue
        x += outward * step
        if not math.isfinite(there):
            break
        step *= 1.5 if abs(there - here) < _SMALLEST_CHANGE else 1.0
        here, lowest = there, min(lowest, there)
        if here >= lowest + level:
            break
        if here < lowest + _SMALLEST_CHANGE:  # downhill: nothing is missed by longer steps
            step *= 1.2
    return x
