"""What claims raise and return, as verdicts, findings and exit status."""

import json
import time

import pytest

from verification.claim import BUDGETS
from verification.decide import Verdict
from verification.discovery import claims
from verification.evaluation import evaluate_cases
from verification.summary import Exit, exit_status, summarise

OWN = {
    "agreeing": {Verdict.HOLDS},
    "contradicted": {Verdict.VIOLATED},
    "undecided": {Verdict.UNDECIDED},
    "inapplicable": {Verdict.NOT_APPLICABLE},
    "failing": {Verdict.SOLVER_FAILED, Verdict.HOLDS},
    "missed": {Verdict.HOLDS},
}
STATUS = {
    "agreeing": Exit.AGREES,
    "contradicted": Exit.CONTRADICTED,
    "undecided": Exit.UNDECIDED,
    "inapplicable": Exit.UNDECIDED,  # nothing was found to hold
    "failing": Exit.FAILED,
    "missed": Exit.CONTRADICTED,
    "agreeing,inapplicable": Exit.AGREES,
    "agreeing,undecided": Exit.UNDECIDED,
    "undecided,failing": Exit.FAILED,
    "failing,contradicted": Exit.CONTRADICTED,
    "failing,missed": Exit.CONTRADICTED,
}


def of(everything, names):
    return [f for f in everything.findings if f.claim in names.split(",")]


@pytest.mark.parametrize("name", OWN)
def test_verdicts_of_a_claim(everything, name):
    assert {f.verdict for f in of(everything, name) if f.control is None} == OWN[name]


@pytest.mark.parametrize("names", STATUS)
def test_exit_status(everything, names):
    assert exit_status(of(everything, names)) is STATUS[names]


def test_the_whole_run_ends_with_the_gravest(everything):
    assert everything.status == 1
    assert "not caught: lost-factor" in everything.out
    assert "2/2" in everything.out


def test_one_caught_finding_catches_a_control(everything):
    (summary,) = summarise(of(everything, "missed"))
    assert {control.name: control.caught for control in summary.controls} == {
        "doubled-rate": True,
        "lost-factor": False,
    }
    rows = of(everything, "agreeing")
    first = next(f for f in rows if f.control == "doubled-rate")
    others = [f for f in rows if f.control != "doubled-rate"]
    assert exit_status([*others, first]) is Exit.AGREES
    assert first.verdict is Verdict.VIOLATED


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("solver", "the scheme diverged (at step 17)"),
        ("exception", "ZeroDivisionError"),
        ("missing", "no outcome"),
        ("no-number", "not a number"),
    ],
)
def test_a_failure_says_why_and_costs_only_its_own_cases(everything, setting, words):
    rows = [f for f in of(everything, "failing") if f.setting == setting]
    failed = [f for f in rows if f.verdict is Verdict.SOLVER_FAILED]
    assert failed
    assert all(words in f.provenance["reason"] and f.measured is None for f in failed)
    if setting in ("missing", "no-number"):
        assert len(failed) == 2  # one per witness
        assert len(rows) == 6
    if setting == "exception":
        assert all("context.look" in f.provenance["traceback"] for f in failed)
    if setting == "solver":
        assert all(f.provenance["step"] == 17 for f in failed)


def test_not_applicable_names_every_broken_assumption(everything):
    reasons = {f.provenance["reason"] for f in of(everything, "inapplicable") if f.control is None}
    assert reasons == {"rho > 0; the gradient is Lipschitz", "the tail is too heavy"}


def test_a_case_is_looked_at_again_only_while_it_is_undecided():
    claim = claims("synthetic_claims")["agreeing"]
    wide = next(s for s in claim.settings() if s.name == "wide")
    cases = [c for c in claim.cases(wide, "numba") if c.witness == "numba"]
    spent = {}
    records, datasets = evaluate_cases(
        claim,
        wide,
        cases,
        alpha_at=lambda look: spent.setdefault(look, 0.01 / 2 ** (look + 1)),
        seed=0,
        budget=BUDGETS["standard"],
    )
    assert spent == {0: 0.005, 1: 0.0025}  # a third look was not needed
    assert len(datasets) == 2
    for record in records.values():
        assert (record.looks, record.verdict) == (2, Verdict.HOLDS)
        assert record.alpha == pytest.approx(0.0075)


@pytest.mark.parametrize(
    ("witness", "time", "looks"),
    [
        ("numba", 1.0, 4),  # every look asks more particles
        ("grid", 0.1, 1),  # an ESTIMATED constant never improves
        ("grid", 1.0, 2),  # the second look measured what the first did
    ],
)
def test_what_no_look_can_decide_is_not_looked_at_for_ever(witness, time, looks):
    claim = claims("synthetic_claims")["undecided"]
    (setting,) = claim.settings()
    cases = [
        case
        for case in claim.cases(setting, "numba")
        if (case.witness, case.time, case.control) == (witness, time, None)
    ]
    records, _ = evaluate_cases(
        claim, setting, cases, alpha_at=lambda _: 0.01, seed=0, budget=BUDGETS["thorough"]
    )
    assert [(r.looks, r.verdict) for r in records.values()] == [(looks, Verdict.UNDECIDED)]


def test_slack_and_sensitivity(everything):
    rows = [f for f in of(everything, "contradicted") if f.control is None and f.time == 1.0]
    for finding in rows:
        assert finding.slack == pytest.approx(finding.bound / finding.measured)
        assert finding.slack < 1
    held = [f for f in of(everything, "agreeing") if f.control is None and f.witness == "grid"]
    assert {f.sensitivity for f in held} == {0.01}


def test_findings_carry_the_constants_of_their_bound(everything):
    (constants,) = {
        json.dumps(f.provenance["constants"], sort_keys=True)
        for f in of(everything, "agreeing,contradicted")
    }
    assert json.loads(constants)["log_sobolev"] == {
        "value": 1.0,
        "lower": 1.0,
        "upper": 1.0,
        "how": "EXACT",
        "source": "the parabola has curvature one",
    }


def test_seconds_are_shares_of_the_computing_time(tmp_path):
    claim = claims("synthetic_claims")["slow"]
    setting = claim.settings()[1]
    cases = [c for c in claim.cases(setting, "numba") if c.witness == "grid"]
    begun = time.perf_counter()
    records, _ = evaluate_cases(
        claim, setting, cases, alpha_at=lambda _: 0.01, seed=0, budget=BUDGETS["quick"]
    )
    whole = time.perf_counter() - begun
    assert 0.1 <= sum(r.seconds for r in records.values()) <= whole
