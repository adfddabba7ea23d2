"""SOLVER_FAILED in every way that a claim can fail, short of ending its process."""

from dataclasses import replace

from lvebm_theory.errors import SolverError
from verification.claim import Evidence, Setting

from .making import Parabola, decay, make


def evaluate(setting, cases, context):
    """Each setting fails in its own way."""
    if setting.name == "solver":
        raise SolverError("the scheme diverged", step=17)
    if setting.name == "exception":
        return Evidence(outcomes={cases[0]: 1 / (context.look - context.look)})
    outcomes = {case: decay(case, context, spread=1e-5) for case in cases}
    if setting.name == "missing":
        del outcomes[cases[-1]]
    if setting.name == "no-number":
        outcomes[cases[-1]] = replace(outcomes[cases[-1]], bound=float("nan"))
    return Evidence(outcomes=outcomes)


claim = make(
    "failing",
    evaluate,
    settings=[
        Setting(name=name, subject=Parabola())
        for name in ("solver", "exception", "missing", "no-number")
    ],
)
