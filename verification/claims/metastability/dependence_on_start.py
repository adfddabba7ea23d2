"""Late chi-square carries the squared weight of the start on the first mode, and nothing else.

Grid: e^{2 lambda t} chi2(mu_t|pi) at a late time against (E phi_1(X_0))^2 from the theory storey's
spectral basis, whose own width is counted. Two starts with nearly equal KL differ late by orders of
magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.metastability import dependence_on_start as statement

from ...claim import Case, Claim, Context, Evidence, Setting
from ...confront import confront, larger, require
from ...controls.variants import FalseVariant, sentences, value_multiplied
from ...measurement import Measurement
from ...subjects import adapted, energy_of, start_of

NAME = "dependence-on-start"


SEPARATION = 1e-3
SMALLEST = 1e-14  # chi-square that the grid still resolves


def _unsquared(theorem: Any, q: Mapping[str, Any]) -> float:
    return abs(float(q["first_mode_weight"]))


VARIANTS = {
    "weight-not-squared": FalseVariant(
        sentence="the weight itself in place of its square", bound=_unsquared
    ),
    "half-weight": value_multiplied(0.5, "half of the squared weight"),
}


def settings() -> list[Setting]:
    """One well against the other: a start in the left well, and one near the barrier."""
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    energy = tilted_double_well(b=1.0, tilt=0.3)
    return [
        Setting(
            name="start-in-one-well",
            subject=energy,
            start=InitialLaw.normal(1.0, 0.3),
            with_controls=True,
        ),
        Setting(name="start-at-the-barrier", subject=energy, start=InitialLaw.normal(0.0, 0.5)),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One late amplitude by the grid, and its false variants."""
    return [
        Case(quantity="chi2", part="amplitude", relation=Relation.EQUAL, witness="grid", control=c)
        for c in (None, *(VARIANTS if setting.with_controls else ()))
    ]


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """The amplitude at a time when the second mode has died to 1e-6 of the first.

    A(t) = e^{2 lambda_1 t} chi2 falls to the squared weight, and its excess by e^{-2 (lambda_2 -
    lambda_1) s} or more in a time s, whatever modes or continuum lie above: two times bound it.
    """
    from lvebm_theory.constants import constants_of, spectrum

    from ...grid_witness import curve, density_path

    energy, start = energy_of(setting), start_of(setting)
    constants = constants_of(energy)
    require(statement.theorem, gap=constants.gap, smooth=energy.smooth)
    modes = spectrum(energy, 2)
    gap, second = float(modes.eigenvalues[0]), float(modes.eigenvalues[1])
    if not gap < min(second, modes.essential_bottom) * (1 - SEPARATION):
        raise AssumptionError(NAME, ["lambda_1 stands clear of the rest of the spectrum"])
    weights = modes.overlaps(start)
    first = float(weights[0])
    if abs(first) < 1e-6:
        raise AssumptionError(NAME, ["the start has weight on the first mode"])
    # (c + e)^2 - c^2: the width of the bound is the measured interval's as well
    uncertain = modes.overlap_error(start, 1)
    of_bound = uncertain * (2.0 * abs(first) + uncertain)
    ratio = (1.0 + float(weights[1]) ** 2) / first**2
    time = math.log(1e6 * ratio) / (2.0 * (second - gap))
    if first**2 * math.exp(-2.0 * gap * time) < SMALLEST:
        raise AssumptionError(NAME, ["the first mode is still to be seen when the second has died"])
    chi2 = curve(density_path(energy, start, [0.7 * time, time], claim=NAME), "chi2")
    before, measured = chi2.at(0.7 * time), chi2.at(time)
    grown = math.exp(2.0 * gap * time)
    value = measured.value * grown
    fall = math.exp(-0.6 * (second - gap) * time)
    excess = before.upper * math.exp(1.4 * gap * time) - measured.lower * grown
    rest = fall / (1.0 - fall) * max(excess, 0.0) + value * 2.0 * time * float(modes.error[0])
    quantities = {
        "gap": constants.gap,
        "smooth": energy.smooth,
        "first_mode_weight": first,
    }
    true = first**2
    nearest = min(0.5 * true, abs(abs(first) - true))
    return Evidence(
        outcomes={
            case: confront(
                case,
                Measurement(value=value, numerical=measured.numerical * grown + rest + of_bound),
                statement.theorem,
                quantities,
                resolution=max(nearest / 3.0, 0.003 * true),
                variants=VARIANTS,
                perturbed=larger(statement.theorem, quantities),
            )
            for case in asked
        }
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy on the line with a gap."""
    return adapted(NAME, subject, start, times, largest_dimension=1, with_times=False)


claim = Claim(
    name=NAME,
    title="The late amplitude is the squared weight of the start on the first mode",
    theorems=(statement.theorem,),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
