"""UNDECIDED: by particles for ever too wide an interval, on the grid for two reasons.

At early times a constant is only ESTIMATED; at the last one the numerical width is too large and
does not shrink.
"""

from dataclasses import replace

from lvebm_theory.constant import How
from verification.claim import Evidence

from .making import TIMES, decay, make


def evaluate(setting, cases, context):
    """Controls are caught; the claim itself stays open."""
    outcomes = {}
    for case in cases:
        outcome = decay(case, context, spread=1.0)
        if case.control is None and case.witness == "grid":
            wide = replace(outcome.measurement, numerical=0.01)
            last = case.time == max(TIMES)
            outcome = replace(outcome, measurement=wide, grade=How.EXACT if last else How.ESTIMATED)
        outcomes[case] = outcome
    return Evidence(outcomes=outcomes)


claim = make("undecided", evaluate)
