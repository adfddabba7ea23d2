"""HOLDS everywhere, and its random witness is too coarse to be told apart from the other."""

from dataclasses import replace

from verification.claim import Evidence

from .making import decay, make


def evaluate(setting, cases, context):
    """Wider than five per cent of the largest value, however many looks; bounds are far off."""
    found = {case: decay(case, context, spread=2.0) for case in cases}
    return Evidence(outcomes={case: replace(found[case], resolution=10.0) for case in cases})


claim = make("coarse", evaluate)
