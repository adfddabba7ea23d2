"""The reference of a row, in the library's units, as plain JSON."""

from __future__ import annotations

import math
from typing import Any

from . import line, plane
from .draws import Row
from .line import Known, Start

Numbers = dict[str, Known]


def truth(row: Row) -> dict[str, Any]:
    """gap and, per start and time, mean and second moment of each coordinate, KL, log(1 + chi2)."""
    if row.plane is not None:
        starts = [row.start(k) for k in range(3)]
        gap, flows = plane.solve(
            row.plane.value,
            row.plane.centres,
            [(s[0], s[1]) for s in starts],
            [row.first * 2.0**k for k in row.doublings],
        )
    else:
        gap, flows = _pieces(row)
    gap = Known(gap.value / row.scale**2, gap.width / row.scale**2, gap.state)
    bounds = [line.log_sobolev_bound(p.value) for p in row.pieces]
    hessians = [line.hessian_ends(p.value) for p in row.pieces]
    return {
        "gap": _plain(gap),
        "log Sobolev at most": min(bounds) / row.scale**2 if bounds else None,
        "least Hessian": min(h[0] for h in hessians) / row.scale**2 if hessians else None,
        "flows": [[{k: _plain(v) for k, v in _moved(row, at).items()} for at in s] for s in flows],
    }


def _pieces(row: Row) -> tuple[Known, list[list[Numbers]]]:
    gaps, flows = [], []
    for axis, piece in enumerate(row.pieces):
        starts = [row.start(k)[axis] for k in range(3)]
        gaps.append(Known(0, 0) if piece.gap_is_zero else line.gap(piece.value))
        flows.append(line.flow(piece.value, starts, row.first, row.doublings))
    gap = min(gaps, key=lambda g: g.value)
    if row.dim == 1:
        return gap, flows[0]
    both = [
        [_product(row, a, b) for a, b in zip(x, y, strict=True)]
        for x, y in zip(flows[0], flows[1], strict=True)
    ]
    return gap, both


def _product(row: Row, a: Numbers, b: Numbers) -> Numbers:
    """Of a product measure turned by the row's angle; chi is log(1 + chi2), which adds."""
    c, s = math.cos(row.angle), math.sin(row.angle)
    cross = 2 * a["x"].value * b["x"].value
    crossed = 2 * (abs(a["x"].value) * b["x"].width + abs(b["x"].value) * a["x"].width)
    return {
        "x": _sum((c, a["x"]), (-s, b["x"])),
        "y": _sum((s, a["x"]), (c, b["x"])),
        "xx": _sum((c * c, a["xx"]), (s * s, b["xx"]), (-c * s, Known(cross, crossed))),
        "yy": _sum((s * s, a["xx"]), (c * c, b["xx"]), (c * s, Known(cross, crossed))),
        "kl": _sum((1, a["kl"]), (1, b["kl"])),
        "chi": _sum((1, a["chi"]), (1, b["chi"])),
    }


def _moved(row: Row, at: Numbers) -> Numbers:
    """Moments with scale and shift."""
    found = dict(at)
    for one, two in (("x", "xx"), ("y", "yy")):
        if one in at:
            s, c = row.scale, row.shift
            found[one] = _sum((1, Known(c, 0)), (s, at[one]))
            found[two] = _sum((1, Known(c * c, 0)), (2 * c * s, at[one]), (s * s, at[two]))
    return found


def _sum(*parts: tuple[float, Known]) -> Known:
    value = math.fsum(f * k.value for f, k in parts)
    width = math.fsum(abs(f) * k.width for f, k in parts)
    rounding = 4e-16 * math.fsum(abs(f * k.value) for f, k in parts)
    state = "open" if any(k.state == "open" for _, k in parts) else "finite"
    return Known(value, width + rounding, state)


def _plain(known: Known) -> list[Any]:
    finite = math.isfinite(known.value) and math.isfinite(known.width)
    return [known.value, known.width, known.state] if finite else [None, None, "open"]


__all__ = ["Start", "truth"]
