"""The Fokker-Planck equation of a moving potential, second order in time.

    d_t p = div(p grad U_t) + Laplacian p

Each step applies the exact semigroup of the potential at the step's midpoint (the exponential
midpoint rule), so mass and positivity hold as for a fixed potential. Cells and steps are refined
together, so that the half-width of a functional covers both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .box import TAIL_MASS, find_box
from .fokker_planck import (
    TOLERATED,
    GridDensity,
    check_box,
    check_cells,
    check_times,
    initial_masses,
)
from .generator import build_generator
from .grid import Grid
from .outflow import Outflow, outflow
from .path import DensityPath, Level
from .reach import widened
from .resolution import axis_maps, base_maps, resolutions, resolves_start
from .semigroup import Snapshot, evolve

_CELLS = {1: 512, 2: 96, 3: 32}
_WIDENINGS = 6
_SHARES = (3, 4, 6, 8)  # eighths of the cells and of the steps


def solve_time_dependent(
    energy_at: Callable[[float], Energy],
    start: InitialLaw,
    times: Sequence[float] | FloatArray,
    *,
    step: float | None = None,
    cells: int | Sequence[int] | None = None,
    box: Sequence[tuple[float, float]] | None = None,
) -> DensityPath:
    """Densities under a potential that moves in time; entropies are relative to pi_t.

    Parameters
    ----------
    energy_at : time -> Energy, all of one dimension
    start : initial law
    times : increasing, >= 0
    step : longest time step of the finest resolution; a 64th of the whole time if None
    cells : per axis, multiples of 8
    box : must hold every pi_t and the flow; None takes the union over the asked times and their
        midpoints, widened as far as the flow asks

    Raises
    ------
    ArgumentError, AssumptionError, SolverError
        As ``solve_fokker_planck``.
    """
    moments = check_times(times)
    first = energy_at(0.0)
    dim = first.dim
    longest = step if step is not None else max(float(moments[-1]), 1e-300) / 64
    if not (math.isfinite(longest) and longest > 0):
        raise ArgumentError(f"step must be positive and finite, got {step}")
    region = list(box) if box is not None else _union_box(energy_at, start, moments)
    check_box(region, dim)
    chosen = _CELLS.get(dim, 32) if cells is None else cells
    counts = [chosen] * dim if isinstance(chosen, int) else list(chosen)
    check_cells(counts, dim)
    allowed = TAIL_MASS.get(dim, 1e-10) if box is None else TOLERATED
    for _ in range(_WIDENINGS):
        maps = axis_maps(first, start, base_maps(first, region), counts)
        grids = resolutions(maps, counts)
        leaving = _Leaving()
        coarsest = _solve_level(energy_at, start, moments, grids[0], longest, _SHARES[0], leaving)
        if leaving.total <= allowed or box is not None:
            break
        region = widened(leaving.energy or first, grids[0], leaving.largest, allowed)
    if leaving.total > allowed:
        raise SolverError(
            f"the box {grids[0].box} does not hold the flow until {moments[-1]:g}: up to "
            f"{min(leaving.total, 1.0):.2g} of its mass would leave, {allowed:g} may",
            last_state=coarsest.snapshots[-1].masses,
        )
    finer = [
        _solve_level(energy_at, start, moments, grid, longest, share)
        for grid, share in zip(grids[1:], _SHARES[1:], strict=True)
    ]
    return DensityPath(
        energy=energy_at(float(moments[-1])),
        times=moments,
        levels=(coarsest, *finer),
        escaped=leaving.total,
        resolved=resolves_start(
            build_generator(first, grids[-1]), initial_masses(start, grids[-1])
        ),
    )


class _Leaving:
    """What would have left the box step by step, and the step in which most would."""

    def __init__(self) -> None:
        self.total, self._most = 0.0, -1.0
        self.energy: Energy | None = None
        self.largest = Outflow(walls=())

    def note(self, energy: Energy, step: Outflow) -> None:
        self.total += step.total
        if step.total > self._most:
            self._most, self.energy, self.largest = step.total, energy, step


def advance_masses(energy: Energy, density: GridDensity, time: float) -> GridDensity:
    """The density on the same grid after a time under a fixed potential: one step of a flow whose
    potential is chosen anew after every step."""
    moments = check_times([time])
    generator = build_generator(energy, density.grid, density.masses)
    snapshots, _ = evolve(generator, density.masses, moments.tolist())
    return GridDensity(grid=density.grid, masses=snapshots[0].masses)


def _solve_level(
    energy_at: Callable[[float], Energy],
    start: InitialLaw,
    times: FloatArray,
    grid: Grid,
    longest: float,
    share: int,
    leaving: _Leaving | None = None,
) -> Level:
    masses = initial_masses(start, grid)
    now, negative, work = 0.0, 0.0, 0.0
    generators, snapshots = [], []
    for time in times.tolist():
        steps = share * math.ceil((time - now) / (8 * longest) - 1e-9)
        length = (time - now) / max(steps, 1)
        for k in range(steps):
            energy = energy_at(now + (k + 0.5) * length)
            generator = build_generator(energy, grid, masses)
            if leaving is not None:
                leaving.note(energy, outflow(generator, masses, length))
            after, cost = evolve(generator, masses, [length])
            masses = after[0].masses
            negative += after[0].negative
            work += cost
        now = time
        generator = build_generator(energy_at(time), grid, masses)
        generators.append(generator)
        snapshots.append(
            Snapshot(masses=masses, excess=masses - generator.gibbs, negative=negative)
        )
    return Level(generators=tuple(generators), snapshots=tuple(snapshots), work=work)


def _union_box(
    energy_at: Callable[[float], Energy], start: InitialLaw, times: FloatArray
) -> list[tuple[float, float]]:
    marks = np.concatenate(([0.0], times))
    marks = np.unique(np.concatenate((marks, (marks[1:] + marks[:-1]) / 2)))
    boxes = np.array([find_box(energy_at(float(t)), start) for t in marks])
    low, high = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
