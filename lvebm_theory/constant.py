"""Constants of an energy, each with two-sided bounds and the way it is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from .errors import ArgumentError


class How(Enum):
    """How a constant is known, strongest first.

    EXACT      a formula says so;
    CERTIFIED  proved in ball arithmetic;
    COMPUTED   converged floating-point computation; supports "holds given the computed constant";
    ESTIMATED  anything weaker; supports nothing stronger than UNDECIDED.
    """

    EXACT = "EXACT"
    CERTIFIED = "CERTIFIED"
    COMPUTED = "COMPUTED"
    ESTIMATED = "ESTIMATED"

    @property
    def rank(self) -> int:
        """0 for EXACT up to 3 for ESTIMATED."""
        return list(How).index(self)

    @staticmethod
    def weakest(*hows: How) -> How:
        """The weakest of several grades: what a combination of such constants deserves."""
        return max(hows, key=lambda how: how.rank, default=How.EXACT)


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number c with lower <= c <= upper.

    ``value`` is the best guess; theorems that need a lower bound take ``lower``. An infinite
    bound says that nothing finite is known on that side (or that the constant is infinite).
    """

    value: float
    lower: float
    upper: float
    how: How
    source: str

    def __post_init__(self) -> None:
        if math.isnan(self.value) or not self.lower <= self.value <= self.upper:
            raise ArgumentError(
                "a constant needs lower <= value <= upper, got "
                f"{self.lower} <= {self.value} <= {self.upper} ({self.source})"
            )

    @classmethod
    def exact(cls, value: float, source: str) -> Constant:
        """A constant known by formula."""
        return cls(value=value, lower=value, upper=value, how=How.EXACT, source=source)

    def over(self, number: float) -> Constant:
        """The constant divided by a power of two, which rounds nothing."""
        value, lower, upper = (v / number for v in (self.value, self.lower, self.upper))
        return replace(self, value=value, lower=lower, upper=upper)

    @property
    def half_width(self) -> float:
        """Half the length of [lower, upper]; 0 for an exact infinite constant."""
        return 0.0 if self.lower == self.upper else (self.upper - self.lower) / 2
