"""Evidence pooled over trials: one wealth carried from target to target.

A fault that shows a little everywhere is found late by bets on single places. So the payoffs that
trials have in common are also bet on by one wealth, look after look in the order of time, with bets
learned from every look before, at whatever place. The place of the next look is decided by the
past, so the payoffs have conditional mean zero and the wealth is a martingale like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .betting import Wealth
from .trial import Trial


@dataclass
class Pool:
    """The common payoffs of some trials.

    Parameters
    ----------
    key : str
        Names the pool in a stored state.
    members : sequence of Trial
    """

    key: str
    members: Sequence[Trial]
    names: tuple[str, ...] = field(init=False)
    wealth: Wealth = field(init=False)

    def __post_init__(self) -> None:
        common = set.intersection(*(set(t.names) for t in self.members))
        self.names = tuple(name for name in self.members[0].names if name in common)
        self.wealth = Wealth(np.ones(len(self.names)), max(t.slack for t in self.members))

    def observe(self, trial: Trial, payoffs: FloatArray) -> None:
        """Settles the bets on what a member saw."""
        self.wealth.observe(payoffs[:, [trial.position[name] for name in self.names]])

    @property
    def spent(self) -> int:
        """Kernel calls of the members."""
        return sum(t.spent for t in self.members)

    @property
    def leading(self) -> str:
        """The payoff with the strongest evidence."""
        return self.names[self.wealth.leaders(1)[0]]

    @property
    def clearest(self) -> Trial:
        """The member that shows the leading payoff most clearly; the first one when none does."""
        name = self.leading
        j = self.wealth.leaders(1)[0]
        sign = np.sign(self.wealth.mean()[j])

        def score(trial: Trial) -> float:
            i = trial.position[name]
            deviation = np.sqrt(max(trial.wealth.variance()[i], 1e-300))
            return float(sign * trial.wealth.mean()[i] / deviation)

        return max((t for t in self.members if t.wealth.count), key=score)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, JSON only."""
        return {"names": list(self.names), "wealth": self.wealth.state()}


def pools_of(law: str, trials: Sequence[Trial]) -> list[Pool]:
    """Trials after as many steps together, all of them and those of one rank."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        steps, rank = int(trial.about.get("steps", 1)), int(trial.about.get("rank", 0))
        groups.setdefault(f"{steps} steps", []).append(trial)
        groups.setdefault(f"{steps} steps, step size number {rank}", []).append(trial)
    found: list[Pool] = []
    for label, members in groups.items():
        repeated = any(list(p.members) == members for p in found)
        if len(members) < 2 or repeated:
            continue
        pool = Pool(f"{law} | {label}", members)
        if pool.names:
            found.append(pool)
    return found
