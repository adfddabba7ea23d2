"""What it costs to record at every step: sums and counts taken inside the particle loop.

P1 in float64. Averages over time need the same memory however long the run: the peak of a process
of its own is measured for two lengths.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from .table import Table
from .targets import Target

TITLE = "Recording at every step of P1, and the memory that it takes"
TARGETS = (Target(measured="MB for more steps", goal="goal", at_most=True),)
GROWTH = 8.0  # MB: what the allocator may keep; a million particles of one step are eight
_CHILD = """
import json, resource, sys, time
from benchmarks.particle_rates import well
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles import Histogram, Moments, ula
kind, particles, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
moments = Moments(every=1, over_time=True)
counts = Histogram(edges=((-2.5, 2.5, 400),), every=1, over_time=True)
chosen = {"nothing": (), "moments": (moments,), "400 cells": (counts,), "both": (moments, counts)}
problem = well(particles)
def run(steps):
    return simulate(problem.energy, ula, problem.start, step_size=problem.step_size, steps=steps,
                    noise=Noise(1), recorders=chosen[kind])
run(128)
began = time.perf_counter()
run(steps)
print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def _run(kind: str, particles: int, steps: int) -> tuple[float, float]:
    """Seconds of a run, and the peak of its process in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, kind, str(particles), str(steps)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, kilobytes = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), kilobytes / 1e3


def measure(brief: bool) -> Table:
    """One row per choice of recorders: rate, its share of the plain rate, memory."""
    particles, steps = (10**5, 200) if brief else (10**6, 500)
    rows: list[dict[str, Any]] = []
    for kind in ("nothing", "both") if brief else ("nothing", "moments", "400 cells", "both"):
        found = sorted(_run(kind, particles, steps) for _ in range(1 if brief else 3))
        seconds, peak = found[len(found) // 2]
        longer = _run(kind, particles, 4 * steps)[1]
        rate = particles * steps / seconds / 1e6
        rows.append(
            {
                "work": kind,
                "million steps/s": rate,
                "share": rate / rows[0]["million steps/s"] if rows else 1.0,
                "MB": peak,
                "MB for more steps": longer - peak,
                "goal": GROWTH,
            }
        )
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=[
            f"{particles} particles, {steps} steps, recorded after each; four times the steps in "
            "the column of memory for more.",
            "A run of 10^6 particles over 10^5 steps takes the same memory.",
        ],
    )
