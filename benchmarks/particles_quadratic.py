"""P3: ULA on quadratics in a hundred dimensions, diagonal and dense."""

from __future__ import annotations

import numpy as np

from .interleaved import medians
from .particle_rates import PRECISIONS, Goal, against_peers, bowl
from .table import Table
from .targets import RATIO, Target

TITLE = "P3: ULA on a quadratic, d=100, million particle-steps per second"
TARGETS = (*RATIO, Target(measured="share of BLAS", goal=0.6))


def product_peak(dtype: str, dim: int = 100, particles: int = 10**4) -> float:
    """Products of a (d, d) matrix with particles per second, in millions, by BLAS alone."""
    rng = np.random.default_rng(0)
    a, x = (rng.normal(size=s).astype(dtype) for s in ((dim, dim), (dim, particles)))
    out = np.empty_like(x)
    return particles / medians({"blas": lambda: np.matmul(a, x, out=out)}, 21)["blas"] / 1e6


def measure(brief: bool) -> Table:
    """Goals 12 and 6; the dense rows also as a share of the matrix product alone."""
    particles = 4096 if brief else 10**4
    table = against_peers(
        [
            (bowl(False, particles=particles), Goal((12.0, 12.0, 12.0))),
            (bowl(True, particles=particles), Goal((6.0, 6.0, 6.0))),
        ],
        steps=20 if brief else 50,
        peer_steps=2 if brief else 10,
        brief=brief,
    )
    peak = {dtype: product_peak(dtype) for dtype in ("float32", "float64")}
    rows = [
        {**row, "share of BLAS": row["ours"] / peak[row["state"]] if k >= len(PRECISIONS) else None}
        for k, row in enumerate(table.rows)
    ]
    return Table(
        columns=[*table.columns, "share of BLAS"],
        rows=rows,
        notes=[
            *table.notes,
            "Share of BLAS: ULA's rate over that of the matrix product alone; goal 0.6.",
        ],
        peers=table.peers,
    )
