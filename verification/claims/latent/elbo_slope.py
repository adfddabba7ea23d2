"""The ELBO along the conditional flow: never falling, with slope FI, its gap closing at rate 2 rho.

ELBO_s = -E_q E(x, Z) + H(q_s) from the grid's densities alone, normaliser and posterior unknown to
it. Its slope stands against the Fisher information of the same densities, its distance from
log int e^{-E(x,z)} dz (quadrature) against the log-Sobolev bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.latent import elbo_ascent as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger
from ...controls.variants import rate_multiplied, sentences, value_multiplied
from ...curves import Curve, dataset
from ...defaults import default_start
from ...measurement import Measurement
from ...subjects import energy_of, start_of
from .joint_subjects import as_joint, log_integral, usual_datum

if TYPE_CHECKING:
    from solvers.densities import DensityState

NAME = "elbo-slope"
SLOPE, MONOTONE, GAP = "slope", "monotone", "gap"
VARIANTS = {
    "factor-half": value_multiplied(0.5, "slope FI/2, as for unit noise"),
    "rate-doubled": rate_multiplied(2.0, "the gap closing at rate 4 rho in place of 2 rho"),
}
# the ELBO's slope at s is taken from s -+ s/32 and s -+ s/64
SPREAD = 1.0 / 32.0


def settings() -> list[Setting]:
    """A Gaussian posterior, at which the rate is attained, and a posterior with two modes."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
    from lvebm_theory.energies.nonlinear_decoder import nonlinear_decoder

    return [
        Setting(
            name="gaussian-posterior",
            subject=linear_gaussian_undirected(a=2.0, b=0.7),
            start=InitialLaw.normal(-1.5, 1.0),
            times=(0.2, 1.0, 2.0),
            options={"datum": [0.8]},
            with_controls=True,
        ),
        Setting(
            name="two-modes",
            subject=nonlinear_decoder(curvature=1.0, noise=0.5),
            start=InitialLaw.normal(0.6, 0.5),
            times=(0.1, 0.5, 2.0),
            options={"datum": [1.0]},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Slope, monotonicity and gap at every time; the false variants where they bite."""
    kinds = ((SLOPE, Relation.EQUAL), (MONOTONE, Relation.AT_LEAST), (GAP, Relation.AT_MOST))
    found = [
        Case(quantity="ELBO", part=part, relation=relation, witness="grid", time=time)
        for part, relation in kinds
        for time in setting.times
    ]
    if setting.with_controls:
        for control, (part, relation) in zip(VARIANTS, (kinds[0], kinds[2]), strict=True):
            found.append(
                Case(
                    quantity="ELBO",
                    part=part,
                    relation=relation,
                    witness="grid",
                    time=setting.times[1],
                    control=control,
                )
            )
    return found


def _elbo(energy: Energy, state: DensityState) -> float:
    from lvebm_theory.functionals import entropy, expectation

    potential = energy.on_coordinates("potential", state.grid.coordinates())
    return float(
        entropy(state.masses, state.grid.volumes)
        - expectation(state.masses, np.broadcast_to(potential, state.grid.shape))
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """ELBO along the conditional flow at one datum."""
    from lvebm_theory.constants import constants_of

    from ...grid_witness import density_path, of_levels

    energy, start = energy_of(setting), start_of(setting)
    times = np.array(sorted({float(case.time or 0.0) for case in asked}))
    shifts = (-1.0, -0.5, 0.0, 0.5, 1.0)
    moments = sorted({0.0, *(t * (1 + SPREAD * s) for t in times for s in shifts)})
    path = density_path(energy, start, moments, claim=NAME)
    place = {float(t): int(np.argmin(np.abs(path.times - t))) for t in moments}
    stencils = [[place[t * (1 + SPREAD * s)] for s in shifts] for t in times]

    def along(states: Sequence[Sequence[DensityState]]) -> np.ndarray[Any, Any]:
        elbo = np.array([_elbo(energy, state) for state in states[0]])
        wide = [
            (elbo[k[4]] - elbo[k[0]]) / (2 * SPREAD * t)
            for k, t in zip(stencils, times, strict=True)
        ]
        narrow = [
            (elbo[k[3]] - elbo[k[1]]) / (SPREAD * t) for k, t in zip(stencils, times, strict=True)
        ]
        return np.concatenate([elbo, wide, narrow])

    found, found_widths = of_levels([path], along)
    count = len(path.times)
    values, widths = found[:count], found_widths[:count]
    (wide, narrow), (_, slope_widths) = (a[count:].reshape(2, -1) for a in (found, found_widths))
    slopes = {
        float(t): Measurement(
            value=float((4 * n - w) / 3),
            numerical=float(2.0 * width + abs(n - w) / 12 + 1e-8 * abs(n) + 1e-12),
        )
        for t, w, n, width in zip(times, wide, narrow, slope_widths, strict=True)
    }
    information = dict(zip(path.times, zip(*path.fisher_information(), strict=True), strict=True))
    constants, (evidence, error) = constants_of(energy), log_integral(energy)
    initial_gap = evidence - float(values[0])

    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        t = float(case.time or 0.0)
        k = place[t]
        here = Measurement(value=float(values[k]), numerical=float(widths[k]))
        fisher, fisher_width = information[path.times[k]]
        # each statement is graded by its own constants: the slope owes nothing to an LSI
        of_part: dict[str, dict[str, Any]] = {
            SLOPE: {"fisher_information": float(fisher), "smooth": energy.smooth},
            MONOTONE: {"earlier_elbo": float(values[0])},
            GAP: {
                "log_sobolev": constants.log_sobolev,
                "time": t,
                "initial_gap": initial_gap,
            },
        }
        quantities = of_part[case.part]
        theorem: Theorem
        if case.part == SLOPE:
            theorem, measured = statements.theorem, slopes[t]
            measured = Measurement(
                value=measured.value, numerical=measured.numerical + float(fisher_width)
            )
            resolution = max(0.02 * quantities["fisher_information"], 1e-6)
        elif case.part == MONOTONE:
            theorem, measured = statements.monotone, here
            resolution = float(widths[0] + 2.0 * widths[k])
        else:
            theorem = statements.gap_decay
            measured = Measurement(
                value=evidence - here.value, numerical=here.numerical + error + float(widths[0])
            )
            resolution = max(0.01 * abs(theorem.forced_bound(**quantities)), 1e-6)
        try:
            outcomes[case] = confront(
                case,
                measured,
                theorem,
                quantities,
                resolution=resolution,
                variants=VARIANTS,
                perturbed=larger(theorem, quantities) if case.part == SLOPE else None,
            )
        except AssumptionError as missing:  # the slope needs no LSI, the gap's rate does
            outcomes[case] = NotApplicable(reason="; ".join(missing.broken))
    curve = Curve(quantity="ELBO", times=path.times, values=values, numerical=widths)
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            curve,
            {"log_evidence": lambda _: evidence},
            setting=setting.name,
            witness="grid",
            claim=NAME,
        ),
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any joint energy of one datum and one latent coordinate; see ``usual_datum``."""
    energy = as_joint(NAME, subject)
    datum = usual_datum(energy)
    law = (
        start if start is not None and start.dim == 1 else default_start(energy.conditional(datum))
    )
    return Setting(
        name="user",
        subject=energy,
        start=law,
        times=tuple(sorted(set(times))) or (0.1, 0.5, 2.0),
        options={"datum": datum},
        of_user=True,
    )


claim = Claim(
    name=NAME,
    title="The ELBO rises along the conditional flow with slope FI",
    theorems=(statements.theorem, statements.monotone, statements.gap_decay),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
