"""The bottleneck: the joint gap falls with the barrier, the conditional rate stays exactly 2.

Quadrature: the joint gap from the theory storey's plane elements, against the marginal gap on the
line. Grid: the late decay of the joint flow's x-marginal mode. Closed form: the conditional flow of
a translate, whose rate knows nothing of the barrier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.latent import bottleneck as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement

NAME = "bottleneck"
GAP, RATE = "joint gap", "conditional rate"


def _variant(factor: float, sentence: str) -> FalseVariant:
    return FalseVariant(
        sentence=sentence,
        bound=lambda theorem, q: factor * float(theorem.forced_bound(**q)),
    )


VARIANTS: Mapping[str, Mapping[str, FalseVariant]] = {
    GAP: {
        "coupling-costs-half": _variant(0.5, "joint gap at most half of the marginal gap"),
    },
    RATE: {
        "rate-of-the-barrier": FalseVariant(
            sentence="the conditional rate taken to be twice the joint gap",
            bound=lambda theorem, q: 2.0 * float(q["marginal_gap"].upper),
        ),
        "rate-one": _variant(0.5, "conditional rate 1 in place of 2"),
    },
}


def settings() -> list[Setting]:
    """Barriers 1 to 3 with coupling, and none."""
    from lvebm_theory.energies.bottleneck import bottleneck

    return [
        Setting(
            name=f"b{b:g}-a{a:g}",
            subject=bottleneck(b=b, a=a),
            options={"barrier": b, "datum": [0.7]},
            with_controls=a == 0.0,
        )
        for b, a in ((2.0, 0.0), (2.0, 1.0), (3.0, 1.0))
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The gap by quadrature, the rate by grid and in closed form."""
    plan: list[tuple[str, str, Relation, Witness]] = [
        (GAP, "gap", Relation.AT_MOST, "quadrature"),
        (RATE, "rate", Relation.RATE, "closed-form"),
        (RATE, "rate", Relation.RATE, "grid"),
    ]
    return [
        Case(quantity=quantity, part=part, relation=relation, witness=witness, control=control)
        for part, quantity, relation, witness in plan
        for control in (None, *(VARIANTS[part] if setting.with_controls else ()))
    ]


def _rate(setting: Setting, witness: str) -> Measurement:
    from lvebm_theory import gaussian

    from ...grid_witness import curve, density_path

    assert isinstance(setting.subject, JointEnergy)
    conditional = setting.subject.conditional(setting.options["datum"])
    centre = -float(conditional.gradient(np.zeros((1, 1)))[0, 0])
    start = InitialLaw.normal(centre + 1.5, 1.0)
    s, t = 0.4, 1.2
    if witness == "closed-form":
        target = gaussian.Gaussian(centre, 1.0)
        first, last = (
            gaussian.relative_entropy(
                gaussian.langevin_flow(gaussian.Gaussian.matching(start), target, time), target
            )
            for time in (s, t)
        )
        return Measurement(value=-math.log(last / first) / (t - s), numerical=1e-11)
    entropy = curve(density_path(conditional, start, [s, t], claim=NAME), "KL")
    a, b = entropy.at(s), entropy.at(t)
    return Measurement(
        value=-math.log(b.value / a.value) / (t - s),
        numerical=(a.half_width / a.value + b.half_width / b.value) / (t - s) + 1e-12,
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Joint gap against marginal gap, or conditional rate against 2."""
    from lvebm_theory.constants import constants_of, spectrum
    from lvebm_theory.energies.double_well import double_well

    assert isinstance(setting.subject, JointEnergy)
    witness = asked[0].witness
    quantities: dict[str, Any] = {
        "marginal_gap": constants_of(double_well(b=setting.options["barrier"])).gap,
        "translate_of_gaussian": True,
    }
    if asked[0].part == GAP:
        theorem = statements.theorem
        modes = spectrum(setting.subject.joint(), 1)
        measured = Measurement(value=float(modes.eigenvalues[0]), numerical=float(modes.error[0]))
        # without coupling the bound is attained: what is left is the width of both gaps
        resolution = 1e-3 * quantities["marginal_gap"].upper
    else:
        theorem, measured = statements.conditional_rate, _rate(setting, witness)
        resolution = 0.01
    outcomes: dict[Case, Outcome | NotApplicable] = {
        case: confront(
            case,
            measured,
            theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS[case.part],
            perturbed=larger(theorem, quantities) if case.part == RATE else None,
        )
        for case in asked
    }
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="A metastable joint phase beside a fast conditional phase",
    theorems=(statements.theorem, statements.conditional_rate),
    controls={**sentences(VARIANTS[GAP]), **sentences(VARIANTS[RATE])},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
