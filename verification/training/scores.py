"""The learned law beside fresh data: what the report says in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..measurement import Measurement

if TYPE_CHECKING:
    from solvers.learning.likelihood.bracket import Bracket

    from ..estimate.mode_coverage import ModeCoverage
    from .sources import Source
    from .truth import Truth
    from .units import Units

# chance that an interval of the report misses
ALPHA = 0.05
# a law this many times as far from the true one as two true samples was not learned
CEILING = 5.0


@dataclass(frozen=True, kw_only=True)
class Distance:
    """(E SW2^2)^(1/2) of two samples of n points: root mean square over pairs, and an interval."""

    value: float
    lower: float
    upper: float

    @classmethod
    def between(cls, x: FloatArray, y: FloatArray, n: int) -> Distance:
        """Of draws (pairs n, d) cut into samples of n."""
        from ..estimate.sample_quality import sliced_distance_at, sliced_squares_at

        squares = sliced_squares_at(x, y, n)
        interval = sliced_distance_at(x, y, n, ALPHA)
        return cls(
            value=float(np.sqrt(np.mean(squares))), lower=interval.lower, upper=interval.upper
        )

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.lower:.3g} to {self.upper:.3g})"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Distances in the units in which the model sees the data.

    Attributes
    ----------
    n, blocks : int
        Points of a sample; pairs of samples that were compared.
    source : str
        Where the true points come from.
    learned, fresh : Distance
        Sliced W2 of n learned against n true points, and of two true samples of n points.
    energy_distance : Measurement
        2 E|X - Y| - E|X - X'| - E|Y - Y'|.
    modes : ModeCoverage or None
        Where the modes are known.
    likelihood : Bracket or None
        Of the mean log-density of true points, in nats, in the reader's units.
    notes : tuple of str
        What a reader should know of these numbers.
    """

    n: int
    blocks: int
    source: str
    learned: Distance
    fresh: Distance
    energy_distance: Measurement
    modes: ModeCoverage | None = None
    likelihood: Bracket | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ratio(self) -> float:
        """Sliced W2 of the learned law over that of two true samples."""
        return self.learned.value / self.fresh.value if self.fresh.value > 0 else math.inf

    @property
    def warning(self) -> str | None:
        """A sentence where the ratio is above ``CEILING``."""
        if self.ratio <= CEILING:
            return None
        return (
            f"not learned: the learned law is {self.ratio:.3g} times as far from the true one as "
            f"two true samples are from each other (more than {CEILING:g})"
        )

    def in_words(self) -> dict[str, str]:
        """Name and value, for the screen and the report."""
        words = {
            f"sliced W2, learned against true (n = {self.n})": str(self.learned),
            "sliced W2, two true samples": str(self.fresh),
            "ratio": f"{self.ratio:.3g}" + ("" if self.warning is None else ", not learned"),
            "energy distance": _measured(self.energy_distance),
        }
        if self.modes is not None:
            count = len(self.modes.thresholds)
            words["modes visited"] = (
                f"{self.modes.hit} of {count} for certain, {self.modes.missed} missed for certain"
            )
        if self.likelihood is not None:
            words[f"mean log-density ({self.likelihood.kind})"] = _bracket(self.likelihood)
        words["true points"] = self.source
        return words

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object; numbers that are not finite are null."""
        row: dict[str, Any] = {
            "n": self.n,
            "blocks": self.blocks,
            "source": self.source,
            "confidence": 1 - ALPHA,
            "sliced_w2": vars(self.learned),
            "sliced_w2_of_two_true_samples": vars(self.fresh),
            "ratio": self.ratio if math.isfinite(self.ratio) else None,
            "warning": self.warning,
            "energy_distance": {
                "value": self.energy_distance.value,
                "lower": self.energy_distance.lower,
                "upper": self.energy_distance.upper,
            },
            "notes": list(self.notes),
        }
        if self.modes is not None:
            row["modes"] = {
                "known": len(self.modes.thresholds),
                "hit": self.modes.hit,
                "missed": self.modes.missed,
                "outside": self.modes.outside,
            }
        if self.likelihood is not None:
            ends = [end if math.isfinite(end) else None for end in self.likelihood.ends]
            row["mean_log_density"] = {
                "kind": self.likelihood.kind,
                "lower": ends[0],
                "upper": ends[1],
                "route": self.likelihood.route,
            }
        return row


def _measured(m: Measurement) -> str:
    return f"{m.value:.4g} ({m.lower:.3g} to {m.upper:.3g})"


def _bracket(bracket: Bracket) -> str:
    low, high = bracket.ends
    if math.isinf(low):
        return f"at most {high:.5g} nats"
    if math.isinf(high):
        return f"at least {low:.5g} nats"
    if high - low < 1e-4 * max(1.0, abs(low)):
        return f"{(low + high) / 2:.6g} nats"
    return f"between {low:.5g} and {high:.5g} nats"


def compare(draws: FloatArray, truth: Truth, units: Units, source: Source | None) -> Scores:
    """Scores of draws (>= pairs n, d) against the blocks of truth, both in the reader's units.

    The blocks of truth come in pairs: the second of each pair is what the first is compared with,
    and what draws are compared with too.
    """
    from ..estimate.sample_quality import energy_distance

    n, dim = truth.n, truth.blocks.shape[2]
    one = units.inside(truth.blocks[0::2].reshape(-1, dim))
    two = units.inside(truth.blocks[1::2].reshape(-1, dim))
    learned = units.inside(draws[: len(two)])
    notes = [] if truth.independent else ["the true samples share rows: there are few"]
    return Scores(
        n=n,
        blocks=len(two) // n,
        source=truth.source,
        learned=Distance.between(learned, two, n),
        fresh=Distance.between(one, two, n),
        energy_distance=energy_distance(learned, two, ALPHA, blocks=min(20, len(two) // 8)),
        modes=_modes(draws, source),
        notes=tuple(notes),
    )


def _modes(draws: FloatArray, source: Source | None) -> ModeCoverage | None:
    """Coverage of the mixture that the data come from, where that is one of round Gaussians."""
    from ..estimate.mode_coverage import mode_coverage

    known = None if source is None else source.modes
    if known is None:
        return None
    weights, means, sds = known
    return mode_coverage(draws, weights=weights, means=means, sds=sds, alpha=ALPHA)
