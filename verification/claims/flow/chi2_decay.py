"""Chi-square decay: chi2(mu_t|pi) <= e^{-2 lambda (t-s)} chi2(mu_s|pi) under Poincare(lambda).

Grid: chi-square of cell masses, from half of the first time on. Particles: the mean of the first
eigenfunction, the part of chi-square that decays slowest. Companions EQUAL: chi-square of a
translated Gaussian in closed form, and the mean of one mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.constant import Constant, How
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import chi_square_decay as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, faster, require, third_of_distance
from ...controls.variants import rate_multiplied, sentences, value_multiplied
from ...curves import dataset
from ...decay import DecayStatement
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityPath

NAME = "chi2-decay"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the rate 2 lambda (of one mode: lambda) doubled"),
    "half-chi2": value_multiplied(0.5, "the prefactor 1 replaced by 1/2, as if chi2 were KL"),
}
MUTANTS = {"double-drift": "a solver with its drift doubled"}
MODE = "first-mode"
# the bound starts at half the first time: at time 0 chi-square is infinite for Gaussian starts
# over any energy that grows faster than quadratically
BEGIN = 0.5
LARGEST_INITIAL_WIDTH = 0.3
LARGEST_UNKNOWN_SHARE = 1e-6
LARGEST_EDGE_SHARE = 1e-3
GRID_FLOOR = 1e-9
# of the mean of a mode of unit variance: smaller means are zero to this witness
MODE_FLOOR = 0.02


def settings() -> list[Setting]:
    """A translate of a Gaussian in closed form, wells with certified gaps, two dimensions."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="translate-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(0.5, 1.0),
            times=(0.2, 0.5, 1.0),
            options={"equality": True, "precision": 1.0, "shift": 0.5},
            with_controls=True,
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=2.0, tilt=0.6),
            start=InitialLaw.normal(1.0, 0.25),
            times=(0.1, 0.5, 2.0),
            options={"one_in": 2},
        ),
        Setting(
            name="double-well",
            subject=double_well(b=1.0),
            start=InitialLaw.normal(-0.5, 0.4),
            times=(0.5, 2.0, 8.0),
            options={"particles": False},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Chi-square on the grid at every time; the first mode by particles."""
    grid = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        grid.append(Relation.EQUAL)
    planned = [
        Case(quantity="chi2", relation=relation, witness="grid", time=time)
        for relation in grid
        for time in setting.times
    ]
    mode = [
        Case(quantity="moment", relation=Relation.EQUAL, witness=backend, time=time, part=MODE)
        for time in setting.times
        if setting.options.get("particles", True)
    ]
    planned += mode
    if not setting.with_controls:
        return planned
    late = setting.times[-1]
    planned += [
        Case(quantity="chi2", relation=relation, witness="grid", time=late, control=variant)
        for relation in grid
        for variant in VARIANTS
    ]
    controls = [("rate-doubled", ""), ("half-chi2", ""), *((m, m) for m in MUTANTS)]
    planned += [
        Case(
            quantity="moment",
            relation=Relation.EQUAL,
            witness=backend,
            time=late,
            part=MODE,
            control=control,
            run=run,
        )
        for control, run in controls
        if mode
    ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Chi-square from the grid, or the mean of the first mode from particles."""
    if asked[0].witness == "grid":
        return _on_grid(setting, asked)
    return _by_particles(setting, asked, context)


def _on_grid(setting: Setting, asked: Sequence[Case]) -> Evidence:
    from lvebm_theory.constants import constants_of

    from ...grid_witness import curve, density_path, since

    energy, start = energy_of(setting), start_of(setting)
    gap = constants_of(energy).gap
    require(statements.theorem, gap=gap)
    begin = BEGIN * setting.times[0]
    path = since(density_path(energy, start, [begin, *setting.times], claim=NAME), begin)
    if edge_share(path) > LARGEST_EDGE_SHARE:
        reason = "chi2(mu_s|pi) is finite: on the grid its mass stands at the edge of the box"
        return Evidence(outcomes=dict.fromkeys(asked, NotApplicable(reason=reason)))
    measured = curve(path, "chi2")
    initial = measured.at(begin)
    if initial.numerical > LARGEST_INITIAL_WIDTH * initial.value:
        reason = "chi2(mu_s|pi) is finite: on the grid it does not settle under refinement"
        return Evidence(outcomes=dict.fromkeys(asked, NotApplicable(reason=reason)))
    statement = DecayStatement(
        upper=statements.theorem,
        equal=None,
        quantities=lambda time: {
            "gap": gap,
            "time": time - begin,
            "initial_chi_square": initial.value,
        },
        variants=VARIANTS,
        floor=GRID_FLOOR,
        relative_width=initial.numerical / initial.value,
    )
    upper = [case for case in asked if case.relation is Relation.AT_MOST]
    outcomes: dict[Case, Outcome | NotApplicable] = dict(statement.outcomes(upper, measured))
    for case in asked:
        if case.relation is Relation.EQUAL:
            q = {
                "precision": setting.options["precision"],
                "shift": setting.options["shift"],
                "time": case.time,
                "translate_of_gaussian": True,
            }
            true = statements.translate_of_gaussian.bound(**q)
            wrong = [v.bound(statements.translate_of_gaussian, q) for v in VARIANTS.values()]
            outcomes[case] = confront(
                case,
                measured.at(float(case.time or 0.0)),
                statements.translate_of_gaussian,
                q,
                resolution=third_of_distance(true, *wrong),
                variants=VARIANTS,
                perturbed=faster(statements.translate_of_gaussian, q),
            )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            measured,
            {NAME: statement.bound},
            setting=setting.name,
            witness="grid",
            claim=NAME,
        ),
    )


def edge_share(path: DensityPath) -> float:
    """Share of chi-square at the first time in the outer twentieth of the box, all sides.

    Near one where mu^2/pi is not integrable: the integral then lives wherever the box ends.
    """
    state = path.levels[-1].state(0)
    with np.errstate(divide="ignore"):
        exponent = 2.0 * np.log(state.masses) - state.log_gibbs
    terms = np.exp(exponent - exponent.max())
    inner = terms[tuple(slice(n // 20, n - n // 20) for n in terms.shape)]
    return float(1.0 - inner.sum() / terms.sum())


def _by_particles(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    from lvebm_theory.constants import constants_of

    from ...controls.schemes import with_drift_scaled
    from ...particle_witness import enough, snapshots, step_for

    energy, start = energy_of(setting), start_of(setting)
    modes = constants_of(energy).spectrum
    eigenvalue = float(modes.eigenvalues[0])
    if not 0 < eigenvalue < modes.essential_bottom:
        raise AssumptionError(NAME, ["the gap is an eigenvalue, below the essential spectrum"])
    if modes.unknown_share(start) > LARGEST_UNKNOWN_SHARE:
        raise AssumptionError(NAME, ["the start lies where the first mode is known"])
    overlap = float(modes.overlaps(start)[0])
    run = asked[0].run
    particles = snapshots(
        energy,
        start,
        sorted({float(case.time or 0.0) for case in asked}),
        context,
        stream=f"{NAME}/{setting.name}/{run}",
        step_size=step_for(energy, start, setting.times),
        mutate=(lambda scheme: with_drift_scaled(scheme, 2.0)) if run else None,
        particles=None if run else enough(setting, context),
        companion=not run,
    )
    measured = particles.mean(modes.eigenfunction(1), "moment")
    known = Constant(
        value=eigenvalue,
        lower=eigenvalue - float(modes.error[0]),
        upper=eigenvalue + float(modes.error[0]),
        how=How.COMPUTED,
        source="spectral basis",
    )

    def quantities(time: float) -> dict[str, Any]:
        return {
            "eigenvalue": eigenvalue,
            "gap": known,
            "time": time,
            "initial_mean": overlap,
        }

    outcomes: dict[Case, Outcome | NotApplicable] = {}
    theorem = statements.one_mode
    for case in asked:
        q = quantities(float(case.time or 0.0))
        wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            measured.at(q["time"]),
            theorem,
            q,
            resolution=max(third_of_distance(theorem.forced_bound(**q), *wrong), MODE_FLOOR),
            variants=VARIANTS,
            perturbed=faster(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            measured,
            {"mode-decay": lambda time: theorem.forced_bound(**quantities(time))},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any energy in one or two dimensions, smooth or not; particles where it is smooth."""
    setting = adapted(NAME, subject, start, times, smooth=False)
    return replace(setting, options={"particles": energy_of(setting).smooth})


claim = Claim(
    name=NAME,
    title="Chi-square decays at rate 2 lambda under Poincare(lambda)",
    theorems=(statements.theorem, statements.translate_of_gaussian, statements.one_mode),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
