"""The spectral gap between two proved numbers, against floating-point eigensolvers."""

from __future__ import annotations

import time
from typing import Any

from scipy.sparse.linalg import eigsh

from lvebm_theory.certified import certified_gap_1d
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.generator import build_generator

from .grid_peers import side_by_side
from .table import Table
from .targets import Target

TITLE = "Spectrum: certified two-sided gap in one dimension at relative width 1e-5"
TARGETS = (
    Target(measured="first call s", goal="goal s", at_most=True),
    Target(measured="s", goal="goal s", at_most=True),
)
WIDTH = 1e-5
CASES = (
    "4*(x**2-1)**2",
    "x**4/4 - x**2 + 0.3*x",
    "x**2/2 + 3*exp(-(5*x)**2)",
    "20*(x**2-1)**2",
    "3*log(cosh(x))",
    "cosh(x)",
)


def measure(brief: bool) -> Table:
    """One row per energy; the first call, with the derivation of U's series, counts too."""
    rows: list[dict[str, Any]] = []
    for text in CASES[:2] if brief else CASES:
        energy = parse_potential(text)
        began = time.perf_counter()
        certified_gap_1d(energy, WIDTH)
        first = time.perf_counter() - began
        functions = {
            "certified": lambda energy=energy: certified_gap_1d(energy, WIDTH),  # type: ignore[misc]
            "eigsh": lambda energy=energy: _floating_point(energy),  # type: ignore[misc]
        }
        found = side_by_side(functions, 2 if brief else 5)
        gap = found["certified"][1]
        rows.append(
            {
                "energy": text,
                "lower": gap.lower,
                "upper": gap.upper,
                "relative width": (gap.upper - gap.lower) / gap.value,
                "first call s": first,
                "s": found["certified"][0] / 1e3,
                "goal s": 5,
                "scipy eigsh s": found["eigsh"][0] / 1e3,
                "eigsh error": abs(found["eigsh"][1] / gap.value - 1),
            }
        )
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=[
            "scipy's eigsh (shift and invert, 2048 cells on a box fixed by hand) proves nothing "
            "and is there for scale only; its error is that of its grid."
        ],
    )


def _floating_point(energy: Any) -> float:
    """The second eigenvalue of the symmetrised matrix on [-8, 8] cut where U is 300 above 0."""
    import numpy as np
    import scipy.sparse as sp

    x = np.linspace(-8.0, 8.0, 4001)
    inside = x[np.asarray(energy.potential(x[:, None])) < 300.0]
    generator = build_generator(energy, Grid.uniform([(float(inside[0]), float(inside[-1]))], 2048))
    off = -generator.couplings[0]
    symmetric = sp.diags([off, generator.exit_rates, off], [-1, 0, 1]).tocsc()
    values = eigsh(symmetric, k=2, sigma=-1e-3, which="LM", return_eigenvectors=False)
    return float(max(values))
