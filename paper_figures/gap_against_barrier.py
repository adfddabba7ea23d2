"""Spectral gap of the double well against its barrier, with the certified band."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import BOUND, WITNESS, canvas, stored, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("eyring-kramers",)


@styled
def draw(results: Results) -> Figure:
    """Gap above, its ratio to Eyring-Kramers with the certified band below."""
    figure, axes = canvas(rows=2, height=3.9)
    data = stored(results, "eyring-kramers", "barriers/quadrature")
    barrier, formula = data["barrier"].values, data["bound_eyring_kramers"].values
    colour = WITNESS["quadrature"]["color"]
    axes[0].plot(barrier, data["measured"], "o-", color=colour, label="gap")
    axes[0].plot(barrier, formula, label="Eyring-Kramers (no bound)", **BOUND)
    axes[0].set_yscale("log")
    axes[0].set_ylabel(r"gap $\lambda$ (1 / time)")
    axes[0].legend()
    axes[1].fill_between(
        barrier,
        data["certified_lower"] / formula,
        data["certified_upper"] / formula,
        color=colour,
        alpha=0.35,
        linewidth=0,
        label="certified band",
    )
    axes[1].plot(barrier, data["measured"] / formula, "o-", color=colour, markersize=2)
    axes[1].axhline(1.0, **BOUND)
    axes[1].set_ylabel(r"$\lambda/\lambda_{\mathrm{EK}}$")
    axes[1].set_xlabel("barrier height $b$")
    axes[1].legend()
    return figure
