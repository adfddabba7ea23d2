"""Talagrand's inequality: W2(mu, pi) <= sqrt(2 KL(mu|pi) / rho) under LSI(rho).

The laws mu are those of the flow at the asked times. Grid: relative entropy of cell masses, and
quantile transport, in two dimensions bounds from both sides. Closed form: Gaussians in two
dimensions, by Bures. Companion EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorems.transport import talagrand as statements

from ...claim import Setting
from ...confrontation import Says, confrontation
from ...controls.mutants import Mutant
from ...controls.variants import FalseVariant, value_multiplied
from ...curves import Curve
from ...defaults import length_of
from ...flow import Flow, flow_of
from ...subjects import adapted, energy_of, is_translate

if TYPE_CHECKING:
    from solvers.densities import DensityPath, DensityState

NAME = "talagrand"


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
            with_controls=True,
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.1, 1.0),
            options={"witnesses": ("closed-form",)},
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


def given(setting: Setting) -> Mapping[str, Any]:
    """rho of the energy."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    return {
        "log_sobolev": constants_of(energy).log_sobolev,
        "smooth": energy.smooth,
        "translate_of_gaussian": is_translate(setting),
    }


def quantities(_: Setting, flow: Flow, time: float) -> Mapping[str, Any]:
    """Relative entropy of the law at that time, with its width."""
    return {"relative_entropy": flow["KL"].at(time)}


def independent_coupling(path: DensityPath, quantity: str) -> Curve | None:
    """The cost of the independent coupling in place of W2."""
    from ...grid_witness import of_levels

    if quantity != "W2":
        return None
    values, widths = of_levels([path], lambda s: [independent_cost(state) for state in s[0]])
    return Curve(quantity="W2", times=path.times, values=values, numerical=widths)


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


claim = confrontation(
    name=NAME,
    title="Talagrand's transport inequality under LSI(rho)",
    says=(
        Says(theorem=statements.theorem, quantity="W2"),
        Says(theorem=statements.translate_of_gaussian, quantity="W2", where=is_translate),
    ),
    settings=settings,
    given=given,
    measure=flow_of(NAME),
    quantities=quantities,
    variants={
        "factor-two-lost": value_multiplied(0.5**0.5, "sqrt(KL/rho) in place of sqrt(2 KL/rho)"),
        "root-lost": FalseVariant(
            sentence="W2 <= (2/rho) KL: the square on the left forgotten",
            bound=lambda theorem, q: 2.0 * q["relative_entropy"] / q["log_sobolev"].lower,
        ),
    },
    mutants=(
        Mutant(
            name="independent-coupling",
            sentence="a transport solver that returns the cost of the independent coupling",
            change=independent_coupling,
            of="grid",
        ),
    ),
    # what the rounding of cell masses leaves of W2
    floors={"grid": 1e-4, "closed-form": 1e-4},
    unit=lambda setting: length_of(energy_of(setting)),
    accepts=partial(adapted, NAME),
)
