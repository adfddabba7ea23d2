"""What the meetings of witnesses come to, and what a disagreement does to other findings.

With [l_i, u_i] the interval of witness i and delta the resolution, a fraction of the scale of the
quantity (the largest value of the second witness at the times of the setting):

    disagree        the intervals do not meet;
    HOLDS           |m_1 - m_2| + w_1 + w_2 <= delta;
    NOT_TOLD_APART  otherwise: they meet, and are wider than the resolution.

A false disagreement needs an interval that misses; the meeting's own share of alpha pays for that,
since of two witnesses one at most is random. Nothing says which of two witnesses that disagree is
wrong, so that every finding that rests on either is left UNDECIDED.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lvebm_theory.constant import How
from lvebm_theory.theorem import Relation

from .decide import Verdict, decide
from .finding import Finding, nothing_compared
from .measurement import Measurement
from .meeting import NAME, SHIFTED, Meeting

if TYPE_CHECKING:
    from .plan import Plan, PlannedCase

Found = Mapping["PlannedCase", Finding]
MEASURED = (Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED, Verdict.NOT_TOLD_APART)


def findings_of_meetings(plan: Plan, found: Found, shared: Mapping[str, Any]) -> list[Finding]:
    """One finding per meeting of which both sides are finished; those that disagree first.

    Parameters
    ----------
    found : mapping
        Findings of the planned cases and partners so far.
    shared : mapping
        Provenance that all findings of the run share.
    """
    by_case = {(p.claim, p.setting, p.of_user, p.case): f for p, f in found.items()}

    def side(meeting: Meeting, case: Any) -> Finding | None:
        return by_case.get((meeting.claim, meeting.setting, meeting.of_user, case))

    pairs = [(m, side(m, m.first), side(m, m.second)) for m in plan.meetings]
    scales: dict[Any, float] = {}
    for meeting, _, second in pairs:
        if second is not None and second.measured is not None:
            scales[meeting.kin] = max(scales.get(meeting.kin, 0.0), abs(second.measured))
    rows = []
    for meeting, first, second in pairs:
        if first is not None and second is not None:
            resolution = meeting.fraction * scales.get(meeting.kin, 0.0)
            spent = sum(map(plan.alpha_at, range(first.provenance["looks"])))
            rows.append(_met(meeting, first, second, resolution, spent, shared))
    return sorted(rows, key=lambda f: not disagrees(f))


def _met(
    meeting: Meeting,
    first: Finding,
    second: Finding,
    resolution: float,
    spent: float,
    shared: Mapping[str, Any],
) -> Finding:
    common: dict[str, Any] = {
        "claim": NAME,
        "setting": meeting.place,
        "time": meeting.first.time,
        "quantity": meeting.first.quantity,
        "relation": meeting.relation.value,
        "control": meeting.control,
        "witness": first.witness,
        "seconds": 0.0,
    }
    own = {
        **shared,
        **{
            k: first.provenance[k]
            for k in ("energy", "parameters", "start")
            if k in first.provenance
        },
        "against": second.witness,
        "run": meeting.first.run,
        "part": meeting.first.part,
        "looks": first.provenance["looks"],
        "alpha_spent": spent if first.statistical else 0.0,
    }
    one, other = measurement_of(first), measurement_of(second)
    if one is None or other is None:
        silent = first if one is None else second
        own["reason"] = f"{silent.witness} measured nothing here: {silent.verdict.value}"
        return Finding(
            **common, **nothing_compared(), verdict=Verdict.NOT_APPLICABLE, provenance=own
        )
    if meeting.control == SHIFTED:
        away = resolution if one.value >= other.value else -resolution
        one = replace(one, value=one.value + away)
    both = Measurement(
        value=one.value,
        statistical=one.statistical + other.statistical,
        numerical=one.numerical + other.numerical,
        confidence=max(one.confidence + other.confidence - 1.0, 1e-300),
    )
    verdict = decide(both, meeting.relation, other.value, resolution)
    if verdict is Verdict.VIOLATED:
        own["reason"] = (
            f"{first.witness} and {second.witness} disagree on {meeting.first.quantity}: "
            f"{told(one)} against {told(other)}"
        )
    elif verdict is Verdict.UNDECIDED:
        verdict = Verdict.NOT_TOLD_APART
        own["reason"] = (
            f"the intervals of {first.witness} and {second.witness} meet, but together they are "
            "wider than the resolution"
        )
    return Finding(
        **common,
        measured=both.value,
        statistical=both.statistical,
        numerical=both.numerical,
        confidence=both.confidence,
        bound=other.value,
        resolution=resolution,
        slack=other.value / both.value if both.value else None,
        sensitivity=None,
        verdict=verdict,
        provenance={**own, "grade": How.EXACT.value},
    )


def measurement_of(finding: Finding) -> Measurement | None:
    """The interval of a finding, None where nothing was compared; null is an infinite width."""
    if finding.measured is None:
        return None
    return Measurement(
        value=finding.measured,
        statistical=math.inf if finding.statistical is None else finding.statistical,
        numerical=math.inf if finding.numerical is None else finding.numerical,
        confidence=finding.confidence or 1.0,
    )


def told(measurement: Measurement) -> str:
    """``0.2526 ± 0.0012``."""
    return f"{measurement.value:.5g} ± {measurement.half_width:.2g}"


def disagrees(finding: Finding) -> bool:
    """True for two witnesses, neither of them a control, that disagree."""
    own = finding.claim == NAME and finding.control is None
    return own and finding.verdict is Verdict.VIOLATED


def disagreements(findings: Iterable[Finding]) -> list[Finding]:
    """The meetings that disagree."""
    return [f for f in findings if disagrees(f)]


def undecided_where_they_disagree(
    plan: Plan, found: Found, met: Sequence[Finding]
) -> dict[PlannedCase, Finding]:
    """The same findings, UNDECIDED where they rest on a witness that disagrees with another.

    That is: true runs of either witness at the setting of the meeting, or on the same flow (equal
    energy, parameters and start) in any claim.
    """
    changed = dict(found)
    for row in disagreements(met):
        witnesses = {row.witness, row.provenance["against"]}
        where = "" if row.time is None else f" at t = {row.time:g}"
        for planned, finding in found.items():
            mutated = planned.case.control is not None and planned.case.run
            rests = planned.case.witness in witnesses and not mutated
            here = f"{planned.claim}/{planned.setting}" == row.setting
            if rests and finding.verdict in MEASURED and (here or _same_flow(finding, row)):
                reason = (
                    f"{row.witness} and {row.provenance['against']} disagree on {row.quantity}"
                    f"{where} ({row.setting}), and nothing that rests on either is decided"
                )
                provenance = {**finding.provenance, "reason": reason}
                changed[planned] = replace(
                    finding, verdict=Verdict.UNDECIDED, provenance=provenance
                )
    return changed


def _same_flow(one: Finding, other: Finding) -> bool:
    flows = [[f.provenance.get(k) for k in ("energy", "parameters", "start")] for f in (one, other)]
    return flows[0] == flows[1] and flows[0][-1] is not None


def agreeing_with(findings: Iterable[Finding], witness: str, claims_setting: str) -> bool:
    """True where a witness was found to agree with another at settings of this name."""
    return any(
        f.claim == NAME
        and f.control is None
        and f.verdict is Verdict.HOLDS
        and f.relation == Relation.EQUAL.value
        and witness in (f.witness, f.provenance["against"])
        and f.setting.split("/", 1)[1] == claims_setting
        for f in findings
    )
