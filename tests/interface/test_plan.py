"""The plan: fixed beforehand, and spending no more error probability than declared."""

import json

import pytest

from lvebm_theory.errors import ArgumentError
from lvebm_theory.theorem import Relation
from verification.claim import Case
from verification.discovery import claims
from verification.plan import Plan, _refuse_twins, build_plan
from verification.request import Request

PACKAGE = "synthetic_claims"
START = {"weights": [1.0], "means": [[0.5]], "sds": [[0.8]]}


def request(*names, **fields):
    return Request(claims=names, package=PACKAGE, **fields)


def test_no_more_than_alpha_is_spent_however_many_looks():
    plan = build_plan(request("agreeing", "slow", alpha=0.01), "1")
    spent = sum(plan.alpha_at(look) for look in range(60)) * plan.measured
    assert spent == pytest.approx(0.01, rel=1e-12)
    assert plan.alpha_at(0) == pytest.approx(0.005 / (len(plan.cases) + len(plan.meetings)))


def test_groups_hold_every_case_once_and_share_claim_setting_witness_and_run():
    plan = build_plan(request("agreeing", "slow"), "1")
    grouped = [case for group in plan.groups for case in group.cases]
    assert sorted(map(str, grouped)) == sorted(map(str, plan.cases))
    for group in plan.groups:
        for planned in group.cases:
            assert (planned.claim, planned.setting) == (group.claim, group.setting)
            assert (planned.case.witness, planned.case.run) == (group.witness, group.run)


def test_a_plan_survives_storage():
    plan = build_plan(request("agreeing", potential="x**2/2", start=START, times=(0.1, 1 / 3)), "1")
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.digest == plan.digest


@pytest.mark.parametrize("damage", ["cases", "alpha", "digest"])
def test_an_altered_plan_is_refused(damage):
    row = build_plan(request("agreeing"), "1").to_json()
    if damage == "cases":
        row["cases"] = row["cases"][:-1]
    elif damage == "alpha":
        row["request"]["alpha"] = 0.5
    else:
        row["digest"] = "0" * 64
    with pytest.raises(ArgumentError, match="digest"):
        Plan.from_json(row)


def test_a_users_energy_is_asked_at_each_time_and_comes_with_controls():
    times = (0.2, 0.7)
    plan = build_plan(request("agreeing", potential="x**2/2", start=START, times=times), "1")
    own = [p for p in plan.cases if p.of_user]
    rest = [p for p in plan.cases if not p.of_user]
    assert [(p.case.witness, p.case.time) for p in own] == [
        (witness, t) for witness in ("grid", "numba") for t in times
    ]
    assert {p.setting for p in own} == {"user"}
    assert {p.case.control for p in rest} == set(claims(PACKAGE)["agreeing"].controls)


def test_a_claim_that_does_not_speak_of_the_energy():
    fields = {"potential": "x**2/2", "start": START, "times": (1.0,)}
    plan = build_plan(request("agreeing", "slow", **fields), "1")
    assert set(plan.omitted) == {"slow"}
    assert all(p.claim == "agreeing" for p in plan.cases)
    chosen = build_plan(request("slow", chosen=True, **fields), "1")
    assert not chosen.omitted
    assert {(p.case.quantity, p.case.witness) for p in chosen.cases} == {
        ("KL", "grid"),
        ("KL", "numba"),
    }
    assert all(p.settled for p in chosen.cases)
    assert (chosen.measured, chosen.groups) == (0, ())
    rough = build_plan(request("agreeing", **{**fields, "potential": "abs(x)"}), "1")
    assert {p.settled for p in rough.cases} == {"the potential is smooth"}


def test_nothing_to_ask_is_bad_input():
    with pytest.raises(ArgumentError, match="none of the claims"):
        build_plan(request("slow", potential="x**2/2", start=START, times=(1.0,)), "1")


def test_twins_are_refused():
    case = Case(quantity="KL", relation=Relation.AT_MOST, witness="grid", time=1.0)
    plan = build_plan(request("agreeing"), "1")
    with pytest.raises(ArgumentError, match="twice"):
        _refuse_twins([*plan.cases, plan.cases[0]])
    assert case not in [p.case for p in plan.cases if p.case.control]
