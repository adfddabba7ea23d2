"""The library's exceptions: one channel per storey (theory and solvers raise)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class LvebmError(Exception):
    """Base of everything that this library raises on purpose."""


class ArgumentError(LvebmError, ValueError):
    """An argument is unusable; the message says what was required and what came."""


class AssumptionError(LvebmError, ValueError):
    """A theorem was asked outside its assumptions.

    Attributes
    ----------
    broken : tuple of str
        The text of every assumption that fails, not only the first.
    """

    def __init__(self, theorem: str, broken: Sequence[str]) -> None:
        self.theorem = theorem
        self.broken = tuple(broken)
        super().__init__(f"{theorem} does not apply: " + "; ".join(self.broken))


class SolverError(LvebmError, RuntimeError):
    """A solver stopped early.

    Attributes
    ----------
    reason : str
    step : int or None
        Step at which the failure was seen.
    last_state : object
        The last finite state, in the solver's public layout; None if there is none.
    """

    def __init__(self, reason: str, *, step: int | None = None, last_state: Any = None) -> None:
        self.reason = reason
        self.step = step
        self.last_state = last_state
        super().__init__(reason if step is None else f"{reason} (at step {step})")
