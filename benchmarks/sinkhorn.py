"""Sinkhorn divergences between densities on plane grids, against ott-jax, in the log domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.gaussian import Gaussian, wasserstein
from solvers.transport.sinkhorn import sinkhorn_divergence

from .table import Table
from .targets import RATIO, ratio_goal
from .timing import interleaved

TITLE = "Sinkhorn divergence on plane grids, log domain, epsilon 0.05, marginal error 1e-3"
TARGETS = RATIO
EPSILON, THRESHOLD, GOAL = 0.05, 1e-3, 15.0
MEDIANS_UP_TO = 64
FIRST = Gaussian([-0.5, 0.0], [[0.5, 0.2], [0.2, 0.4]])
SECOND = Gaussian([0.6, 0.3], [[0.3, -0.1], [-0.1, 0.6]])


def measure(brief: bool) -> Table:
    """One row per size and configuration of the peer; errors are against converged sweeps."""
    rows: list[dict[str, Any]] = []
    notes = [
        "Both stop at the same L1 marginal error (ott-jax looks at it after every ten sweeps) and "
        "work in float64; ott-jax is compiled before it is timed.",
        "Medians of five; at 128 x 128 cells ott-jax is timed once.",
        "Errors are those of the divergence against sweeps until 1e-10; the divergence itself is "
        f"for W2^2 = {wasserstein(FIRST, SECOND) ** 2:.5f}.",
    ]
    for cells in (64,) if brief else (64, 128):
        edges, a, b = _setting(cells)
        exact = sinkhorn_divergence(a, b, edges, EPSILON, threshold=1e-10).value
        functions: dict[str, Callable[[], Any]] = {
            "ours": lambda a=a, b=b, e=edges: sinkhorn_divergence(
                a, b, e, EPSILON, threshold=THRESHOLD
            )
        }
        functions |= _peers(a, b, edges, notes)
        fewer = dict.fromkeys(functions.keys() - {"ours"}, 1) if cells > MEDIANS_UP_TO else {}
        timed = interleaved(functions, 3 if brief else 5, fewer)
        ms, ours = timed["ours"]
        row = {
            "cells": f"{cells}x{cells}",
            "ours ms": ms,
            "our error": abs(ours.value - exact),
            "our sweeps": ours.between.sweeps,
            "value": ours.value,
        }
        if len(functions) == 1:
            rows.append(row)
        for peer, (peer_ms, found) in timed.items():
            if peer != "ours":
                value, sweeps = (float(v) for v in found)
                rows.append(
                    {
                        **row,
                        "peer": peer,
                        "peer ms": peer_ms,
                        "peer error": abs(value - exact),
                        "peer sweeps": int(sweeps),
                        "ratio": peer_ms / ms,
                        "goal": ratio_goal(GOAL),
                    }
                )
    columns = ("cells", "ours ms", "our error", "our sweeps", "value", "peer", "peer ms")
    return Table(
        columns=(*columns, "peer error", "peer sweeps", "ratio", "goal"),
        rows=rows,
        notes=list(dict.fromkeys(notes)),
        peers=("ott-jax", "jax", "jaxlib"),
    )


def _setting(cells: int) -> tuple[list[FloatArray], FloatArray, FloatArray]:
    edges = np.linspace(-4, 4, cells + 1)
    centre = (edges[1:] + edges[:-1]) / 2
    points = np.stack(np.meshgrid(centre, centre, indexing="ij"), -1).reshape(-1, 2)
    laws = [np.exp(g.log_density(points)).reshape(cells, cells) for g in (FIRST, SECOND)]
    return [edges, edges], laws[0] / laws[0].sum(), laws[1] / laws[1].sum()


def _peers(
    a: FloatArray, b: FloatArray, edges: list[FloatArray], notes: list[str]
) -> dict[str, Callable[[], Any]]:
    """ott-jax as it comes, and with momentum chosen from the rate of convergence."""
    try:
        import jax
        from ott.geometry import grid
        from ott.solvers.linear import acceleration
        from ott.tools import sinkhorn_divergence as ott_divergence
    except ImportError:
        notes.append("ott-jax is not installed: not compared (extra `bench`).")
        return {}
    jax.config.update("jax_enable_x64", True)
    points = [jax.numpy.asarray((e[1:] + e[:-1]) / 2) for e in edges]

    def with_settings(**settings: Any) -> Callable[[], Any]:
        def divergence(p: Any, q: Any) -> Any:
            value, output = ott_divergence.sinkhorn_divergence(
                grid.Grid,
                points,
                a=p,
                b=q,
                epsilon=EPSILON,
                solve_kwargs={"threshold": THRESHOLD, "max_iterations": 5000, **settings},
            )
            return value, output.n_iters[0]

        p, q = (jax.numpy.asarray(law.ravel()) for law in (a, b))
        compiled = jax.jit(divergence).lower(p, q).compile()
        return lambda: jax.block_until_ready(compiled(p, q))

    return {
        "ott-jax": with_settings(),
        "ott-jax, momentum": with_settings(momentum=acceleration.Momentum(start=20)),
    }
