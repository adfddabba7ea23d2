"""Which measurements meet: two witnesses of one quantity at one setting and time.

Planned with everything else, before anything is measured. With intervals [l_1, u_1], [l_2, u_2]
that cover one number the two must intersect, whatever the theorem says of that number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lvebm_theory.theorem import Relation

from .claim import Case, Claim, Setting

NAME = "witnesses-agree"
TITLE = "Two witnesses of one quantity give one number"
FRACTION = 0.05
SHIFTED = "shifted-witness"
HALF_NOISE = "half-noise"
CONTROLS = {
    SHIFTED: "one of the two witnesses moved by the resolution",
    HALF_NOISE: "particles with noise sqrt(h) xi in place of sqrt(2h) xi",
}
_RANDOM = ("numba", "torch")


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Two cases of one setting whose measurements are compared with each other.

    Parameters
    ----------
    first, second : Case
        Where one of them is random it is the first; an upper bound is the second.
    control : str or None
        One of ``CONTROLS``.
    fraction : float
        The resolution is this fraction of the scale of the quantity.
    """

    claim: str
    setting: str
    of_user: bool
    first: Case
    second: Case
    control: str | None = None
    fraction: float = FRACTION

    @property
    def relation(self) -> Relation:
        """EQUAL; AT_MOST where the second is an upper bound of the first."""
        return Relation.AT_MOST if self.second.upper_bound_of else Relation.EQUAL

    @property
    def place(self) -> str:
        """``claim/setting``: names of settings are unique only within their claim."""
        return f"{self.claim}/{self.setting}"

    @property
    def kin(self) -> tuple[str, str, bool, str, str]:
        """Equal for meetings over one quantity at one setting: they share a scale."""
        return self.claim, self.setting, self.of_user, self.first.quantity, self.first.part

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**row, "first": case_to_json(self.first), "second": case_to_json(self.second)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Meeting:
        """Inverse of ``to_json``."""
        cases = {name: case_from_json(row[name]) for name in ("first", "second")}
        return cls(**{**row, **cases})


def case_to_json(case: Case) -> dict[str, Any]:
    """Plain JSON object."""
    row = {name: getattr(case, name) for name in Case.__dataclass_fields__}
    return {**row, "relation": case.relation.value}


def case_from_json(row: Mapping[str, Any]) -> Case:
    """Inverse of ``case_to_json``; further keys are left aside."""
    fields = {name: row[name] for name in Case.__dataclass_fields__}
    return Case(**{**fields, "relation": Relation(row["relation"])})


def meetings_of(
    claim: Claim, setting: Setting, backend: Any, *, own: bool, of_user: bool
) -> list[Meeting]:
    """Every meeting at a setting.

    True runs meet each other; the runs of a solver with half the noise meet the true runs of the
    other witnesses, as a negative control. The other one, a witness that is moved, is tried at the
    last time of each quantity.

    Parameters
    ----------
    own : bool
        False where only the controls are planned at this setting.
    """
    cases = claim.cases(setting, backend)
    true = _one_per_measurement(case for case in cases if case.control is None)
    found: list[Meeting] = []

    def meet(first: Case, second: Case, control: str | None = None) -> None:
        fraction = min(FRACTION, claim.agreement.get(first.quantity, FRACTION))
        found.append(
            Meeting(
                claim=claim.name,
                setting=setting.name,
                of_user=of_user,
                first=first,
                second=second,
                control=control,
                fraction=fraction,
            )
        )

    if own:
        for one, other in combinations(true, 2):
            if pair := _in_order(one, other):
                meet(*pair)
        last = {
            (meeting.kin, meeting.second.witness): meeting
            for meeting in found
            if meeting.relation is Relation.EQUAL
        }
        for meeting in last.values():
            meet(meeting.first, meeting.second, SHIFTED)
    for wrong in _one_per_measurement(case for case in cases if case.control == HALF_NOISE):
        for other in true:
            alike = _measured(wrong)[1:4] == _measured(other)[1:4]
            if wrong.run and alike and wrong.witness in _RANDOM and other.witness not in _RANDOM:
                meet(wrong, other, HALF_NOISE)
    return found


def _measured(case: Case) -> tuple[str, str, float | None, str, str]:
    """What a case measures, its witness first; cases that differ elsewhere share a number."""
    return case.witness, case.quantity, case.time, case.part, case.run


def _one_per_measurement(cases: Iterator[Case]) -> list[Case]:
    found: dict[Any, Case] = {}
    for case in cases:
        found.setdefault(_measured(case), case)
    return list(found.values())


def _in_order(one: Case, other: Case) -> tuple[Case, Case] | None:
    """The two as (first, second) of a meeting, None where they are no match."""
    if one.witness == other.witness or one.time != other.time:
        return None
    for low, high in ((one, other), (other, one)):
        if high.upper_bound_of is not None:
            return (low, high) if low.quantity == high.upper_bound_of and not low.part else None
    if _measured(one)[1:] != _measured(other)[1:]:
        return None
    return (other, one) if other.witness in _RANDOM else (one, other)


def partners_of(meetings: Sequence[Meeting], planned: Sequence[Case]) -> list[Case]:
    """Cases that meet others but are not planned for themselves, each once."""
    met = dict.fromkeys(case for m in meetings for case in (m.first, m.second))
    return [case for case in met if case not in planned]
