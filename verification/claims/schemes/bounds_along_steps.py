"""What the two non-asymptotic bounds on ULA share: cases at relaxation multiples, and outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lvebm_theory import gaussian
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy
from lvebm_theory.theorem import Relation, Theorem

from ...claim import Case, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, smaller
from ...controls.variants import FalseVariant
from ...measurement import Measurement

# early: the contraction shows; late: the floor shows
RELAXATIONS: Mapping[str, float] = {"early": 0.2, "middle": 2.0, "late": 12.0}


def steps_of(rate_per_step: float) -> dict[str, int]:
    """Number of steps at each multiple of the relaxation time 1/rate."""
    return {name: max(1, math.ceil(m / rate_per_step)) for name, m in RELAXATIONS.items()}


def bound_cases(setting: Setting, quantity: str, variants: Iterable[str]) -> list[Case]:
    """AT_MOST at every multiple by every witness; false variants late, where the floor is left."""
    on_gaussian = setting.options.get("gaussian", False)
    witnesses: list[Witness] = ["quadrature"]
    if on_gaussian:
        witnesses.append("closed-form")
    if setting.options.get("only_closed_form", False):
        witnesses = ["closed-form"]
    found = [
        Case(quantity=quantity, relation=Relation.AT_MOST, witness=witness, part=part)
        for witness in witnesses
        for part in RELAXATIONS
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity=quantity,
                relation=Relation.AT_MOST,
                witness=witness,
                part="late",
                control=variant,
            )
            for witness in witnesses
            for variant in variants
        ]
    return found


def closed_form(
    start: InitialLaw,
    target: gaussian.Gaussian,
    step_size: float,
    steps: Sequence[int],
    distance: Callable[[gaussian.Gaussian, gaussian.Gaussian], float],
) -> list[Measurement]:
    """A distance to pi along ULA on a quadratic energy, exactly, up to rounding."""
    law = gaussian.Gaussian.matching(start)
    found = []
    for k in steps:
        value = distance(gaussian.ula_flow(law, target, step_size, k), target)
        found.append(Measurement(value=value, numerical=1e-12 * (1.0 + value)))
    return found


def gaussian_target(energy: Energy) -> gaussian.Gaussian:
    """pi of a quadratic energy, from its Hessian and gradient at the origin."""
    import numpy as np

    origin = np.zeros((1, energy.dim))
    precision = energy.hessian(origin)[0]
    centre = -np.linalg.solve(precision, energy.gradient(origin)[0])
    return gaussian.Gaussian.from_precision(centre, precision)


def bound_outcomes(
    asked: Sequence[Case],
    measured: Mapping[str, Measurement],
    theorem: Theorem,
    quantities: Callable[[str], Mapping[str, Any]],
    variants: Mapping[str, FalseVariant],
) -> dict[Case, Outcome | NotApplicable]:
    """One outcome per case; resolution a third of the way to the nearest variant at that step."""
    found: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        q = quantities(case.part)
        try:
            true = theorem.bound(**q)
        except AssumptionError as error:
            found[case] = NotApplicable(reason="; ".join(error.broken))
            continue
        wrong = [variant.bound(theorem, q) for variant in variants.values()]
        found[case] = confront(
            case,
            measured[case.part],
            theorem,
            q,
            resolution=min(abs(true - other) for other in wrong) / 3.0,
            variants=variants,
            perturbed=smaller(theorem, q),
        )
    return found
