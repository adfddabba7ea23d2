"""The plan: every finding that a run will make, fixed and stored before the first measurement.

With m planned cases, look j = 0, 1, ... at one case may spend the error probability

    alpha 2^-(j+1) / m,

so that the chance of any false VIOLATED in the whole run is at most alpha, whatever the budget
grows to and however often the run is resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lvebm_theory.errors import ArgumentError, AssumptionError
from lvebm_theory.theorem import Relation

from .claim import Case, Claim, Setting
from .discovery import claims
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
        row = {name: getattr(self.case, name) for name in Case.__dataclass_fields__}
        row["relation"] = self.case.relation.value
        own = {k: getattr(self, k) for k in ("claim", "setting", "of_user", "settled")}
        return {**own, **row}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> PlannedCase:
        """Inverse of ``to_json``."""
        fields = {name: row[name] for name in Case.__dataclass_fields__}
        case = Case(**{**fields, "relation": Relation(row["relation"])})
        own = {k: row[k] for k in ("claim", "setting", "of_user", "settled")}
        return cls(case=case, **own)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Planned cases that are measured together: equal claim, setting, witness and run."""

    index: int
    claim: str
    setting: str
    of_user: bool
    witness: str
    run: str
    cases: tuple[PlannedCase, ...]

    @property
    def path(self) -> str:
        """Group of the claim's netCDF file: ``setting/witness`` or ``setting/witness/run``."""
        return "/".join(part for part in (self.setting, self.witness, self.run) if part)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All planned cases of a run, in the order in which findings are reported.

    ``omitted`` maps a claim that was left out to the reason.
    """

    version: str
    request: Request
    cases: tuple[PlannedCase, ...]
    omitted: Mapping[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> int:
        """m, the number of cases that may spend error probability."""
        return sum(case.settled is None for case in self.cases)

    def alpha_at(self, look: int) -> float:
        """alpha 2^-(look + 1) / m."""
        return float(self.request.alpha * 2.0 ** -(look + 1) / max(self.measured, 1))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Cases to be measured, grouped by (claim, setting, witness, run), in order."""
        found: dict[tuple[str, str, bool, str, str], list[PlannedCase]] = {}
        for planned in self.cases:
            if planned.settled is None:
                case = planned.case
                key = (planned.claim, planned.setting, planned.of_user, case.witness, case.run)
                found.setdefault(key, []).append(planned)
        return tuple(
            Group(
                index=index,
                claim=key[0],
                setting=key[1],
                of_user=key[2],
                witness=key[3],
                run=key[4],
                cases=tuple(cases),
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


def _for_user(claim: Claim, request: Request) -> list[PlannedCase]:
    try:
        own = _cases(claim, user_setting(request, claim.name), request, of_user=True)
    except AssumptionError as error:
        return list(_inapplicable(claim, request, "; ".join(error.broken)))
    # the verdict on the user's energy comes with evidence that the check can fail
    controls = [setting for setting in claim.settings() if setting.with_controls]
    return own + [
        case for setting in controls for case in _cases(claim, setting, request, of_user=False)
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
    omitted: dict[str, str] = {}
    for name in request.claims:
        claim = known[name]
        if not request.of_user:
            for setting in claim.settings():
                cases += _cases(claim, setting, request, of_user=False)
        elif claim.adapt is None and not request.chosen:
            omitted[name] = "speaks only of its own settings"
        else:
            cases += _for_user(claim, request)
    _refuse_twins(cases)
    if not cases:
        raise ArgumentError("none of the claims asked for speaks of this energy")
    return Plan(version=version, request=request, cases=tuple(cases), omitted=omitted)


def _refuse_twins(cases: Sequence[PlannedCase]) -> None:
    seen = set()
    for planned in cases:
        key = (planned.claim, planned.setting, planned.case)
        if key in seen:
            raise ArgumentError(
                f"{planned.claim} plans the same case twice at {planned.setting}: {planned.case}"
            )
        seen.add(key)
