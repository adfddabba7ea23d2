"""W2 decay through Talagrand: W2(mu_t, pi) <= sqrt(2 KL_0 / rho) e^{-rho t} under LSI(rho).

Holds without convexity, at the price of the prefactor. Grid: quantile transport to the Gibbs
masses, KL_0 from quadrature. Particles: W2 of ULA samples to the Gibbs masses. Companion
EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.transport import w2_decay_through_talagrand as statements

from ...claim import Case, Claim, Context, Evidence, Setting
from ...confront import require
from ...controls.variants import rate_multiplied, sentences, value_multiplied
from ...curves import dataset
from ...decay import DecayStatement, decay_cases
from ...defaults import length_of
from ...initial_entropy import relative_entropy_of_start, require_finite
from ...subjects import adapted, energy_of, start_of

NAME = "w2-talagrand-decay"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the rate rho replaced by 2 rho"),
    "factor-two-lost": value_multiplied(0.5**0.5, "sqrt(KL_0/rho) in place of sqrt(2 KL_0/rho)"),
}
MUTANTS = {"half-noise": "a solver with noise sqrt(h) xi in place of sqrt(2h) xi"}
# half the noise leaves a Gaussian coordinate of variance 1/2: W2 = 1 - sqrt(1/2) = 0.29;
# in lengths of the energy
FLOORS = {"grid": 1e-4, "particles": 0.03}


def settings() -> list[Setting]:
    """A translate of a Gaussian, and wells that are not convex."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="translate-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 1.0),
            times=(0.2, 0.5, 1.0, 3.0),
            options={"equality": True, "control_times": (0.5,)},
            with_controls=True,
        ),
        Setting(
            name="double-well",
            subject=double_well(b=0.5),
            start=InitialLaw.normal(1.5, 0.4),
            times=(0.2, 1.0, 4.0),
            options={"one_in": 4},
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.normal(1.2, 0.25),
            times=(0.2, 1.0, 4.0),
            options={"particles": False},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Grid at every time; in one dimension particles unless the setting says otherwise."""
    particles = setting.options.get("particles", energy_of(setting).dim == 1)
    return decay_cases(
        setting,
        quantity="W2",
        witnesses=["grid", backend] if particles else ["grid"],
        variants=VARIANTS,
        mutants=dict.fromkeys(MUTANTS, backend),
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """W2 to pi along the flow, against the bound from KL at time 0."""
    from lvebm_theory.constants import constants_of

    from ...grid_witness import curve, density_path, with_shown

    energy, start = energy_of(setting), start_of(setting)
    witness = asked[0].witness
    log_sobolev = constants_of(energy).log_sobolev
    require(statements.theorem, log_sobolev=log_sobolev, smooth=energy.smooth)
    require_finite(energy, start)
    path = density_path(energy, start, with_shown(setting), claim=NAME)
    initial = relative_entropy_of_start(energy, start, path.log_normaliser)
    statement = DecayStatement(
        upper=statements.theorem,
        equal=statements.translate_of_gaussian,
        quantities=lambda time: {
            "log_sobolev": log_sobolev,
            "time": time,
            "initial_relative_entropy": initial.value,
            "smooth": energy.smooth,
            "translate_of_gaussian": setting.options.get("equality", False),
        },
        variants=VARIANTS,
        floor=FLOORS["grid" if witness == "grid" else "particles"] * length_of(energy),
        relative_width=0.5 * initial.numerical / initial.value,
    )
    if witness == "grid":
        measured = curve(path, "W2")
    else:
        from ...controls.schemes import with_noise_scaled
        from ...particle_witness import enough, snapshots, step_for

        run = asked[0].run
        measured = snapshots(
            energy,
            start,
            sorted({case.time for case in asked if case.time is not None}),
            context,
            stream=f"{NAME}/{setting.name}/{run}",
            step_size=step_for(energy, start, setting.times),
            mutate=(lambda scheme: with_noise_scaled(scheme, 0.5**0.5)) if run else None,
            particles=None if run else enough(setting, context),
            companion=not run,
        ).w2_to(path)
    return Evidence(
        outcomes=statement.outcomes(asked, measured),
        dataset=dataset(
            measured,
            {NAME: statement.bound},
            setting=setting.name,
            witness=witness,
            claim=NAME,
        ),
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one dimension or two; in two on the grid, W2 between bounds."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="W2 decays at rate rho under LSI(rho), with prefactor sqrt(2 KL_0/rho)",
    theorems=(statements.theorem, statements.translate_of_gaussian),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
