"""F3: Fokker-Planck in space, 96^3 cells, from the formula to relative entropies with widths."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from .table import Table
from .targets import Target

TITLE = "F3: Fokker-Planck in space, 96 x 96 x 96 cells"
SECONDS, GIGABYTES = 60.0, 4.0
TARGETS = (
    Target(measured="seconds", goal="goal s", at_most=True),
    Target(measured="GB", goal="goal GB", at_most=True),
    Target(measured="mass", goal=1e-12, at_most=True),
    Target(measured="smallest", goal=0.0),
)

# a process of its own, so that its peak of memory is that of the solve
_SCRIPT = """
import json, resource, sys, time
import numpy as np
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import solve_fokker_planck

energy = parse_potential("(x**2-1)**2 + y**2/2 + x*y/2 + z**2*(1+y**2/4)/2")
start = InitialLaw.normal([0.3, -0.5, 0.2], [0.3, 0.3, 0.3])
cells = int(sys.argv[1])
began = time.perf_counter()
path = solve_fokker_planck(energy, start, [0.5, 2.0], cells=cells)
value, width = path.relative_entropy()
seconds = time.perf_counter() - began
finest = path.levels[-1]
print(json.dumps({
    "seconds": seconds,
    "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    "mass": float(np.abs(path.masses.reshape(2, -1).sum(axis=1) - 1).max()),
    "smallest": float(path.masses.min()),
    "negative, cleaned": float(path.negative_mass.max()),
    "KL at 2": float(value[1]),
    "width": float(width[1]),
}))
"""


def measure(brief: bool) -> Table:
    """One row: all four resolutions, functionals and widths included."""
    cells = 32 if brief else 96
    rows: list[dict[str, Any]] = []
    for _ in range(1 if brief else 3):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(cells)], check=True, capture_output=True, text=True
        )
        rows.append({"cells": f"{cells}^3", **json.loads(done.stdout)})
    rows.sort(key=lambda row: float(row["seconds"]))
    row = rows[len(rows) // 2] | {"goal s": SECONDS, "goal GB": GIGABYTES}
    return Table(
        columns=list(row),
        rows=[row],
        notes=[
            "The time holds assembly by Gauss lines, the resolutions 36^3, 48^3, 72^3 and 96^3, "
            "two output times, and the extrapolated relative entropy; the median of three runs.",
            "Mass to 1e-12 and no negative value are asked too.",
        ],
    )
