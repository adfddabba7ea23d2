"""A log-Sobolev constant against what the run measures of it from above.

A COMPUTED rho whose lower bound exceeds one of the bounds of ``log_sobolev_from_above``, on a flow
of which two witnesses agree, is contradicted: then a VIOLATED that rests on it is booked to the
constant, not to the theorem. Only on a user's energy: in the catalogue no bound rests on a rho that
is COMPUTED, and with one that is proved a verdict stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lvebm_theory.constant import How
from lvebm_theory.theorem import Relation

from .agreement import agreeing_with, disagreements, measurement_of
from .claim import Case
from .decide import Verdict, decide
from .finding import Finding, nothing_compared
from .log_sobolev_from_above import BY_QUADRATURE, GAP, NAME, NORMAL, Above, interval_of
from .measurement import Measurement
from .request import USER

if TYPE_CHECKING:
    from .plan import Plan, PlannedCase

CONTRADICTED = "constant-contradicted"
FRACTION = 0.05
# the gap and rho are rounded separately where they are one number; as in ``exceeds``
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Known:
    """What is known of the user's energy beside the cases of a run.

    Parameters
    ----------
    constants : as stored
    normal : what ``normal_laws`` found: a law, and the ``value`` of its bound with ``numerical``
    """

    constants: Mapping[str, Mapping[str, Any]]
    normal: Mapping[str, Any] | None = None


def contradictable(rho: Mapping[str, Any] | None) -> bool:
    """True for a log-Sobolev constant that a bound from above could lie below."""
    known = rho is not None and rho["how"] != How.ESTIMATED.value
    return known and rho is not None and (rho["lower"] or 0.0) > 0


def findings_from_above(
    plan: Plan,
    found: Mapping[PlannedCase, Finding],
    met: Sequence[Finding],
    known: Known,
    shared: Mapping[str, Any],
) -> list[Finding]:
    """One finding per planned bound: rho.lower is at most what was measured.

    Parameters
    ----------
    found : findings of the planned cases so far
    met : findings of the meetings
    """
    measured = {(p.claim, p.case): f for p, f in found.items() if p.of_user}
    rho = _log_sobolev(measured.values(), known.constants)
    return [_confronted(a, measured, met, rho, known, shared) for a in plan.above]


def _log_sobolev(
    findings: Iterable[Finding], constants: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The constant that the bounds of this run rest on."""
    for finding in findings:
        used = finding.provenance.get("constants", {}).get("log_sobolev")
        if used is not None:
            return dict(used)
    return constants.get("log_sobolev")


def _confronted(
    above: Above,
    measured: Mapping[tuple[str, Case], Finding],
    met: Sequence[Finding],
    rho: Mapping[str, Any] | None,
    known: Known,
    shared: Mapping[str, Any],
) -> Finding:
    common: dict[str, Any] = {
        "claim": NAME,
        "setting": USER,
        "time": above.time,
        "quantity": above.quantity,
        "relation": Relation.AT_LEAST.value,
        "control": None,
        "witness": above.witness,
        "seconds": 0.0,
    }
    own: dict[str, Any] = {**shared, "run": "", "part": "", "looks": 1, "alpha_spent": 0.0}

    def silent(reason: str) -> Finding:
        return Finding(
            **common,
            **nothing_compared(),
            verdict=Verdict.NOT_APPLICABLE,
            provenance={**own, "reason": reason},
        )

    if rho is None or not contradictable(rho):
        return silent("no positive log-Sobolev constant is known that could be contradicted")
    if above.quantity == GAP:
        gap = known.constants.get("gap")
        if gap is None or gap["upper"] is None or gap["how"] == How.ESTIMATED.value:
            return silent("no upper bound of the spectral gap is known")
        ends = (gap["upper"],) * 3
        width = _ROUNDING * gap["upper"]
        own["constants"] = {"log_sobolev": dict(rho), "gap": dict(gap)}
    elif above.quantity == NORMAL:
        if known.normal is None:
            return silent("no bound by normal laws could be told")
        value, width = known.normal["value"], known.normal["numerical"]
        ends = value - width, value, value + width
        width += _ROUNDING * value
        own["constants"] = {"log_sobolev": dict(rho)}
        own["note"] = f"mu = {known.normal['law']}"
    else:
        sides = [
            measurement_of(finding) if (finding := measured.get(key)) is not None else None
            for key in zip(above.claims, above.cases, strict=True)
        ]
        first, second = sides
        if first is None or second is None:
            return silent("what the bound is made of was not measured")
        ends = interval_of(above, first, second)
        if not all(map(math.isfinite, ends)):
            return silent("what the bound is made of is not told from zero")
        width = max(ends[2] - ends[1], ends[1] - ends[0])
        own["constants"] = {"log_sobolev": dict(rho)}
    bound = float(rho["lower"])
    interval = Measurement(value=ends[1], numerical=width)
    verdict = decide(interval, Relation.AT_LEAST, bound, FRACTION * bound)
    if verdict is Verdict.UNDECIDED:
        verdict = Verdict.NOT_TOLD_APART
        own["reason"] = "the bound from above is known too coarsely for the resolution"
    elif verdict is Verdict.VIOLATED:
        verdict, own["reason"] = _booked(above, interval, rho, met)
    return Finding(
        **common,
        measured=interval.value,
        statistical=0.0,
        numerical=width,
        confidence=1.0,
        bound=bound,
        resolution=FRACTION * bound,
        slack=bound / interval.value if interval.value else None,
        sensitivity=None,
        verdict=verdict,
        provenance={**own, "grade": rho["how"]},
    )


def _booked(
    above: Above, interval: Measurement, rho: Mapping[str, Any], met: Sequence[Finding]
) -> tuple[Verdict, str]:
    """What a bound below rho.lower is booked to."""
    said = (
        f"{above.quantity} is at most {interval.upper:.6g}, below the log-Sobolev constant "
        f">= {rho['lower']:.6g} ({rho['how']})"
    )
    if disagreements(met):
        return Verdict.UNDECIDED, f"{said}, but witnesses disagree"
    computed = rho["how"] == How.COMPUTED.value
    by_itself = above.quantity in BY_QUADRATURE
    if computed and (by_itself or agreeing_with(met, above.witness, USER)):
        return Verdict.CONSTANT_CONTRADICTED, f"{CONTRADICTED}: {said}"
    return Verdict.VIOLATED, said


def booked_to_the_constant(
    found: Mapping[PlannedCase, Finding], above: Sequence[Finding]
) -> dict[PlannedCase, Finding]:
    """The same findings; VIOLATED on the user's energy is booked to a rho that is contradicted.

    With an EXACT or CERTIFIED rho, and in every control, the verdict stays what it is.
    """
    changed = dict(found)
    contradictions = [f for f in above if f.verdict is Verdict.CONSTANT_CONTRADICTED]
    if not contradictions:
        return changed
    reason = contradictions[0].provenance["reason"]
    for planned, finding in found.items():
        used = finding.provenance.get("constants", {}).get("log_sobolev")
        computed = used is not None and used["how"] == How.COMPUTED.value
        own = planned.of_user and planned.case.control is None
        if own and computed and finding.verdict is Verdict.VIOLATED:
            changed[planned] = replace(
                finding,
                verdict=Verdict.CONSTANT_CONTRADICTED,
                provenance={**finding.provenance, "reason": reason},
            )
    return changed
