"""One group ends its own process, as one killed for memory does; the other group HOLDS."""

import os
import signal

from verification.claim import Evidence

from .making import decay, make


def evaluate(setting, cases, context):
    """The grid's process is killed."""
    if cases[0].witness == "grid":
        os.kill(os.getpid(), signal.SIGKILL)
    return Evidence(outcomes={case: decay(case, context, spread=1e-5) for case in cases})


claim = make("dying", evaluate)
