"""The decorator and the fixture: a correct sampler passes, a broken one fails with its component.

Budgets are numbers of chain steps and seeds are fixed, so that outcomes are the same everywhere.
"""

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis.database import InMemoryExampleDatabase

from lvebm_theory.errors import ArgumentError
from verification import strategies
from verification.samplers.plugin import sampler_test
from verification.samplers.property_test import LawViolation, PropertyTest
from verification.samplers.sequential import RESERVED_FOR_REPLAYS, Spending

pytest_plugins = ["pytester"]

BRIEF = {"examples": 2, "calls": 6_000}
LONG = {"examples": 2, "calls": 20_000}


def mala(x, energy, step_size, rng, drift=1.0, noise=1.0):
    """MALA; other factors than one are planted bugs of its proposal."""

    def move(y):
        return y - drift * step_size * energy.gradient(y)

    def log_proposal(a, b):
        return -((b - a + step_size * energy.gradient(a)) ** 2).sum(axis=1) / (4 * step_size)

    y = move(x) + noise * np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
    rise = energy.potential(x) - energy.potential(y) + log_proposal(y, x) - log_proposal(x, y)
    taken = np.log(rng.random(len(x))) < rise
    return np.where(taken[:, None], y, x)


def noisy(x, energy, step_size, rng):
    return mala(x, energy, step_size, rng, noise=1.3)


def unadjusted(x, energy, step_size, rng, factor=2.0):
    noise = np.sqrt(factor * step_size) * rng.standard_normal(x.shape)
    return x - step_size * energy.gradient(x) + noise


def half_noise(x, energy, step_size, rng):
    return unadjusted(x, energy, step_size, rng, factor=1.0)


def test_a_correct_sampler_passes_and_says_what_it_saw():
    summary = PropertyTest(mala, **BRIEF).run()
    assert len(summary.reports) == 2
    assert summary.calls > 4_000
    assert 0 < summary.spent < summary.alpha == 1e-6
    assert PropertyTest(unadjusted, kind="unadjusted", **BRIEF).run().spent < 1e-6


@pytest.mark.parametrize(
    ("step", "kind", "component"),
    [(noisy, "adjusted", "noise scale"), (half_noise, "unadjusted", "noise scale")],
)
def test_a_broken_sampler_fails_on_the_simplest_target(step, kind, component):
    with pytest.raises(LawViolation) as found:
        PropertyTest(step, kind=kind, examples=5, calls=1_000_000).run()
    text = str(found.value)
    assert "simplest example: normal of precision 1, step size" in text
    assert "dimension 1" in text
    assert component in text.split("likely component: ")[1].splitlines()[0]
    assert "with probability at most 1e-06" in text
    assert found.value.report.alpha < 1e-6
    assert found.value.case.drawn.dim == 1


def test_a_bug_that_needs_two_dimensions_is_shown_in_two():
    def shared(x, energy, step_size, rng):
        """Coordinates of a chain share their noise: invisible in one dimension."""
        noise = np.sqrt(2 * step_size) * rng.standard_normal((len(x), 1))
        return x - step_size * energy.gradient(x) + noise

    with pytest.raises(LawViolation) as found:
        PropertyTest(
            shared,
            kind="unadjusted",
            examples=12,
            calls=4_000,
            targets=strategies.normals(3),
            laws=["one-step law"],
        ).run()
    assert found.value.case.drawn.dim == 2
    assert "dimension 2" in str(found.value)


def test_failing_examples_are_replayed_first_and_forgotten_once_they_pass():
    database = InMemoryExampleDatabase()
    options = {"database": database, "name": "mine", "laws": ["invariance"], **LONG}
    with pytest.raises(LawViolation) as first:
        PropertyTest(noisy, **options).run()
    again = PropertyTest(noisy, **options)
    with pytest.raises(LawViolation) as second:
        again.run()
    # the stored example fails at once, at its own share of alpha
    assert second.value.case.key == first.value.case.key
    assert next(iter(again.reports)) == first.value.case.key
    assert second.value.report.alpha == Spending(1e-6).next(replay=True)
    # another test does not replay it
    other = PropertyTest(mala, **{**options, "name": "theirs", **BRIEF})
    other.run()
    assert other._spending.replays == 0
    # the correct sampler passes, and the example is forgotten
    fixed = PropertyTest(mala, **{**options, **BRIEF})
    fixed.run()
    assert fixed._spending.replays >= 1
    later = PropertyTest(mala, **{**options, **BRIEF})
    later.run()
    assert later._spending.replays == 0


def test_one_alpha_for_all_examples_and_replays():
    spending = Spending(1e-3)
    drawn = [spending.next() for _ in range(2000)]
    replayed = [spending.next(replay=True) for _ in range(2000)]
    assert sum(drawn) < (1 - RESERVED_FOR_REPLAYS) * 1e-3
    assert sum(replayed) < RESERVED_FOR_REPLAYS * 1e-3
    # nearly all of it can be spent
    assert sum(drawn) + sum(replayed) > 0.999e-3
    assert math.isclose(drawn[0] / drawn[9], 100)


def test_a_sampler_that_spends_by_its_own_luck_is_examined_once_per_example():
    """Hypothesis asks for the same example again; the verdict must not be drawn anew."""
    seen = []

    def counting(x, energy, step_size, rng):
        seen.append(step_size)
        return mala(x, energy, step_size, rng)

    test = PropertyTest(counting, laws=["invariance"], **BRIEF)
    test.run()
    before = len(seen)
    case = next(iter(test.reports))
    test._examine(type("Same", (), {"key": case})(), False)
    assert len(seen) == before


def test_your_own_targets():
    test = PropertyTest(mala, targets=strategies.joint(), laws=["invariance"], **BRIEF)
    test.run()
    assert all(key.startswith("z from N") for key in test.reports)


def test_unusable_options_are_refused_before_any_work():
    with pytest.raises(ArgumentError, match="examples >= 1"):
        PropertyTest(mala, examples=0)
    with pytest.raises(ArgumentError, match="alpha must lie"):
        PropertyTest(mala, alpha=2.0)
    with pytest.raises(ArgumentError, match="adjusted and unadjusted"):
        PropertyTest(mala, kind="learner").run()
    with pytest.raises(ArgumentError, match="takes arguments named"):
        PropertyTest(lambda x, temperature: x)
    with pytest.raises(ArgumentError, match="sgld"):
        PropertyTest(unadjusted, kind="unadjusted", scheme="sgld")


SUITE = """
import numpy as np
from verification.samplers.plugin import sampler_test

BRIEF = {"examples": 2, "calls": 6_000}
LONG = {"examples": 2, "calls": 40_000}

def ula(x, energy, step_size, rng):
    noise = np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
    return x - step_size * energy.gradient(x) + noise

@sampler_test(kind="unadjusted", **BRIEF)
def test_decorated(x, energy, step_size, rng):
    return ula(x, energy, step_size, rng)

test_of_a_function = sampler_test(kind="unadjusted", **BRIEF)(ula)

@sampler_test(kind="adjusted", **LONG)
def test_broken(x, energy, step_size, rng):
    return ula(x, energy, step_size, rng)

def test_fixture(sampler_laws):
    summary = sampler_laws(ula, kind="unadjusted", **BRIEF)
    more = sampler_laws(ula, kind="unadjusted", seed=1, **BRIEF)
    assert summary.spent > more.spent > 0
    assert summary.spent + more.spent < 1e-6

def test_fixture_broken(sampler_laws):
    sampler_laws(ula, kind="adjusted", **LONG)

def test_raising(sampler_laws):
    def bad(x, energy, step_size, rng):
        if len(x) > 7:
            raise ZeroDivisionError("of my own")
        return ula(x, energy, step_size, rng)
    sampler_laws(bad, kind="unadjusted", **BRIEF)
"""


def test_under_pytest(pytester):
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess(
        "-p", "verification.samplers.plugin", "-p", "no:xdist", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=3, failed=3)
    text = result.stdout.str()
    # anchored, because the summary repeats whole messages where the environment sets CI
    for line in (
        "the sampler breaks a law: invariance",
        "simplest example: normal of precision 1, step size",
        "likely component: ",
    ):
        assert len(re.findall(f"^E .*{line}", text, flags=re.MULTILINE)) == 2, text
    assert "ZeroDivisionError: of my own" in text
    # the machinery between the test and the verdict is not shown
    assert "property_test.py" not in text.split("test_fixture_broken")[1].split("test_raising")[0]


def test_the_plugin_costs_pytest_nothing():
    code = (
        "import sys, verification.samplers.plugin\n"
        "heavy = {'numpy', 'scipy', 'hypothesis', 'torch', 'numba', 'sympy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_decorator_keeps_the_name_and_the_docstring():
    decorated = sampler_test(kind="adjusted")(mala)
    assert decorated.__name__ == "mala"
    assert decorated.__doc__ == mala.__doc__
    assert decorated.__module__ == __name__
