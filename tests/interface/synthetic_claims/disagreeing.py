"""Every finding of its own HOLDS, but its random witness is a tenth off in one setting of two."""

from dataclasses import replace

from verification.claim import Evidence, Setting

from .making import Parabola, decay, make


def evaluate(setting, cases, context):
    """The random witness measures nine tenths of the value in the setting ``off``."""
    outcomes = {}
    for case in cases:
        found = decay(case, context, spread=1e-5)
        if setting.name == "off" and case.witness != "grid":
            moved = replace(found.measurement, value=0.9 * found.measurement.value)
            found = replace(found, measurement=moved)
        outcomes[case] = found
    return Evidence(outcomes=outcomes)


claim = make(
    "disagreeing",
    evaluate,
    settings=(
        Setting(name="off", subject=Parabola()),
        Setting(name="well", subject=Parabola(), with_controls=True),
    ),
)
