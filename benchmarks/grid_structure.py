"""What holds on every grid: mass, Gibbs state, positivity, at every size and by every method."""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.generator import build_generator
from solvers.densities.propagation import propagate

from .table import Table
from .targets import Target

TITLE = "Structure: mass, Gibbs drift and smallest value before the clean-up"
TARGETS = (
    Target(measured="mass error", goal=1e-12, at_most=True),
    Target(measured="Gibbs drift", goal=1e-11, at_most=True),
    Target(measured="smallest", goal=-1e-12),
)
SETTINGS = (
    ("4*(x**2-1)**2", [(-3.0, 3.0)], (256, 1024, 4096, 16384)),
    ("2*(x**2-1)**2 + y**2/2 + x*y/2", [(-3.0, 3.0), (-5.0, 5.0)], (64, 256, 512)),
    (
        "(x**2-1)**2 + y**2/2 + x*y/2 + z**2*(1+y**2/4)/2",
        [(-3.0, 3.0), (-5.0, 5.0), (-4.0, 4.0)],
        (32, 64),
    ),
)


def measure(brief: bool) -> Table:
    """One row per grid and asked error; the worst over early and late times."""
    rows: list[dict[str, Any]] = []
    for text, box, sizes in SETTINGS:
        energy, dim = parse_potential(text), len(box)
        start = InitialLaw.normal([0.1, -0.5, 0.2][:dim], [0.1 if dim == 1 else 0.25] * dim)
        for cells in sizes[:1] if brief else sizes:
            grid = Grid.uniform(box, cells)
            generator = build_generator(energy, grid)
            masses = start.cell_masses(grid.edges)
            masses /= masses.sum()
            gibbs = generator.gibbs / generator.gibbs.sum()
            for times in ([0.01, 0.1, 1.0, 5.0], [2.0]):
                for tolerance in (1e-3, 1e-6, 1e-10):
                    found = propagate(generator, masses, times, tolerance=tolerance)
                    kept = propagate(generator, gibbs, times, tolerance=tolerance)
                    totals = found.masses.reshape(len(times), -1).sum(axis=1)
                    drift = np.abs(kept.masses - generator.gibbs).reshape(len(times), -1)
                    rows.append(
                        {
                            "cells": f"{cells}^{dim}",
                            "times": len(times),
                            "asked": tolerance,
                            "method": found.method,
                            "mass error": float(np.abs(totals - 1).max()),
                            "Gibbs drift": float(drift.sum(axis=1).max()),
                            "smallest": found.lowest,
                        }
                    )
    worst = {
        "cells": "worst",
        "mass error": max(row["mass error"] for row in rows),
        "Gibbs drift": max(row["Gibbs drift"] for row in rows),
        "smallest": min(row["smallest"] for row in rows),
    }
    goal = {"cells": "goal", "mass error": 1e-12, "Gibbs drift": 1e-11, "smallest": -1e-12}
    return Table(columns=list(rows[0]), rows=[*rows, worst, goal])
