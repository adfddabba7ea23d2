"""The stationary bias of ULA: (pi_h(f) - pi(f))/h -> Cov_pi(f, |grad U|^2/4 - Lap U/2).

Quadrature: the stationary law of the transition kernel on a lattice at steps h, h/2, h/4,
extrapolated to h = 0. Particles: differences of runs on one Brownian path, h against 2h and 2h
against 4h; exact values of pi(f) play no part. The prediction is an integral against pi from the
theory storey's spectral basis; no witness shares it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.schemes import ula_bias as statement

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences, value_multiplied
from ...defaults import length_of
from ...measurement import Measurement
from ...subjects import adapted, energy_of

if TYPE_CHECKING:
    import xarray

    from lvebm_theory.constants.spectral import Spectrum


NAME = "ula-bias"
VARIANTS = {
    "no-bias": value_multiplied(0.0, "ULA taken to be exact: bias of order h^2"),
    "laplacian-lost": FalseVariant(
        sentence="Cov(f, |grad U|^2/4) in place of Cov(f, |grad U|^2/4 - Lap U/2)",
        bound=lambda theorem, q: float(q["covariance_of_gradient"]),
    ),
}
MUTANTS = {"half-noise": "a solver with noise sqrt(h) xi in place of sqrt(2h) xi"}

OBSERVABLES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "second moment": lambda x: x[:, 0] ** 2,
}


# of the predicted slope: the resolution of particles and of quadrature
SHARE = (0.12, 0.01)
PARTICLE_STEP = 0.01
# times, half a relaxation time apart, over which each particle is averaged: an even observable
# forgets sooner than that, and the way to equilibrium is long compared with it
REPEATS, APART, SETTLED = 48, 0.5, 8.0
# of the step size, until the next order in h is small
_HALVINGS = 6


def settings() -> list[Setting]:
    """Lipschitz gradients, non-convex and convex, and a quartic well where ULA has no law."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.parse import parse_potential

    return [
        Setting(
            name="non-convex-cosine",
            subject=parse_potential("x**2/2 + a*cos(k*x)", parameters={"a": -0.5, "k": 2.0}),
            options={"step_size": 0.05},
            with_controls=True,
        ),
        Setting(
            name="quadratic-plus-log-cosh",
            subject=parse_potential("x**2/4 + log(cosh(x))"),
            options={"step_size": 0.1, "particles": False},
        ),
        Setting(
            name="quartic-well",
            subject=double_well(b=1.0),
            options={"step_size": 0.05, "particles": False},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One slope per witness; variants by quadrature, the mutated solver by particles."""
    witnesses: list[Witness] = ["quadrature"]
    if setting.options.get("particles", True):
        witnesses.append(backend)
    found = [
        Case(quantity="rate", part=part, relation=Relation.RATE, witness=witness)
        for witness in witnesses
        for part in OBSERVABLES
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity="rate",
                part=part,
                relation=Relation.RATE,
                witness="quadrature",
                control=variant,
            )
            for variant in VARIANTS
            for part in OBSERVABLES
        ]
        found += [
            Case(
                quantity="rate",
                part=part,
                relation=Relation.RATE,
                witness=backend,
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
            for part in OBSERVABLES
        ]
    return found


def _covariances(
    spectrum: Spectrum, energy: Energy, f: Callable[[FloatArray], FloatArray]
) -> tuple[float, float]:
    """Cov(f, |grad U|^2/4 - Lap U/2) and Cov(f, |grad U|^2/4) under pi."""
    mean = spectrum.expectation(f)

    def squared(x: FloatArray) -> FloatArray:
        return np.asarray((energy.gradient(x) ** 2).sum(axis=1) / 4.0)

    def correction(x: FloatArray) -> FloatArray:
        return squared(x) - energy.laplacian(x) / 2.0

    def against(g: Callable[[FloatArray], FloatArray]) -> float:
        level = spectrum.expectation(g)
        return spectrum.expectation(lambda x: (f(x) - mean) * (g(x) - level))

    return against(correction), against(squared)


def _by_kernel(
    energy: Energy,
    box: tuple[float, float],
    h: float,
    exact: Mapping[str, float],
    needed: float,
) -> tuple[dict[str, Measurement], list[Bias]]:
    from solvers.densities.transition_kernel import ula_kernel

    laws = {step: ula_kernel(energy, step, box).stationary() for step in (h, h / 2, h / 4)}
    found: dict[str, Measurement] = {}
    for _ in range(_HALVINGS):
        smallest = min(laws)
        try:
            laws[smallest / 2] = ula_kernel(energy, smallest / 2, box).stationary()
        except ArgumentError:
            break
        steps = sorted(laws)
        for part, f in OBSERVABLES.items():
            slopes = [
                (laws[s].expectation(f(laws[s].nodes[:, None])) - exact[part]) / s for s in steps
            ]
            here, before = _at_zero(slopes[:3]), _at_zero(slopes[1:4])
            # one small difference may be chance: the last extrapolation and its last step count
            width = 2 * max(abs(here - before), abs(here - (2 * slopes[0] - slopes[1])))
            found[part] = Measurement(value=here, numerical=width + 1e-11 / steps[0])
        if all(m.numerical <= needed for m in found.values()):
            break
    if not found:
        raise AssumptionError(NAME, ["a lattice that resolves ULA at small steps"])
    seen = [
        Bias(step, law.expectation(f(law.nodes[:, None])) - exact[part], 1e-11)
        for step, law in laws.items()
        for part, f in OBSERVABLES.items()
    ]
    return found, seen


def _at_zero(slopes: Sequence[float]) -> float:
    """The parabola through the values at h, 2h, 4h, at 0."""
    return (8 * slopes[0] - 6 * slopes[1] + slopes[2]) / 3


class Bias(NamedTuple):
    """pi_h(f) - pi(f) at one step size, for the curve."""

    step_size: float
    value: float
    half_width: float


def _curve(seen: Sequence[Bias], slope: float, setting: Setting, witness: str) -> xarray.Dataset:
    """Bias against step size, with the predicted line h e_1(f)."""
    import xarray

    ordered = sorted(seen)
    steps = np.array([b.step_size for b in ordered])
    attributes = {"units": "length squared", "long_name": "bias of the second moment"}
    return xarray.Dataset(
        {
            "measured": ("step_size", [b.value for b in ordered], attributes),
            "numerical": ("step_size", [b.half_width for b in ordered], attributes),
            "bound_first_order": ("step_size", slope * steps, attributes),
        },
        coords={"step_size": ("step_size", steps, {"long_name": "step size h", "units": "time"})},
        attrs={"quantity": "bias", "setting": setting.name, "witness": witness, "claim": NAME},
    )


def _by_particles(
    setting: Setting,
    energy: Energy,
    exact: Mapping[str, float],
    relaxation_time: float,
    asked: Sequence[Case],
    context: Context,
) -> tuple[dict[str, Measurement], list[Bias]]:
    """2 D(h) - D(2h) with D(h) = (E f at step 2h - E f at step h)/h on one Brownian path."""
    from ...controls.schemes import with_noise_scaled
    from ...estimate.averages import mean, paired_difference
    from ...particle_witness import snapshots

    run = asked[0].run
    mutate = {"": None, "half-noise": lambda scheme: with_noise_scaled(scheme, 0.5**0.5)}[run]
    slopes: dict[str, list[Measurement]] = {part: [] for part in OBSERVABLES}
    seen: list[Bias] = []
    for h in (PARTICLE_STEP, 2 * PARTICLE_STEP):
        waits = [(SETTLED + APART * k) * relaxation_time for k in range(REPEATS)]
        times = [2 * h * round(wait / (2 * h)) for wait in waits]
        ensemble = snapshots(
            energy,
            InitialLaw.normal(0.0, 1.0),
            times,
            context,
            stream=f"{NAME}/{setting.name}/{run}/{h}/{context.look}",
            step_size=h,
            mutate=mutate,
            # the mutant is a factor off, and fewer show it
            particles=context.particles // (16 if run else 3),
        )
        for part, f in OBSERVABLES.items():
            # averages over time stay with their particle: particles are what is independent
            coarse = np.mean([f(x) for x in ensemble.coarse], axis=0)
            fine = np.mean([f(x) for x in ensemble.fine], axis=0)
            level = mean(coarse, context.alpha)
            seen.append(Bias(2 * h, level.value - exact[part], level.statistical))
            gap = paired_difference(coarse, fine, context.alpha / 2)
            slopes[part].append(
                Measurement(
                    value=gap.value / h,
                    statistical=gap.statistical / h,
                    confidence=gap.confidence,
                )
            )
    found = {
        part: Measurement(
            value=2 * here.value - twice.value,
            statistical=2 * here.statistical + twice.statistical,
            # what is left of the start after eight relaxation times, and the next order in h
            numerical=abs(here.value - twice.value) + math.exp(-SETTLED) * abs(here.value),
            confidence=context.confidence,
        )
        for part, (here, twice) in slopes.items()
    }
    return found, seen


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Slopes of the bias at h = 0 by the witness of these cases, against the covariance."""
    from lvebm_theory.certified import truncation_box
    from lvebm_theory.constants import constants_of, spectrum

    energy = energy_of(setting)
    constants = constants_of(energy)
    quantities: dict[str, Any] = {
        "smooth": energy.smooth,
        "smoothness": constants.smoothness,
        "log_sobolev": constants.log_sobolev,
    }
    if broken := statement.theorem.broken_assumptions(quantities):
        raise AssumptionError(statement.theorem.name, broken)
    modes = spectrum(energy, 2)
    exact = {part: modes.expectation(f) for part, f in OBSERVABLES.items()}
    resolutions: dict[str, float] = {}
    covariances = {part: _covariances(modes, energy, f) for part, f in OBSERVABLES.items()}
    for part, (covariance, of_gradient) in covariances.items():
        share = abs(covariance) * SHARE[asked[0].witness == "quadrature"]
        distance = abs(covariance - of_gradient)
        # with a constant Laplacian leaving it out changes nothing
        resolutions[part] = min(distance / 3.0, share) if distance > 1e-6 * share else share
    if asked[0].witness == "quadrature":
        box = truncation_box(energy)
        if box is None:
            raise AssumptionError(NAME, ["tails light enough for a lattice"])
        low, high = box[0]
        margin = 0.15 * (high - low)
        limit = 0.5 / max(constants.smoothness.upper, 1e-12)
        h = min(float(setting.options["step_size"]), limit)
        needed = 0.3 * min(resolutions.values())
        measured, seen = _by_kernel(energy, (low - margin, high + margin), h, exact, needed)
    else:
        slowest = 1.0 / constants.gap.lower
        measured, seen = _by_particles(setting, energy, exact, slowest, asked, context)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        covariance, of_gradient = covariances[case.part]
        full = {
            **quantities,
            "covariance": covariance,
            "covariance_of_gradient": of_gradient,
        }
        outcomes[case] = confront(
            case,
            measured[case.part],
            statement.theorem,
            full,
            resolution=resolutions[case.part],
            variants=VARIANTS,
            perturbed=larger(statement.theorem, full),
        )
    slope, _ = covariances["second moment"]
    return Evidence(outcomes=outcomes, dataset=_curve(seen, slope, setting, asked[0].witness))


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy on the line; superlinear gradients end NOT_APPLICABLE."""
    from dataclasses import replace

    setting = adapted(NAME, subject, start, times, largest_dimension=1, with_times=False)
    step = 0.05 * length_of(energy_of(setting)) ** 2
    return replace(setting, options={"step_size": step, "particles": False})


claim = Claim(
    name=NAME,
    title="First-order stationary bias of ULA, predicted and measured",
    theorems=(statement.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
