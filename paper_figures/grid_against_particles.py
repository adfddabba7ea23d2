"""The same density by grid and by particles, and their difference in standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import WITNESS, canvas, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("conditional-phase",)


@styled
def draw(results: Results) -> Figure:
    """Overlay above, residual below."""
    figure, axes = canvas(rows=2, height=3.2)
    found = witnesses(results, "conditional-phase", "location-family")
    data = next(d for name, d in found.items() if name in ("numba", "torch"))
    z, grid = data["z"].values, data["grid_density"].values
    particles, error = data["particle_density"].values, data["particle_standard_error"].values
    axes[0].plot(z, grid, color=WITNESS["grid"]["color"], label="grid")
    axes[0].errorbar(
        z,
        particles,
        yerr=2 * error,
        linestyle="",
        marker="o",
        markersize=2,
        color=WITNESS["numba"]["color"],
        label="particles, 2 standard errors",
    )
    axes[0].set_ylabel("density of $z$")
    axes[0].legend()
    residual = np.divide(particles - grid, error, out=np.zeros_like(error), where=error > 0)
    axes[1].axhline(0.0, color="black", linewidth=0.6)
    for level in (-2.0, 2.0):
        axes[1].axhline(level, color="black", linestyle=":", linewidth=0.6)
    axes[1].plot(z, residual, "o", markersize=2, color=WITNESS["numba"]["color"])
    axes[1].set_ylabel("residual\n(standard errors)")
    axes[1].set_xlabel("latent $z$")
    return figure
