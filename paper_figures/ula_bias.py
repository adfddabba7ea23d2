"""Stationary bias of ULA against its step size, with the predicted first order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import canvas, dashed, measured, styled, witnesses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from verification.report.results import Results

CLAIMS = ("ula-bias",)


@styled
def draw(results: Results) -> Figure:
    """Bias of the second moment by quadrature and by particles."""
    figure, (panel,) = canvas()
    found = witnesses(results, "ula-bias", "non-convex-cosine")
    for witness, data in found.items():
        measured(panel, data, witness, along="step_size")
    longest = max(found.values(), key=lambda data: float(data["step_size"].max()))
    dashed(panel, longest, "bound_first_order", r"$h\,e_1(f)$, predicted", along="step_size")
    panel.set_xlim(left=0.0)
    panel.set_xlabel("step size $h$")
    panel.set_ylabel(r"$\pi_h(x^2)-\pi(x^2)$")
    panel.legend()
    return figure
