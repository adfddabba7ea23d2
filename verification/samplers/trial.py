"""A trial: one law at one target and step size, with the wealth of those who bet against it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .betting import Wealth

FloatArray = npt.NDArray[np.float64]
Sample = Callable[[np.random.Generator, int], FloatArray]

FIRST_BATCH = 1000
GROWTH = 0.15  # of what was seen: the last batch is decided by estimates from nearly all of it
LARGEST_BATCH = 50_000


@dataclass
class Trial:
    """Payoffs with conditional mean zero under one law, and the bets placed on them.

    Parameters
    ----------
    law : str
    label : str
        Target, step size and whatever else a reader needs to repeat the trial.
    names : sequence of str
        What each payoff looks at.
    sample : callable (rng, count) -> (count, m), entries in [-1, 1]
    weight : float
        Share of the law's error probability.
    calls : int
        Kernel calls per sample.
    """

    law: str
    label: str
    names: Sequence[str]
    sample: Sample
    weight: float
    calls: int = 1
    wealth: Wealth = field(init=False)
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.wealth = Wealth(np.ones(len(self.names)))

    @property
    def log_share(self) -> float:
        """log of weight times evidence: shares of one law add up."""
        return math.log(self.weight) + self.wealth.log_evidence

    def next_batch(self) -> int:
        """Samples of the next look."""
        return min(LARGEST_BATCH, max(FIRST_BATCH, int(GROWTH * self.wealth.count)))

    def look(self, rng: np.random.Generator) -> None:
        """One more batch, and what the bets make of it."""
        began = time.perf_counter()
        self.wealth.observe(self.sample(rng, self.next_batch()))
        self.seconds += time.perf_counter() - began

    @property
    def promise(self) -> float:
        """Log evidence won per second: where more samples pay."""
        return self.wealth.log_evidence / max(self.seconds, 1e-9)

    @property
    def leading(self) -> str:
        """The payoff with the strongest evidence."""
        return self.names[self.wealth.leaders(1)[0]]


def log_evidence(trials: Sequence[Trial]) -> float:
    """log of the weighted average of all wealths."""
    return float(np.logaddexp.reduce([t.log_share for t in trials]))


def pursue(
    trials: Sequence[Trial],
    *,
    threshold: float,
    seconds: float,
    rng: np.random.Generator,
    after_look: Callable[[], None] = lambda: None,
) -> bool:
    """Looks until the evidence reaches the threshold (True) or the time is spent (False).

    Which trial is looked at next depends on the past only, so the weighted average of the wealths
    stays a non-negative martingale: in turn the one with the least time and the one that promises
    most.
    """
    began = time.perf_counter()
    turn = 0
    while trials:
        fresh = [t for t in trials if t.wealth.count == 0]
        if fresh:
            chosen = fresh[0]
        elif turn % 2:
            chosen = max(trials, key=lambda t: t.promise)
        else:
            chosen = min(trials, key=lambda t: t.seconds)
        chosen.look(rng)
        after_look()
        turn += 1
        if log_evidence(trials) >= threshold:
            return True
        if time.perf_counter() - began >= seconds and not any(t.wealth.count == 0 for t in trials):
            return False
    return False
