"""The law of the normals: moments and tails of many draws, in standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solvers.noise import Noise

from .particle_rates import PRECISIONS
from .table import Table

TITLE = "Normals: moments and tails of 10^10 draws, in standard errors"
#: power, its mean, the variance of z^power
MOMENTS = ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170), (8, 105, 2016000))
EDGES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.5)


def measure(brief: bool) -> Table:
    """One row per precision; five standard errors would be too many anywhere."""
    particles, rows_each = 2**18, 16
    calls = (10**7 if brief else 10**10) // (particles * rows_each) + 1
    rows: list[dict[str, Any]] = []
    for dtype, bits in PRECISIONS:
        noise = Noise(2026, "law", bits)
        sums, beyond, count = np.zeros(len(MOMENTS)), np.zeros(len(EDGES)), 0
        for call in range(calls):
            z = noise.tape(
                particles, call * rows_each, rows_each, backend="numba", dtype=dtype
            ).astype(float)
            square = z * z
            powers = (z, square, square * z, square**2, square**3, square**4)
            sums += [float(p.sum()) for p in powers]
            size = np.abs(z)
            beyond += [np.count_nonzero(size > edge) for edge in EDGES]
            count += z.size
        row: dict[str, Any] = {"state": dtype, "noise": f"{bits} bits", "draws": count}
        for total, (power, mean, variance) in zip(sums, MOMENTS, strict=True):
            row[f"z^{power}"] = float((total / count - mean) / math.sqrt(variance / count))
        for seen, edge in zip(beyond, EDGES, strict=True):
            p = math.erfc(edge / math.sqrt(2))
            error = math.sqrt(p * (1 - p) / count)
            row[f"|z|>{edge:g}"] = float((seen / count - p) / error)
        rows.append(row)
    return Table(columns=list(rows[0]), rows=rows)
