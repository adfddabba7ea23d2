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

from .meter import OutOfTime

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
        Among ``COMPONENTS``; empty where no component was found.
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
        if not self.first:
            return f"component not found: {because}"
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


def localise(examination: Any) -> Localisation:
    """A guess for a violated subject, within what its meter allows.

    The violation is proved: whatever goes wrong here is told and changes nothing.

    Parameters
    ----------
    examination : Examination
        That has looked, and violates some law.
    """
    subject = examination.subject
    law = str(examination.failing().get("law", ""))
    try:
        return _looked_at(subject, _unsteady(examination))
    except OutOfTime:
        first, second = BY_LAW.get(law, ("noise scale", "drift"))
        why = "by the violated law alone: too little was left of the budget to look closer"
        return Localisation(first=first, second=second, evidence=[why])
    except Exception as error:  # of a step that is wrong anything may be expected
        said = next(iter(str(error).splitlines()), "")
        return Localisation(
            first="", second="", evidence=[f"looking closer raised {type(error).__name__}: {said}"]
        )


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
    if not all(hasattr(place.target.for_step, "gradient") for place in subject.places):
        why = (
            "a closer look needs the gradient of the target, which has none: from_model(gradient=)"
        )
        return Localisation(first="", second="", evidence=[why])
    return localise_moves.guess(subject, unsteady)
