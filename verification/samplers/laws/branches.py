r"""Both branches exercised: somewhere chains move, and somewhere they stay.

Statement. There is a step size at which chains move; and acceptance and rejection were both seen
often enough that a fault in either could show.
Level. Coverage is counted, not tested: a chain that moves at no step size whatsoever, over
thousands of tries and ten orders of magnitude, is a verdict without a false alarm (a kernel that
accepts with probability 1e-6 everywhere would be refuted too, and ought to be). Never said on
targets of one dimension alone: some kernels need two.
Power. Says for which step sizes the other laws have any power on the acceptance rule: an inverted
Metropolis ratio is invisible where acceptance is near one.
Blind spots. A kernel that never rejects is not refuted: Gibbs and slice samplers do not.
"""

from __future__ import annotations

from ...decide import Verdict
from ..outcome import Outcome
from ..subject import Subject

NAME = "both branches"
STATEMENT = "chains move, and acceptance and rejection are both exercised"
SEEN = 0.02


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    return ""


def examine(subject: Subject) -> Outcome:
    """Reads the coverage of the pilots."""
    shares = [p.moved for p in subject.places]
    widest = max(p.target.for_step.dim for p in subject.places)
    if max(shares) == 0.0 and widest == 1:
        return Outcome(
            verdict=Verdict.UNDECIDED,
            detail="no chain moved, but in one dimension alone, where a sampler may have to stand "
            "still: name a target of more",
        )
    if max(shares) == 0.0:
        return Outcome(
            verdict=Verdict.VIOLATED,
            detail="no chain moved at any target and step size",
            where=subject.places[0].label,
        )
    detail = f"shares of chains that moved: {min(shares):.3g} to {max(shares):.3g}"
    if any(SEEN <= s <= 1 - SEEN for s in shares):
        return Outcome(verdict=Verdict.HOLDS, detail=detail)
    if min(shares) > 1 - SEEN:
        if not subject.keeps_target:
            return Outcome(verdict=Verdict.HOLDS, detail="every chain moves, as it should")
        return Outcome(
            verdict=Verdict.NOT_APPLICABLE,
            detail=f"{detail}: nothing was rejected at any step size tried",
        )
    return Outcome(verdict=Verdict.UNDECIDED, detail=detail)
