"""The parameter that learning with ULA settles at, against the pool's step size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import canvas, dashed, measured, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("learned-bias",)


@styled
def draw(results: Results) -> Figure:
    """Bias t_h - 1/s2 by quadrature, recursion and particles; beyond h = s2/2 there is no rest."""
    figure, (panel,) = canvas()
    found = witnesses(results, "learned-bias", "coarse-step")
    for witness, data in found.items():
        measured(panel, data, witness, along="step_size")
    curve = max(found.values(), key=lambda data: data.sizes["step_size"])
    dashed(panel, curve, "bound_exact", "exact", along="step_size")
    last = float(curve.attrs["last_step_size"])
    panel.axvline(last, color="black", linestyle=":", linewidth=0.8)
    panel.annotate(
        "no fixed point beyond",
        (last, 0.5),
        xycoords=("data", "axes fraction"),
        xytext=(-3, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="center",
        fontsize=6.5,
    )
    panel.set_xlim(left=0.0)
    panel.set_xlabel("step size $h$ of the pool")
    panel.set_ylabel("bias of the learned parameter")
    panel.legend(loc="upper left")
    return figure
