"""The re-implemented habits are honest: each raises an alarm where it should and can be silent."""

import numpy as np
import pytest

from benchmarks.habits import HABITS, Problem
from verification.samplers.zoo import entries

ZOO = entries()
# what a habit of its kind must see, by name of the habit
GROSS = {
    "moments within 0.1": "ula-noise-sqrt-h",
    "loose moments": "ula-drift-half",
    "Kolmogorov-Smirnov, thinned by 5": "mala-noise-sqrt-h",
    "exact rank, sequential": "mala-no-proposal-correction",
    "Geweke's joint test, iid variance": "mala-noise-sqrt-h",
    "Geweke's joint test, batch means": "mala-noise-sqrt-h",
}


def alarm(habit, name, seed=1):
    found = habit.apply(Problem(ZOO[name], seed))
    return None if found is None else found.alarm


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_a_habit_sees_a_gross_bug(habit):
    assert alarm(habit, GROSS[habit.name]) is True


def test_the_exact_rank_test_keeps_its_level_and_its_place():
    rank = next(h for h in HABITS if h.name == "exact rank, sequential")
    assert alarm(rank, "mala") is False
    assert alarm(rank, "hmc") is False
    # a sweep in fixed order is not reversible: the rank is not uniform then
    assert alarm(rank, "gibbs") is None


def test_batch_means_are_wider_than_iid_variances_on_a_slow_chain():
    from benchmarks.habits import GEWEKE_BATCHES, _scores

    rng = np.random.default_rng(2)
    steps = rng.standard_normal((50 * GEWEKE_BATCHES, 4, 1))
    slow = np.empty_like(steps)
    slow[0] = steps[0]
    for t in range(1, len(steps)):
        slow[t] = 0.95 * slow[t - 1] + np.sqrt(1 - 0.95**2) * steps[t]
    reference = rng.standard_normal((10_000, 1))
    iid, batched = (abs(float(_scores(slow, reference, b)[0])) for b in (False, True))
    assert batched < iid


def test_learners_have_no_such_habits():
    from benchmarks.sampler_habits import plan

    assert not [run for run in plan(1) if ZOO[run.arguments["name"]].kind == "learner"]
