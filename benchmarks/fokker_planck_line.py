"""F1: Fokker-Planck on a line. Double well 4 (x^2 - 1)^2 on [-3, 3], N(0.1, 0.1^2), until t = 10.

All get the same cells and the same exact-average matrix; L1 errors are those of cell masses
against a spectral solution, so they hold space and time together.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.generator import build_generator
from solvers.densities.propagation import propagate

from .grid_peers import (
    best_ordering,
    crank_nicolson,
    fewest_steps,
    loosest,
    matrix,
    side_by_side,
    spectral_line,
    stiff_integrator,
)
from .table import Table
from .targets import RATIO, ratio_goal

TITLE = "F1: Fokker-Planck, double well b=4 on a line, t=10"
TARGETS = RATIO
GOALS = {"Crank": 25.0, "LSODA": 75.0, "many": 10.0, "slow": 1000.0}
ENERGY = parse_potential("4*(x**2-1)**2")
START = InitialLaw.normal(0.1, 0.1)
BOX = [(-3.0, 3.0)]
TIME = 10.0
ERROR = 4e-5


def measure(brief: bool) -> Table:
    """One row per comparison; ratios are a peer's time over ours."""
    repeats = 3 if brief else 15
    rows: list[dict[str, Any]] = []
    for cells in (1024,) if brief else (1024, 4096):
        rows += _single_time(cells, repeats, brief=brief)
    rows += _many_times(3 if brief else 7)
    precision = [] if brief else _work_precision()
    notes = [
        "Ours and scipy's get the same assembled generator; 'with assembly' adds, on both sides, "
        "our exact cell averages from the formula.",
        "scipy's steps and tolerances are the cheapest that reach the error, its ordering the "
        "fastest.",
    ]
    if not brief:
        for name, run in (("FiPy", _fipy), ("fplanck", _fplanck)):
            rows.append(_slow_peer(name, run, notes))
    return Table(
        columns=("work", "ours ms", "our L1", "peer", "peer ms", "peer L1", "ratio", "goal"),
        rows=rows,
        notes=notes,
        peers=("FiPy", "fplanck"),
        details={"work_precision": precision},
    )


def _error(masses: FloatArray, reference: FloatArray) -> float:
    return float(np.abs(masses - reference).sum(axis=-1).max())


def _setting(cells: int, times: list[float]) -> tuple[Any, FloatArray, FloatArray]:
    grid = Grid.uniform(BOX, cells)
    start = START.cell_masses(grid.edges)
    reference = spectral_line(ENERGY, START, grid.edges[0], times)
    return build_generator(ENERGY, grid), start / start.sum(), reference


def _single_time(cells: int, repeats: int, *, brief: bool) -> list[dict[str, Any]]:
    generator, start, reference = _setting(cells, [TIME])
    operator = matrix(generator)
    target = max(ERROR * (1024 / cells) ** 2, 2 * _error(_ours(generator, start), reference))

    def cn_error(steps: int) -> float:
        masses = crank_nicolson(operator, start, TIME, steps, "NATURAL")
        return _error(masses, reference)

    def stiff(method: str, tolerance: float) -> FloatArray:
        return stiff_integrator(operator, start, [TIME], method, tolerance)[0]

    steps = fewest_steps(cn_error, target, 64)
    ordering = best_ordering(operator, start, TIME, steps)
    functions: dict[str, Callable[[], Any]] = {
        "ours": lambda: _ours(generator, start),
        "assembly": lambda: build_generator(ENERGY, generator.grid).rates_up,
        f"scipy Crank-Nicolson, {steps} steps, {ordering}": lambda: crank_nicolson(
            operator, start, TIME, steps, ordering
        ),
    }
    for method in ("LSODA",) if brief else ("LSODA", "BDF"):
        tolerance = loosest(
            lambda value, method=method: _error(stiff(method, value), reference),  # type: ignore[misc]
            target,
        )
        functions[f"scipy {method}, rtol {tolerance:.0e}"] = (
            lambda method=method, tolerance=tolerance: stiff(method, tolerance)
        )
    found = side_by_side(functions, repeats)
    ours, masses = found.pop("ours")
    assembly, _ = found.pop("assembly")
    work = f"n={cells}, L1 {target:.1g}"
    rows = []
    for name, (milliseconds, theirs) in found.items():
        goal = GOALS["Crank" if "Crank" in name else "LSODA"] if "BDF" not in name else None
        row = {
            "work": work,
            "ours ms": ours,
            "our L1": _error(masses, reference),
            "peer": name,
            "peer ms": milliseconds,
            "peer L1": _error(theirs, reference),
            "ratio": milliseconds / ours,
            "goal": ratio_goal(goal) if goal and cells == 1024 else None,
        }
        both = {"ours ms": ours + assembly, "peer ms": milliseconds + assembly, "goal": None}
        both |= {"work": f"{work}, with assembly"}
        both |= {"ratio": (milliseconds + assembly) / (ours + assembly)}
        rows += [row, row | both] if "Crank" in name else [row]
    return rows


def _work_precision() -> list[dict[str, Any]]:
    """Milliseconds against L1 error: ours on more and more cells, scipy's with smaller steps."""
    found = []
    for cells in (32, 64, 128, 256, 512, 1024, 2048, 4096):
        generator, start, reference = _setting(cells, [TIME])
        ms, masses = side_by_side(
            {"ours": lambda g=generator, s=start: _ours(g, s)},  # type: ignore[misc]
            5,
        )["ours"]
        error = _error(masses, reference)
        found.append({"curve": "ours, 32 to 4096 cells", "size": cells, "ms": ms, "error": error})
    generator, start, reference = _setting(1024, [TIME])
    operator = matrix(generator)
    ordering = best_ordering(operator, start, TIME, 100)
    peers: list[tuple[str, float, Callable[[], FloatArray]]] = [
        (
            "scipy Crank-Nicolson, 1024 cells",
            steps,
            lambda steps=steps: crank_nicolson(operator, start, TIME, steps, ordering),  # type: ignore[misc]
        )
        for steps in (50, 100, 200, 400, 800, 1600)
    ] + [
        (
            f"scipy {method}, 1024 cells",
            tolerance,
            lambda method=method, tolerance=tolerance: stiff_integrator(  # type: ignore[misc]
                operator, start, [TIME], method, tolerance
            )[0],
        )
        for method in ("LSODA", "BDF")
        for tolerance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
    ]
    for curve, size, run in peers:
        ms, masses = side_by_side({"peer": run}, 3)["peer"]
        error = _error(masses, reference)
        found.append({"curve": curve, "size": size, "ms": ms, "error": error})
    return found


def _ours(generator: Any, start: FloatArray) -> FloatArray:
    return propagate(generator, start, TIME, tolerance=1e-9).masses[0]


def _many_times(repeats: int) -> list[dict[str, Any]]:
    times = np.linspace(TIME / 100, TIME, 100).tolist()
    generator, start, reference = _setting(1024, times)
    operator = matrix(generator)
    target = 2e-5 + _error(propagate(generator, start, times).masses, reference)
    tolerance = loosest(
        lambda value: _error(stiff_integrator(operator, start, times, "LSODA", value), reference),
        target,
    )
    found = side_by_side(
        {
            "ours": lambda: propagate(generator, start, times, tolerance=1e-5).masses,
            "LSODA": lambda: stiff_integrator(operator, start, times, "LSODA", tolerance),
        },
        repeats,
    )
    (ours, masses), (theirs, others) = found["ours"], found["LSODA"]
    return [
        {
            "work": f"n=1024, 100 output times, L1 {target:.1g}",
            "ours ms": ours,
            "our L1": _error(masses, reference),
            "peer": f"scipy LSODA, rtol {tolerance:.0e}",
            "peer ms": theirs,
            "peer L1": _error(others, reference),
            "ratio": theirs / ours,
            "goal": ratio_goal(GOALS["many"]),
        }
    ]


def _slow_peer(
    name: str, run: Callable[[Grid, FloatArray], FloatArray], notes: list[str]
) -> dict[str, Any]:
    """One comparison with assembly on both sides, since these tools assemble for themselves."""
    generator, start, reference = _setting(1024, [TIME])
    row: dict[str, Any] = {
        "work": "n=1024, assembly on both sides",
        "peer": name,
        "goal": ratio_goal(GOALS["slow"]),
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.perf_counter()
            others = run(generator.grid, start)
            theirs = 1e3 * (time.perf_counter() - began)
    except ImportError as missing:
        notes.append(f"{name} was not measured: {missing}.")
        return row
    found = side_by_side({"ours": lambda: _ours(build_generator(ENERGY, generator.grid), start)}, 5)
    ours, masses = found["ours"]
    return row | {
        "ours ms": ours,
        "our L1": _error(masses, reference),
        "peer ms": theirs,
        "peer L1": _error(others, reference),
        "ratio": theirs / ours,
    }


def _fipy(grid: Grid, start: FloatArray) -> FloatArray:
    """Scharfetter-Gummel fluxes and backward Euler in steps that grow with time."""
    from fipy import (
        CellVariable,
        DiffusionTerm,
        ExponentialConvectionTerm,
        FaceVariable,
        Grid1D,
        TransientTerm,
    )

    cells = grid.shape[0]
    mesh = Grid1D(nx=cells, dx=float(grid.widths[0][0])) + BOX[0][0]
    density = CellVariable(mesh=mesh, value=start / grid.widths[0], hasOld=True)
    drift = FaceVariable(mesh=mesh, rank=1)
    drift.setValue(ENERGY.gradient(np.asarray(mesh.faceCenters[0])[:, None]).T)
    equation = TransientTerm() == DiffusionTerm(coeff=1.0) + ExponentialConvectionTerm(coeff=drift)
    now, step = 0.0, 1e-4
    while now < TIME - 1e-12:
        step = min(step, TIME - now)
        density.updateOld()
        equation.solve(var=density, dt=step)
        now, step = now + step, step * 1.004
    masses = np.asarray(density.value) * grid.widths[0]
    return masses / masses.sum()


def _fplanck(grid: Grid, start: FloatArray) -> FloatArray:
    """Its own rate matrix and expm_multiply; temperature and drag chosen so that D = kT = 1."""
    import scipy.constants

    for name in ("product", "float"):  # numpy 2 dropped names that fplanck still uses
        if not hasattr(np, name):
            setattr(np, name, {"product": np.prod, "float": float}[name])
    from fplanck import boundary, fokker_planck

    width = float(grid.widths[0][0])
    simulation = fokker_planck(
        temperature=1 / scipy.constants.k,
        drag=1.0,
        extent=BOX[0][1] - BOX[0][0],
        resolution=width,
        boundary=boundary.reflecting,
        potential=lambda x: ENERGY.potential(np.asarray(x).reshape(-1, 1)).reshape(np.shape(x)),
    )
    initial = start[: simulation.grid[0].size]
    return np.asarray(simulation.propagate(lambda x: initial, TIME))
