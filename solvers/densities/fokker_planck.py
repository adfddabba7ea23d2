"""The Fokker-Planck equation d_t p = div(p grad U) + Laplacian p on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory import functionals
from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .box import TAIL_MASS
from .generator import build_generator
from .grid import Grid
from .hidden import hidden_places
from .outflow import Outflow, outflow
from .path import DensityPath, Level
from .reach import flow_box, out_of_reach, widened
from .resolution import (
    axis_maps,
    base_maps,
    refuse_unseen,
    resolutions,
    resolves_start,
    seeing_maps,
    unremoved,
)
from .semigroup import evolve

_FIRST = {1: 256, 2: 64, 3: 32}
_FINEST = {1: 16384, 2: 1024, 3: 96}
_FINEST_FIRST = {1: 16384, 2: 512, 3: 96}
_LEVELS = 4
_MOST_CELLS = 2**24
_MOST_WORK = 1.5e9  # cell updates of the finest grid; eight times as many for the next
_LARGEST_LOSS = 1e-3  # of the start outside a box
_WIDENINGS = 6
TOLERATED = 1e-6  # of the flow that may leave a box that was given
_WATCHED = {1: 16384, 2: 128**2, 3: 18**3}  # cells
_SMALLEST_ENTROPY = 1e-12  # relative accuracy is not pursued below this relative entropy


@dataclass(frozen=True, kw_only=True, eq=False)
class GridDensity:
    """A density given by its cell masses, as the start of an evolution.

    Parameters
    ----------
    grid : Grid whose cell counts are divisible by 4
    masses : array (*grid.shape), non-negative; normalised to one here
    """

    grid: Grid
    masses: FloatArray

    def __post_init__(self) -> None:
        masses = np.asarray(self.masses, dtype=float)
        if masses.shape != self.grid.shape:
            raise ArgumentError(f"masses {masses.shape} on a grid of {self.grid.shape} cells")
        if not (np.all(np.isfinite(masses)) and np.all(masses >= 0) and masses.sum() > 0):
            raise ArgumentError("masses must be finite, non-negative and not all zero")
        object.__setattr__(self, "masses", masses / masses.sum())


def solve_fokker_planck(
    energy: Energy,
    start: InitialLaw | GridDensity,
    times: Sequence[float] | FloatArray,
    *,
    cells: int | Sequence[int] | None = None,
    box: Sequence[tuple[float, float]] | None = None,
    tail_mass: float | None = None,
    relative_width: float = 2e-5,
) -> DensityPath:
    """Densities of the Langevin diffusion dX = -grad U dt + sqrt(2) dW at chosen times.

    Finite volumes with the Gibbs state exactly stationary, exact in time to about 1e-10; solved
    on 3/8, 1/2, 3/4 and all of the cells per axis, from which every functional gets its value and
    its numerical half-width.

    Parameters
    ----------
    energy : Energy of dimension 1, 2 or 3
    start : initial law, or the masses of a given grid (which then is the finest grid)
    times : increasing, >= 0
    cells : per axis, multiples of 8; None refines until ``relative_width`` is reached
    box : (low, high) per axis; None finds one that holds pi, the start and the flow between them
    tail_mass : what may lie outside the box, and leave it by the last time; 1e-14, 1e-12, 1e-10
        in dimension 1, 2, 3 if None, 1e-6 of the flow in a box that was given
    relative_width : half-width of the relative entropy, relative to it, asked where cells is None
        (at times after 0 and down to 1e-12)

    Raises
    ------
    ArgumentError
        Unusable times, dimension, cells or box; nothing has been computed then.
    AssumptionError
        No box of reasonable size holds the Gibbs state.
    SolverError
        A density stopped being finite; carries the last finite masses.
    """
    moments = check_times(times)
    _check_dimension(energy, start)
    if isinstance(start, GridDensity):
        return solve_on_grids(energy, start, moments, nested(start.grid), tail_mass)
    counts = None
    if cells is not None:
        counts = [cells] * energy.dim if isinstance(cells, int) else list(cells)
        check_cells(counts, energy.dim)
    if box is not None:
        check_box(box, energy.dim)
        path = _on_box(energy, start, moments, box, counts, relative_width)
        return _held(path, start, tail_mass)
    allowed = TAIL_MASS[energy.dim] if tail_mass is None else tail_mass
    region = flow_box(energy, start, float(moments[-1]), tail_mass)
    for _ in range(_WIDENINGS):
        path = _on_box(energy, start, moments, region, counts, relative_width)
        grid, leaving = watched(path, start)
        if leaving.total <= allowed:
            return replace(path, escaped=leaving.total)
        region = widened(energy, grid, leaving, allowed)
    raise out_of_reach(energy, start, region, leaving.total)


def seeing_grid(
    energy: Energy, start: InitialLaw, time: float, tail_mass: float | None = None
) -> Grid:
    """A grid of few cells on a box that holds the flow until ``time``, on which U hides nothing.

    Raises
    ------
    AssumptionError
        There is no such box, or no such cells.
    """
    dim = energy.dim
    base = base_maps(energy, flow_box(energy, start, time, tail_mass))
    maps, counts = seeing_maps(energy, start, base, [_FIRST[dim]] * dim, _FINEST_FIRST[dim])
    return Grid(nodes=tuple(m.nodes(n) for m, n in zip(maps, counts, strict=True)))


def solve_on_grids(
    energy: Energy,
    start: InitialLaw | GridDensity,
    times: FloatArray,
    grids: Sequence[Grid],
    tail_mass: float | None = None,
) -> DensityPath:
    """The same on a given sequence of nested grids, coarsest first.

    Raises
    ------
    SolverError
        More than ``tail_mass`` (1e-6 if None) of the flow would leave the box of the grids.
    """
    levels = [_solve_level(energy, start, times, grid) for grid in grids]
    return _held(_path(energy, start, times, levels), start, tail_mass)


def watched(path: DensityPath, start: InitialLaw | GridDensity) -> tuple[Grid, Outflow]:
    """Mass that would have left a path's box by its last time, and the grid that saw it.

    The finest grid of the path, merged to as many cells as an elimination takes at ease.
    """
    grid, generator = path.grid, path.levels[-1].generators[0]
    while math.prod(grid.shape) > _WATCHED[grid.dim] and all(n % 2 == 0 for n in grid.shape):
        grid = grid.coarsened()
    masses = initial_masses(start, grid)
    if grid is not path.grid:
        generator = build_generator(path.energy, grid, masses)
    return grid, outflow(generator, masses, float(path.times[-1]))


def _held(
    path: DensityPath, start: InitialLaw | GridDensity, tail_mass: float | None
) -> DensityPath:
    """The path on a box that was given, if the box holds the flow."""
    _, leaving = watched(path, start)
    allowed = TOLERATED if tail_mass is None else tail_mass
    if leaving.total > allowed:
        raise SolverError(
            f"the box {path.grid.box} does not hold the flow of {path.energy.name} until "
            f"{path.times[-1]:g}: up to {min(leaving.total, 1.0):.2g} of its mass would leave, "
            f"{allowed:g} may",
            last_state=path.masses[-1],
        )
    return replace(path, escaped=leaving.total)


def _on_box(
    energy: Energy,
    start: InitialLaw,
    times: FloatArray,
    box: Sequence[tuple[float, float]],
    counts: Sequence[int] | None,
    relative_width: float,
) -> DensityPath:
    if counts is None:
        return _refine(energy, start, times, box, relative_width)
    maps = axis_maps(energy, start, base_maps(energy, box), counts)
    grids = resolutions(maps, counts)
    refuse_unseen(energy, *hidden_places(energy, start, grids[-1]))
    levels = [_solve_level(energy, start, times, grid) for grid in grids]
    return _path(energy, start, times, levels)


def _path(
    energy: Energy,
    start: InitialLaw | GridDensity,
    times: FloatArray,
    levels: Sequence[Level],
) -> DensityPath:
    """A path whose outflow is not known yet."""
    generator = levels[-1].generators[0]
    masses = initial_masses(start, generator.grid)
    return DensityPath(
        energy=energy,
        times=times,
        levels=tuple(levels),
        escaped=math.inf,
        resolved=isinstance(start, GridDensity) or resolves_start(generator, masses),
        unremoved=unremoved(generator, masses),
        start=start if isinstance(start, InitialLaw) else None,
    )


def nested(grid: Grid) -> list[Grid]:
    """The grid and two or three coarsenings of it, coarsest first."""
    grids = [grid]
    while len(grids) < _LEVELS and all(n % 2 == 0 and n >= 16 for n in grids[0].shape):
        grids.insert(0, grids[0].coarsened())
    if len(grids) < 3:
        raise ArgumentError(
            f"cells {grid.shape} do not allow three resolutions: use multiples of 4, at least 32"
        )
    return grids


def initial_masses(start: InitialLaw | GridDensity, grid: Grid) -> FloatArray:
    """Normalised cell masses of a start on a grid (or on a coarsening of its own grid)."""
    if isinstance(start, InitialLaw):
        masses = start.cell_masses(grid.edges)
        inside = float(masses.sum())
        if inside < 1 - _LARGEST_LOSS:
            raise ArgumentError(
                f"the box {grid.box} holds only {inside:.6g} of the start {start}: widen it"
            )
        return np.asarray(masses / inside)
    own, masses = start.grid, start.masses
    while own.shape[0] > grid.shape[0]:
        masses = own.coarsen_masses(masses)
        own = own.coarsened()
    return masses


def _solve_level(
    energy: Energy, start: InitialLaw | GridDensity, times: FloatArray, grid: Grid
) -> Level:
    masses = initial_masses(start, grid)
    generator = build_generator(energy, grid, masses)
    snapshots, work = evolve(generator, masses, times.tolist())
    return Level(generators=(generator,), snapshots=tuple(snapshots), work=work)


def _refine(
    energy: Energy,
    start: InitialLaw,
    times: FloatArray,
    box: Sequence[tuple[float, float]],
    relative_width: float,
) -> DensityPath:
    dim = energy.dim
    base = base_maps(energy, box)
    maps, counts = seeing_maps(energy, start, base, [_FIRST[dim]] * dim, _FINEST_FIRST[dim])
    known: dict[tuple[int, ...], Level] = {}
    while True:
        levels = []
        for grid in resolutions(maps, counts):
            if grid.shape not in known:
                known[grid.shape] = _solve_level(energy, start, times, grid)
            levels.append(known[grid.shape])
        path = _path(energy, start, times, levels)
        _, width = replace(path, escaped=0.0).relative_entropy()
        size = np.array(
            [
                functionals.relative_entropy(s.masses, s.log_gibbs, s.excess)
                for s in map(levels[-1].state, range(len(times)))
            ]
        )
        asked = (times > 0) & (size > _SMALLEST_ENTROPY)
        fine_enough = np.all(width[asked] <= relative_width * size[asked])
        counts = [2 * n for n in counts]
        too_much = math.prod(counts) > _FINEST[dim] ** dim or levels[-1].work > _MOST_WORK
        if fine_enough or too_much:
            return path


def check_times(times: Sequence[float] | FloatArray) -> FloatArray:
    """Times as an array; ArgumentError unless finite, >= 0 and increasing."""
    moments = np.atleast_1d(np.asarray(times, dtype=float))
    if moments.ndim != 1 or moments.size == 0:
        raise ArgumentError(f"times must be a non-empty sequence, got shape {moments.shape}")
    if not np.all(np.isfinite(moments)) or moments[0] < 0 or np.any(np.diff(moments) <= 0):
        raise ArgumentError(f"times must be finite, >= 0 and increasing, got {moments.tolist()}")
    return moments


def _check_dimension(energy: Energy, start: InitialLaw | GridDensity) -> None:
    if energy.dim not in _FIRST:
        raise ArgumentError(f"grids exist for dimension 1 to 3, {energy.name} has {energy.dim}")
    dim = start.dim if isinstance(start, InitialLaw) else start.grid.dim
    if dim != energy.dim:
        raise ArgumentError(f"start of dimension {dim} for an energy of dimension {energy.dim}")


def check_box(box: Sequence[tuple[float, float]], dim: int) -> None:
    """Refuse a box that is not one finite interval per coordinate."""
    if len(box) != dim or not all(
        np.isfinite(low) and np.isfinite(high) and low < high for low, high in box
    ):
        raise ArgumentError(f"a box needs {dim} finite intervals low < high, got {list(box)}")


def check_cells(counts: Sequence[int], dim: int) -> None:
    """Refuse counts that do not allow four nested resolutions on every axis."""
    if len(counts) != dim or any(n < 32 or n % 8 for n in counts):
        raise ArgumentError(
            f"cells must be {dim} multiples of 8, at least 32 each, got {list(counts)}"
        )
    if np.prod([float(n) for n in counts]) > _MOST_CELLS:
        raise ArgumentError(f"{list(counts)} cells exceed the limit of {_MOST_CELLS} in total")
