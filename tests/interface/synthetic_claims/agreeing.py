"""HOLDS everywhere, one setting only at the second look; every control is caught.

Speaks of any smooth energy of the user's own.
"""

from lvebm_theory.errors import AssumptionError
from verification.claim import Evidence, Setting

from .making import Parabola, curves, decay, make


def evaluate(setting, cases, context):
    """The wide setting is undecided until its second look. Talks, as a library may."""
    print("talking in a worker")
    spread = 2.2e-4 if setting.name == "wide" else 1e-5
    outcomes = {case: decay(case, context, spread=spread) for case in cases}
    times = sorted({case.time for case in cases})
    return Evidence(outcomes=outcomes, dataset=curves(setting, cases[0].witness, times))


def adapt(subject, start, times):
    """Any smooth energy."""
    if not subject.smooth:
        raise AssumptionError("agreeing", ["the potential is smooth"])
    return Setting(name="mine", subject=subject, start=start, times=times)


claim = make(
    "agreeing",
    evaluate,
    settings=(
        Setting(name="plain", subject=Parabola(), with_controls=True),
        Setting(name="wide", subject=Parabola()),
    ),
    adapt=adapt,
)
