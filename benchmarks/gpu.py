"""Fused loops on a GPU against torch eager on the same card, float32.

Torch is given the drift in closed form (the formula's own torch source: no automatic
differentiation), its own generator, and steps in place. Both sides are warm before they are
timed; runs alternate; medians of five.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.energies import catalogue
from lvebm_theory.formula.generated import load
from solvers.noise import Noise
from solvers.particles import ula
from solvers.particles.numba_engine import NumbaEngine
from solvers.particles.triton_assembly import assembly
from solvers.particles.triton_engine import TritonEngine, installed, interpreted

from .table import Table
from .targets import RATIO

TITLE = "GPU: all steps fused in registers, against torch eager on the same card (float32)"
TARGETS = RATIO
GOAL = 50.0
RUNS = 5
STEP = 1e-2
DEVICE = "cuda"
ISSUED = 128  # instructions per processor and clock: four warps of 32
COLUMNS = (
    "work", "particles", "steps", "ours (1e6/s)", "torch eager (1e6/s)", "ratio", "goal",
    "instructions per step", "fraction of the issue limit",
)  # fmt: skip


def works() -> dict[str, tuple[Any, int]]:
    """Name to energy and number of particles."""
    angle = 2 * np.pi * np.arange(8) / 8
    circle = 3.0 * np.stack([np.cos(angle), np.sin(angle)], 1)
    spread = Noise(11).normals(8, 0, 10)
    mixture = catalogue()["gaussian_mixture"]
    return {
        "P1 double well d=1": (catalogue()["double_well"](), 10**6),
        "P2 8 modes d=2": (mixture(means=circle, sds=0.7), 10**5),
        "P2 8 modes d=10": (mixture(means=spread, sds=0.7), 10**5),
    }


def eager(energy: Any, x: Any, steps: int) -> Callable[[], None]:
    """Torch as its users write it, without automatic differentiation."""
    import torch

    gradient = load(energy.source("torch")).gradient
    p = torch.as_tensor(energy.parameter_vector()).to(x)
    scale = math.sqrt(2 * STEP)

    def run() -> None:
        for _ in range(steps):
            x.sub_(gradient(x, p), alpha=STEP).add_(torch.randn_like(x), alpha=scale)

    return run


def fused(energy: Any, start: Any, steps: int) -> tuple[TritonEngine, Callable[[], None]]:
    """Our engine on the same start."""
    options: dict[str, Any] = {"step_size": STEP, "dtype": "float32", "device": DEVICE}
    engine = TritonEngine(energy, ula, noise=Noise(1), **options)
    ensemble = engine.begin(start, np.arange(len(start)))

    def run() -> None:
        if engine.advance(ensemble, 0, steps)["not finite"]:
            raise RuntimeError("the fused loop diverged")

    return engine, run


def seconds(runs: list[Callable[[], None]], repeats: int) -> list[float]:
    """Medians of alternating runs."""
    import torch

    taken: list[list[float]] = [[] for _ in runs]
    for k in range(repeats + 1):
        for run, times in zip(runs, taken, strict=True):
            torch.cuda.synchronize()
            began = time.perf_counter()
            run()
            torch.cuda.synchronize()
            if k:  # the first round warms up
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def card() -> dict[str, Any]:
    """Name, driver, processors, greatest clock (Hz) and compute capability of the card."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=clocks.max.sm,driver_version", "--format=csv,noheader"]
    shown = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    clock, driver = shown.splitlines()[0].split(",")
    return {
        "name": properties.name,
        "driver": driver.strip(),
        "processors": properties.multi_processor_count,
        "clock": float(clock.split()[0]) * 1e6,
        "capability": 10 * properties.major + properties.minor,
    }


def one_step_distance(energy: Any, n: int = 10**5) -> float:
    """Largest distance from the CPU engine after one step, in ulp of the largest term."""
    x = 1.5 * Noise(5, "states").normals(n, 0, energy.dim, dtype="float32")
    options: dict[str, Any] = {"noise": Noise(21), "step_size": STEP, "dtype": "float32"}
    final = []
    fast = TritonEngine(energy, ula, device=DEVICE, **options)
    for engine in (fast, NumbaEngine(energy, ula, **options)):
        ensemble: Any = engine.begin(x, np.arange(n))
        engine.advance(ensemble, 0, 1)
        final.append(engine.positions(ensemble))
    size = np.maximum(np.abs(x), STEP * np.abs(energy.gradient(x)))
    xi = Noise(21).normals(n, 0, energy.dim, dtype="float32")
    size = np.maximum(size, math.sqrt(2 * STEP) * np.abs(xi)).astype(np.float32)
    return float(np.max(np.abs(final[0] - final[1]) / np.spacing(size)))


def row(name: str, energy: Any, n: int, steps: int, machine: dict[str, Any]) -> dict[str, Any]:
    """One row of the table."""
    import torch

    start = 0.5 * Noise(2).normals(n, 0, energy.dim, dtype="float32")
    engine, ours = fused(energy, start, steps)
    peer = eager(energy, torch.as_tensor(start.T.copy(), device=DEVICE), steps)
    own, other = seconds([ours, peer], RUNS)
    made = assembly(engine, n, machine["capability"])
    limit = ISSUED * machine["processors"] * machine["clock"] / made.instructions
    return {
        "work": name,
        "particles": n,
        "steps": steps,
        "ours (1e6/s)": n * steps / own / 1e6,
        "torch eager (1e6/s)": n * steps / other / 1e6,
        "ratio": other / own,
        "goal": GOAL,
        "instructions per step": made.instructions,
        "fraction of the issue limit": n * steps / own / limit,
    }


def billion(steps: int, machine: dict[str, Any]) -> dict[str, Any]:
    """10^9 particles of P1: time, and the memory that they take on the card (GB)."""
    import torch

    n, energy = 10**9, catalogue()["double_well"]()
    torch.cuda.reset_peak_memory_stats()
    engine, run = fused(energy, np.zeros((n, 1), dtype=np.float32), steps)
    (own,) = seconds([run], 1)
    made = assembly(engine, n, machine["capability"])
    limit = ISSUED * machine["processors"] * machine["clock"] / made.instructions
    return {
        "work": f"P1, {torch.cuda.max_memory_allocated() / 1e9:.2f} GB at the peak",
        "particles": n,
        "steps": steps,
        "ours (1e6/s)": n * steps / own / 1e6,
        "instructions per step": made.instructions,
        "fraction of the issue limit": n * steps / own / limit,
    }


def measure(brief: bool) -> Table:
    """One row per work; without a GPU no row, and a note that says so."""
    import torch

    if not torch.cuda.is_available():
        return Table(columns=COLUMNS, rows=(), notes=("no GPU: nothing measured, nothing stored.",))
    if not installed() or interpreted():
        why = "triton is not installed, or its interpreter is switched on"
        return Table(columns=COLUMNS, rows=(), notes=(f"{why}: nothing measured.",))
    machine, steps = card(), 100 if brief else 1000
    rows = [row(name, e, n, steps, machine) for name, (e, n) in works().items()]
    if not brief:
        rows.append(billion(100, machine))
    distances = {name: one_step_distance(energy) for name, (energy, _) in works().items()}
    return Table(
        columns=COLUMNS,
        rows=rows,
        notes=(
            f"{machine['name']}, driver {machine['driver']}, {machine['processors']} processors, "
            f"{machine['clock'] / 1e6:.0f} MHz at most, CUDA {torch.version.cuda}.",
            f"Limit: {ISSUED} instructions per processor and clock over those of the loop.",
            "One step against the CPU engine, in ulp of the largest term: "
            + ", ".join(f"{name} {d:.1f}" for name, d in distances.items())
            + ".",
        ),
        peers=("triton",),
        details={"card": machine},
    )
