"""What the findings of a run come to: per claim, and as an exit status."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from .decide import Verdict
from .finding import UNFINISHED, Finding
from .log_sobolev_from_above import NAME as FROM_ABOVE
from .meeting import NAME as WITNESSES_AGREE

# findings that every run makes of itself; they are no claim of the user's or the catalogue's
ABOUT_THE_RUN = (WITNESSES_AGREE, FROM_ABOVE)


class Exit(IntEnum):
    """Exit status of ``lvebm verify``; ``sentence`` is what a reader sees."""

    AGREES = 0
    CONTRADICTED = 1
    UNDECIDED = 2
    BAD_INPUT = 3
    FAILED = 4

    @property
    def sentence(self) -> str:
        """One sentence for the reader."""
        return {
            Exit.AGREES: "Nothing is violated, undecided or failed, and every control was caught.",
            Exit.CONTRADICTED: (
                "Something is VIOLATED, witnesses disagree, a constant is contradicted, or a "
                "negative control was missed."
            ),
            Exit.UNDECIDED: "Something is UNDECIDED, or nothing was found to hold.",
            Exit.BAD_INPUT: "The question could not be understood.",
            Exit.FAILED: "A solver failed.",
        }[self]


# what a claim as a whole is called: the first of these that occurs among its own findings
WORST_FIRST = (
    Verdict.VIOLATED,
    Verdict.CONSTANT_CONTRADICTED,
    Verdict.SOLVER_FAILED,
    Verdict.UNDECIDED,
    Verdict.NOT_TOLD_APART,
    Verdict.HOLDS,
    Verdict.NOT_APPLICABLE,
)


def _could_catch(finding: Finding) -> bool:
    mute = {Verdict.SOLVER_FAILED, Verdict.NOT_TOLD_APART}
    if finding.claim in ABOUT_THE_RUN:
        mute.add(Verdict.NOT_APPLICABLE)
    return finding.verdict not in mute


@dataclass(frozen=True, kw_only=True)
class ControlSummary:
    """One negative control of one claim: caught once any of its findings is VIOLATED."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def caught(self) -> bool:
        """True when some finding is VIOLATED."""
        return any(f.verdict is Verdict.VIOLATED for f in self.findings)

    @property
    def missed(self) -> bool:
        """True when it was not caught though some of its findings could have caught it.

        They could not where a solver failed, and where two witnesses that were to meet are too
        coarse or measured nothing. Where some came to no end, nobody knows.
        """
        could = any(_could_catch(f) for f in self.findings)
        return not self.caught and could and not self.late

    @property
    def late(self) -> bool:
        """True when it was not caught, and some finding came to no end."""
        return not self.caught and any(UNFINISHED in f.provenance for f in self.findings)


@dataclass(frozen=True, kw_only=True)
class ClaimSummary:
    """The findings of one claim: its own, and those of its controls."""

    claim: str
    findings: tuple[Finding, ...]
    controls: tuple[ControlSummary, ...]

    @property
    def counts(self) -> Counter[Verdict]:
        """How often each verdict occurs among the claim's own findings."""
        return Counter(f.verdict for f in self.findings)

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict among the claim's own findings; None where there are none."""
        return next((v for v in WORST_FIRST if self.counts[v]), None)

    @property
    def telling(self) -> Finding | None:
        """The finding to show: of the worst verdict, the one with slack nearest to one."""
        own = [f for f in self.findings if f.verdict is self.verdict]
        compared = [f for f in own if f.slack is not None and f.slack > 0]
        if compared:
            return min(compared, key=lambda f: abs(math.log(f.slack or 1.0)))
        return own[0] if own else None

    @property
    def sensitivity(self) -> float | None:
        """The smallest falsification that some finding of the claim would have caught."""
        return min(
            (f.sensitivity for f in self.findings if f.sensitivity is not None), default=None
        )


def summarise(findings: Iterable[Finding]) -> list[ClaimSummary]:
    """One summary per claim, in the order of the findings."""
    by_claim: dict[str, list[Finding]] = {}
    for finding in findings:
        by_claim.setdefault(finding.claim, []).append(finding)
    return [
        ClaimSummary(
            claim=claim,
            findings=tuple(f for f in rows if f.control is None),
            controls=tuple(
                ControlSummary(name=name, findings=tuple(f for f in rows if f.control == name))
                for name in dict.fromkeys(f.control for f in rows if f.control is not None)
            ),
        )
        for claim, rows in by_claim.items()
    ]


def exit_status(findings: Sequence[Finding]) -> Exit:
    """Exit status of a run; the first of these that applies.

    1  a claim VIOLATED, two witnesses that disagree, a constant contradicted, or a control missed
       (a contradiction outweighs what is merely unknown);
    4  a solver failed, in a claim or in a control;
    2  a claim UNDECIDED, a control that came to no end, or no claim HOLDS;
    0  otherwise. NOT_APPLICABLE and NOT_TOLD_APART, and what a control comes to beside being
       caught, change nothing.
    """
    own = {f.verdict for f in findings if f.control is None}
    controls = [control for claim in summarise(findings) for control in claim.controls]
    missed = any(control.missed for control in controls)
    if own & {Verdict.VIOLATED, Verdict.CONSTANT_CONTRADICTED} or missed:
        return Exit.CONTRADICTED
    if any(f.verdict is Verdict.SOLVER_FAILED for f in findings):
        return Exit.FAILED
    holds = any(
        f.verdict is Verdict.HOLDS
        for f in findings
        if f.control is None and f.claim not in ABOUT_THE_RUN
    )
    late = any(control.late for control in controls)
    if Verdict.UNDECIDED in own or late or not holds:
        return Exit.UNDECIDED
    return Exit.AGREES
