"""The Mueller-Brown surface of theoretical chemistry."""

from __future__ import annotations

from typing import Any

from ..energy import energy
from ..facts import KnownFacts
from ..formula import exp

# A, a, b, c, x0, y0 of Mueller and Brown, Theor. Chim. Acta 53 (1979) 75, table
_TERMS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


@energy(dim=2, positive=("scale",), scale=0.05)
def mueller_brown(x: Any, scale: Any) -> Any:
    """U(x, y) = scale sum_k A_k exp( a_k dx^2 + b_k dx dy + c_k dy^2 ), dx = x - x_k, dy = y - y_k.

    Three minima, at (-0.5582, 1.4417), (0.6235, 0.0280) and (-0.0500, 0.4667), of heights
    -146.70, -108.17 and -80.77 before scaling (Mueller and Brown 1979).
    """
    return scale * sum(
        height * exp(a * (x[0] - x0) ** 2 + b * (x[0] - x0) * (x[1] - y0) + c * (x[1] - y0) ** 2)
        for height, a, b, c, x0, y0 in _TERMS
    )


@mueller_brown.facts
def _facts(dim: int, scale: float) -> KnownFacts:
    return KnownFacts(box=((-2.5, 1.8), (-1.2, 2.8)))
