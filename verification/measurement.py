"""A measured number with its statistical and its numerical half-width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lvebm_theory.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """value, known up to ``statistical`` (at ``confidence``) and ``numerical`` (refinement).

    The two half-widths add: the interval is [value - w, value + w], w = statistical + numerical.
    """

    value: float
    statistical: float = 0.0
    numerical: float = 0.0
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ArgumentError(f"a measured value must be finite, got {self.value}")
        for name in ("statistical", "numerical"):
            width = getattr(self, name)
            if math.isnan(width) or width < 0:
                raise ArgumentError(f"{name} half-width must be >= 0, got {width}")
        if not 0.0 < self.confidence <= 1.0:
            raise ArgumentError(f"confidence must lie in (0, 1], got {self.confidence}")
        if self.statistical > 0 and self.confidence == 1.0:
            raise ArgumentError("a statistical half-width needs a confidence below 1")

    @property
    def half_width(self) -> float:
        """Total half-width."""
        return self.statistical + self.numerical

    @property
    def lower(self) -> float:
        """Lower end of the interval."""
        return self.value - self.half_width

    @property
    def upper(self) -> float:
        """Upper end of the interval."""
        return self.value + self.half_width
