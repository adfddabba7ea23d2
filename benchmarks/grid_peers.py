"""What the grid benchmarks share: timing side by side, and how others solve d/dt p = L p."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import splu

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy
from solvers.densities.generator import Generator

_SAMPLE = 0.01
ORDERINGS = ("NATURAL", "COLAMD", "MMD_AT_PLUS_A", "MMD_ATA")


def side_by_side(
    functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, tuple[float, Any]]:
    """Median milliseconds per call and last result of each, in turn, after calls to warm up.

    Short calls are repeated within a sample of about ten milliseconds.
    """
    results: dict[str, Any] = {}
    loops: dict[str, int] = {}
    for name, function in functions.items():
        function()
        began = time.perf_counter()
        results[name] = function()
        loops[name] = max(1, round(_SAMPLE / (time.perf_counter() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            for _ in range(loops[name]):
                results[name] = function()
            seconds[name].append((time.perf_counter() - began) / loops[name])
    return {n: (1e3 * float(np.median(s)), results[n]) for n, s in seconds.items()}


def matrix(generator: Generator) -> Any:
    """L as a sparse matrix, columns compressed."""
    shape = generator.grid.shape
    index = np.arange(int(np.prod(shape))).reshape(shape)
    rows, columns, values = [index.ravel()], [index.ravel()], [-generator.exit_rates.ravel()]
    for axis in range(len(shape)):
        count = shape[axis]
        low = index.take(range(count - 1), axis).ravel()
        high = index.take(range(1, count), axis).ravel()
        rows += [high, low]
        columns += [low, high]
        values += [generator.rates_up[axis].ravel(), generator.rates_down[axis].ravel()]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sp.coo_matrix(entries, shape=(index.size, index.size)).tocsc()


def crank_nicolson(
    operator: Any, start: FloatArray, time_: float, steps: int, ordering: str
) -> FloatArray:
    """scipy's sparse LU of 1 - h L/2 with a chosen ordering, then that many steps."""
    half = time_ / steps / 2 * operator
    identity = sp.identity(operator.shape[0], format="csc")
    factors = splu((identity - half).tocsc(), permc_spec=ordering)
    explicit = (identity + half).tocsr()
    p = start.ravel()
    for _ in range(steps):
        p = factors.solve(explicit @ p)
    return np.asarray(p.reshape(start.shape))


def best_ordering(operator: Any, start: FloatArray, time_: float, steps: int) -> str:
    """The ordering with the shortest of two runs each."""
    found = {}
    for ordering in ORDERINGS[1:] if start.ndim > 1 else ORDERINGS:
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            crank_nicolson(operator, start, time_, steps, ordering)
            seconds.append(time.perf_counter() - began)
        found[ordering] = min(seconds)
    return min(found, key=found.__getitem__)


def fewest_steps(error_of: Callable[[int], float], target: float, first: int) -> int:
    """Fewest steps (to about two per cent) whose error is at most the target."""
    low, high = first, first
    while error_of(high) > target:
        low, high = high, 2 * high
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if error_of(middle) <= target else (middle, high)
    return high


def stiff_integrator(
    operator: Any, start: FloatArray, times: Sequence[float], method: str, tolerance: float
) -> FloatArray:
    """scipy's LSODA or BDF with the Jacobian's band or sparsity, at all times."""
    rows = operator.tocsr()
    options: dict[str, Any] = {"lband": 1, "uband": 1} if method == "LSODA" else {"jac": rows}
    solution = solve_ivp(
        lambda _, p: rows @ p,
        (0.0, float(times[-1])),
        start,
        method=method,
        t_eval=times,
        rtol=tolerance,
        atol=tolerance * 1e-2,
        **options,
    )
    return np.asarray(solution.y.T)


def loosest(error_of: Callable[[float], float], target: float) -> float:
    """The loosest of the tolerances 1e-2, 3e-3, 1e-3, ... with an error at most the target."""
    for k in range(4, 24):
        tolerance = 10 ** (-k / 2)
        if error_of(tolerance) <= target:
            return float(tolerance)
    return float(tolerance)


def spectral_line(
    energy: Energy, start: InitialLaw, edges: FloatArray, times: Sequence[float]
) -> FloatArray:
    """Cell masses (T, n) by sinc collocation of -psi'' + (U'^2/4 - U''/2) psi, psi = p/sqrt(pi).

    Shares nothing with the grid engine; for smooth U that is large at the ends of the box.
    """
    low, high = float(edges[0]), float(edges[-1])
    count = 480
    x = np.linspace(low, high, count)
    h = x[1] - x[0]
    offset = np.subtract.outer(np.arange(count), np.arange(count)).astype(float)
    np.fill_diagonal(offset, 1.0)
    second = -2.0 * np.cos(np.pi * offset) / (h * offset) ** 2
    np.fill_diagonal(second, -(np.pi**2) / (3 * h**2))
    slope = np.asarray(energy.gradient(x[:, None]))[:, 0]
    curve = np.asarray(energy.hessian(x[:, None]))[:, 0, 0]
    values, vectors = scipy.linalg.eigh(-second + np.diag(slope**2 / 4 - curve / 2))
    potential = np.asarray(energy.potential(x[:, None]))
    psi = np.exp(start.log_density(x[:, None]) + potential / 2)
    amplitudes = vectors.T @ psi
    abscissae, weights = np.polynomial.legendre.leggauss(4)
    widths = np.diff(edges)
    points = (edges[:-1, None] + widths[:, None] * (abscissae + 1) / 2).ravel()
    sinc = np.sinc(np.subtract.outer(points, x) / h)
    damping = np.exp(-np.asarray(energy.potential(points[:, None])) / 2)
    out = []
    for moment in times:
        density = damping * (sinc @ (vectors @ (np.exp(-values * moment) * amplitudes)))
        masses = (density.reshape(-1, 4) * weights / 2).sum(axis=1) * widths
        out.append(masses / masses.sum())
    return np.array(out)
