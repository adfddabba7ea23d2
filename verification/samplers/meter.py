"""What a call may spend, in seconds and chain steps, and who may spend how much of it.

Pilots, laws without chance, looks and the guess at the component all draw on one meter: a step that
would begin beyond its limit raises ``OutOfTime``, which ends what asked for it and nothing else.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lvebm_theory.errors import LvebmError

Clock = Callable[[], float]

#: what may be spent beyond the budget, on the guess at the component
OVER = 0.2


class OutOfTime(LvebmError, RuntimeError):
    """A step was asked for beyond what it may cost."""


@dataclass
class Meter:
    """Counts chain steps and seconds against limits.

    Parameters
    ----------
    clock : callable () -> seconds
    """

    clock: Clock = time.perf_counter
    steps: int = 0
    began: float = field(init=False)
    _until: float = field(init=False, default=math.inf)
    _most: float = field(init=False, default=math.inf)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds(self) -> float:
        """Since the meter began."""
        return self.clock() - self.began

    @property
    def left(self) -> tuple[float, float]:
        """Seconds and chain steps until the nearest limits; infinite where there is none."""
        return self._until - self.clock(), self._most - self.steps

    def count(self, steps: int) -> None:
        """Counts chain steps that are about to be made.

        Raises
        ------
        OutOfTime
            When the limits do not leave room for them.
        """
        self.check()
        if self.steps + steps > self._most:
            raise OutOfTime("the chain steps for this part are spent")
        self.steps += steps

    def check(self) -> None:
        """Raises OutOfTime when the time is spent."""
        if self.clock() > self._until:
            raise OutOfTime("the time for this part is spent")

    @contextlib.contextmanager
    def within(self, seconds: float, steps: float = math.inf) -> Iterator[None]:
        """At most so many seconds and steps from now on, inside what is allowed already."""
        before = (self._until, self._most)
        self._until = min(self._until, self.clock() + max(seconds, 0.0))
        self._most = min(self._most, self.steps + max(steps, 0.0))
        try:
            yield
        finally:
            self._until, self._most = before


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one call may spend: seconds, or chain steps in their place.

    Parameters
    ----------
    meter : Meter
    seconds, steps : float
        One of them is infinite.
    """

    meter: Meter
    seconds: float
    steps: float

    def part(self, share: float) -> contextlib.AbstractContextManager[None]:
        """At most this share of the whole, from now on."""
        return self.meter.within(share * self.seconds, share * self.steps)

    def of(self, share: float) -> Budget:
        """What is spent already and this share of the whole."""
        return Budget(
            meter=self.meter,
            seconds=self.meter.seconds + share * self.seconds,
            steps=self.meter.steps + share * self.steps,
        )

    def up_to_share(self, share: float) -> Budget:
        """This share of the whole, what is spent already counted."""
        return Budget(meter=self.meter, seconds=share * self.seconds, steps=share * self.steps)

    def up_to(self, share: float) -> contextlib.AbstractContextManager[None]:
        """Until this share of the whole is spent, what is spent already counted."""
        return self.meter.within(*self.left(share))

    def left(self, share: float = 1.0) -> tuple[float, float]:
        """Seconds and steps until this share of the whole is spent."""
        return (
            share * self.seconds - self.meter.seconds,
            share * self.steps - self.meter.steps,
        )
