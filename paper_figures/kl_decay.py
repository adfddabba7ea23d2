"""Relative entropy along the joint and the conditional flow, with bound and late slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import BOUND, canvas, dashed, measured, stored, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("kl-decay", "late-rate")
_PANELS = (
    ("joint flow of $p(x,z)$", "linear-gaussian-joint"),
    ("conditional flow of $q(z|x)$, two modes", "nonlinear-decoder-conditional"),
)


@styled
def draw(results: Results) -> Figure:
    """Three panels: joint, conditional, and the late slope of a tilted well."""
    figure, axes = canvas(rows=3, height=5.2)
    for panel, (title, setting) in zip(axes, _PANELS, strict=False):
        found = witnesses(results, "kl-decay", setting)
        for witness, data in found.items():
            measured(panel, data, witness)
        dashed(panel, found["grid"], "bound_kl_decay", r"$e^{-2\rho t}\,\mathrm{KL}(\mu_0|\pi)$")
        panel.set_title(title)
    late = stored(results, "late-rate", "tilted-double-well/grid")
    measured(axes[2], late, "grid")
    axes[2].plot(
        late["time"],
        late["bound_late_rate"],
        label=r"slope $-2\lambda$",
        **{**BOUND, "linestyle": ":"},
    )
    axes[2].set_title("tilted double well, late")
    for panel in axes:
        panel.set_yscale("log")
        panel.set_ylabel(r"$\mathrm{KL}(\mu_t|\pi)$ (nats)")
        panel.legend()
    axes[-1].set_xlabel("time $t$")
    return figure
