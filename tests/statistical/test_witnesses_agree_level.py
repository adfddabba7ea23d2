"""Witnesses that measure one number are said to disagree with probability at most alpha, whatever
the number of meetings and looks; witnesses whose widths are too small are said to more often."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from lvebm_theory.constant import Constant
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from verification.agreement import disagreements, findings_of_meetings
from verification.claim import Case, Claim, Evidence, Outcome, Setting
from verification.decide import Verdict
from verification.evaluation import evaluate_cases, finding_of, shared_provenance
from verification.measurement import Measurement
from verification.meeting import meetings_of
from verification.plan import Plan, PlannedCase
from verification.request import Request
from verification.tasks import met_in

ALPHA = 0.2
RUNS = 1500
TIMES = (1.0, 2.0, 3.0, 4.0, 5.0)
SPREAD = 0.1


def stub(width):
    """Samples of mean 2 by one witness, 2 itself by the other; ``width`` scales the half-widths."""

    def evaluate(setting, cases, context):
        generator = np.random.default_rng([context.seed, context.look])
        outcomes = {}
        for case in cases:
            sd = SPREAD / 2.0**context.look
            value, half = 2.0, 0.0
            if case.witness == "numba":
                value += sd * generator.standard_normal()
                half = width * sd * NormalDist().inv_cdf(1.0 - context.alpha / 2)
            outcomes[case] = Outcome(
                measurement=Measurement(
                    value=value,
                    statistical=half,
                    numerical=1e-9,
                    confidence=context.confidence if half else 1.0,
                ),
                bound=math.inf,
                resolution=1.0,
                constants={"log_sobolev": Constant.exact(1.0, "a test")},
            )
        return Evidence(outcomes=outcomes)

    return Claim(
        name="stub",
        title="A stub",
        theorems=(),
        controls={},
        settings=lambda: (),
        cases=lambda setting, backend: [
            Case(quantity="m", relation=Relation.AT_MOST, witness=witness, time=time)
            for witness in ("grid", backend)
            for time in TIMES
        ],
        evaluate=evaluate,
    )


def plan_of(claim, setting):
    cases = tuple(
        PlannedCase(claim=claim.name, setting=setting.name, of_user=True, case=case)
        for case in claim.cases(setting, "numba")
    )
    meetings = meetings_of(claim, setting, "numba", own=True, of_user=True)
    request = Request(claims=("stub",), alpha=ALPHA, potential="x**2")
    return Plan(version="1", request=request, cases=cases, meetings=tuple(meetings))


def run(claim, setting, plan, seed):
    """Findings of all meetings of one run."""
    found = {}
    provenance = shared_provenance(plan)
    for group in plan.groups:
        records, _ = evaluate_cases(
            claim,
            setting,
            [planned.case for planned in group.cases],
            alpha_at=plan.alpha_at,
            seed=seed,
            budget=plan.request.spending,
            met=met_in(plan, group),
        )
        for planned in group.cases:
            found[planned] = finding_of(planned, records[planned.case], provenance)
    return findings_of_meetings(plan, found, provenance)


@pytest.fixture(scope="module")
def setting():
    return Setting(
        name="user",
        subject=quadratic(precision=1.0),
        start=InitialLaw.normal(1.0, 1.0),
        times=TIMES,
    )


def share_of_alarms(width, setting):
    claim = stub(width)
    plan = plan_of(claim, setting)
    return sum(bool(disagreements(run(claim, setting, plan, seed))) for seed in range(RUNS))


def test_a_true_run_is_called_disagreeing_at_most_as_often_as_declared(setting):
    alarms = share_of_alarms(1.0, setting)
    assert stats.binomtest(alarms, RUNS, ALPHA, alternative="greater").pvalue > 1e-6
    # the bound is used: not a rule that never speaks
    assert alarms > 0


def test_widths_too_small_by_half_are_found_out(setting):
    alarms = share_of_alarms(0.5, setting)
    assert stats.binomtest(alarms, RUNS, ALPHA, alternative="greater").pvalue < 1e-6


def test_every_look_spends_its_share(setting):
    claim = stub(1.0)
    plan = plan_of(claim, setting)
    # planned cases: ten; meetings: five and one that is moved
    assert plan.measured == 16
    rows = run(claim, setting, plan, 0)
    for row in rows:
        looks = row.provenance["looks"]
        assert looks > 1  # at the first look it is too coarse
        assert row.provenance["alpha_spent"] == pytest.approx(
            ALPHA / 16 * (1 - 2.0**-looks), rel=1e-12
        )
        assert row.confidence == pytest.approx(1 - ALPHA / 16 * 2.0**-looks, rel=1e-12)
    assert {row.verdict for row in rows if row.control} == {Verdict.VIOLATED}
