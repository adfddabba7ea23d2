"""W2 along the flow: contraction of two copies, and decay through Talagrand on a double well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import canvas, dashed, measured, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("w2-contraction", "w2-talagrand-decay")


@styled
def draw(results: Results) -> Figure:
    """Two panels."""
    figure, axes = canvas(rows=2, height=3.9)
    plan = (
        (
            "w2-contraction",
            "convex-two-copies",
            "bound_w2_contraction",
            r"$e^{-mt}\,W_2(\mu_0,\nu_0)$",
        ),
        (
            "w2-talagrand-decay",
            "double-well",
            "bound_w2_talagrand_decay",
            r"$\sqrt{2\mathrm{KL}_0/\rho}\,e^{-\rho t}$",
        ),
    )
    titles = ("two copies, strongly convex", "toward $\\pi$, double well")
    for panel, (claim, setting, bound, label), title in zip(axes, plan, titles, strict=True):
        found = witnesses(results, claim, setting)
        for witness, data in found.items():
            measured(panel, data, witness)
        dashed(panel, found["grid"], bound, label)
        panel.set_title(title)
        panel.set_yscale("log")
        panel.set_ylabel("$W_2$ (length)")
        panel.legend()
    axes[-1].set_xlabel("time $t$")
    return figure
