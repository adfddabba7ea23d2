"""NOT_APPLICABLE: by an exception on the grid, case by case with particles; controls caught."""

from lvebm_theory.errors import AssumptionError
from verification.claim import Evidence, NotApplicable, Setting

from .making import Parabola, decay, make


def evaluate(setting, cases, context):
    """Only the control setting is measured."""
    if setting.name == "outside" and cases[0].witness == "grid":
        raise AssumptionError("inapplicable", ["rho > 0", "the gradient is Lipschitz"])
    return Evidence(
        outcomes={
            case: decay(case, context)
            if case.control
            else NotApplicable(reason="the tail is too heavy")
            for case in cases
        }
    )


claim = make(
    "inapplicable",
    evaluate,
    settings=(
        Setting(name="outside", subject=Parabola()),
        Setting(name="inside", subject=Parabola(), with_controls=True),
    ),
)
