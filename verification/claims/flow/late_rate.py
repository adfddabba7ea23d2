"""Late rates: log KL and log chi-square fall at exactly 2 lambda_k, k the first mode excited.

Grid: late slopes of both curves, from a matrix that the theory's spectral basis does not share.
Particles: the mean of the first eigenfunction falls at lambda_1; its rate is doubled. A start
that is even over an even well must show 2 lambda_2. On tilted wells 2 rho differs from
2 lambda_1 by more than the resolution, and must be refuted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.constant import Constant, How
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import late_rates as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger, require
from ...controls.variants import FalseVariant, sentences
from ...curves import dataset
from ...late_slope import late_slope, window
from ...measurement import Measurement
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from lvebm_theory.constants.spectral import Spectrum

NAME = "late-rate"
VARIANTS = {
    "gap-once": FalseVariant(
        sentence="the slope is lambda_k: the factor 2 forgotten",
        bound=lambda theorem, q: float(q["eigenvalue"]),
    ),
    "log-sobolev-rate": FalseVariant(
        sentence="the slope is 2 rho, rho an upper bound FI/(2 KL) of the log-Sobolev constant",
        bound=lambda theorem, q: 2.0 * q["log_sobolev_above"],
    ),
    "first-mode": FalseVariant(
        sentence="an even start shows the first (odd) mode",
        bound=lambda theorem, q: 2.0 * q["first_eigenvalue"],
    ),
}
HALF_NOISE = "half-noise"
MUTANTS = {HALF_NOISE: "a solver with noise sqrt(h) xi in place of sqrt(2h) xi"}
# of the predicted rate. The nearest control of the grid is 2 rho on a tilted well, more than 3
# per cent away; of the particles, the lost factor 2
RESOLUTIONS = {"grid": 0.01, "particles": 0.1}
SMALLEST = {1: 1e-9, 2: 1e-7}  # relative entropy at the end of the window, by dimension
UNEXCITED = 1e-3  # of relative entropy at the end of the window: what a mode may add unseen
CLUSTER = 2e-3  # eigenvalues this near, relatively, count as one
ALONE = 0.007  # what other modes may add to the slope, of itself, when the window ends
# particles tell the mean of a mode of unit variance from noise
LEAST_MEAN = 0.2


def settings() -> list[Setting]:
    """Tilted and symmetric wells, odd and even starts, and a joint energy."""
    from lvebm_theory.energies.bottleneck import bottleneck
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=2.0, tilt=0.6),
            start=InitialLaw.normal(1.0, 0.25),
            options={"controls": ("gap-once", "log-sobolev-rate", HALF_NOISE), "one_in": 2},
            with_controls=True,
        ),
        Setting(
            name="double-well-odd",
            subject=double_well(b=2.0),
            start=InitialLaw.normal(0.5, 0.3),
            options={"particles": False},
        ),
        Setting(
            name="double-well-even",
            subject=double_well(b=2.0),
            start=InitialLaw.normal(0.0, 0.3),
            options={"particles": False, "controls": ("first-mode",)},
            with_controls=True,
        ),
        Setting(
            name="bottleneck-joint",
            subject=bottleneck(b=1.0, a=1.0),
            start=InitialLaw.normal([0.8, 0.5], [0.4, 0.6]),
            options={"particles": False},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """RATE from KL and from chi-square on the grid, from one mode by particles."""
    planned = [
        Case(quantity="rate", relation=Relation.RATE, witness="grid", part=part)
        for part in ("KL", "chi2")
    ]
    if setting.options.get("particles", True):
        planned.append(
            Case(quantity="rate", relation=Relation.RATE, witness=backend, part="first-mode")
        )
    if setting.with_controls:
        for control in setting.options["controls"]:
            mutant = control in MUTANTS
            planned.append(
                Case(
                    quantity="rate",
                    relation=Relation.RATE,
                    witness=backend if mutant else "grid",
                    part="first-mode" if mutant else "KL",
                    control=control,
                    run=control if mutant else "",
                )
            )
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Measured late slopes against twice the eigenvalue of the first mode that is excited."""
    from lvebm_theory.constants import constants_of
    from lvebm_theory.constants.spectral import spectrum

    energy, start = energy_of(setting), start_of(setting)
    constants = constants_of(energy)
    gap = constants.gap
    require(statements.theorem, gap=gap, smooth=energy.smooth)
    modes = constants.spectrum
    overlaps = modes.overlaps(start)
    unseen = math.sqrt(2.0 * UNEXCITED * SMALLEST[energy.dim])
    if np.abs(overlaps).max(initial=0.0) <= unseen:
        modes = spectrum(energy, 6)
        overlaps = modes.overlaps(start)
    excited = np.flatnonzero(np.abs(overlaps) > unseen)
    if excited.size == 0:
        raise AssumptionError(NAME, ["one of the first six modes is excited by the start"])
    k = int(excited[0])
    eigenvalue = gap if k == 0 else _constant(modes, k)
    q: dict[str, Any] = {
        "gap": gap,
        "known": eigenvalue,
        "eigenvalue": eigenvalue.value,
        "first_eigenvalue": gap.value,
        "smooth": energy.smooth,
        "discrete_spectrum": eigenvalue.value < modes.essential_bottom,
    }
    require(statements.theorem, **q)
    if asked[0].witness == "grid":
        if len(modes.eigenvalues) < k + 3:
            modes = spectrum(energy, k + 3)
        return _on_grid(setting, asked, q, _Window.of(modes, start, k, SMALLEST[energy.dim]))
    if abs(overlaps[k]) < LEAST_MEAN:
        raise AssumptionError(NAME, [f"|E phi_1(X_0)| >= {LEAST_MEAN}, for particles to see it"])
    return _by_particles(setting, asked, context, q, modes, k, float(overlaps[k]))


@dataclass(frozen=True, kw_only=True)
class _Window:
    """Five late times; the least rate at which slopes settle; what a cluster leaves open."""

    times: list[float]
    settling: float
    spread: float

    @classmethod
    def of(cls, modes: Spectrum, start: InitialLaw, k: int, smallest: float) -> _Window:
        """The window for mode number k.

        Raises
        ------
        AssumptionError
            When the mode is too weak, or the next one dies too slowly for a late phase.
        """
        slowest = float(modes.eigenvalues[k])
        weights = modes.overlaps(start) ** 2
        times = window(2.0 * slowest, 0.5 * float(weights[k]), smallest)
        if times[0] <= 0:
            raise AssumptionError(NAME, ["the slowest excited mode is seen late"])
        near = modes.eigenvalues <= (1 + CLUSTER) * slowest
        others = np.minimum(modes.eigenvalues[~near], modes.essential_bottom)
        shares = np.maximum(weights[~near], weights[k]) / weights[k]
        left = float(
            (shares * (others / slowest - 1)) @ np.exp(-2.0 * (others - slowest) * times[-2])
        )
        if left > ALONE:
            raise AssumptionError(
                NAME,
                [
                    f"the mode {slowest:.6g} is alone, the next ({others.min():.6g}) dead, before "
                    f"relative entropy falls below {smallest:g}"
                ],
            )
        # chi-square: the next mode; relative entropy: the cube of the slowest, too
        settling = min(2.0 * float(others.min() - slowest), slowest)
        spread = 2.0 * float(modes.eigenvalues[near].max() - slowest)
        return cls(times=times, settling=settling, spread=spread)


def _constant(modes: Spectrum, k: int) -> Constant:
    value, error = float(modes.eigenvalues[k]), float(modes.error[k])
    return Constant(
        value=value,
        lower=value - error,
        upper=value + error,
        how=How.COMPUTED,
        source=f"eigenvalue {k + 1} in the spectral basis",
    )


def _outcomes(
    asked: Sequence[Case], q: Mapping[str, Any], measured: Mapping[str, Measurement], share: float
) -> dict[Case, Outcome | NotApplicable]:
    theorem = statements.theorem
    inherited = 2.0 * q["known"].half_width
    return {
        case: confront(
            case,
            Measurement(
                value=measured[case.part].value,
                statistical=measured[case.part].statistical,
                numerical=measured[case.part].numerical + inherited,
                confidence=measured[case.part].confidence,
            ),
            theorem,
            q,
            resolution=share * 2.0 * q["eigenvalue"],
            variants=VARIANTS,
            perturbed=larger(theorem, q),
        )
        for case in asked
    }


def _on_grid(setting: Setting, asked: Sequence[Case], q: dict[str, Any], late: _Window) -> Evidence:
    from ...grid_witness import curve, density_path, since

    energy, start = energy_of(setting), start_of(setting)
    rate, times = 2.0 * q["eigenvalue"], late.times
    early = np.linspace(
        times[0] / 40, times[0], 20 if energy.dim == 1 else 5, endpoint=False
    ).tolist()
    path = density_path(energy, start, [*early, *times], claim=NAME)
    entropy, information = curve(path, "KL"), curve(path, "FI")
    # any law bounds the log-Sobolev constant from above by FI/(2 KL); the flow passes many
    ratios = information.values[1:] / (2.0 * entropy.values[1:])
    quantities = {**q, "log_sobolev_above": float(ratios.min())}
    chi2 = curve(since(path, times[0]), "chi2")
    measured = {}
    for part, seen in (("KL", entropy), ("chi2", chi2)):
        slope = late_slope(seen, times, late.settling)
        measured[part] = replace(slope, numerical=slope.numerical + late.spread)
    last = times[-1]
    level = entropy.at(last).value

    def line(time: float) -> float:
        """The predicted slope through the last point."""
        return level * math.exp(-rate * (time - last))

    return Evidence(
        outcomes=_outcomes(asked, quantities, measured, RESOLUTIONS["grid"]),
        dataset=dataset(entropy, {NAME: line}, setting=setting.name, witness="grid", claim=NAME),
    )


def _by_particles(
    setting: Setting,
    asked: Sequence[Case],
    context: Context,
    q: dict[str, Any],
    modes: Spectrum,
    k: int,
    overlap: float,
) -> Evidence:

    from ...controls.schemes import with_noise_scaled
    from ...particle_witness import enough, snapshots, step_for

    energy, start, run = energy_of(setting), start_of(setting), asked[0].run
    times = [0.25 / q["eigenvalue"], 1.25 / q["eigenvalue"]]
    mutate: Callable[[Any], Any] | None = None
    if run:
        mutate = lambda scheme: with_noise_scaled(scheme, 0.5**0.5)  # noqa: E731
    particles = snapshots(
        energy,
        start,
        times,
        context,
        stream=f"{NAME}/{setting.name}/{run}",
        step_size=step_for(energy, start, times),
        mutate=mutate,
        particles=None if run else enough(setting, context),
        companion=not run,
    )
    sign = math.copysign(1.0, overlap)
    mode = modes.eigenfunction(k + 1)
    means = particles.mean(lambda x: sign * mode(x), "moment")
    rate = rate_between(means.at(times[0]), means.at(times[1]), times[1] - times[0])
    doubled = Measurement(
        value=2.0 * rate.value,
        statistical=2.0 * rate.statistical,
        numerical=2.0 * rate.numerical,
        confidence=rate.confidence,
    )
    return Evidence(outcomes=_outcomes(asked, q, {"first-mode": doubled}, RESOLUTIONS["particles"]))


def rate_between(first: Measurement, second: Measurement, elapsed: float) -> Measurement:
    """-log(second/first)/elapsed of two positive means, widths carried through the logarithm.

    A mean that is not positive beyond its width leaves the rate unknown: infinite width.
    """
    if min(first.lower, second.lower) <= 0:
        return Measurement(value=0.0, numerical=math.inf)
    value = math.log(first.value / second.value) / elapsed

    def relative(width: str) -> float:
        return float(sum(getattr(m, width) / m.lower for m in (first, second)) / elapsed)

    return Measurement(
        value=value,
        statistical=relative("statistical"),
        numerical=relative("numerical"),
        confidence=first.confidence,
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one or two dimensions; the times are chosen from its spectrum."""
    setting = adapted(NAME, subject, start, times, with_times=False)
    return replace(setting, options={"particles": energy_of(setting).dim == 1})


claim = Claim(
    name=NAME,
    title="log KL and log chi2 fall late at exactly twice the gap",
    theorems=(statements.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
