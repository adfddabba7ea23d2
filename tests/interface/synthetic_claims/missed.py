"""HOLDS, but one control comes out like the claim itself: the check cannot fail there."""

from dataclasses import replace

from verification.claim import Evidence

from .making import decay, make


def evaluate(setting, cases, context):
    """The control 'lost-factor' is measured as if nothing were lost."""
    outcomes = {}
    for case in cases:
        honest = replace(case, control=None if case.control == "lost-factor" else case.control)
        outcomes[case] = decay(honest, context, spread=1e-5)
    return Evidence(outcomes=outcomes)


claim = make("missed", evaluate)
