"""How the cost of particles grows with their number, the steps and the dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from .interleaved import medians
from .particle_rates import bowl, ours, well
from .table import Table
from .targets import Target

TITLE = "Growth of the cost of ULA with particles, steps and dimension"
LINEAR = 1.05
TARGETS = (Target(measured="exponent", goal="goal", at_most=True),)


def _exponent(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(brief: bool) -> Table:
    """Exponents of seconds against size, float64; linear is 1."""
    repeats, scale = (3, 1) if brief else (7, 4)
    rows: list[dict[str, Any]] = []
    counts = [2**k * 2**14 * scale for k in range(4)]
    advances = {n: ours(well(n), "float64", 53) for n in counts}
    found = medians({str(n): lambda f=f: f(64) for n, f in advances.items()}, repeats)  # type: ignore[misc]
    rows.append({"against": "particles", "sizes": str(counts), "seconds": list(found.values())})
    steps = [64 * 2**k for k in range(4)]
    advance = ours(well(2**15 * scale), "float64", 53)
    found = medians({str(s): lambda s=s: advance(s) for s in steps}, repeats)  # type: ignore[misc]
    rows.append({"against": "steps", "sizes": str(steps), "seconds": list(found.values())})
    dims = [32, 64, 128, 256]
    bowls = {d: ours(bowl(False, d, 2**11 * scale), "float64", 53) for d in dims}
    found = medians({str(d): lambda f=f: f(8) for d, f in bowls.items()}, repeats)  # type: ignore[misc]
    rows.append(
        {"against": "dimension (diagonal)", "sizes": str(dims), "seconds": list(found.values())}
    )
    for row, sizes in zip(rows, (counts, steps, dims), strict=True):
        row["exponent"] = _exponent(sizes, row["seconds"])
        row["seconds"] = ", ".join(f"{s:.3g}" for s in row["seconds"])
        row["goal"] = LINEAR
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=[f"Linear growth has exponent 1; up to {LINEAR} counts as linear."],
    )
