"""A computed constant that the run contradicts is named as such; a theorem is not blamed for it."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from lvebm_theory import gaussian, parse_potential
from lvebm_theory.constant import Constant, How
from lvebm_theory.constants import constants_of
from lvebm_theory.constants.energy_constants import EnergyConstants
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.theorem import Relation
from verification import normal_laws
from verification.claim import Case
from verification.decide import Verdict
from verification.log_sobolev_from_above import (
    DECAY,
    FISHER,
    GAP,
    NAME,
    NORMAL,
    TALAGRAND,
    Above,
    bounds_of,
    interval_of,
)
from verification.measurement import Measurement
from verification.normal_laws import least_over_normal_laws
from verification.plan import Plan, build_plan
from verification.request import Request
from verification.runner import collect
from verification.store import Folder
from verification.summary import Exit, exit_status
from verification.tasks import CONSTANTS, work

# a translate of a Gaussian target: every bound from above is attained by rho = 1
START = {"weights": [1.0], "means": [[2.0]], "sds": [[1.0]]}
CLAIMS = ("kl-decay", "w2-talagrand-decay", "de-bruijn")


def asked(*names):
    return Request(claims=names, potential="x**2/2", start=START, times=(0.3, 1.0), budget="quick")


def run(folder, *names):
    return measured(asked(*names), folder)


def measured(request, folder):
    plan = build_plan(request, "1")
    folder = Folder(folder)
    folder.begin(plan)
    for group in plan.groups:
        work(str(folder.path), group.index)
    work(str(folder.path), CONSTANTS)
    return collect(plan, folder)


def plant(monkeypatch, rho, how):
    """The log-Sobolev constant of every energy is said to be rho."""
    wrong = Constant(value=rho, lower=rho, upper=math.inf, how=how, source="planted")
    monkeypatch.setattr(EnergyConstants, "log_sobolev", property(lambda self: wrong))


def verdicts(findings, claim, **wanted):
    return {
        f.verdict
        for f in findings
        if f.claim == claim and all(getattr(f, k) == v for k, v in wanted.items())
    }


def user(findings, claim):
    return verdicts(findings, claim, setting="user", control=None)


# the bounds -------------------------------------------------------------------------------------

flows = st.tuples(
    st.floats(0.2, 5.0), st.floats(-3.0, 3.0), st.floats(0.3, 3.0), st.floats(0.05, 1.0)
)


@given(flow=flows)
@settings(max_examples=60, deadline=None)
def test_on_gaussians_no_bound_lies_below_rho(flow):
    precision, mean, sd, time = flow
    target = Gaussian.from_precision([0.0], [[precision]])
    start = Gaussian([mean], [[sd * sd]])
    laws = [gaussian.langevin_flow(start, target, t) for t in (time, 2 * time)]
    entropy, later = (gaussian.relative_entropy(law, target) for law in laws)
    if later < 1e-9:
        return
    sides = {
        TALAGRAND: (entropy, gaussian.wasserstein(laws[0], target)),
        FISHER: (gaussian.fisher_information(laws[0], target), entropy),
        DECAY: (entropy, later),
    }
    for quantity, values in sides.items():
        cases = tuple(
            Case(quantity="KL", relation=Relation.AT_MOST, witness="grid", time=t)
            for t in (time, 2 * time)
        )
        above = Above(quantity=quantity, witness="grid", time=time, cases=cases)
        exact = [Measurement(value=v) for v in values]
        low, middle, high = interval_of(above, *exact)
        assert low == pytest.approx(middle) == pytest.approx(high)
        assert middle >= precision * (1 - 1e-6)
        if abs(sd * sd * precision - 1) < 1e-12:
            assert middle == pytest.approx(precision, rel=1e-6)
        wide = [replace(m, numerical=0.01 * m.value) for m in exact]
        low, middle, high = interval_of(above, *wide)
        # every pair of values in the two intervals gives a bound between the ends
        for factors in ((0.99, 1.01), (1.01, 0.99), (0.99, 0.99)):
            moved = [Measurement(value=f * v) for f, v in zip(factors, values, strict=True)]
            assert low - 1e-12 <= interval_of(above, *moved)[1] <= high + 1e-12


def test_what_is_not_told_from_zero_bounds_nothing():
    wide, one = Measurement(value=0.1, numerical=0.2), Measurement(value=1.0)
    assert interval_of(Above(quantity=TALAGRAND, witness="grid"), one, wide)[2] == math.inf
    assert interval_of(Above(quantity=FISHER, witness="grid"), one, wide)[2] == math.inf


def test_bounds_are_planned_with_the_rest():
    plan = build_plan(asked(*CLAIMS), "1")
    kinds = [above.quantity for above in plan.above]
    assert kinds == [GAP, NORMAL, TALAGRAND, FISHER, TALAGRAND, FISHER, DECAY]
    assert plan.measured == len(plan.cases) + len(plan.meetings) + len(plan.above)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert [a.quantity for a in build_plan(asked("moment-bound"), "1").above] == [GAP, NORMAL]
    assert bounds_of([]) == []
    # two copies of a flow have another distance, a coupling yet another
    between = Case(
        quantity="cost", relation=Relation.AT_MOST, witness="grid", time=1.0, upper_bound_of="W2"
    )
    assert [a.quantity for a in bounds_of([("one", between)])] == [GAP, NORMAL]


# constants made false ---------------------------------------------------------------------------


def test_a_true_constant_is_not_contradicted(tmp_path):
    findings = run(tmp_path / "results", *CLAIMS)
    assert user(findings, NAME) == {Verdict.HOLDS}
    assert exit_status(findings) is Exit.AGREES


def test_a_computed_constant_takes_the_blame(monkeypatch, tmp_path):
    plant(monkeypatch, 1.1, How.COMPUTED)
    findings = run(tmp_path / "results", *CLAIMS)
    assert user(findings, NAME) == {Verdict.CONSTANT_CONTRADICTED}
    assert Verdict.VIOLATED not in user(findings, "kl-decay") | user(findings, "w2-talagrand-decay")
    assert Verdict.CONSTANT_CONTRADICTED in user(findings, "kl-decay")
    # what does not rest on rho stands, and so do controls
    assert user(findings, "de-bruijn") == {Verdict.HOLDS}
    assert Verdict.CONSTANT_CONTRADICTED not in {f.verdict for f in findings if f.control}
    for finding in findings:
        if finding.verdict is Verdict.CONSTANT_CONTRADICTED:
            assert finding.provenance["reason"].startswith("constant-contradicted: ")
    assert exit_status(findings) is Exit.CONTRADICTED


@pytest.mark.parametrize("how", [How.EXACT, How.CERTIFIED])
def test_a_proved_constant_leaves_the_verdict_what_it_is(how, monkeypatch, tmp_path):
    plant(monkeypatch, 1.1, how)
    findings = run(tmp_path / "results", "kl-decay")
    assert Verdict.VIOLATED in user(findings, "kl-decay")
    assert Verdict.CONSTANT_CONTRADICTED not in {f.verdict for f in findings}


def test_without_a_second_witness_that_agrees_nothing_is_booked_to_the_constant(
    monkeypatch, tmp_path
):
    plant(monkeypatch, 1.1, How.COMPUTED)
    # what needs no witness is taken away too
    monkeypatch.setattr(EnergyConstants, "gap", property(lambda self: Constant.exact(9.0, "test")))
    monkeypatch.setattr(normal_laws, "least_over_normal_laws", lambda energy: None)
    findings = run(tmp_path / "results", "talagrand", "hwi")
    assert Verdict.VIOLATED in user(findings, "talagrand")
    assert Verdict.VIOLATED in user(findings, NAME)
    assert Verdict.CONSTANT_CONTRADICTED not in {f.verdict for f in findings}
    assert exit_status(findings) is Exit.CONTRADICTED


def test_a_wrong_witness_does_not_contradict_a_constant(monkeypatch, tmp_path):
    from verification import grid_witness

    true = grid_witness.curve

    def wrong(path, quantity):
        found = true(path, quantity)
        return replace(found, values=0.8 * found.values) if quantity == "KL" else found

    plant(monkeypatch, 1.0, How.COMPUTED)  # the truth
    monkeypatch.setattr(grid_witness, "curve", wrong)
    findings = run(tmp_path / "results", "kl-decay", "w2-talagrand-decay")
    assert Verdict.UNDECIDED in user(findings, NAME)
    assert Verdict.CONSTANT_CONTRADICTED not in {f.verdict for f in findings}
    assert user(findings, "kl-decay") == {Verdict.UNDECIDED}


# rho above what normal laws allow ----------------------------------------------------------------


@given(
    precision=st.tuples(st.floats(0.1, 9.0), st.floats(0.1, 9.0)),
    mean=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    dim=st.sampled_from([1, 2]),
)
@settings(max_examples=12, deadline=None)
def test_normal_laws_know_the_constant_of_a_gaussian(precision, mean, scale, dim):
    energy = quadratic(
        precision=np.diag(precision[:dim]) / scale**2, mean=scale * np.array(mean[:dim])
    )
    _, bound = least_over_normal_laws(energy)
    assert bound.value == pytest.approx(min(precision[:dim]) / scale**2, rel=1e-4)


@given(
    text=st.sampled_from(
        ["x**2/2+{a}*log(1+exp(3*x-1))", "{a}*x**4-x**2+0.4*x", "x**2/2+{a}*cos(2*x)"]
    ),
    a=st.floats(0.2, 1.5),
)
@settings(max_examples=4, deadline=None)
def test_a_bound_by_a_normal_law_is_its_ratio_and_lies_above_what_is_proved(text, a):
    energy = parse_potential(text.format(a=a))
    law, bound = least_over_normal_laws(energy)

    def integral(f, centre, width):
        points = np.linspace(centre - width, centre + width, 21)
        pairs = itertools.pairwise(points)
        return sum(quad(f, *pair, epsabs=1e-13)[0] for pair in pairs)

    def u(x):
        return float(energy.potential(np.array([[x]]))[0])

    normaliser = integral(lambda x: math.exp(-u(x)), 0.0, 14.0)
    m, s = float(law.means[0, 0]), float(law.sds[0, 0])
    density = norm(m, s).pdf
    entropy = integral(
        lambda x: density(x) * (norm(m, s).logpdf(x) + u(x) + math.log(normaliser)), m, 9 * s
    )

    def score(x):
        return float(energy.gradient(np.array([[x]]))[0, 0]) - (x - m) / s**2

    information = integral(lambda x: density(x) * score(x) ** 2, m, 9 * s)
    assert bound.value == pytest.approx(information / (2 * entropy), rel=1e-6)
    assert bound.upper >= constants_of(energy).log_sobolev.lower


@pytest.mark.parametrize(("rho", "named"), [(1.0, False), (1.1, True)])
def test_a_start_that_comes_near_no_bound_hides_no_wrong_constant(
    monkeypatch, tmp_path, rho, named
):
    """rho is 1 (U'' >= 1, and tends to 1): the gap is 1.63, and the flow's own ratios are large."""
    plant(monkeypatch, rho, How.COMPUTED)
    request = Request(
        claims=("talagrand",),
        potential="x**2/2+log(1+exp(3*x-1))",
        start={"weights": [1.0], "means": [[1.5]], "sds": [[0.4]]},
        times=(0.1, 1.0),
        budget="quick",
    )
    findings = measured(request, tmp_path / "results")
    contradicted = {f.quantity for f in findings if f.verdict is Verdict.CONSTANT_CONTRADICTED}
    assert contradicted == ({NORMAL} if named else set())
    assert exit_status(findings) is (Exit.CONTRADICTED if named else Exit.AGREES)


# rho above the gap ------------------------------------------------------------------------------


def test_rho_above_the_gap_is_found_without_any_measurement(monkeypatch, tmp_path):
    plant(monkeypatch, 1.001, How.COMPUTED)
    findings = run(tmp_path / "results", "moment-bound")
    assert user(findings, NAME) == {Verdict.CONSTANT_CONTRADICTED}
    assert exit_status(findings) is Exit.CONTRADICTED


def test_a_maximum_hides_no_contradiction(monkeypatch):
    from lvebm_theory.constants import log_sobolev
    from lvebm_theory.parse import parse_potential

    constants = EnergyConstants(parse_potential("x**4/4 - x**2/2"), True, 1e-6)
    assert constants.contradiction is None
    assert "contradicted" not in constants.log_sobolev.source
    bad = log_sobolev.Candidate(name="bad", lower=2.0, how=How.COMPUTED, source="planted")
    monkeypatch.setattr(log_sobolev, "lower_bounds", lambda _: (bad,))
    wrong = EnergyConstants(parse_potential("x**4/4 - x**2/2"), True, 1e-6)
    assert wrong.log_sobolev.lower == 2.0 > wrong.gap.upper
    assert "contradicted by the gap" in wrong.log_sobolev.source
    assert "one of the two is wrong" in wrong.contradiction


def test_lvebm_constants_says_it(monkeypatch, capsys):
    from verification.cli import run as command

    potential = ["constants", "--potential", "x**2/2 + log(1 + x**2)/3", "--json"]
    assert command(potential) == 0
    plant(monkeypatch, 50.0, How.COMPUTED)
    assert command(potential) == Exit.CONTRADICTED
    assert (
        "constant-contradicted: the log-Sobolev constant is at least 50" in capsys.readouterr().err
    )


def test_equality_up_to_rounding_is_no_contradiction():
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.parse import parse_potential

    for energy in (quadratic(precision=3.7), parse_potential("x**2/2 + y**4/4 + y**2")):
        assert constants_of(energy).contradiction is None
