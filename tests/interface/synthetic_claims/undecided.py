"""UNDECIDED: by particles for ever too wide an interval, on the grid an ESTIMATED constant."""

from dataclasses import replace

from lvebm_theory.constant import How
from verification.claim import Evidence

from .making import decay, make

looks_seen = []


def evaluate(setting, cases, context):
    """Controls are caught; the claim itself stays open."""
    looks_seen.append((cases[0].witness, context.look))
    outcomes = {}
    for case in cases:
        outcome = decay(case, context, spread=1.0)
        if case.control is None and case.witness == "grid":
            outcome = replace(outcome, grade=How.ESTIMATED)
        outcomes[case] = outcome
    return Evidence(outcomes=outcomes)


claim = make("undecided", evaluate)
