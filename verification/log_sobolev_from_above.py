"""What a run itself tells of the log-Sobolev constant rho of a user's energy: bounds from above.

For every law mu_t of the flow, LSI(rho) says (and Talagrand's inequality, which follows)

    rho <= FI(mu_t | pi) / (2 KL(mu_t | pi)),     rho <= 2 KL(mu_t | pi) / W2(mu_t, pi)^2,
    rho <= log(KL_s / KL_t) / (2 (t - s))   for s < t,

and rho <= gap. A COMPUTED rho whose lower bound exceeds one of these, on a flow of which two
witnesses agree, is contradicted: then a VIOLATED that rests on it is booked to the constant, not
to the theorem. Sources: Otto and Villani 2000; Bakry, Gentil and Ledoux 2014, chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lvebm_theory.constant import How
from lvebm_theory.theorem import Relation

from .agreement import agreeing_with, disagreements, measurement_of
from .claim import Case
from .decide import Verdict, decide
from .finding import Finding, nothing_compared
from .measurement import Measurement
from .meeting import case_from_json, case_to_json
from .request import USER

if TYPE_CHECKING:
    from .plan import Plan, PlannedCase

NAME = "log-sobolev-from-above"
TITLE = "The log-Sobolev constant is at most what the run measures"
CONTRADICTED = "constant-contradicted"
FRACTION = 0.05
# the gap and rho are rounded separately where they are one number; as in ``exceeds``
_ROUNDING = 1e-9
_WITNESSES = ("grid", "closed-form")

TALAGRAND = "2 KL / W2^2"
FISHER = "FI / (2 KL)"
DECAY = "log(KL_s / KL_t) / (2 (t - s))"
GAP = "gap"


@dataclass(frozen=True, kw_only=True)
class Above:
    """A planned upper bound of rho, from two measurements by one witness; none for the gap.

    Parameters
    ----------
    claims, cases : pairs
        Where each of the two is measured: KL and W2; FI and KL; KL_s and KL_t.
    """

    quantity: str
    witness: str
    time: float | None = None
    claims: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**row, "claims": list(self.claims), "cases": [case_to_json(c) for c in self.cases]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Above:
        """Inverse of ``to_json``."""
        cases = tuple(case_from_json(case) for case in row["cases"])
        return cls(**{**row, "claims": tuple(row["claims"]), "cases": cases})


def bounds_of(own: Iterable[tuple[str, Case]]) -> list[Above]:
    """Every bound that the cases on a user's energy allow; the gap's, where there are any cases.

    Parameters
    ----------
    own : pairs of a claim's name and a case of it to be measured on the user's energy
    """
    known: dict[tuple[str, str, float], tuple[str, Case]] = {}
    some = False
    for claim, case in own:
        some = True
        plain = case.control is None and not case.run and not case.part
        if plain and case.time is not None and case.upper_bound_of is None:
            known.setdefault((case.witness, case.quantity, case.time), (claim, case))
    found = [Above(quantity=GAP, witness="quadrature")] if some else []

    def bound(quantity: str, time: float, *sources: tuple[str, Case] | None) -> None:
        pairs = [source for source in sources if source is not None]
        if len(pairs) == len(sources):
            claims, cases = zip(*pairs, strict=True)
            witness = cases[0].witness
            found.append(
                Above(quantity=quantity, witness=witness, time=time, claims=claims, cases=cases)
            )

    for witness in _WITNESSES:
        times = sorted({time for w, _, time in known if w == witness})
        for time in times:
            entropy = known.get((witness, "KL", time))
            bound(TALAGRAND, time, entropy, known.get((witness, "W2", time)))
            bound(FISHER, time, known.get((witness, "FI", time)), entropy)
        for s, t in pairwise(times):
            bound(DECAY, t, known.get((witness, "KL", s)), known.get((witness, "KL", t)))
    return found


def _interval(above: Above, first: Measurement, second: Measurement) -> tuple[float, float, float]:
    """(lower, value, upper) of the bound; infinite where a denominator may vanish."""
    if above.quantity == TALAGRAND:
        low, middle, high = second.lower, second.value, second.upper
        return (
            _over(2 * first.lower, high * high),
            _over(2 * first.value, middle * middle),
            _over(2 * first.upper, low * low if low > 0 else 0.0),
        )
    if above.quantity == FISHER:
        return (
            _over(first.lower, 2 * second.upper),
            _over(first.value, 2 * second.value),
            _over(first.upper, 2 * second.lower),
        )
    s, t = (case.time or 0.0 for case in above.cases)
    rate = 2 * (t - s)
    return (
        _log(_over(first.lower, second.upper)) / rate,
        _log(_over(first.value, second.value)) / rate,
        _log(_over(first.upper, second.lower)) / rate,
    )


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def findings_from_above(
    plan: Plan,
    found: Mapping[PlannedCase, Finding],
    met: Sequence[Finding],
    constants: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, Any],
) -> list[Finding]:
    """One finding per planned bound: rho.lower is at most what was measured.

    Parameters
    ----------
    found : findings of the planned cases so far
    met : findings of the meetings
    constants : of the user's energy, as stored
    """
    measured = {(p.claim, p.case): f for p, f in found.items() if p.of_user}
    rho = _log_sobolev(measured.values(), constants)
    return [_confronted(a, measured, met, rho, constants, shared) for a in plan.above]


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
    constants: Mapping[str, Mapping[str, Any]],
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

    if rho is None or not (rho["lower"] or 0.0) > 0 or rho["how"] == How.ESTIMATED.value:
        return silent("no positive log-Sobolev constant is known that could be contradicted")
    if above.quantity == GAP:
        gap = constants.get("gap")
        if gap is None or gap["upper"] is None or gap["how"] == How.ESTIMATED.value:
            return silent("no upper bound of the spectral gap is known")
        ends = (gap["upper"],) * 3
        width = _ROUNDING * gap["upper"]
        own["constants"] = {"log_sobolev": dict(rho), "gap": dict(gap)}
    else:
        sides = [
            measurement_of(finding) if (finding := measured.get(key)) is not None else None
            for key in zip(above.claims, above.cases, strict=True)
        ]
        first, second = sides
        if first is None or second is None:
            return silent("what the bound is made of was not measured")
        ends = _interval(above, first, second)
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
    if computed and (above.quantity == GAP or agreeing_with(met, above.witness, USER)):
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
