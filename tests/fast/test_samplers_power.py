"""The power card keeps its word: what it says would have been found is found in simulations.

A stated shift is found with probability 0.99, so in 200 simulations more than 14 misses have
probability below 1e-7; of a quarter of it at most half may be found.
"""

import math

import numpy as np
import pytest

from verification.samplers import power
from verification.samplers.betting import LARGEST_STAKE
from verification.samplers.dictionary import dictionary_of
from verification.samplers.sequential import log_threshold
from verification.samplers.targets.gaussians import gaussian
from verification.samplers.trial import Trial

LEVEL = log_threshold(1e-6, 0.1)
RUNS, MISSES = 200, 14
OTHERS = 5


def smooth(rng, n, shift):
    return 0.4 * rng.uniform(-1, 1, n) + shift


def rare(rng, n, shift):
    """+-0.7 for four samples in a hundred, 0 else."""
    u = rng.random(n)
    up, down = 0.02 + shift / 1.4, 0.02 - shift / 1.4
    return 0.7 * ((u < up).astype(float) - (u > 1 - down))


def nearly_still(rng, n, shift):
    return 1e-5 * rng.standard_normal(n) + shift


def trial_of(payoff, shift, first=1000):
    def sample(rng, count):
        rest = 0.3 * rng.uniform(-1, 1, (count, OTHERS))
        return np.column_stack([payoff(rng, count, shift), rest])

    names = [f"f{j}" for j in range(OTHERS + 1)]
    # in so large a unit the planted payoff has the smallest shift: the card speaks of it
    units = np.array([1e6] + [1.0] * OTHERS)
    found = Trial(law="a law", label="a place", names=names, sample=sample, units=units)
    found.first = first
    return found


def looked(payoff, shift, seed, samples):
    """Whether the trial alone would have the law violated, at some look within these samples."""
    trial = trial_of(payoff, shift)
    while trial.wealth.count < samples:
        trial.look(seed)
        if trial.wealth.log_evidence >= LEVEL + math.log(2):
            break
    return trial, trial.wealth.log_evidence >= LEVEL + math.log(2)


@pytest.mark.parametrize("payoff", [smooth, rare, nearly_still])
def test_what_the_card_states_is_found_and_a_quarter_is_not(payoff):
    trial, alarm = looked(payoff, 0.0, 1, 6000)
    assert not alarm
    samples = trial.wealth.count
    stated = power.card(trial, LEVEL, None).effect * trial.units[0]
    found = sum(looked(payoff, stated, 100 + k, samples)[1] for k in range(RUNS))
    assert found >= RUNS - MISSES
    few = RUNS // 10
    quarter = sum(looked(payoff, stated / 4, 100 + k, samples)[1] for k in range(few))
    assert quarter <= few / 2


def test_a_payoff_that_hardly_varies_is_limited_by_the_stake():
    """No variance, no fluctuation: not even the largest stake at every sample wins faster."""
    n, bettors = 10_000, 10
    (mu,) = power.least_shifts(np.array([1e-20]), n, LEVEL, bettors)
    assert n * math.log1p(LARGEST_STAKE * mu) > LEVEL + math.log(2 * bettors)
    (again,) = power.least_shifts(np.array([1e-24]), n, LEVEL, bettors)
    assert math.isclose(mu, again, rel_tol=1e-6)


def test_payoffs_of_the_usual_size_follow_the_normal_formula():
    n, bettors, v = 10**6, 10, 0.04
    (mu,) = power.least_shifts(np.array([v]), n, LEVEL, bettors)
    expected = power.least_effect(n, LEVEL, bettors)
    z, needed = 2.3263478740408408, LEVEL + math.log(2 * bettors) + 0.5 * math.log(n)
    assert math.isclose(expected * math.sqrt(n), z + math.sqrt(z**2 + 2 * needed), rel_tol=1e-9)
    # what learning costs is counted more closely there
    assert math.isclose(mu / math.sqrt(v), expected, rel_tol=0.15)


@pytest.mark.parametrize("payoff", ["constant", "three of many"])
def test_of_payoffs_that_did_not_vary_nothing_is_said(payoff):
    def sample(rng, count):
        g = np.zeros((count, 1))
        if payoff == "three of many":
            g[:3, 0] = 1e-3
        return g

    trial = Trial(law="a law", label="a place", names=["f"], sample=sample, units=np.ones(1))
    trial.first = 10_000
    trial.look(0)
    card = power.card(trial, LEVEL, None)
    assert card.effect is None
    assert "nothing can be said" in card.text


def test_what_a_few_samples_cannot_find_is_not_promised():
    trial = trial_of(smooth, 0.0, first=150)
    trial.look(0)
    assert power.card(trial, LEVEL, None).effect is None


@pytest.mark.parametrize("what", ["mean", "variance"])
def test_the_card_in_terms_of_the_target_is_kept_too(what):
    """A kernel that draws anew from a law whose x0 is moved, or stretched, by what is stated."""
    target = gaussian([[1.0]])
    dictionary = dictionary_of(target)

    def trial(change, seed):
        def sample(rng, count):
            x, y = target.draw(rng, count), target.draw(rng, count)
            y = y * math.sqrt(1 + change) if what == "variance" else y + change
            return dictionary(y) - dictionary(x)

        names, units = dictionary.names, dictionary.deviations
        found = Trial(law="a law", label="a place", names=names, sample=sample, units=units)
        while found.wealth.count < 4000:
            found.look(seed)
            if found.wealth.log_evidence >= LEVEL + math.log(2):
                break
        return found

    card = power.card(trial(0.0, 1), LEVEL, target)
    stated = {"mean": card.of_mean, "variance": card.of_variance}[what]
    runs, misses = 100, 10
    found = [trial(stated, 10 + k).wealth.log_evidence for k in range(runs)]
    assert sum(e >= LEVEL + math.log(2) for e in found) >= runs - misses
    few = [trial(stated / 4, 10 + k).wealth.log_evidence for k in range(10)]
    assert sum(e >= LEVEL + math.log(2) for e in few) <= 5
