"""Work-precision diagrams, time against error, drawn from stored results; measures nothing itself.

A result whose details hold ``work_precision`` gets a picture: points with "ms" and "error" are
joined along each "curve" (or "work"), in the order in which they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
_MARKS = ("o", "s", "^", "v", "D", "P", "X", "*")
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def curves(body: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Points (error, ms) by curve; empty where a result holds none."""
    found: dict[str, list[tuple[float, float]]] = {}
    for point in body["details"].get("work_precision", ()):
        if "error" in point and "ms" in point and point["error"] > 0:
            name = point.get("curve", point.get("work"))
            found.setdefault(name, []).append((point["error"], point["ms"]))
    return found


def picture(name: str) -> Path:
    """Where the picture of a measurement lies."""
    return PICTURES / f"work_precision_{name}.png"


def draw(name: str, bodies: Sequence[Mapping[str, Any]]) -> Path | None:
    """One panel per stored result that holds points; None without any."""
    panels = [(body, found) for body in bodies if (found := curves(body))]
    if not panels:
        return None
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**mpl.rcParamsDefault, "font.size": 8, "savefig.dpi": 110}):
        figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, (body, found) in zip(axes, panels, strict=True):
            for k, (curve, points) in enumerate(found.items()):
                ax.loglog(
                    *zip(*points, strict=True),
                    marker=_MARKS[k % len(_MARKS)],
                    color=_COLOURS[k % len(_COLOURS)],
                    markersize=4,
                    linewidth=1,
                    label=curve,
                )
            ax.set(title=f"{body['machine']['vector']}, {body['date']}", xlabel="error")
            ax.grid(alpha=0.3)
            ax.legend(fontsize=6)
        axes[0].set_ylabel("milliseconds")
        PICTURES.mkdir(exist_ok=True)
        figure.savefig(picture(name), metadata={"Software": None})
    return picture(name)
