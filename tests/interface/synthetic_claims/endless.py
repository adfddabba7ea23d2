"""One group never ends where the environment says so, or the machine fails it; the other HOLDS."""

import os
import time

import numpy as np

from verification.claim import Evidence

from .making import decay, make

HOW = "LVEBM_TEST_ENDLESS"


def evaluate(setting, cases, context):
    """The grid's group computes or waits for ever, or finds the disk or the memory full."""
    how = os.environ.get(HOW) if cases[0].witness == "grid" else None
    while how in ("computing", "waiting"):
        if how == "waiting":
            time.sleep(0.1)
    if how == "full":
        raise OSError(28, "No space left on device", "somewhere")
    if how == "memory":
        np.empty(2**62, dtype=np.int8)
    return Evidence(outcomes={case: decay(case, context, spread=1e-5) for case in cases})


claim = make("endless", evaluate)
