"""Distance of the flow's ELBO to the log-likelihood, against the best restricted posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import canvas, dashed, measured, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("elbo-tightness",)
_PANELS = (
    ("mean-field-broad-start", "mean-field Gaussians", "best mean-field posterior"),
    (
        "gaussian-encoder-two-modes",
        "Gaussian encoders, two modes",
        "best Gaussian encoder (from below)",
    ),
)


@styled
def draw(results: Results) -> Figure:
    """One panel per restricted family; the dotted line is the predicted time s*."""
    figure, axes = canvas(rows=2, height=3.9)
    for panel, (setting, title, label) in zip(axes, _PANELS, strict=True):
        found = witnesses(results, "elbo-tightness", setting)
        data = found["grid"]
        for witness, curve in found.items():
            if witness == "grid":
                measured(panel, curve.where(curve["measured"] > 0, drop=True), witness)
        dashed(panel, data, "bound_family_gap", label)
        panel.axvline(
            float(data.attrs["crossing_time"]), color="black", linestyle=":", linewidth=0.8
        )
        panel.annotate(
            "$s^*$",
            (float(data.attrs["crossing_time"]), 0.9),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
        )
        panel.set_yscale("log")
        panel.set_title(title)
        panel.set_ylabel(r"$L-\mathrm{ELBO}_s$ (nats)")
        panel.legend(loc="lower left")
    axes[-1].set_xlabel("time $s$ of the conditional flow")
    return figure
