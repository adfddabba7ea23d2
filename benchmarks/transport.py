"""W2 on the line: a million samples, exact and binned, and grid against grid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
from scipy.special import ndtr

from lvebm_theory.arrays import FloatArray
from solvers.transport.one_dimensional import w2_grids, w2_samples, w2_samples_binned

from .table import Table
from .targets import RATIO, ratio_goal
from .timing import interleaved

TITLE = "W2 on the line: 10^6 samples exact and binned, grid against grid"
TARGETS = RATIO
SAMPLES = 1_000_000
MEANS, SDS = (0.0, 0.3), (1.0, 1.2)
# where numpy finds no vector instructions its sort compares one by one
_SCALAR = (
    "import json, time, numpy as np; r = np.random.default_rng(0); s = []\n"
    "for _ in range({repeats}):\n"
    "    x, y = r.normal(size=(2, {samples}))\n"
    "    t = time.perf_counter(); np.mean((np.sort(x) - np.sort(y)) ** 2)\n"
    "    s.append(1e3 * (time.perf_counter() - t))\n"
    "print(json.dumps(float(np.median(s))))"
)


def by_numpy(x: FloatArray, y: FloatArray) -> float:
    """np.sort twice, and the mean."""
    return float(np.sqrt(np.mean((np.sort(x) - np.sort(y)) ** 2)))


def measure(brief: bool) -> Table:
    """One row per comparison; ratios are a peer's time over ours."""
    import ot

    rng = np.random.default_rng(0)
    x, y = (rng.normal(m, s, size=SAMPLES) for m, s in zip(MEANS, SDS, strict=True))
    timed = interleaved(
        {
            "exact": lambda: w2_samples(x, y),
            "binned": lambda: w2_samples_binned(x, y),
            "numpy": lambda: by_numpy(x, y),
            "POT": lambda: float(np.sqrt(ot.wasserstein_1d(x, y, p=2))),
        },
        5 if brief else 15,
    )
    truth = timed["numpy"][1]
    interval = timed["binned"][1]
    rows = [
        _row("exact, 10^6", timed["exact"], truth, "np.sort", timed["numpy"], 1.6),
        _row("exact, 10^6", timed["exact"], truth, "POT wasserstein_1d", timed["POT"], 3),
        _row(
            "binned, 10^6",
            (timed["binned"][0], interval.value),
            truth,
            "np.sort",
            timed["numpy"],
            25,
        ),
    ]
    rows[-1]["stated error"] = interval.half_width
    scalar = _scalar_sort(3 if brief else 5)
    rows.append({**rows[-1], "peer": "np.sort, no AVX", "peer ms": scalar, "goal": None})
    rows[-1]["ratio"] = scalar / timed["binned"][0]
    rows.append(_grid_row(1024, 31 if brief else 101))
    notes = (
        "Errors are those of W2 itself; for samples against the exact value of the sample.",
        "np.sort, no AVX: the same numpy with its vectorised sorts switched off, in a process of "
        "its own.",
    )
    details = {} if brief else {"work_precision": _work_precision(x, y, truth)}
    columns = ("work", "ours ms", "our error", "stated error", "peer", "peer ms", "peer error")
    return Table(
        columns=(*columns, "ratio", "goal"),
        rows=rows,
        notes=notes,
        peers=("POT",),
        details=details,
    )


def _row(
    work: str,
    ours: tuple[float, float],
    truth: float,
    peer: str,
    theirs: tuple[float, float],
    goal: float,
) -> dict[str, Any]:
    return {
        "work": work,
        "ours ms": ours[0],
        "our error": abs(ours[1] - truth),
        "peer": peer,
        "peer ms": theirs[0],
        "peer error": abs(theirs[1] - truth),
        "ratio": theirs[0] / ours[0],
        "goal": ratio_goal(goal),
    }


def _scalar_sort(repeats: int) -> float:
    """Milliseconds of np.sort twice and the mean without vector instructions."""
    off = "X86_V3 X86_V4 AVX2 AVX512F AVX512_SKX AVX512_ICL AVX512_SPR"
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCALAR.format(repeats=repeats, samples=SAMPLES)],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": off},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(found.stdout.splitlines()[-1]))


def _grids(cells: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    edges = np.linspace(-9, 9, cells + 1)
    a, b = (np.diff(ndtr((edges - m) / s)) for m, s in zip(MEANS, (1.0, 0.7), strict=True))
    return edges, a / a.sum(), b / b.sum()


def _grid_row(cells: int, repeats: int) -> dict[str, Any]:
    import ot

    edges, a, b = _grids(cells)
    centres = (edges[1:] + edges[:-1]) / 2
    timed = interleaved(
        {
            "ours": lambda: w2_grids(a, edges, b, edges),
            "POT": lambda: float(np.sqrt(ot.emd2_1d(centres, centres, a, b))),
        },
        repeats,
    )
    truth = float(np.hypot(MEANS[1] - MEANS[0], 0.3))
    return _row(f"grids, n={cells}", timed["ours"], truth, "POT emd2_1d", timed["POT"], 10)


def _work_precision(x: FloatArray, y: FloatArray, truth: float) -> list[dict[str, Any]]:
    """Milliseconds against error: bins for samples, cells for grids."""
    found = []
    for bins in (256, 1024, 4096, 16384, 65536, 262144):
        timed = interleaved({"ours": lambda bins=bins: w2_samples_binned(x, y, bins=bins)}, 5)
        ms, interval = timed["ours"]
        error = abs(interval.value - truth)
        found.append(
            {
                "curve": "samples, ours binned",
                "size": bins,
                "ms": ms,
                "error": error,
                "stated": interval.half_width,
            }
        )
    for cells in (128, 256, 512, 1024, 2048, 4096):
        row = _grid_row(cells, 11)
        for curve, who in (("grids, ours", "our"), ("grids, POT", "peer")):
            ms = row["ours ms" if who == "our" else "peer ms"]
            found.append({"curve": curve, "size": cells, "ms": ms, "error": row[f"{who} error"]})
    return found
