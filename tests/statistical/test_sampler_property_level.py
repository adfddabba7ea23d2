"""The level of a whole property test: many examples and replays, one alpha.

The laws are replaced by an examination that refutes a correct sampler with probability alpha
exactly, the most that they are allowed. So what is measured is the test itself, how it spends alpha
over what Hypothesis draws, repeats, stores and shrinks, and no caution of the bets can hide a
fault of it.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase
from scipy.stats import binom

from verification.decide import Verdict
from verification.samplers import property_test
from verification.samplers.property_test import LawViolation, PropertyTest
from verification.samplers.report import LawReport, Report
from verification.samplers.sequential import Spending

ALPHA = 0.05
ERROR = 1e-6  # of each of these tests: exact binomial bounds
RUNS = 150
EXAMPLES = 12


def right(x, energy, step_size, rng):
    """Any step: what it does is not looked at."""
    return x


class Everything(Spending):
    """The control: every example and every replay is given all of alpha."""

    def next(self, *, replay=False):
        super().next(replay=replay)
        return self.alpha


class Replays(Spending):
    """The control of replays: examples share alpha, replays are given all of it."""

    def next(self, *, replay=False):
        share = super().next(replay=replay)
        return self.alpha if replay else share


def cheap_cases(*_, **__):
    """Cases that Hypothesis draws and shrinks, without the targets that nobody looks at."""
    return st.integers(0, 10**6).map(
        lambda k: SimpleNamespace(
            key=str(k), step_size=k, drawn=SimpleNamespace(target=None, dim=1)
        )
    )


@pytest.fixture
def refuted_with(monkeypatch):
    """Sets the chance of VIOLATED, as a function of alpha and the example."""
    monkeypatch.setattr(property_test, "cases", cheap_cases)

    def install(chance):
        def examine(step, kind, alpha, seed, step_sizes, **_):
            # of the example and its seed, as real draws are: how long is shrunk changes nothing
            draw = np.random.default_rng((11, seed, *step_sizes)).random()
            failed = draw < chance(alpha, *step_sizes)
            verdict = Verdict.VIOLATED if failed else Verdict.HOLDS
            law = LawReport(name="a law", statement="so it is", verdict=verdict, detail="")
            return Report(
                kind=kind, scheme="", alpha=alpha, laws=(law,), calls=1, seconds=0.0, seed=0
            )

        monkeypatch.setattr(property_test, "check_sampler", examine)

    return install


def fails(seed, database, spending, examples=EXAMPLES):
    """Whether one run of the test fails, and how many examinations it made."""
    test = PropertyTest(
        right,
        alpha=ALPHA,
        examples=examples,
        budget=1e-3,
        seed=2 * seed,  # replays take the seed after it
        database=database,
        spending=spending(ALPHA),
    )
    try:
        test.run()
    except LawViolation:
        return True, len(test.reports)
    return False, len(test.reports)


def alarms(runs, spending):
    """Runs that fail, each with an empty database."""
    found = [fails(seed, InMemoryExampleDatabase(), spending) for seed in range(runs)]
    assert max(examined for _, examined in found) >= EXAMPLES - 2  # it does draw many
    return sum(failed for failed, _ in found)


def most(runs, chance):
    """More successes than this have probability below ERROR at this chance each."""
    return int(binom.isf(ERROR, runs, chance))


def test_all_examples_together_fail_a_right_sampler_with_probability_alpha_at_most(refuted_with):
    refuted_with(lambda alpha, _: alpha)
    failed = alarms(RUNS, Spending)
    assert 0 < failed <= most(RUNS, ALPHA)


def test_spending_all_of_alpha_on_each_example_is_seen(refuted_with):
    refuted_with(lambda alpha, _: alpha)
    assert alarms(RUNS, Everything) > most(RUNS, ALPHA)


def test_replaying_stored_failures_adds_nothing(refuted_with):
    """A database full of failing examples, replayed first by every run."""
    kept = {}
    for seed in range(24):
        # each fails at examples of its own, so that what is stored cannot be shrunk to one
        refuted_with(lambda alpha, k, rest=seed: float(k % 24 == rest))
        once = InMemoryExampleDatabase()
        fails(seed, once, Spending, examples=30)
        for key, values in once.data.items():
            kept.setdefault(key, set()).update(values)
    assert max(len(values) for values in kept.values()) >= 10

    runs = 50

    def again(spending):
        failed = 0
        for seed in range(runs):
            database = InMemoryExampleDatabase()
            database.data = {key: set(values) for key, values in kept.items()}
            failed += fails(seed, database, spending, examples=20)[0]
        return failed

    refuted_with(lambda alpha, _: alpha)
    assert again(Spending) <= most(runs, ALPHA)
    assert again(Replays) > most(runs, ALPHA)
