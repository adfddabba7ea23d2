"""Bets, confidence sequences, shares of alpha: the arithmetic behind the level."""

import json
import math

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from verification.samplers.betting import Wealth
from verification.samplers.confidence import ConfidenceSequence
from verification.samplers.pool import Pool, pools_of
from verification.samplers.sequential import Spending, log_threshold, shares_of
from verification.samplers.trial import Trial, share_equally


def noise(seed, n=3000, m=4, shift=0.0):
    g = 0.3 * np.random.default_rng(seed).standard_normal((n, m))
    g[:, 0] += shift
    return np.clip(g, -1, 1)


def test_wealth_is_the_product_of_its_bets():
    wealth = Wealth(np.ones(2), slack=0.001)
    logs, joint = np.zeros(2), np.zeros(2)
    for seed in range(6):
        g = noise(seed, n=150, m=2, shift=0.2)
        # a batch below the smallest piece is settled by bets from the batches before
        single, both = wealth.single_bets(), wealth._current_joint_bets()
        logs += np.log1p(g * single - 0.001 * np.abs(single)).sum(axis=0)
        joint += np.log1p(g @ both - 0.001 * np.abs(both).sum(axis=0)).sum(axis=0)
        wealth.observe(g)
    assert np.allclose(wealth.logs, logs)
    assert np.allclose(wealth.joint, joint)
    assert np.all(wealth.joint > 0)
    expected = np.log(0.25 * np.exp(logs).sum() + 0.25 * np.exp(joint).sum())
    assert np.isclose(wealth.log_evidence, expected)


def test_bets_never_risk_everything():
    wealth = Wealth(np.ones(3))
    for seed in range(5):
        wealth.observe(noise(seed, m=3, shift=0.6))
    assert np.abs(wealth.single_bets()).max() <= 0.8
    assert np.all(np.abs(wealth.joint_bets()).sum(axis=0) <= 0.8 + 1e-12)
    assert wealth.log_evidence > 100


def test_slack_takes_away_what_slack_could_have_given():
    sure, wary = Wealth(np.ones(1)), Wealth(np.ones(1), slack=0.02)
    for seed in range(40):
        g = noise(seed, m=1, shift=0.015)
        sure.observe(g)
        wary.observe(g)
    assert sure.log_evidence > 20
    assert wary.log_evidence < math.log(100)


@pytest.mark.parametrize(
    ("payoffs", "said"),
    [(np.full((3, 2), 1.1), r"\[-1, 1\]"), (np.zeros((3, 5)), r"shape \(n, 2\)")],
)
def test_payoffs_that_would_break_the_martingale_are_refused(payoffs, said):
    with pytest.raises(ArgumentError, match=said):
        Wealth(np.ones(2)).observe(payoffs)


def test_not_a_number_is_refused():
    with pytest.raises(ArgumentError):
        Wealth(np.ones(1)).observe(np.array([[np.nan]]))


def test_a_stored_wealth_goes_on_as_if_nothing_had_happened():
    whole, first = Wealth(np.ones(4)), Wealth(np.ones(4))
    for seed in range(8):
        whole.observe(noise(seed, shift=0.03))
        if seed == 3:
            first = Wealth.resumed(json.loads(json.dumps(first.state())))
        first.observe(noise(seed, shift=0.03))
    assert whole.state() == first.state()


def test_the_bound_behind_the_confidence_sequence():
    z = np.linspace(-0.5, 0.5, 100_001)
    assert np.all(np.log1p(z) >= z - z**2 / 2 + z**3 / 3 - z**4 / 2 - 1e-15)


def test_intervals_hold_the_mean_and_shrink_like_the_best():
    rng = np.random.default_rng(0)
    sequence = ConfidenceSequence(np.array([1.0, 0.5]))
    mean = np.array([0.02, -0.01])
    for _ in range(20):
        g = rng.choice([-1.0, 1.0], size=(5000, 2)) * [0.3, 0.1] + mean
        sequence.observe(g)
        low, high = sequence.interval(20.0)
        assert np.all((low <= mean) & (mean <= high))
    best = np.array([0.3, 0.1]) * np.sqrt(2 * (20 + math.log(2)) / sequence.count)
    assert np.all((high - low) / 2 < 1.25 * best)
    again = ConfidenceSequence.resumed(json.loads(json.dumps(sequence.state())))
    assert np.array_equal(again.interval(20.0), sequence.interval(20.0))


def test_an_interval_says_nothing_before_it_knows_anything():
    sequence = ConfidenceSequence(np.array([0.7]))
    assert [float(e[0]) for e in sequence.interval(10.0)] == [-0.7, 0.7]
    sequence.observe(np.full((3, 1), 0.1))
    low, high = sequence.interval(10.0)
    assert low[0] == -0.7
    assert high[0] == 0.7


def test_shares_add_up_to_one():
    shares = shares_of({"a": 0.4, "b": 0.1})
    assert math.isclose(sum(shares.values()), 1.0)
    assert math.isclose(log_threshold(1e-6, shares["a"]), -math.log(0.8e-6))
    with pytest.raises(ArgumentError, match="share"):
        log_threshold(1e-6, 0.0)
    with pytest.raises(ArgumentError, match="alpha"):
        log_threshold(1.0, 0.5)


def test_examples_and_replays_never_spend_more_than_alpha():
    spending = Spending(1e-3)
    spent = [spending.next() for _ in range(4000)]
    spent += [spending.next(replay=True) for _ in range(4000)]
    assert 0.999 * 1e-3 < sum(spent) <= 1e-3
    assert spent[0] < spending.alpha
    # a replay does not change what the next example may spend
    assert Spending(1e-3).next() == spent[0]


def trial(label, law="law", shift=0.0, names=("a", "b"), **about):
    def sample(rng, count):
        g = np.clip(0.3 * rng.standard_normal((count, len(names))), -1, 1)
        g[:, 0] = np.clip(g[:, 0] + shift, -1, 1)
        return g

    return Trial(law, label, list(names), sample, np.ones(len(names)), about=about)


def test_looks_depend_on_seed_trial_and_number_alone():
    one, two, other = trial("x"), trial("x"), trial("y")
    first = one.look(5)
    assert np.array_equal(first, two.look(5))
    assert not np.array_equal(first, other.look(5))
    assert not np.array_equal(one.look(5)[:100], first[:100])


def test_trials_of_one_law_need_names_of_their_own():
    with pytest.raises(ArgumentError, match="different labels"):
        share_equally([trial("x"), trial("x")])


def test_pools_join_what_trials_have_in_common():
    members = [
        trial("x", steps=1, rank=0),
        trial("y", steps=1, rank=1, names=("c", "a")),
        trial("z", steps=1, rank=1, names=("a", "d")),
        trial("w", steps=5, rank=0),
    ]
    pools = pools_of("law", members)
    assert [p.names for p in pools] == [("a",), ("a",)]
    assert [len(p.members) for p in pools] == [3, 2]


def test_a_little_everywhere_is_found_by_the_pool():
    members = [trial(f"{k}", shift=0.012, steps=1, rank=0) for k in range(12)]
    (pool,) = pools_of("law", members)
    assert isinstance(pool, Pool)
    for _ in range(5):
        for member in members:
            pool.observe(member, member.look(1))
    assert pool.wealth.log_evidence > 10
    assert max(m.wealth.log_evidence for m in members) < 10
    assert pool.leading == "a"
    assert pool.clearest in members
