"""The symmetric quartic double well."""

from __future__ import annotations

import math
from typing import Any

from scipy.special import ive

from ..constant import Constant, How
from ..energy import energy
from ..facts import KnownFacts


@energy(dim=1, positive=("b",), b=1.0)
def double_well(x: Any, b: Any) -> Any:
    """U(x) = b (x^2 - 1)^2.  Minima at -1 and 1 with U'' = 8b, barrier b at 0 with U'' = -4b."""
    return b * (x[0] ** 2 - 1) ** 2


@double_well.facts
def _facts(dim: int, b: float) -> KnownFacts:
    # int exp(-b (x^2-1)^2) dx = (pi/2) e^{-b/2} [I_{-1/4}(b/2) + I_{1/4}(b/2)]; ive is scaled
    normaliser = math.pi / 2 * (ive(-0.25, b / 2) + ive(0.25, b / 2))
    value = math.log(normaliser)
    return KnownFacts(
        convexity=Constant.exact(-4 * b, "U'' = b (12 x^2 - 4) is least at 0"),
        smoothness=Constant.exact(math.inf, "U'' is unbounded"),
        # 4b x^2 (x^2 - 1) - 4b x^2 = 4b ((x^2 - 1)^2 - 1) >= -4b
        dissipativity=Constant.exact(4 * b, "U'(x) x = 4b x^2 (x^2 - 1) >= 4b x^2 - 4b"),
        dissipativity_offset=4 * b,
        log_normaliser=Constant(
            value=value,
            lower=value - 1e-13 * (1 + abs(value)),
            upper=value + 1e-13 * (1 + abs(value)),
            how=How.COMPUTED,
            source="Bessel functions I_{1/4} and I_{-1/4} of b/2",
        ),
        box=((-1 - 4 / b**0.25, 1 + 4 / b**0.25),),
    )
