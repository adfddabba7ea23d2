"""VIOLATED: the measured decay is slower than the bound."""

from verification.claim import Evidence

from .making import decay, make


def evaluate(setting, cases, context):
    """exp(-1.5 t) against exp(-2 t)."""
    return Evidence(outcomes={case: decay(case, context, rate=1.5) for case in cases})


claim = make("contradicted", evaluate)
