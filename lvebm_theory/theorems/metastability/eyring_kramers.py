r"""Eyring-Kramers: the gap against the height of a barrier.

For U = b (x^2 - 1)^2 (wells at +-1 with curvature 8b, barrier b with curvature -4b)

    lambda_EK(b) = 2 sqrt(8b 4b)/(2 pi) e^{-b},   lambda(b)/lambda_EK(b) -> 1 as b -> infinity,

the two exit rates added, with a relative error of order 1/b. It is an asymptotic formula and
never a bound: at b = 1 it lies below the gap, at b = 4 above.
"""

import math

from ...theorem import Reference, Relation, Theorem
from ..assumptions import true

theorem = Theorem(
    name="eyring-kramers",
    title="Gap times e^b over its prefactor tends to one",
    statement=(
        r"\lambda(b)\Big/\frac{2\sqrt{8b\cdot4b}}{2\pi}e^{-b}\;\xrightarrow[b\to\infty]{}\;1"
        r"\quad\text{for }U=b(x^2-1)^2"
    ),
    reference=Reference(
        key="bovier-gayrard-klein-2005", place="the Eyring-Kramers formula for small eigenvalues"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(true("double_well", "U = b (x^2 - 1)^2"),),
    formula=lambda **_: 1.0,
)


def eyring_kramers_gap(barrier: float) -> float:
    """lambda_EK(b) = (2 sqrt(32) b/(2 pi)) e^{-b} for U = b (x^2-1)^2."""
    return 2.0 * math.sqrt(32.0) * barrier / (2.0 * math.pi) * math.exp(-barrier)
