"""The likely component of a violated sampler: a first and a second guess, with what they rest on.

The violation is proved by then; this part only guesses, from features and from which laws failed.
The rules are few and in the order in which causes hide each other: chains that share randomness
spoil every other number, then memory from call to call, then drift and noise at small steps, and
last the acceptance, which shows at large steps only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .kernel import OutOfTime

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


#: guesses by the violated law alone, where no time is left to look closer
BY_LAW = {
    "gradient": ("drift", "stale gradient"),
    "reproducibility": ("stale gradient", "schedule"),
    "independence": ("shared randomness", "noise scale"),
    "learner": ("drift", "noise scale"),
    "invariance": ("Metropolis ratio", "proposal correction"),
    "detailed balance": ("Metropolis ratio", "proposal correction"),
    "divergence": ("Metropolis ratio", "drift"),
}


def localise(examination: Any, seconds: float = math.inf) -> Localisation:
    """A guess for a violated subject.

    Parameters
    ----------
    examination : Examination
        That has looked, and violates some law.
    seconds : float
        Time for it; a slow step that needs more gets a guess by the violated law alone.
    """
    subject = examination.subject
    subject.stop_after(seconds)
    try:
        return _looked_at(subject, _unsteady(examination))
    except OutOfTime:
        law = str(examination.failing().get("law", ""))
        first, second = BY_LAW.get(law, ("noise scale", "drift"))
        why = f"by the violated law alone: {seconds:.0f} s were too few to look closer"
        return Localisation(first=first, second=second, evidence=[why])
    finally:
        subject.stop_after(math.inf)


def _unsteady(examination: Any) -> bool:
    """Whether a step was seen to end otherwise when it was repeated later."""
    outcome = examination.outcomes.get("reproducibility")
    return outcome is not None and outcome.detail.endswith("later")


def _looked_at(subject: Any, unsteady: bool) -> Localisation:
    from . import localise_learner, localise_moves, localise_scheme
    from .subject import LearnerSubject

    if isinstance(subject, LearnerSubject):
        return localise_learner.guess(subject)
    if subject.scheme is not None:
        return localise_scheme.guess(subject)
    return localise_moves.guess(subject, unsteady)
