"""Seconds until a new formula, and a known one in a new process, is ready to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from .table import Table
from .targets import Target

TITLE = "Seconds to a compiled particle loop"
TARGETS = (
    Target(measured="new", goal="goal", at_most=True),
    Target(measured="second process", goal="goal then", at_most=True),
)

_CHILD = """
import json, sys, time
import numpy as np
import numba
from solvers.noise import Noise
from solvers.particles import ula, mala
from solvers.particles.numba_engine import NumbaEngine
from benchmarks.particle_rates import mixture, well
problem = {"P1": lambda: well(64), "P2 d=2": lambda: mixture(2, 64),
           "P2 d=10": lambda: mixture(10, 64)}[sys.argv[1]]()
def ready(energy):
    began = time.perf_counter()
    engine = NumbaEngine(energy, {"ula": ula, "mala": mala}[sys.argv[2]], noise=Noise(1),
                         step_size=0.01, dtype="float64", threads=1)
    ensemble = engine.begin(problem.start, np.arange(64))
    engine.advance(ensemble, 0, 2)
    return time.perf_counter() - began
first = ready(problem.energy)
name, value = next(iter(problem.energy.parameters.items()))
print(json.dumps([first, ready(problem.energy.with_parameters(**{name: value + 0.1}))]))
"""


def _ready(name: str, scheme: str, cache: str) -> list[float]:
    found = subprocess.run(
        [sys.executable, "-c", _CHILD, name, scheme],
        env={**os.environ, "LVEBM_CACHE": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: list[float] = json.loads(found.stdout.splitlines()[-1])
    return seconds


def measure(brief: bool) -> Table:
    """Trace, generation and compilation; then the same in a second process."""
    goals = {"P1": 4.0, "P2 d=2": 4.0, "P2 d=10": 8.0}
    rows: list[dict[str, Any]] = []
    for name in ["P1"] if brief else list(goals):
        for scheme in ("ula", "mala"):
            with tempfile.TemporaryDirectory() as cache:
                _ready("P2 d=2" if name == "P1" else "P1", "ula", cache)  # the noise, once for all
                first, other = _ready(name, scheme, cache)
                again, _ = _ready(name, scheme, cache)
            rows.append(
                {
                    "formula": name,
                    "scheme": scheme,
                    "new": first,
                    "goal": goals[name],
                    "second process": again,
                    "goal then": 0.5,
                    "other parameters": other,
                }
            )
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=["float64; imports not counted, tracing and differentiation are."],
    )
