"""The stated error probability of the laws for samplers: looks after every batch cost nothing."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binom

from verification.samplers import check_sampler
from verification.samplers.betting import Wealth
from verification.samplers.confidence import ConfidenceSequence
from verification.samplers.power import least_effect
from verification.samplers.sequential import Spending
from verification.samplers.targets import gaussian

ALPHA = 0.05
ERROR = 1e-6  # of each of these tests: exact binomial bounds
RUNS = 2000  # benchmarks/sampler_level makes five thousand


def most(runs, chance):
    """More successes than this have probability below ERROR at this chance each."""
    return int(binom.isf(ERROR, runs, chance))


def fewest(runs, chance):
    """Fewer successes than this have probability below ERROR at this chance each."""
    return int(binom.ppf(ERROR, runs, chance))


def rare(rng, n, m):
    """Mean zero, skewed: seldom large, often slightly below."""
    p = 0.05
    return np.where(rng.random((n, m)) < p, 1 - p, -p)


def common(rng, n, m):
    """Mean zero, correlated across functions."""
    shared = rng.choice([-0.5, 0.5], size=(n, 1))
    return shared * rng.random((n, m)) + rng.uniform(-0.5, 0.5, (n, m))


def highest(payoffs, seed, *, stored=False, looks=6):
    """The largest log evidence of a run under the null, over all its looks."""
    rng = np.random.default_rng((17, seed))
    wealth = Wealth(np.ones(3))
    for _ in range(looks):
        if stored:
            wealth = Wealth.resumed(json.loads(json.dumps(wealth.state())))
        wealth.observe(payoffs(rng, 200, 3))
    return wealth.peak


def ever_rejected(payoffs, seed, **options):
    """Whether a run under the null rejects at any of its looks."""
    return highest(payoffs, seed, **options) >= -math.log(ALPHA)


@pytest.mark.parametrize(("payoffs", "runs"), [(rare, 700), (common, RUNS)], ids=["rare", "common"])
def test_the_chance_ever_to_reject_stays_below_alpha(payoffs, runs):
    peaks = np.array([highest(payoffs, seed) for seed in range(runs)])
    assert np.sum(peaks >= -math.log(ALPHA)) <= most(runs, ALPHA)
    # and the bettors do play: whoever never stakes anything has a level of zero
    assert peaks.max() > -math.log(ALPHA) / 2


def test_a_level_that_is_exceeded_is_seen():
    """The control: payoffs whose mean is not zero reject more often than the bound allows."""
    rejected = sum(ever_rejected(lambda *a: 0.85 * common(*a) + 0.1, seed) for seed in range(300))
    assert rejected > most(300, ALPHA)


def test_storing_and_going_on_after_every_look_changes_nothing():
    pairs = [
        [ever_rejected(common, seed, stored=stored) for stored in (False, True)]
        for seed in range(100)
    ]
    assert all(one == other for one, other in pairs)


def test_intervals_hold_the_mean_at_every_look():
    missed = 0
    for run in range(200):
        rng = np.random.default_rng((18, run))
        sequence = ConfidenceSequence(np.ones(1))
        for _ in range(5):
            sequence.observe(rare(rng, 200, 1))
            low, high = sequence.interval(-np.log(ALPHA))
            if not low[0] <= 0.0 <= high[0]:
                missed += 1
                break
    assert missed <= most(200, ALPHA)


def test_the_power_card_names_the_smallest_effect_that_is_found():
    runs, level, n, m = 120, math.log(1e6), 4000, 5
    s = least_effect(n, level, m)

    def found(effect):
        rejected = 0
        for seed in range(runs):
            g = 0.2 * np.random.default_rng((19, seed)).standard_normal((n, m))
            g[:, 2] += 0.2 * effect
            wealth = Wealth(np.ones(m))
            for piece in np.array_split(np.clip(g, -1, 1), 8):
                wealth.observe(piece)
            rejected += wealth.peak >= level
        return rejected

    assert found(s) >= fewest(runs, 0.99)
    # two thirds of it are not found with that probability: the card does not hide power
    assert found(2 * s / 3) < fewest(runs, 0.9)


def mala(x, energy, step_size, rng):
    h, g = step_size, energy.gradient(x)
    y = x - h * g + np.sqrt(2 * h) * rng.standard_normal(x.shape)
    there, back = y - x + h * g, x - y + h * energy.gradient(y)
    ratio = energy.potential(x) - energy.potential(y)
    ratio = ratio + ((there**2).sum(1) - (back**2).sum(1)) / (4 * h)
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


def ula(x, energy, step_size, rng):
    noise = rng.standard_normal(x.shape)
    return x - step_size * energy.gradient(x) + np.sqrt(2 * step_size) * noise


@pytest.mark.parametrize(("step", "kind"), [(mala, "adjusted"), (ula, "unadjusted")])
def test_right_kernels_are_not_refuted_at_one_in_twenty_more_often_than_that(step, kind):
    runs = 12
    refuted = sum(
        bool(check_sampler(step, kind, alpha=ALPHA, calls=40_000, seed=s).violated)
        for s in range(runs)
    )
    assert refuted <= most(runs, ALPHA)


def test_a_look_after_every_batch_and_a_resumed_call_keep_the_level_of_the_whole_machinery():
    refuted, runs = 0, 20
    options = {"laws": ["invariance"], "targets": [gaussian(1.0)], "step_sizes": [0.5, 1.5]}
    for seed in range(runs):
        stored = None
        for _ in range(4):
            report = check_sampler(
                mala, alpha=ALPHA, calls=4_000, seed=seed, resume=stored, **options
            )
            stored = json.loads(json.dumps(report.state))
        refuted += bool(report.violated)
    assert refuted <= most(runs, ALPHA)


def louder(x, energy, step_size, rng):
    h, g = step_size, energy.gradient(x)
    y = x - h * g + 1.2 * np.sqrt(2 * h) * rng.standard_normal(x.shape)
    there, back = y - x + h * g, x - y + h * energy.gradient(y)
    ratio = energy.potential(x) - energy.potential(y)
    ratio = ratio + ((there**2).sum(1) - (back**2).sum(1)) / (4 * h)
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


def test_an_interrupted_call_comes_to_the_same_verdict():
    options = {"laws": ["invariance"], "targets": [gaussian(1.0)], "step_sizes": [0.5]}
    whole = check_sampler(louder, calls=100_000, **options)
    first = check_sampler(louder, calls=5_200, **options)  # of looks of one size
    assert not first.violated
    rest = check_sampler(louder, calls=100_000, resume=first.state, **options)
    assert whole.violated == rest.violated == ("invariance",)
    assert whole.law("invariance").evidence == rest.law("invariance").evidence


def test_a_failing_example_is_replayed_from_the_report_with_its_own_share_of_alpha():
    from verification.samplers.targets import default_targets

    found = check_sampler(louder, calls=400_000).failing
    target = next(t for t in default_targets() if t.name == found["target"])
    spending = Spending(1e-6)
    replayed = check_sampler(
        louder,
        alpha=spending.next(replay=True),
        calls=200_000,
        targets=[target],
        step_sizes=[found["step_size"]],
        laws=[found["law"]],
    )
    assert replayed.violated == (found["law"],)
    assert spending.examples == 0
