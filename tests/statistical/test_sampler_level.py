"""The stated error probability of the laws for samplers: looks after every batch cost nothing."""

import numpy as np
import pytest

from verification.samplers import check_sampler
from verification.samplers.betting import Wealth
from verification.samplers.confidence import ConfidenceSequence

ALPHA = 0.05
RUNS = 5000
# sqrt(0.05 * 0.95 / 5000) = 0.0031: beyond 0.05 + 5 of them the bound alpha is refuted at 3e-7
MOST = ALPHA + 5 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


def rare(rng, n, m):
    """Mean zero, skewed: seldom large, often slightly below."""
    p = 0.02
    return np.where(rng.random((n, m)) < p, 0.98, -0.02)


def common(rng, n, m):
    """Mean zero, correlated across functions."""
    shared = rng.choice([-0.5, 0.5], size=(n, 1))
    return shared * rng.random((n, m)) + rng.uniform(-0.5, 0.5, (n, m))


@pytest.mark.parametrize("payoffs", [rare, common], ids=["rare", "common"])
def test_the_chance_ever_to_reject_stays_below_alpha(payoffs):
    rejected = 0
    for run in range(RUNS):
        rng = np.random.default_rng((17, run))
        wealth = Wealth(np.ones(3))
        for _ in range(6):
            if wealth.observe(payoffs(rng, 60, 3)) >= -np.log(ALPHA):
                rejected += 1
                break
    assert rejected / RUNS <= MOST
    # and the bettors do play: a test that never rejects would have a level of zero
    assert rejected > 0


def test_intervals_hold_the_mean_at_every_look():
    missed = 0
    for run in range(1000):
        rng = np.random.default_rng((18, run))
        sequence = ConfidenceSequence(np.ones(1))
        for _ in range(5):
            sequence.observe(rare(rng, 200, 1))
            low, high = sequence.interval(-np.log(ALPHA))
            if not low[0] <= 0.0 <= high[0]:
                missed += 1
                break
    assert missed / 1000 <= ALPHA + 5 * np.sqrt(ALPHA * (1 - ALPHA) / 1000)


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
    runs = 24
    refuted = sum(
        bool(check_sampler(step, kind, alpha=ALPHA, calls=40_000, seed=s).violated)
        for s in range(runs)
    )
    # 8 or more of 24 at a chance of 0.05 each: below 1e-5
    assert refuted < 8
