"""Many groups that take a while each, with random numbers drawn from the seed of the run."""

import time

import numpy as np

from verification.claim import Evidence, Setting

from .making import Parabola, curves, decay, make

WAIT = 0.1


def evaluate(setting, cases, context):
    """Every group waits; the spread depends on the seed, the setting and the look alone."""
    time.sleep(WAIT)
    stream = int(setting.name.removeprefix("part-"))
    spread = 1e-5 * np.random.default_rng([context.seed, stream, context.look]).random()
    outcomes = {case: decay(case, context, spread=spread) for case in cases}
    times = sorted({case.time for case in cases})
    return Evidence(outcomes=outcomes, dataset=curves(setting, cases[0].witness, times))


claim = make(
    "slow",
    evaluate,
    settings=[
        Setting(name=f"part-{k}", subject=Parabola(), with_controls=k == 0) for k in range(8)
    ],
)
