"""HWI: KL(mu|pi) <= W2(mu,pi) sqrt(FI(mu|pi)) - (K/2) W2^2(mu,pi) for Hess U >= K.

The laws mu are those of the flow at the asked times. Grid: the three functionals of cell masses,
W2 in two dimensions between bounds. Closed form: Gaussians in two dimensions. Companion EQUAL: a
translate of a Gaussian. Forced control: the term with K dropped where K < 0, at a metastable law
between two wells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.transport import hwi as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, require, smaller, third_of_distance
from ...controls.variants import quantities_replaced, sentences
from ...curves import Curve, dataset
from ...subjects import adapted, energy_of, start_of

NAME = "hwi"
VARIANTS = {
    "fisher-halved": quantities_replaced(
        lambda q: {"fisher_information": 0.5 * q["fisher_information"]},
        "Fisher information with the factor 1/2 of unit noise",
    ),
}
CONVEX_ONLY = {
    "convexity-doubled": quantities_replaced(
        lambda q: {"convexity": Constant.exact(2.0 * q["convexity"].lower, "doubled")},
        "K replaced by 2K, for K > 0",
    ),
}
FORCED = {
    "convexity-dropped": quantities_replaced(
        lambda q: {"convexity": Constant.exact(0.0, "dropped")},
        "the term with K left out where K < 0",
    ),
}
CONTROLS = {**VARIANTS, **CONVEX_ONLY, **FORCED}
FLOOR = 1e-8


def settings() -> list[Setting]:
    """A translate of a Gaussian, Gaussians in the plane, wells, and a metastable law."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well
    from lvebm_theory.parse import parse_potential

    return [
        Setting(
            name="translate-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(0.8, 1.0),
            times=(0.1, 1.0),
            options={"equality": True, "controls": (*VARIANTS, *CONVEX_ONLY)},
            with_controls=True,
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.1, 1.0),
            options={"witness": "closed-form"},
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.mixture((0.8, 1.0, 0.3), (0.2, -1.0, 0.3)),
            times=(0.1, 1.0, 3.0),
        ),
        Setting(
            name="convex-in-two-dimensions",
            subject=parse_potential("(x**2 + y**2)/2 + 3*x*y/10 + cos(x + y)/10"),
            start=InitialLaw.normal([1.2, -1.2], 0.8),
            times=(0.3, 1.0),
        ),
        Setting(
            name="metastable-law",
            subject=double_well(b=4.0),
            start=InitialLaw.normal(-1.0, 0.2),
            times=(1.0,),
            options={"controls": tuple(FORCED)},
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One case per law of the flow, and the controls that the setting names."""
    witness: Witness = setting.options.get("witness", "grid")
    relations = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        relations.append(Relation.EQUAL)
    planned = [
        Case(quantity="KL", relation=relation, witness=witness, time=time)
        for relation in relations
        for time in setting.times
    ]
    if setting.with_controls:
        planned += [
            Case(
                quantity="KL",
                relation=relation,
                witness=witness,
                time=setting.times[-1],
                control=control,
            )
            for relation in relations
            for control in setting.options["controls"]
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Relative entropy against transport and Fisher information, law by law."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    convexity = constants_of(energy).convexity
    require(statements.theorem, convexity=convexity, smooth=energy.smooth)
    entropy, w2, information = _curves(setting, asked[0].witness)

    def quantities(time: float) -> dict[str, Any]:
        return {
            "convexity": convexity,
            "w2": w2.at(time).value,
            "fisher_information": information.at(time).value,
            "smooth": energy.smooth,
            "translate_of_gaussian": setting.options.get("equality", False),
        }

    def inherited(time: float) -> float:
        """Half-width that the right-hand side takes over from W2 and FI."""
        a, b = w2.at(time), information.at(time)
        root = np.sqrt(b.value)
        return float(
            (root + abs(convexity.lower) * a.value) * a.half_width
            + 0.5 * a.value / root * b.half_width
        )

    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        equal = case.relation is Relation.EQUAL
        theorem = statements.translate_of_gaussian if equal else statements.theorem
        q = quantities(time)
        wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            entropy.at(time, extra_numerical=inherited(time)),
            theorem,
            q,
            resolution=max(third_of_distance(theorem.forced_bound(**q), *wrong), FLOOR),
            variants=CONTROLS,
            perturbed=smaller(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            entropy,
            {NAME: lambda time: statements.theorem.forced_bound(**quantities(time))},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


def _curves(setting: Setting, witness: Witness) -> tuple[Curve, Curve, Curve]:
    energy, start, times = energy_of(setting), start_of(setting), setting.times
    if witness == "closed-form":
        from ... import closed_form_witness

        kl, w2, fi = (
            closed_form_witness.curve(energy, start, times, quantity, claim=NAME)
            for quantity in ("KL", "W2", "FI")
        )
        return kl, w2, fi
    from ...grid_witness import curve, density_path

    path = density_path(energy, start, times, claim=NAME)
    return curve(path, "KL"), curve(path, "W2"), curve(path, "FI")


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one dimension or two; in two, W2 is known between bounds."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="The HWI inequality for Hess U >= K",
    theorems=(statements.theorem, statements.translate_of_gaussian),
    controls=sentences(CONTROLS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
