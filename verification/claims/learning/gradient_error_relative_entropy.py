"""Error of the parameter gradient against relative entropies of the two phases, on a grid.

Update direction and relative entropies: grids at time s of both flows. Truth: grad L by quadrature
over the latent alone (Z does not depend on theta). Constants of the location family are exact.
Opposed translates of a Gaussian family attain the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import gradient_error_relative_entropy as statement

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger, smaller, third_of_distance
from ...controls.variants import quantities_replaced, sentences, value_multiplied
from ...measurement import Measurement
from ..latent.gradient_error import conditional_paths, direction_on_grid
from ..latent.joint_subjects import as_joint
from .location_likelihood import likelihood_of, location_constants

NAME = "gradient-error-relative-entropy"
LEARNED = ("theta_1", "theta_2")
CELLS = 64
VARIANTS = {
    "negative-phase-forgotten": quantities_replaced(
        lambda q: {"joint_root_entropy": 0.0}, "the bound without KL(p|model)"
    ),
    "talagrand-without-its-two": value_multiplied(
        0.5**0.5, "W2 <= sqrt(KL/rho) in place of sqrt(2 KL/rho)"
    ),
}
MUTANTS = {"positive-phase-sign": "an update direction that adds its positive phase"}


def settings() -> list[Setting]:
    """Opposed translates, where the bound is attained, and a family that is not Gaussian."""
    from lvebm_theory.energies.location_family import location_family

    return [
        Setting(
            name="opposed-translates",
            subject=location_family(theta_1=0.3, theta_2=-0.2, stiffness=1.0, coupling=0.0),
            start=InitialLaw.normal([0.3, 1.3], [1.0, 1.0]),
            times=(0.3, 1.0, 4.0),
            options={
                "data": (0.8, -0.5),
                "conditional_start": InitialLaw.normal(-1.4, 1.0),
                "attained": True,
            },
            with_controls=True,
        ),
        Setting(
            name="coupled-cosines",
            subject=location_family(theta_1=0.3, theta_2=-0.2, stiffness=1.0, coupling=0.3),
            start=InitialLaw.normal([1.0, 1.0], [0.6, 0.8]),
            times=(0.3, 1.0),
            options={"data": (0.8, -0.5), "conditional_start": InitialLaw.normal(-1.0, 0.5)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The error at every time, EQUAL where attained; false variants at the first."""
    relations = [Relation.AT_MOST]
    if setting.options.get("attained", False):
        relations.append(Relation.EQUAL)
    found = [
        Case(quantity="gradient", relation=relation, witness="grid", time=time)
        for relation in relations
        for time in setting.times
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity="gradient",
                relation=Relation.AT_MOST,
                witness="grid",
                time=setting.times[0],
                control=control,
            )
            for control in VARIANTS
        ]
        found += [
            Case(
                quantity="gradient",
                relation=Relation.AT_MOST,
                witness="grid",
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
        ]
    return found


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """|update direction - grad L| against both relative entropies."""
    from ...grid_witness import density_path

    energy: Any = as_joint(NAME, setting.subject)
    constants = location_constants(NAME, energy, LEARNED)
    data, attained = setting.options["data"], setting.options.get("attained", False)
    times = sorted({float(case.time or 0.0) for case in asked})
    assert setting.start is not None
    joint = density_path(energy.joint(), setting.start, times, claim=NAME, cells=CELLS)
    conditionals = conditional_paths(energy, setting, times)
    here = energy.parameters["theta_1"]
    gradient = np.array([float(likelihood_of(energy, data).slope(here)[0]), 0.0])
    sign = 1.0 if asked[0].run in MUTANTS else -1.0
    direction, widths = direction_on_grid(energy, joint, conditionals, data, sign)
    roots = [_root(*path.relative_entropy()) for path in (joint, *conditionals)]
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        k = int(np.argmin(np.abs(joint.times - float(case.time or 0.0))))
        theorem: Theorem = statement.theorem
        if case.relation is Relation.EQUAL:
            theorem = statement.translates
        quantities = {
            **constants,
            "joint_root_entropy": float(roots[0][0][k]),
            "conditional_root_entropy": float(np.mean([value[k] for value, _ in roots[1:]])),
            "opposed_translates": attained,
        }
        inherited = statement.direction_error(
            **{
                **quantities,
                "joint_root_entropy": float(roots[0][1][k]),
                "conditional_root_entropy": float(np.mean([width[k] for _, width in roots[1:]])),
            }
        )
        true = theorem.forced_bound(**quantities)
        wrong = [variant.bound(theorem, quantities) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            Measurement(
                value=float(np.linalg.norm(direction[k] - gradient)),
                numerical=float(widths[k]) + inherited + 1e-9,
            ),
            theorem,
            quantities,
            resolution=min(third_of_distance(true, *wrong), 0.01 * true),
            variants=VARIANTS,
            perturbed=(larger if case.relation is Relation.EQUAL else smaller)(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


def _root(value: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The square root of a curve and its half-width."""
    high = np.sqrt(np.maximum(value + width, 0.0))
    low = np.sqrt(np.maximum(value - width, 0.0))
    return (high + low) / 2.0, (high - low) / 2.0


claim = Claim(
    name=NAME,
    title="Error of the parameter gradient, in relative entropies of the two phases",
    theorems=(statement.theorem, statement.translates),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
