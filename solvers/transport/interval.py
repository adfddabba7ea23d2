"""A transport distance known from two sides."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lvebm_theory.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class DistanceInterval:
    """lower <= W2 <= upper, both proved up to the rounding that the maker states.

    ``how`` names the bounds that were sharpest, lower first.
    """

    lower: float
    upper: float
    how: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.lower <= self.upper) or math.isinf(self.lower):
            raise ArgumentError(f"need 0 <= lower <= upper, got {self.lower} and {self.upper}")

    @property
    def value(self) -> float:
        """Midpoint."""
        return (self.lower + self.upper) / 2

    @property
    def half_width(self) -> float:
        """Half the length."""
        return (self.upper - self.lower) / 2
