"""Witnesses of one quantity meet in every run; a disagreement is said first and decides nothing."""

from dataclasses import replace

import pytest

from lvebm_theory.theorem import Relation
from verification import wording
from verification.agreement import findings_of_meetings
from verification.claim import BUDGETS, Case, Setting
from verification.decide import Verdict
from verification.discovery import claims
from verification.evaluation import evaluate_cases
from verification.meeting import CONTROLS, HALF_NOISE, NAME, SHIFTED, Meeting, meetings_of
from verification.plan import build_plan
from verification.request import Request
from verification.runner import collect
from verification.session import Session
from verification.store import Folder
from verification.summary import Exit, exit_status, summarise
from verification.tasks import CONSTANTS, work

from .conftest import SYNTHETIC, lvebm

PACKAGE = "synthetic_claims"


def finished(request, folder):
    """All findings of a request, measured in this process."""
    plan = build_plan(request, "1")
    folder = Folder(folder)
    folder.begin(plan)
    for group in plan.groups:
        work(str(folder.path), group.index)
    if request.of_user:
        work(str(folder.path), CONSTANTS)
    return plan, collect(plan, folder)


def of(findings, claim, control=None):
    return [f for f in findings if f.claim == claim and f.control == control]


# what meets -------------------------------------------------------------------------------------


def case(witness, quantity="KL", time=1.0, **fields):
    return Case(quantity=quantity, relation=Relation.AT_MOST, witness=witness, time=time, **fields)


def met(*cases, own=True):
    claim = replace(claims(PACKAGE)["agreeing"], cases=lambda setting, backend: cases)
    setting = Setting(name="here", subject=None)
    found = meetings_of(claim, setting, "numba", own=own, of_user=False)
    return [(m.first, m.second, m.control, m.relation) for m in found]


def test_every_pair_of_witnesses_of_one_number_meets_once():
    grid, closed, numba = case("grid"), case("closed-form"), case("numba")
    equal = replace(numba, relation=Relation.EQUAL)  # the same number once more
    pairs = {(a, b) for a, b, control, _ in met(grid, closed, numba, equal) if not control}
    assert pairs == {(grid, closed), (numba, grid), (numba, closed)}


@pytest.mark.parametrize(
    "other",
    [
        case("numba", time=2.0),
        case("numba", quantity="W2"),
        case("numba", part="coupling"),
        case("numba", run="mutant", control="double-drift"),
        case("numba", control="rate-doubled"),
    ],
)
def test_other_numbers_and_wrong_runs_do_not_meet(other):
    assert met(case("grid"), other) == []


def test_a_coupling_is_met_from_below_only():
    grid, coupled = case("grid", "W2"), case("numba", "cost", upper_bound_of="W2", part="coupling")
    assert met(grid, coupled) == met(coupled, grid) == [(grid, coupled, None, Relation.AT_MOST)]
    assert met(case("grid", "W1"), coupled) == []
    assert met(case("grid", "W2", part="another distance"), coupled) == []


def test_half_the_noise_meets_the_true_run_of_the_other_witness():
    wrong = case("numba", control=HALF_NOISE, run=HALF_NOISE)
    found = met(case("grid"), case("numba"), wrong, own=False)
    assert found == [(wrong, case("grid"), HALF_NOISE, Relation.EQUAL)]


def test_what_is_stored_of_a_coupling_is_not_called_the_distance():
    plan = build_plan(Request(claims=("w2-contraction", "convergence-without-lsi")), "1")
    coupled = {p.case.quantity for p in plan.cases if p.case.witness == "numba"}
    assert coupled == {"coupled distance", "coupled cost"}
    one_sided = {m.second.quantity for m in plan.meetings if m.relation is Relation.AT_MOST}
    assert one_sided == coupled
    # toward pi the grid measures another distance than the two coupled clouds
    start = {"weights": [1.0], "means": [[0.5]], "sds": [[0.8]]}
    asked = Request(claims=("w2-contraction",), potential="x**2/2", start=start, times=(1.0,))
    assert [m for m in build_plan(asked, "1").meetings if m.of_user] == []


def test_the_resolution_is_five_per_cent_unless_a_claim_says_less():
    plan = build_plan(Request(claims=("kl-decay", "ula-gaussian")), "1")
    assert {(m.claim, m.fraction) for m in plan.meetings} == {
        ("kl-decay", 0.05),
        ("ula-gaussian", 0.02),
    }
    agreeing = claims(PACKAGE)["agreeing"]
    more = replace(agreeing, agreement={"KL": 0.5})
    setting = agreeing.settings()[0]
    found = meetings_of(more, setting, "numba", own=True, of_user=False)
    assert {m.fraction for m in found} == {0.05}


def test_meetings_are_planned_and_count():
    plan = build_plan(Request(claims=("kl-decay",)), "1")
    assert plan.measured == len(plan.cases) + len(plan.meetings)
    assert {m.control for m in plan.meetings} == {None, *CONTROLS}
    assert plan.alpha_at(0) == plan.request.alpha / 2 / plan.measured


def test_what_a_control_meets_is_measured_but_not_reported(tmp_path):
    start = {"weights": [1.0], "means": [[0.5]], "sds": [[0.8]]}
    asked = Request(
        claims=("kl-decay",), potential="x**2/2", start=start, times=(1.0,), budget="quick"
    )
    plan = build_plan(asked, "1")
    assert [p.case.witness for p in plan.partners] == ["grid"]
    assert not set(plan.partners) & set(plan.cases)
    (group,) = (g for g in plan.groups if g.partners)
    assert group.cases[group.reported :] == plan.partners


# what a meeting comes to ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def disagreeing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disagreeing") / "results"
    return lvebm(
        "verify", *SYNTHETIC, "--claims", "disagreeing", "--budget", "quick", "--out", folder
    )


def test_a_disagreement_is_said_first_and_leaves_undecided_what_rests_on_it(disagreeing):
    assert disagreeing.status == Exit.CONTRADICTED
    assert disagreeing.out.startswith("WITNESSES DISAGREE at disagreeing/off, t = 0.1")
    report = (disagreeing.folder / "report.html").read_text()
    assert report.index("WITNESSES DISAGREE") < report.index("exit status")
    first = disagreeing.findings[0]
    assert (first.claim, first.verdict) == (NAME, Verdict.VIOLATED)
    own = of(disagreeing.findings, "disagreeing")
    off = [f for f in own if f.setting == "off"]
    assert {f.verdict for f in off} == {Verdict.UNDECIDED}
    assert all("numba and grid disagree on KL" in f.provenance["reason"] for f in off)
    # the other setting has no start in common with it, and stands
    assert {f.verdict for f in own if f.setting == "well"} == {Verdict.HOLDS}


def test_a_disagreement_is_not_booked_to_the_theorem(disagreeing):
    summaries = {s.claim: s.verdict for s in summarise(disagreeing.findings)}
    assert summaries == {NAME: Verdict.VIOLATED, "disagreeing": Verdict.UNDECIDED}


def test_a_witness_moved_by_the_resolution_disagrees_wherever_two_agree(agreeing):
    assert agreeing.status == 0
    (summary,) = (s for s in summarise(agreeing.findings) if s.claim == NAME)
    assert summary.counts == {Verdict.HOLDS: 6}
    (shifted,) = summary.controls
    assert (shifted.name, shifted.caught) == (SHIFTED, True)
    for finding in shifted.findings:
        assert abs(finding.measured - finding.bound) == pytest.approx(finding.resolution, rel=0.01)


def test_what_is_not_told_apart_is_no_pass_and_no_doubt(tmp_path):
    asked = Request(claims=("coarse",), package=PACKAGE, budget="quick")
    plan, findings = finished(asked, tmp_path / "results")
    rows = of(findings, NAME)
    assert {f.verdict for f in rows} == {Verdict.NOT_TOLD_APART}
    assert all("wider than the resolution" in f.provenance["reason"] for f in rows)
    # a control that could not be tried is not missed
    (summary,) = (s for s in summarise(findings) if s.claim == NAME)
    assert not any(control.caught or control.missed for control in summary.controls)
    assert wording.caught(summary) == "0/1, not tried: shifted-witness"
    assert Verdict.HOLDS in {f.verdict for f in of(findings, "coarse")}
    controls = [f for f in findings if f.claim == "coarse"]
    assert exit_status([*rows, *controls]) is exit_status(controls)
    # agreement of witnesses alone is nothing that holds
    agreed = [replace(f, verdict=Verdict.HOLDS) for f in rows]
    assert exit_status(agreed) is Exit.UNDECIDED
    assert len(findings) == plan.findings


def test_a_width_that_is_infinite_is_not_read_as_none(tmp_path):
    asked = Request(claims=("disagreeing",), package=PACKAGE, budget="quick")
    plan, _ = finished(asked, tmp_path / "results")
    folder = Folder(tmp_path / "results")
    found = {}
    for group in plan.groups:
        for planned, finding in zip(group.cases, folder.read_piece(plan, group), strict=True):
            wide = planned.case.witness == "numba"
            found[planned] = replace(finding, numerical=None) if wide else finding
    rows = findings_of_meetings(plan, found, {})
    assert {row.verdict for row in rows} == {Verdict.NOT_TOLD_APART}
    assert {row.to_json()["numerical"] for row in rows} == {None}


def test_the_budget_grows_for_a_meeting_where_that_can_help():
    claim = claims(PACKAGE)["agreeing"]
    (plain,) = (s for s in claim.settings() if s.name == "plain")
    cases = [c for c in claim.cases(plain, "numba") if c.witness == "numba"]

    def looks(fraction):
        records, _ = evaluate_cases(
            claim,
            plain,
            cases,
            alpha_at=lambda _: 0.01,
            seed=0,
            budget=BUDGETS["standard"],
            met=dict.fromkeys(cases, fraction),
        )
        return {(record.looks, record.verdict) for record in records.values()}

    # the largest of three values is 0.82, and the half-width 1e-5 at the first look
    assert looks(0.05) == {(1, Verdict.HOLDS)}
    assert looks(0.5e-5) == {(3, Verdict.HOLDS)}
    assert looks(1e-6) == {(1, Verdict.HOLDS)}  # three looks would not reach it


def test_a_claim_with_one_witness_says_so(tmp_path):
    asked = Request(claims=("kl-decay", "de-bruijn"), budget="quick")
    plan = build_plan(asked, "1")
    from verification.finding import Finding, nothing_compared
    from verification.report.page import render

    folder = Folder(tmp_path / "results")
    folder.begin(plan)
    findings = [
        Finding(
            claim=p.claim,
            setting=p.setting,
            time=p.case.time,
            quantity=p.case.quantity,
            relation=p.case.relation.value,
            control=p.case.control,
            witness=p.case.witness,
            seconds=0.0,
            verdict=Verdict.NOT_APPLICABLE,
            provenance={"reason": "a test"},
            **nothing_compared(),
        )
        for p in plan.cases
    ]
    page = render(folder, plan, folder.contents(plan, findings))
    alone = "Measured by one witness, with no second to check it: FI (grid, closed-form)."
    assert page.count(alone) == page.count("Measured by one witness") == 1
    assert page.count("Measured by two witnesses and compared: KL (numba, grid).") == 1


# the claims' own witnesses, one of them made wrong ----------------------------------------------

START = {"weights": [1.0], "means": [[1.5]], "sds": [[0.6]]}


def users_run(folder, *names):
    asked = Request(
        claims=names,
        potential="x**2/2 + log(1 + x**2)/4",
        start=START,
        times=(0.3, 1.0),
        budget="quick",
    )
    return finished(asked, folder)[1]


def test_true_witnesses_agree_on_a_users_energy(tmp_path):
    findings = users_run(tmp_path / "results", "kl-decay", "moment-bound")
    assert {f.verdict for f in of(findings, NAME) if f.setting.endswith("/user")} == {Verdict.HOLDS}
    for summary in summarise(findings):
        assert all(control.caught for control in summary.controls), summary.claim
    assert exit_status(findings) is Exit.AGREES


def _scaled_curve(monkeypatch):
    from verification import grid_witness

    true = grid_witness.curve

    def wrong(path, quantity):
        found = true(path, quantity)
        return replace(found, values=1.05 * found.values)

    monkeypatch.setattr(grid_witness, "curve", wrong)


def _densities_of_another_noise(monkeypatch):
    from verification import grid_witness
    from verification.controls.flows import with_noise_scaled

    true = grid_witness.density_path

    def wrong(energy, start, times, **fields):
        return with_noise_scaled(true(energy, start, times, **fields), start, 0.8)

    monkeypatch.setattr(grid_witness, "density_path", wrong)


def _half_noise(monkeypatch):
    from verification import particle_witness
    from verification.controls.schemes import with_noise_scaled

    true = particle_witness.snapshots

    def wrong(*arguments, **fields):
        fields.setdefault("mutate", None)
        if fields["mutate"] is None:
            fields["mutate"] = lambda scheme: with_noise_scaled(scheme, 0.5**0.5)
        return true(*arguments, **fields)

    monkeypatch.setattr(particle_witness, "snapshots", wrong)


@pytest.mark.parametrize("plant", [_scaled_curve, _densities_of_another_noise, _half_noise])
def test_a_wrong_witness_is_found_out_whatever_the_theorem_says(plant, monkeypatch, tmp_path):
    plant(monkeypatch)
    findings = users_run(tmp_path / "results", "kl-decay")
    assert findings[0].claim == NAME
    assert findings[0].verdict is Verdict.VIOLATED
    own = [f for f in of(findings, "kl-decay") if f.setting == "user"]
    assert {f.verdict for f in own} == {Verdict.UNDECIDED}
    assert exit_status(findings) is Exit.CONTRADICTED


def test_a_meeting_survives_storage():
    plan = build_plan(Request(claims=("kl-decay",)), "1")
    for meeting in plan.meetings:
        assert Meeting.from_json(meeting.to_json()) == meeting


def test_a_finished_run_is_not_measured_again(disagreeing):
    plan = Folder(disagreeing.folder).plan()
    assert Session(plan=plan, folder=Folder(disagreeing.folder)).finished() is not None
