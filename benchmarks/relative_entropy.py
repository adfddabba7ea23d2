"""KL of a million samples from a known law: histogram and Miller-Madow, against who knows both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from lvebm_theory.arrays import FloatArray
from verification.estimate.relative_entropy import binned_relative_entropy, relative_entropy

from .table import Table
from .targets import Target
from .timing import interleaved

TITLE = "KL from 10^6 samples: time, and root mean square error against the oracle's"
TARGETS = (
    Target(measured="ours ms", goal="goal ms", at_most=True),
    Target(measured="rmse ratio", goal="goal ratio", at_most=True),
)
SAMPLES = 1_000_000
CELLS = {1: 1024, 2: 128}
GOAL_MS = {1: 1.0, 2: 2.0}
SHIFT, SCALE = 0.3, 0.9
ORACLE = 1.2


def measure(brief: bool) -> Table:
    """One row per dimension and peer; the oracle averages log p / q, which only it can."""
    rows, details = [], []
    for dim in (1, 2):
        rows += _rows(dim, 5 if brief else 15, 5 if brief else 40)
        if not brief:
            details += _work_precision(dim)
    return Table(
        columns=(
            "work",
            "ours ms",
            "goal ms",
            "our rmse",
            "oracle rmse",
            "rmse ratio",
            "goal ratio",
            "peer",
            "peer ms",
            "peer rmse",
            "ratio",
            "our interval ms",
        ),
        rows=rows,
        notes=(
            f"Samples of N({SHIFT}, {SCALE}^2) (second coordinate centred) against N(0, 1) on "
            "[-6, 6]; errors over independent draws, from the closed form.",
            "Our interval adds the binning loss and statistical width, at alpha 0.05.",
        ),
        peers=("KDEpy",),
        details={"work_precision": details},
    )


def _reference(dim: int, cells: int) -> tuple[list[FloatArray], FloatArray]:
    edges = np.linspace(-6, 6, cells + 1)
    line = np.diff(ndtr(edges))
    mass = line if dim == 1 else np.multiply.outer(line, line)
    return [edges] * dim, mass / mass.sum()


def _truth(dim: int) -> float:
    return float((dim * (SCALE**2 - 1) + SHIFT**2) / 2 - dim * np.log(SCALE))


def _draw(rng: np.random.Generator, dim: int) -> FloatArray:
    x = SCALE * rng.normal(size=(SAMPLES, dim))
    x[:, 0] += SHIFT
    return x


def _oracle(x: FloatArray) -> float:
    z = x.copy()
    z[:, 0] -= SHIFT
    log_ratio = ((x**2).sum(1) - (z**2).sum(1) / SCALE**2) / 2 - x.shape[1] * np.log(SCALE)
    return float(log_ratio.mean())


def _numpy_histogram(x: FloatArray, mass: FloatArray, edges: list[FloatArray]) -> float:
    if x.shape[1] == 1:
        counts = np.histogram(x[:, 0], edges[0])[0]
    else:
        counts = np.histogram2d(x[:, 0], x[:, 1], edges)[0]
    full = counts > 0
    p = counts[full] / counts.sum()
    return float(p @ np.log(p / mass[full]) - (full.sum() - 1) / (2 * counts.sum()))


def _kernel_density(x: FloatArray) -> Callable[[], float] | None:
    try:
        from KDEpy import FFTKDE
    except ImportError:
        return None

    def estimate() -> float:
        at, density = FFTKDE(kernel="gaussian", bw="ISJ").fit(x[:, 0])(2**12)
        step, inside = at[1] - at[0], density > 1e-12
        log_q = -(at[inside] ** 2) / 2 - np.log(2 * np.pi) / 2
        return float((density[inside] * (np.log(density[inside]) - log_q)).sum() * step)

    return estimate


def _rows(dim: int, repeats: int, draws: int) -> list[dict[str, Any]]:
    edges, mass = _reference(dim, CELLS[dim])
    rng = np.random.default_rng(dim)
    x = _draw(rng, dim)
    functions: dict[str, Callable[[], Any]] = {
        "ours": lambda: binned_relative_entropy(x, mass, edges),
        "np.histogram": lambda: _numpy_histogram(x, mass, edges),
        "our interval": lambda: relative_entropy(x, mass, edges, 0.05),
    }
    if dim == 1 and (kernel := _kernel_density(x)) is not None:
        functions["KDEpy"] = kernel
    timed = interleaved(functions, repeats)
    errors = []
    for _ in range(draws):
        fresh = _draw(rng, dim)
        ours, theirs = (f(fresh, mass, edges) for f in (binned_relative_entropy, _numpy_histogram))
        errors.append(np.array([ours, theirs, _oracle(fresh)]) - _truth(dim))
    ours, theirs, oracle = np.sqrt(np.mean(np.square(errors), axis=0))
    shape = "x".join([str(CELLS[dim])] * dim)
    row = {
        "work": f"d={dim}, {shape} cells",
        "ours ms": timed["ours"][0],
        "goal ms": GOAL_MS[dim],
        "our rmse": float(ours),
        "oracle rmse": float(oracle),
        "rmse ratio": float(ours / oracle),
        "goal ratio": ORACLE,
        "our interval ms": timed["our interval"][0],
    }
    rows = []
    for peer in functions:
        if not peer.startswith("our"):
            rows.append({**row, "peer": peer, "peer ms": timed[peer][0]})
            rows[-1]["ratio"] = timed[peer][0] / timed["ours"][0]
            rows[-1]["peer rmse"] = float(theirs) if peer == "np.histogram" else None
    return rows


def _work_precision(dim: int) -> list[dict[str, Any]]:
    """Milliseconds against root mean square error, cells growing."""
    rng, found = np.random.default_rng(7), []
    draws = [_draw(rng, dim) for _ in range(8)]
    for cells in (64, 256, 1024, 4096) if dim == 1 else (16, 32, 64, 128, 256):
        edges, mass = _reference(dim, cells)
        for who, estimate in (
            ("ours", binned_relative_entropy),
            ("np.histogram", _numpy_histogram),
        ):
            errors = [estimate(x, mass, edges) - _truth(dim) for x in draws]
            ms = interleaved({who: lambda e=estimate, m=mass, g=edges: e(draws[0], m, g)}, 5)[who][
                0
            ]
            rmse = float(np.sqrt(np.mean(np.square(errors))))
            found.append({"curve": f"d={dim}, {who}", "size": cells, "ms": ms, "error": rmse})
    return found
