"""The quartic double well with a linear tilt."""

from __future__ import annotations

import math
from typing import Any

from ..constant import Constant
from ..energy import energy
from ..facts import KnownFacts


@energy(dim=1, positive=("b",), b=2.0, tilt=0.6)
def tilted_double_well(x: Any, b: Any, tilt: Any) -> Any:
    """U(x) = b (x^2 - 1)^2 + tilt x.  Here the LSI constant lies strictly below the gap."""
    return b * (x[0] ** 2 - 1) ** 2 + tilt * x[0]


@tilted_double_well.facts
def _facts(dim: int, b: float, tilt: float) -> KnownFacts:
    return KnownFacts(
        convexity=Constant.exact(-4 * b, "U'' = b (12 x^2 - 4) is least at 0"),
        smoothness=Constant.exact(math.inf, "U'' is unbounded"),
        # 4b x^4 - 4b x^2 + t x >= 2b x^2 - c from 4b x^4 - 8b x^2 >= -4b, 2b x^2 + t x >= -t^2/8b
        dissipativity=Constant.exact(2 * b, "U'(x) x >= 2b x^2 - 4b - tilt^2/(8b)"),
        dissipativity_offset=4 * b + tilt**2 / (8 * b),
        box=((-1 - 4 / b**0.25 - abs(tilt) / b, 1 + 4 / b**0.25 + abs(tilt) / b),),
    )
