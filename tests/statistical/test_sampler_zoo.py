"""The laws kill what the zoo plants, and let live what is right, at fixed seeds and few calls."""

import math

import numpy as np
import pytest

from verification.samplers.targets import gaussian
from verification.samplers.zoo import entries
from verification.samplers.zoo.examine import examine

ZOO = entries()
ALPHA = 1e-6
SEED = 3
CHAINS = 20_000
STEPS = 40
STEP_SIZE = 0.3
# a chi-square of CHAINS degrees is further from its mean than so many deviations at 1e-8 each
FAR = 5.9


@pytest.mark.parametrize("name", [n for n, e in ZOO.items() if e.variance is not None])
def test_the_stated_stationary_variance_is_the_measured_one(name):
    entry = ZOO[name]
    step, exact = entry.make(), entry.variance(STEP_SIZE)
    energy = gaussian(1.0).for_step
    rng = np.random.default_rng(5)
    momenta = entry.options.get("scheme") in ("baoab", "obabo")
    x = math.sqrt(exact) * rng.standard_normal((CHAINS, 1))
    v = rng.standard_normal(x.shape)
    for _ in range(STEPS):
        if momenta:
            x, v = step(x, v, energy, STEP_SIZE, rng)
        else:
            x = step(x, energy, STEP_SIZE, rng)
    assert abs(x.var() / exact - 1) < FAR * math.sqrt(2 / CHAINS)
