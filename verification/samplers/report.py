"""What a call comes to: a verdict per law, what would have been found, and the likely component."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..decide import Verdict
from .localise import Localisation
from .power import PowerCard

#: HOLDS is said when no function of any trial can be off by more, in standard deviations
RESOLUTION = 0.1
DAY = 86_400.0
WORST_FIRST = (Verdict.VIOLATED, Verdict.UNDECIDED, Verdict.HOLDS, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, kw_only=True)
class LawReport:
    """One law.

    Parameters
    ----------
    name, statement : str
    verdict : Verdict
    detail : str
        What was seen, or why the law does not apply.
    where : str
        Target and step size of the strongest evidence.
    evidence : float or None
        log of the law's wealth: VIOLATED at ``threshold``; None for laws without chance.
    threshold : float or None
        log(1/(alpha share)).
    within : float or None
        The discrepancy that cannot be excluded, in standard deviations.
    power : PowerCard or None
    """

    name: str
    statement: str
    verdict: Verdict
    detail: str
    where: str = ""
    evidence: float | None = None
    threshold: float | None = None
    within: float | None = None
    power: PowerCard | None = None

    @property
    def looked_at(self) -> bool:
        """Whether there is a sample, or a law without chance has been settled."""
        return self.threshold is None or self.power is not None

    @property
    def bound(self) -> str:
        """The discrepancy that is not excluded, rounded up; empty where there is none to tell."""
        unknown = self.within is None or not math.isfinite(self.within)
        if unknown or self.verdict is Verdict.VIOLATED:
            return ""
        assert self.within is not None
        return rounded_up(self.within)

    @property
    def seen(self) -> str:
        """What was seen and where, in words."""
        if not self.looked_at and self.verdict is Verdict.UNDECIDED:
            return "not looked at yet: nothing is excluded"
        return self.detail + (f" [{self.where}]" if self.where else "")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object; numbers that are not finite become null."""
        return {
            "name": self.name,
            "statement": self.statement,
            "verdict": self.verdict.value,
            "detail": self.detail,
            "where": self.where,
            "log_evidence": _finite(self.evidence),
            "log_threshold": _finite(self.threshold),
            "within": _finite(self.within),
            "power": None
            if self.power is None
            else {
                "samples": self.power.samples,
                "effect": _finite(self.power.effect),
                "of_mean": _finite(self.power.of_mean),
                "of_variance": _finite(self.power.of_variance),
                "steps": self.power.steps,
                "where": self.power.where,
            },
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """All laws of one call.

    Parameters
    ----------
    kind, scheme : str
    alpha : float
        Bound of the chance that a correct sampler is called VIOLATED by this call and every call
        that takes it up again.
    laws : sequence of LawReport
    calls : int
        Chain steps spent.
    seconds : float
    seed : int
    note : str
        What was found out about the step's arrays and layout.
    localisation : Localisation or None
        The likely component, after VIOLATED.
    failing : dict
        Target, step size and number of steps that showed the violation; empty otherwise.
    skipped : dict of str to str
        Why a target was left out, by its name.
    raised : sequence of str
        What the step raised where it ended a trial, with its own traceback.
    looked : str
        How many coordinates were looked at, where it was not all of them.
    estimate : str
        Beside HOLDS: an estimate, labelled so, of the error of the stationary law; never a bound.
    needed : float or None
        Seconds, roughly, that would decide what is undecided, from samples per trial.
    state : dict
        All that is needed to go on: hand it to ``check_sampler(..., resume=...)``.
    """

    kind: str
    scheme: str
    alpha: float
    laws: Sequence[LawReport]
    calls: int
    seconds: float
    seed: int
    note: str = ""
    localisation: Localisation | None = None
    failing: dict[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    raised: Sequence[str] = ()
    looked: str = ""
    estimate: str = ""
    needed: float | None = None
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """VIOLATED if any law is, HOLDS if every law that applies does, else UNDECIDED."""
        found = {law.verdict for law in self.laws}
        if Verdict.VIOLATED in found:
            return Verdict.VIOLATED
        if Verdict.UNDECIDED in found or Verdict.HOLDS not in found:
            return Verdict.UNDECIDED
        return Verdict.HOLDS

    @property
    def violated(self) -> tuple[str, ...]:
        """Names of the laws that are violated."""
        return tuple(law.name for law in self.laws if law.verdict is Verdict.VIOLATED)

    @property
    def within(self) -> float | None:
        """The largest discrepancy that any law which holds leaves possible."""
        found = [w.within for w in self.laws if w.verdict is Verdict.HOLDS and w.within is not None]
        return max(found, default=None)

    def law(self, name: str) -> LawReport:
        """The report of one law."""
        return next(law for law in self.laws if law.name == name)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the laws that are undecided."""
        return tuple(law.name for law in self.laws if law.verdict is Verdict.UNDECIDED)

    @property
    def worst_first(self) -> list[LawReport]:
        """VIOLATED, UNDECIDED, HOLDS, NOT_APPLICABLE."""
        return sorted(self.laws, key=lambda law: WORST_FIRST.index(law.verdict))

    @property
    def what_next(self) -> str:
        """What to do about laws that are undecided, in words; empty when none is."""
        names = self.undecided
        if not names:
            return ""
        if self.verdict is Verdict.VIOLATED:
            return (
                "The call stopped at the first violation: UNDECIDED laws were looked at little or "
                "not at all."
            )
        asked = sum(law.verdict is not Verdict.NOT_APPLICABLE for law in self.laws)
        few = f"{len(names)} of {asked} laws were looked at too little to say HOLDS; "
        if self.hopeless:
            return few + "not within a day: use fewer targets (targets=) or step sizes."
        how_long = "" if self.needed is None else f" ({duration(self.needed)})"
        return few + f"about {self.more:g} times the cost would do{how_long}."

    @property
    def hopeless(self) -> bool:
        """Whether a day would not decide what is undecided."""
        return self.needed is not None and self.needed > DAY

    @property
    def more(self) -> float:
        """How many times the cost so far would decide, roughly: widths shrink with their root."""
        if self.needed is not None and math.isfinite(self.needed) and self.seconds > 0:
            return max(2.0, float(math.ceil(1 + 1.2 * self.needed / self.seconds)))
        widths = [law.within for law in self.laws if law.verdict is Verdict.UNDECIDED]
        known = [w for w in widths if w is not None and math.isfinite(w)]
        factor = (max(known, default=0.0) / RESOLUTION) ** 2
        return max(2.0, float(math.ceil(1.2 * factor)))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object, without the state to go on from."""
        return {
            "verdict": self.verdict.value,
            "within": _finite(self.within),
            "kind": self.kind,
            "scheme": self.scheme,
            "alpha": self.alpha,
            "seed": self.seed,
            "calls": self.calls,
            "seconds": self.seconds,
            "note": self.note,
            "skipped": dict(self.skipped),
            "raised": list(self.raised),
            "looked": self.looked,
            "estimate": self.estimate,
            "failing": self.failing,
            "likely": None if self.localisation is None else self.localisation.as_json(),
            "laws": [law.as_json() for law in self.laws],
        }

    def __str__(self) -> str:
        lines = [self.headline]
        if self.localisation is not None:
            lines.append(self.localisation.text)
        lines += self.remarks
        lines += [f"  {law.verdict.value:15} {law.name}: {law.seen}" for law in self.worst_first]
        if self.what_next:
            decided = self.verdict is Verdict.VIOLATED
            more = (
                ""
                if decided or self.hopeless
                else " Raise budget=, or go on with resume=report.state."
            )
            lines.append(self.what_next + more)
        return "\n".join(lines)

    @property
    def remarks(self) -> list[str]:
        """What a reader of the verdict has to know beside it, a sentence each."""
        lines = [text for text in (self.estimate, self.looked) if text]
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.skipped.items():
            by_reason.setdefault(reason, []).append(name)
        lines += [f"not tried on {', '.join(v)}: {reason}" for reason, v in by_reason.items()]
        return lines + [f"a trial ended: {text.splitlines()[0]}" for text in self.raised]

    @property
    def headline(self) -> str:
        """One sentence."""
        cost = f"{self.calls:,} chain steps, {self.seconds:.1f} s, alpha {self.alpha:g}"
        if self.verdict is Verdict.VIOLATED:
            return f"VIOLATED: {', '.join(self.violated)} ({cost})"
        if self.verdict is Verdict.HOLDS and self.within is not None:
            return f"HOLDS within {rounded_up(self.within)} standard deviations per step ({cost})"
        if self.verdict is Verdict.UNDECIDED:
            return f"UNDECIDED: nothing was refuted, more looks are needed to say HOLDS ({cost})"
        return f"{self.verdict.value} ({cost})"


def duration(seconds: float) -> str:
    """A length of time in words, as rough as it is known."""
    if seconds < 90:
        return f"about {max(1, round(seconds)):d} s"
    if seconds < 45 * 60:
        return f"about {round(seconds / 60):d} minutes"
    if seconds < 90 * 60:
        return "about an hour"
    return f"about {round(seconds / 3600):d} hours" if seconds <= DAY else "not within a day"


def rounded_up(bound: float) -> str:
    """An upper bound to two digits, never below it: 0.1003 is not within 0.1."""
    if not math.isfinite(bound) or bound <= 0:
        return f"{bound:.2g}"
    unit = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return f"{math.ceil(bound / unit - 1e-9) * unit:.2g}"


def _finite(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)
