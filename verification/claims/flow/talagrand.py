"""Talagrand's inequality: W2(mu, pi) <= sqrt(2 KL(mu|pi) / rho) under LSI(rho).

The laws mu are those of the flow at the asked times. Grid: relative entropy of cell masses, and
quantile transport, in two dimensions bounds from both sides. Closed form: Gaussians in two
dimensions, by Bures. Companion EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.transport import talagrand as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, require, smaller, third_of_distance
from ...controls.variants import FalseVariant, sentences, value_multiplied
from ...curves import Curve, dataset
from ...defaults import length_of
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityState

NAME = "talagrand"
VARIANTS = {
    "factor-two-lost": value_multiplied(0.5**0.5, "sqrt(KL/rho) in place of sqrt(2 KL/rho)"),
    "root-lost": FalseVariant(
        sentence="W2 <= (2/rho) KL: the square on the left forgotten",
        bound=lambda theorem, q: 2.0 * q["relative_entropy"] / q["log_sobolev"].lower,
    ),
}
INDEPENDENT = "independent-coupling"
MUTANTS = {INDEPENDENT: "a transport solver that returns the cost of the independent coupling"}
FLOOR = 1e-4  # what the rounding of cell masses leaves of W2, in lengths of the energy


def settings() -> list[Setting]:
    """A translate of a Gaussian, Gaussians in two dimensions, and wells."""
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
            options={"equality": True},
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
            # displaced along the flattest direction, where the inequality is nearly attained
            name="convex-in-two-dimensions",
            subject=parse_potential("(x**2 + y**2)/2 + 3*x*y/10 + cos(x + y)/10"),
            start=InitialLaw.normal([1.2, -1.2], 0.8),
            times=(0.3, 1.0),
            with_controls=True,
        ),
        Setting(
            name="double-well",
            subject=double_well(b=0.5),
            start=InitialLaw.normal(1.5, 0.4),
            times=(0.1, 1.0, 3.0),
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.mixture((0.8, 1.0, 0.3), (0.2, -1.0, 0.3)),
            times=(0.1, 1.0, 3.0),
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One case per law of the flow; the false variants everywhere where controls are planned."""
    witness: Witness = setting.options.get("witness", "grid")
    relations = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        relations.append(Relation.EQUAL)
    planned = [
        Case(quantity="W2", relation=relation, witness=witness, time=time)
        for relation in relations
        for time in setting.times
    ]
    if setting.with_controls:
        planned += [
            Case(
                quantity="W2",
                relation=relation,
                witness=witness,
                time=setting.times[-1],
                control=control,
                run=control if control in MUTANTS else "",
            )
            for relation in relations
            for control in (*VARIANTS, *MUTANTS)
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """W2 against relative entropy, law by law."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    log_sobolev = constants_of(energy).log_sobolev
    require(statements.theorem, log_sobolev=log_sobolev, smooth=energy.smooth)
    measure = _closed_form if asked[0].witness == "closed-form" else _on_grid
    w2, entropy = measure(setting, asked[0].run == INDEPENDENT)

    def quantities(time: float) -> dict[str, Any]:
        return {
            "log_sobolev": log_sobolev,
            "relative_entropy": entropy.at(time).value,
            "smooth": energy.smooth,
            "translate_of_gaussian": setting.options.get("equality", False),
        }

    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        equal = case.relation is Relation.EQUAL
        theorem = statements.translate_of_gaussian if equal else statements.theorem
        q = quantities(time)
        bound = theorem.forced_bound(**q)
        wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
        inherited = 0.5 * bound * entropy.at(time).half_width / entropy.at(time).value
        outcomes[case] = confront(
            case,
            w2.at(time, extra_numerical=inherited),
            theorem,
            q,
            resolution=max(third_of_distance(bound, *wrong), FLOOR * length_of(energy)),
            variants=VARIANTS,
            perturbed=smaller(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            w2,
            {NAME: lambda time: statements.theorem.forced_bound(**quantities(time))},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


def _closed_form(setting: Setting, mutated: bool) -> tuple[Curve, Curve]:
    from ... import closed_form_witness as witness

    energy, start = energy_of(setting), start_of(setting)
    w2, entropy = (
        witness.curve(energy, start, setting.times, quantity, claim=NAME)
        for quantity in ("W2", "KL")
    )
    return w2, entropy


def _on_grid(setting: Setting, mutated: bool) -> tuple[Curve, Curve]:
    from ...grid_witness import curve, density_path, of_levels

    path = density_path(energy_of(setting), start_of(setting), setting.times, claim=NAME)
    w2 = curve(path, "W2")
    if mutated:
        values, widths = of_levels([path], lambda s: [independent_cost(state) for state in s[0]])
        w2 = Curve(quantity="W2", times=path.times, values=values, numerical=widths)
    return w2, curve(path, "KL")


def independent_cost(state: DensityState) -> float:
    """(E|X - Y|^2)^{1/2} for independent X ~ mu and Y ~ pi: no optimal coupling."""
    laws, squared = (state.masses, np.exp(state.log_gibbs)), 0.0
    for axis, x in enumerate(state.grid.centres):
        others = tuple(k for k in range(state.grid.dim) if k != axis)
        first, second = (law.sum(axis=others) for law in laws)
        means = first @ x, second @ x
        squared += first @ (x - means[0]) ** 2 + second @ (x - means[1]) ** 2
        squared += (means[0] - means[1]) ** 2
    return float(np.sqrt(squared))


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one dimension or two; in two, W2 is known between bounds."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="Talagrand's transport inequality under LSI(rho)",
    theorems=(statements.theorem, statements.translate_of_gaussian),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
