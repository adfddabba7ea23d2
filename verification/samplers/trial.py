"""A trial: one law at one target and step size, with the wealth of those who bet against it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .betting import Wealth
from .confidence import ConfidenceSequence

Sample = Callable[[np.random.Generator, int], FloatArray]

GROWTH = 0.25  # of what was seen
CLOSE_GROWTH = 0.03  # where something has been won: what is drawn beyond the end is wasted
SCENT = 1.0
LARGEST_BATCH = 100_000


@dataclass
class Trial:
    """Payoffs with conditional mean zero under one law, and the bets placed on them.

    Parameters
    ----------
    law : str
    label : str
        Target, step size and whatever else a reader needs to repeat the trial; unique in a law.
    names : sequence of str
        What each payoff looks at.
    sample : callable (rng, count) -> (about count, m), entries in [-1, 1]
    units : array (m,)
        What one unit of discrepancy of each payoff is.
    ranges : array (m,), optional
        Bounds of the payoffs' sizes, where they are below one.
    slack : float
        Proved bound of the payoffs' means under the null.
    calls : float
        Kernel calls per sample, below one where several samples are made of a call.
    first, largest : int
        Samples of the first look, and at most of any.
    """

    law: str
    label: str
    names: Sequence[str]
    sample: Sample
    units: FloatArray
    ranges: FloatArray | None = None
    slack: float = 0.0
    calls: float = 1
    first: int = 1000
    largest: int = LARGEST_BATCH
    about: dict[str, Any] = field(default_factory=dict)
    weight: float = field(init=False, default=1.0)
    looks: int = field(init=False, default=0)
    wealth: Wealth = field(init=False)
    means: ConfidenceSequence = field(init=False)
    _width: float | None = field(init=False, default=None, repr=False)
    position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.wealth = Wealth(np.ones(len(self.names)), self.slack)
        self.position = {name: j for j, name in enumerate(self.names)}
        ranges = np.ones(len(self.names)) if self.ranges is None else self.ranges
        self.means = ConfidenceSequence(ranges)

    @property
    def key(self) -> str:
        """Names the trial in a stored state."""
        return f"{self.law} | {self.label}"

    @property
    def log_share(self) -> float:
        """log of weight times evidence: shares of one law add up."""
        return math.log(self.weight) + self.wealth.log_evidence

    @property
    def spent(self) -> int:
        """Kernel calls so far."""
        return round(self.calls * self.wealth.count)

    def look(self, seed: int) -> FloatArray:
        """One more batch, and what the bets make of it; the payoffs (n, m).

        The draws depend on the seed, the trial and the number of the look alone: a run that was
        stored and taken up again sees what an uninterrupted one would have seen.
        """
        address = (zlib.crc32(self.key.encode()), self.looks)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=address))
        payoffs = self.sample(rng, self._wanted)
        self.wealth.observe(payoffs)
        self.means.observe(payoffs)
        self.looks += 1
        self._width = None
        return payoffs

    @property
    def _wanted(self) -> int:
        near = self.wealth.log_evidence > SCENT
        growth, least = (CLOSE_GROWTH, self.first // 4) if near else (GROWTH, self.first)
        wanted = max(least, int(growth * self.wealth.count), 1)
        return min(wanted, max(self.largest, self.first))

    @property
    def next_cost(self) -> float:
        """Kernel calls of the next look, roughly."""
        return self._wanted * self.calls

    @property
    def width(self) -> float:
        """The widest interval, in units; only for choosing where to look."""
        if self.wealth.count == 0:
            return math.inf
        if self._width is None:
            self._width = float(np.max(self.means.rough_width() / self.units))
        return self._width

    @property
    def leading(self) -> str:
        """The payoff with the strongest evidence."""
        return self.names[self.wealth.leaders(1)[0]]

    def within(self, log_level: float) -> float:
        """The largest discrepancy, in units, that the data leave possible at this level."""
        if self.wealth.count == 0:
            return math.inf
        low, high = self.means.interval(log_level + math.log(len(self.names)))
        return float(np.max(np.maximum(-low, high) / self.units)) + 0.0

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, JSON only."""
        return {
            "looks": self.looks,
            "names": list(self.names),
            "wealth": self.wealth.state(),
            "means": self.means.state(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up what ``state`` describes.

        Raises
        ------
        ArgumentError
            When it was stored for other payoffs.
        """
        if list(state["names"]) != list(self.names):
            raise ArgumentError(f"the stored state of {self.key!r} is for other payoffs")
        self.looks = int(state["looks"])
        self.wealth = Wealth.resumed(state["wealth"])
        self.means = ConfidenceSequence.resumed(state["means"])


def share_equally(trials: Sequence[Trial]) -> None:
    """Gives the trials of one law equal weights that sum to one.

    Raises
    ------
    ArgumentError
        When two of them have one label: they would see the same draws.
    """
    if len({t.key for t in trials}) < len(trials):
        raise ArgumentError("trials of one law need different labels")
    for trial in trials:
        trial.weight = 1.0 / len(trials)
