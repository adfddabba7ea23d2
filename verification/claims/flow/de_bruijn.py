"""de Bruijn's identity: -d/dt KL(mu_t|pi) = FI(mu_t|pi), by two routes.

Grid: the time derivative of the relative entropy of cell masses, against the Fisher information
of the same densities, which knows nothing of time stepping. Closed form: Gaussians in two
dimensions, their entropy differenced in time against their Fisher information.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import de_bruijn as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, require
from ...controls.variants import quantities_replaced, sentences, value_multiplied
from ...curves import Curve, dataset
from ...defaults import length_of
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityPath, DensityState

NAME = "de-bruijn"
VARIANTS = {
    "factor-half": value_multiplied(0.5, "FI/2, as for unit noise"),
    "roles-exchanged": quantities_replaced(
        lambda q: {"fisher_information": q["fisher_information_under_pi"]},
        "the mean of |grad log(mu/pi)|^2 under pi instead of mu",
    ),
}
HALF_NOISE = "half-noise"
MUTANTS = {HALF_NOISE: "a solver with noise sqrt(h) xi in place of sqrt(2h) xi"}
# the derivative at t is taken from KL at t -+ t/32 and t -+ t/64
SPREAD = 1.0 / 32.0
# of FI: the lost factor is 50 times as far, exchanged roles and half the noise at least 3 times
# at the control time (late, exchanged roles agree with the truth to first order)
RESOLUTION = 0.01
FLOOR = 1e-9  # over a squared length of the energy
GRID_CONTROLS = (*VARIANTS, *MUTANTS)


def settings() -> list[Setting]:
    """Wells in one and two dimensions, and Gaussians in closed form."""
    from lvebm_theory.energies.bottleneck import bottleneck
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=2.0, tilt=0.6),
            start=InitialLaw.normal(1.2, 0.25),
            times=(0.05, 0.2, 1.0, 3.0),
            options={"control_time": 0.2},
            with_controls=True,
        ),
        Setting(
            name="bottleneck-joint",
            subject=bottleneck(b=1.0, a=1.0),
            start=InitialLaw.normal([1.0, 0.5], [0.4, 0.6]),
            times=(0.2, 1.0),
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.1, 1.0),
            options={"witness": "closed-form"},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One EQUAL case per time."""
    witness: Witness = setting.options.get("witness", "grid")
    planned = [
        Case(quantity="FI", relation=Relation.EQUAL, witness=witness, time=time)
        for time in setting.times
    ]
    if setting.with_controls:
        planned += [
            Case(
                quantity="FI",
                relation=Relation.EQUAL,
                witness=witness,
                time=setting.options["control_time"],
                control=control,
                run=control if control in MUTANTS else "",
            )
            for control in GRID_CONTROLS
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """-dKL/dt (measured) against Fisher information (the bound)."""
    energy = energy_of(setting)
    require(statements.theorem, smooth=energy.smooth)
    if asked[0].witness == "closed-form":
        slope, information, under_pi = _closed_form(setting)
    else:
        slope, information, under_pi = _on_grid(setting, asked[0].run == HALF_NOISE)

    def quantities(time: float) -> dict[str, Any]:
        return {
            "fisher_information": information.at(time).value,
            "fisher_information_under_pi": under_pi.at(time).value,
            "smooth": energy.smooth,
        }

    theorem = statements.theorem
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        q = quantities(time)
        outcomes[case] = confront(
            case,
            slope.at(time, extra_numerical=information.at(time).half_width),
            theorem,
            q,
            resolution=max(RESOLUTION * q["fisher_information"], FLOOR / length_of(energy) ** 2),
            variants=VARIANTS,
            perturbed=larger(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            slope,
            {NAME: lambda time: quantities(time)["fisher_information"]},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


def _closed_form(setting: Setting) -> tuple[Curve, Curve, Curve]:
    from lvebm_theory import gaussian

    from ... import closed_form_witness as witness

    energy, start, times = energy_of(setting), start_of(setting), setting.times
    information = witness.curve(energy, start, times, "FI", claim=NAME)

    def entropies(shift: float) -> np.ndarray[Any, Any]:
        found, target = witness.laws(energy, start, [t * (1 + shift) for t in times], claim=NAME)
        return np.array([gaussian.relative_entropy(law, target) for law in found])

    moments = np.array(times)
    wide, narrow = (
        -(entropies(s) - entropies(-s)) / (2 * s * moments) for s in (SPREAD, SPREAD / 2)
    )
    slope = _richardson(moments, wide, narrow, np.zeros_like(wide))
    return slope, information, information


def _on_grid(setting: Setting, mutated: bool) -> tuple[Curve, Curve, Curve]:
    from ...controls.flows import with_noise_scaled
    from ...grid_witness import density_path, of_levels

    energy, start = energy_of(setting), start_of(setting)
    shifts = (-1.0, -0.5, 0.0, 0.5, 1.0)
    grid = sorted({t * (1 + SPREAD * s) for t in setting.times for s in shifts})
    path = density_path(energy, start, grid, claim=NAME)
    if mutated:
        path = with_noise_scaled(path, start, 0.5**0.5)
    moments = np.array(setting.times)
    places = [[_index(path, t * (1 + SPREAD * s)) for t in setting.times] for s in shifts]

    def slopes(states: Sequence[Sequence[DensityState]]) -> np.ndarray[Any, Any]:
        entropy = np.array([_relative_entropy(state) for state in states[0]])
        first, second, _, third, fourth = (entropy[place] for place in places)
        return np.stack(
            [
                -(fourth - first) / (2 * SPREAD * moments),
                -(third - second) / (SPREAD * moments),
            ]
        )

    (wide, narrow), (_, widths) = of_levels([path], slopes)
    slope = _richardson(moments, wide, narrow, widths)
    values, errors = path.fisher_information()
    information = Curve(
        quantity="FI", times=moments, values=values[places[2]], numerical=errors[places[2]]
    )
    under_pi, _ = of_levels([path], lambda s: [_under_pi(s[0][k]) for k in places[2]])
    return (
        slope,
        information,
        Curve(quantity="FI", times=moments, values=under_pi, numerical=np.zeros_like(under_pi)),
    )


def _richardson(
    times: np.ndarray[Any, Any],
    wide: np.ndarray[Any, Any],
    narrow: np.ndarray[Any, Any],
    widths: np.ndarray[Any, Any],
) -> Curve:
    """The central difference of order four, and what the next order may still change."""
    value = (4 * narrow - wide) / 3
    return Curve(
        quantity="FI",
        times=times,
        values=value,
        numerical=widths + 0.25 * np.abs(narrow - wide) / 3 + 1e-8 * np.abs(value) + 1e-14,
    )


def _index(path: DensityPath, time: float) -> int:
    return int(np.argmin(np.abs(path.times - time)))


def _relative_entropy(state: DensityState) -> float:
    from lvebm_theory.functionals import relative_entropy

    return float(relative_entropy(state.masses, state.log_gibbs, state.excess))


def _under_pi(state: DensityState) -> float:
    """int |grad log(mu/pi)|^2 dpi by central differences of log(mu/pi) where mu has mass."""
    with np.errstate(divide="ignore"):
        log_ratio = np.log(state.masses) - state.log_gibbs
    known = state.masses > 1e-14
    log_ratio = np.where(known, log_ratio, 0.0)
    weight = np.exp(state.log_gibbs) * known
    total = 0.0
    for axis, centres in enumerate(state.grid.centres):
        slope = np.gradient(log_ratio, centres, axis=axis)
        total += float((weight * slope**2).sum())
    return total


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one or two dimensions."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="Relative entropy is lost at the rate of the Fisher information",
    theorems=(statements.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
