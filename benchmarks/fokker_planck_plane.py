"""F2: Fokker-Planck on a plane, 256 x 256 cells, a well that does not separate, until t = 5.

Errors are L1 errors in time: everything solves the same semi-discrete equation. The reference is
``evolve``, uniformisation and a Chebyshev expansion, which share no code with what is measured.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.generator import Generator, build_generator
from solvers.densities.propagation import propagate
from solvers.densities.semigroup import evolve

from .grid_peers import best_ordering, crank_nicolson, fewest_steps, matrix, side_by_side
from .table import Table
from .targets import RATIO, ratio_goal

TITLE = "F2: Fokker-Planck, a plane of 256 x 256 cells, t=5"
TARGETS = RATIO
ENERGY = parse_potential("2*(x**2-1)**2 + y**2/2 + x*y/2")
START = InitialLaw.normal([0.3, -0.5], [0.3, 0.3])
BOX = [(-3.0, 3.0), (-5.0, 5.0)]
TIME = 5.0


def measure(brief: bool) -> Table:
    """Rows of the goals, then our work against precision."""
    cells, repeats = (96, 2) if brief else (256, 5)
    generator, start = _setting(cells)
    reference = evolve(generator, start, [TIME])[0][0].masses
    operator = matrix(generator)

    def error(masses: FloatArray) -> float:
        return float(np.abs(masses - reference).sum())

    rows: list[dict[str, Any]] = []
    for target, ours, goal in ((5e-5, 5e-5, 25.0), (4e-6, 1e-8, 5.0)):
        steps = fewest_steps(
            lambda count: error(crank_nicolson(operator, start, TIME, count, "MMD_AT_PLUS_A")),
            target,
            24,
        )
        ordering = best_ordering(operator, start, TIME, steps)
        found = side_by_side(
            {
                "ours": lambda ours=ours: propagate(generator, start, TIME, tolerance=ours),  # type: ignore[misc]
                "scipy": lambda steps=steps, ordering=ordering: crank_nicolson(  # type: ignore[misc]
                    operator, start, TIME, steps, ordering
                ),
            },
            repeats,
        )
        (mine, result), (theirs, others) = found["ours"], found["scipy"]
        rows.append(
            _row(f"{cells} x {cells}, error {ours:.0e}", mine, result, error)
            | {
                "peer": f"scipy Crank-Nicolson, {steps} steps, {ordering}, error {target:.0e}",
                "peer ms": theirs,
                "peer L1": error(others),
                "ratio": theirs / mine,
                "goal": ratio_goal(goal),
            }
        )
    precision: list[dict[str, Any]] = []
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10):
        found = side_by_side(
            {"ours": lambda t=tolerance: propagate(generator, start, TIME, tolerance=t)},  # type: ignore[misc]
            repeats,
        )
        mine, result = found["ours"]
        rows.append(_row(f"asked {tolerance:.0e}", mine, result, error))
        precision.append(
            {"curve": "ours", "size": tolerance, "ms": mine, "error": error(result.masses[0])}
        )
    for steps in () if brief else (20, 40, 80, 160, 320):
        found = side_by_side(
            {"peer": lambda steps=steps: crank_nicolson(operator, start, TIME, steps, ordering)},  # type: ignore[misc]
            3,
        )
        theirs, others = found["peer"]
        precision.append(
            {"curve": "scipy Crank-Nicolson", "size": steps, "ms": theirs, "error": error(others)}
        )
    notes = [
        "Ours chooses its own steps and pays for its error estimate; scipy is given the fewest.",
        "'smallest' is the smallest cell mass before the clean-up.",
    ]
    if not brief:
        rows.append(_large())
    return Table(
        columns=(
            *("work", "ours ms", "our L1", "method", "passes", "estimate", "smallest"),
            *("peer", "peer ms", "peer L1", "ratio", "goal"),
        ),
        rows=rows,
        notes=notes,
        details={"work_precision": precision},
    )


def _setting(cells: int) -> tuple[Generator, FloatArray]:
    grid = Grid.uniform(BOX, cells)
    start = START.cell_masses(grid.edges)
    generator = build_generator(ENERGY, grid)
    _ = generator.rates_up, generator.rates_down, generator.root_gibbs, generator.exit_rates
    return generator, start / start.sum()


def _row(work: str, milliseconds: float, result: Any, error: Any) -> dict[str, Any]:
    return {
        "work": work,
        "ours ms": milliseconds,
        "our L1": error(result.masses[0]),
        "method": result.method,
        "passes": result.passes,
        "estimate": result.error,
        "smallest": result.lowest,
    }


def _large() -> dict[str, Any]:
    """1024 x 1024 to a time error of 1e-8, from the formula on."""
    began = time.perf_counter()
    generator, start = _setting(1024)
    assembled = time.perf_counter()
    result = propagate(generator, start, TIME, tolerance=1e-8)
    seconds = time.perf_counter() - assembled
    reference = propagate(generator, start, TIME, tolerance=1e-10).masses[0]
    return {
        "work": f"1024 x 1024, error 1e-8 (assembly: {assembled - began:.2g} s more)",
        "ours ms": 1e3 * seconds,
        "our L1": float(np.abs(result.masses[0] - reference).sum()),
        "method": result.method,
        "passes": result.passes,
        "estimate": result.error,
        "smallest": result.lowest,
        "peer": "goal: under 4000 ms",
        "peer ms": 4000.0,
        "ratio": 4.0 / seconds,
        "goal": 1,
    }
