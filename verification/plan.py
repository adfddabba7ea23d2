"""The plan: every finding that a run will make, fixed and stored before the first measurement.

With m planned cases, look j = 0, 1, ... at one case may spend the error probability

    alpha 2^-(j+1) / m,

so that the chance of any false VIOLATED in the whole run is at most alpha, whatever the budget
grows to and however often the run is resumed. Meetings of witnesses, and what a run tells of the
log-Sobolev constant, are planned cases like any other and count in m.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lvebm_theory.errors import ArgumentError, AssumptionError

from .claim import Case, Claim, Setting
from .discovery import claims
from .log_sobolev_from_above import Above, bounds_of
from .meeting import Meeting, case_from_json, case_to_json, meetings_of, partners_of
from .request import USER, Request, user_setting


@dataclass(frozen=True, kw_only=True)
class PlannedCase:
    """One planned finding.

    ``settled`` is None for a case to be measured; otherwise the reason for which the claim does
    not apply to the user's energy, known before measuring.
    """

    claim: str
    setting: str
    of_user: bool
    case: Case
    settled: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object, the case's fields beside its claim and setting."""
        own = {k: getattr(self, k) for k in ("claim", "setting", "of_user", "settled")}
        return {**own, **case_to_json(self.case)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> PlannedCase:
        """Inverse of ``to_json``."""
        own = {k: row[k] for k in ("claim", "setting", "of_user", "settled")}
        return cls(case=case_from_json(row), **own)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Planned cases that are measured together: equal claim, setting, witness and run.

    The last ``partners`` of them are measured only to be met by others.
    """

    index: int
    claim: str
    setting: str
    of_user: bool
    witness: str
    run: str
    cases: tuple[PlannedCase, ...]
    partners: int = 0

    @property
    def reported(self) -> int:
        """How many of the cases are findings of the run: the first ones."""
        return len(self.cases) - self.partners

    @property
    def path(self) -> str:
        """Group of the claim's netCDF file: ``setting/witness`` or ``setting/witness/run``."""
        return "/".join(part for part in (self.setting, self.witness, self.run) if part)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All planned cases of a run, in the order in which findings are reported.

    ``meetings`` of their measurements and bounds from ``above`` on the log-Sobolev constant are
    findings too; ``partners`` are cases that are measured for a meeting alone. ``omitted`` maps a
    claim that was left out to the reason.
    """

    version: str
    request: Request
    cases: tuple[PlannedCase, ...]
    meetings: tuple[Meeting, ...] = ()
    partners: tuple[PlannedCase, ...] = ()
    above: tuple[Above, ...] = ()
    omitted: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> int:
        """How many findings the run comes to."""
        return len(self.cases) + len(self.meetings) + len(self.above)

    @property
    def measured(self) -> int:
        """m, the number of findings that may spend error probability."""
        return self.findings - sum(case.settled is not None for case in self.cases)

    def alpha_at(self, look: int) -> float:
        """alpha 2^-(look + 1) / m."""
        return float(self.request.alpha * 2.0 ** -(look + 1) / max(self.measured, 1))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Cases to be measured, grouped by (claim, setting, witness, run), in order."""
        found: dict[tuple[str, str, bool, str, str], list[PlannedCase]] = {}
        partners: Counter[tuple[str, str, bool, str, str]] = Counter()
        for number, planned in enumerate((*self.cases, *self.partners)):
            if planned.settled is None:
                case = planned.case
                key = (planned.claim, planned.setting, planned.of_user, case.witness, case.run)
                found.setdefault(key, []).append(planned)
                partners[key] += number >= len(self.cases)
        return tuple(
            Group(
                index=index,
                claim=key[0],
                setting=key[1],
                of_user=key[2],
                witness=key[3],
                run=key[4],
                cases=tuple(cases),
                partners=partners[key],
            )
            for index, (key, cases) in enumerate(found.items())
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object, with its own digest."""
        body = {
            "version": self.version,
            "request": self.request.to_json(),
            "measured": self.measured,
            "omitted": dict(self.omitted),
            "cases": [case.to_json() for case in self.cases],
            "meetings": [meeting.to_json() for meeting in self.meetings],
            "partners": [case.to_json() for case in self.partners],
            "above": [above.to_json() for above in self.above],
        }
        return {"digest": _digest(body), **body}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Plan:
        """Inverse of ``to_json``; raises ArgumentError for a plan that was altered or damaged."""
        try:
            plan = cls(
                version=row["version"],
                request=Request.from_json(row["request"]),
                cases=tuple(PlannedCase.from_json(case) for case in row["cases"]),
                meetings=tuple(Meeting.from_json(meeting) for meeting in row["meetings"]),
                partners=tuple(PlannedCase.from_json(case) for case in row["partners"]),
                above=tuple(Above.from_json(above) for above in row["above"]),
                omitted=row["omitted"],
            )
            whole = plan.digest == row["digest"]
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"the stored plan cannot be read: {error!r}") from error
        if not whole:
            raise ArgumentError("the stored plan does not match its own digest")
        return plan

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan: equal plans have equal digests."""
        return str(self.to_json()["digest"])


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _cases(claim: Claim, setting: Setting, request: Request, *, of_user: bool) -> list[PlannedCase]:
    return [
        PlannedCase(claim=claim.name, setting=setting.name, of_user=of_user, case=case)
        for case in claim.cases(setting, request.backend)
        if of_user or not request.of_user or case.control is not None
    ]


def _inapplicable(claim: Claim, request: Request, reason: str) -> Iterable[PlannedCase]:
    """One settled row per quantity and witness that the claim measures on its own settings."""
    seen: dict[tuple[str, str], Case] = {}
    for setting in claim.settings():
        for case in claim.cases(setting, request.backend):
            if case.control is None:
                plain = Case(quantity=case.quantity, relation=case.relation, witness=case.witness)
                seen.setdefault((case.quantity, case.witness), plain)
    return [
        PlannedCase(claim=claim.name, setting=USER, of_user=True, case=case, settled=reason)
        for case in seen.values()
    ]


def _of_claim(claim: Claim, request: Request) -> tuple[list[PlannedCase], list[Meeting]]:
    """Cases of one claim and their meetings."""
    places = [(setting, False) for setting in claim.settings()]
    if request.of_user:
        try:
            own = user_setting(request, claim.name)
        except AssumptionError as error:
            return list(_inapplicable(claim, request, "; ".join(error.broken))), []
        # the verdict on the user's energy comes with evidence that the check can fail
        places = [(own, True), *(place for place in places if place[0].with_controls)]
    cases: list[PlannedCase] = []
    meetings: list[Meeting] = []
    for setting, of_user in places:
        cases += _cases(claim, setting, request, of_user=of_user)
        proper = of_user or not request.of_user
        meetings += meetings_of(claim, setting, request.backend, own=proper, of_user=of_user)
    return cases, meetings


def _partners(cases: Sequence[PlannedCase], meetings: Sequence[Meeting]) -> list[PlannedCase]:
    """What meetings need to have measured and no finding asks for."""
    planned: dict[tuple[str, str, bool], list[Case]] = {}
    for p in cases:
        planned.setdefault((p.claim, p.setting, p.of_user), []).append(p.case)
    asked: dict[tuple[str, str, bool], list[Meeting]] = {}
    for m in meetings:
        asked.setdefault((m.claim, m.setting, m.of_user), []).append(m)
    return [
        PlannedCase(claim=key[0], setting=key[1], of_user=key[2], case=case)
        for key, own in asked.items()
        for case in partners_of(own, planned[key])
    ]


def build_plan(request: Request, version: str) -> Plan:
    """Every case of a request.

    For the user's energy a claim contributes its cases there and the control cases of its own
    settings. A claim that speaks only of its own settings is left out, or reported NOT_APPLICABLE
    where the user named it; so is one whose assumption fails for the energy.

    Raises
    ------
    ArgumentError
        Two planned cases could not be told apart, or nothing is left to be measured.
    """
    known = claims(request.package)
    cases: list[PlannedCase] = []
    meetings: list[Meeting] = []
    omitted: dict[str, str] = {}
    for name in request.claims:
        claim = known[name]
        if request.of_user and claim.adapt is None and not request.chosen:
            omitted[name] = "speaks only of its own settings"
        else:
            own, met = _of_claim(claim, request)
            cases += own
            meetings += met
    _refuse_twins(cases)
    if not cases:
        raise ArgumentError("none of the claims asked for speaks of this energy")
    return Plan(
        version=version,
        request=request,
        cases=tuple(cases),
        meetings=tuple(meetings),
        partners=tuple(_partners(cases, meetings)),
        above=tuple(bounds_of((p.claim, p.case) for p in cases if p.of_user and not p.settled)),
        omitted=omitted,
    )


def _refuse_twins(cases: Sequence[PlannedCase]) -> None:
    seen = set()
    for planned in cases:
        key = (planned.claim, planned.setting, planned.case)
        if key in seen:
            raise ArgumentError(
                f"{planned.claim} plans the same case twice at {planned.setting}: {planned.case}"
            )
        seen.add(key)
