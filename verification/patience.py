"""How long a group may take: no run goes on for ever.

A group may spend the processor time

    max(60 s, 10 c),

c the dearest group of its kind (claim and witness) that this run has finished, or, before there is
one, the dearest group that the budget has in the catalogue. One that waits for ever without
computing is ended too. Under ``--time-limit`` the run as a whole has that long instead, and each
group what is left of it. What is ended is UNDECIDED, "out of time", and is measured again by
``--resume``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Final

from .plan import Group

LEAST: Final = 60.0
TIMES: Final = 10.0
# processor seconds of the dearest group of the catalogue, on one core of 2020, rounded up
DEAREST: Final = {"quick": 30.0, "standard": 60.0, "thorough": 240.0}
# a group that gets a twentieth of a core has as long as one that gets all of it
WAITING: Final = 20.0
# seconds between two looks; a machine that slept meanwhile has not waited longer than twice that
TICK: Final = 1.0


@dataclass(kw_only=True)
class Patience:
    """Limits of one run.

    Parameters
    ----------
    budget : str
    time_limit : float
        Seconds for the whole run.
    """

    budget: str
    time_limit: float = math.inf
    _begun: float = field(default_factory=time.monotonic)
    _dearest: dict[tuple[str, str], float] = field(default_factory=dict)

    def finished(self, group: Group, seconds: float) -> None:
        """Takes in what a finished group cost."""
        kind = (group.claim, group.witness)
        self._dearest[kind] = max(seconds, self._dearest.get(kind, 0.0))

    def limit(self, group: Group | None) -> float:
        """Processor seconds for a group; None: for what is no group. Infinite under a limit."""
        if math.isfinite(self.time_limit):
            return math.inf
        usual = DEAREST[self.budget]
        if group is not None:
            usual = self._dearest.get((group.claim, group.witness), usual)
        return max(LEAST, TIMES * usual)

    @property
    def over(self) -> bool:
        """True once the run has had its time."""
        return time.monotonic() - self._begun > self.time_limit


@dataclass(kw_only=True)
class Waiting:
    """Seconds that one task has been waited for, not counting those in which nobody looked."""

    limit: float
    _waited: float = 0.0
    _looked: float = field(default_factory=time.monotonic)

    def too_long(self) -> bool:
        """Looks at the clock."""
        now = time.monotonic()
        self._waited += min(now - self._looked, 2 * TICK)
        self._looked = now
        return self._waited > WAITING * self.limit
