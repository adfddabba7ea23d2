"""Cost of one grid solve against the number of cells, at a fixed error in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.generator import build_generator
from solvers.densities.propagation import propagate

from .grid_peers import side_by_side
from .table import Table
from .targets import Target

TITLE = "Cost growth of the grid engine"
TARGETS = (Target(measured="exponent", goal="goal", at_most=True),)
SETTINGS = (
    ("4*(x**2-1)**2", [(-3.0, 3.0)], (1024, 2048, 4096, 8192, 16384, 32768), 10.0, 1.1),
    (
        "2*(x**2-1)**2 + y**2/2 + x*y/2",
        [(-3.0, 3.0), (-5.0, 5.0)],
        (64, 128, 256, 512, 1024),
        5.0,
        1.25,
    ),
)


def measure(brief: bool) -> Table:
    """One row per dimension: milliseconds by size and the exponent against cells."""
    rows: list[dict[str, Any]] = []
    for text, box, sizes, time, goal in SETTINGS:
        energy, dim = parse_potential(text), len(box)
        start = InitialLaw.normal([0.1, -0.5][:dim], [0.1 if dim == 1 else 0.3] * dim)
        used = sizes[:3] if brief else sizes
        functions = {}
        for cells in used:
            grid = Grid.uniform(box, cells)
            generator = build_generator(energy, grid)
            masses = start.cell_masses(grid.edges)
            masses /= masses.sum()
            functions[str(cells)] = lambda generator=generator, masses=masses, time=time: propagate(
                generator, masses, time, tolerance=1e-6
            )
        found = side_by_side(functions, 3 if brief else 5)
        milliseconds = [found[str(cells)][0] for cells in used]
        cells_in_all = [float(cells) ** dim for cells in used]
        exponent = float(np.polyfit(np.log(cells_in_all), np.log(milliseconds), 1)[0])
        rows.append(
            {
                "dimension": dim,
                "cells per axis": ", ".join(str(c) for c in used),
                "ms": ", ".join(f"{m:.3g}" for m in milliseconds),
                "exponent": exponent,
                "goal": goal,
            }
        )
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=[
            "Time error 1e-6, matrix given; the exponent is a least-squares slope, "
            "asked to stay below its goal."
        ],
    )
