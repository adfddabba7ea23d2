"""The likely component of a violated sampler: a first and a second guess, with what they rest on.

The violation is proved by then; this part only guesses, from features and from which laws failed.
The rules are few and in the order in which causes hide each other: chains that share randomness
spoil every other number, then memory from call to call, then drift and noise at small steps, and
last the acceptance, which shows at large steps only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COMPONENTS = (
    "drift",
    "noise scale",
    "Metropolis ratio",
    "proposal correction",
    "momentum refresh",
    "schedule",
    "shared randomness",
    "stale gradient",
)


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """The likely component.

    Parameters
    ----------
    first, second : str
        Among ``COMPONENTS``.
    evidence : sequence of str
        What was measured, in words.
    """

    first: str
    second: str
    evidence: Sequence[str] = ()

    @property
    def text(self) -> str:
        """In words."""
        because = "; ".join(self.evidence)
        return f"likely component: {self.first}, else {self.second} ({because})"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"first": self.first, "second": self.second, "evidence": list(self.evidence)}


def localise(examination: Any) -> Localisation:
    """A guess for a violated subject; ``examination`` is an ``Examination`` that has looked."""
    from . import localise_learner, localise_moves, localise_scheme
    from .subject import LearnerSubject

    subject = examination.subject
    if isinstance(subject, LearnerSubject):
        return localise_learner.guess(subject)
    if subject.scheme is not None:
        return localise_scheme.guess(subject)
    return localise_moves.guess(subject)
