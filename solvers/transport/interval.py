"""A transport distance known from two sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lvebm_theory.errors import ArgumentError, SolverError


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

    @classmethod
    def between(
        cls, lowers: Mapping[str, float], uppers: Mapping[str, float], slack: float
    ) -> DistanceInterval:
        """The sharpest of several named bounds on each side.

        Raises SolverError when they cross by more than ``slack``, what rounding may do: then one
        of them is wrong.
        """
        low, high = max(lowers, key=lowers.__getitem__), min(uppers, key=uppers.__getitem__)
        lower, upper = lowers[low], uppers[high]
        if lower > upper + slack:
            raise SolverError(f"bounds on W2 cross: {low} {lower} above {high} {upper}")
        return cls(lower=max(min(lower, upper), 0.0), upper=upper, how=f"{low}, {high}")

    @property
    def value(self) -> float:
        """Midpoint."""
        return (self.lower + self.upper) / 2

    @property
    def half_width(self) -> float:
        """Half the length."""
        return (self.upper - self.lower) / 2
