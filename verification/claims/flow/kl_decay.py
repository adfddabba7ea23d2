"""KL decay: KL(mu_t|pi) <= e^{-2 rho t} KL(mu_0|pi) under LSI(rho), joint and conditional.

Grid: relative entropy of cell masses; KL_0 in the bound comes from quadrature. Particles: KL of a
histogram of ULA samples against the Gibbs masses. Closed form: Gaussians in two dimensions.
Companion EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.flow import relative_entropy_decay as statements

from ...claim import Case, Claim, Context, Evidence, Setting, Witness
from ...confront import require
from ...controls.variants import rate_multiplied, sentences, value_multiplied
from ...curves import dataset
from ...decay import DecayStatement, decay_cases
from ...initial_entropy import relative_entropy_of_start, require_finite
from ...subjects import adapted, energy_of, start_of

NAME = "kl-decay"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the rate 2 rho replaced by 4 rho"),
    "half-entropy": value_multiplied(0.5, "the prefactor 1 replaced by 1/2"),
}
MUTANTS = {
    "half-noise": "a solver with noise sqrt(h) xi in place of sqrt(2h) xi",
    "double-drift": "a solver with its drift doubled",
}

# When the decay is over, bound and false variants are all zero to a witness; what is left to
# refute is a solver with a wrong stationary law. Half the noise, or twice the drift, leaves
# (log 2 - 1/2)/2 = 0.097 nats per Gaussian coordinate: a third of it is 0.032.
FLOORS = {"grid": 1e-9, "closed-form": 1e-9, "particles": 0.02}


def settings() -> list[Setting]:
    """A sharp Gaussian, wells with a known LSI, a joint energy and its conditionals."""
    from lvebm_theory.energies.bottleneck import bottleneck
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
    from lvebm_theory.energies.nonlinear_decoder import nonlinear_decoder
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="translate-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 1.0),
            times=(0.1, 0.3, 1.0, 2.0),
            options={"equality": True, "control_times": (1.0,)},
            with_controls=True,
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.normal(1.2, 0.25),
            times=(0.05, 0.2, 1.0, 3.0),
            options={"one_in": 4},
        ),
        Setting(
            name="linear-gaussian-joint",
            subject=linear_gaussian_undirected(a=1.5, b=0.8),
            start=InitialLaw.normal([1.0, 1.0], [0.8, 0.8]),
            times=(0.2, 1.0, 3.0),
            options={"one_in": 2},
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.2, 1.0, 3.0),
            options={"witnesses": ("closed-form",)},
        ),
        Setting(
            name="bottleneck-joint",
            subject=bottleneck(b=1.0, a=1.0),
            start=InitialLaw.normal([1.0, 0.5], [0.4, 0.6]),
            times=(0.2, 1.0, 4.0),
            options={"witnesses": ("grid",)},
        ),
        Setting(
            name="nonlinear-decoder-conditional",
            subject=nonlinear_decoder(curvature=1.0, noise=0.5),
            start=InitialLaw.normal(0.5, 0.5),
            times=(0.2, 1.0, 3.0),
            options={"datum": (1.0,), "witnesses": ("grid",)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Grid and particles, or the witnesses that the setting names."""
    named = setting.options.get("witnesses", ("grid", "particles"))
    witnesses: list[Witness] = [backend if name == "particles" else name for name in named]
    return decay_cases(
        setting,
        quantity="KL",
        witnesses=witnesses,
        variants=VARIANTS,
        mutants=dict.fromkeys(MUTANTS, backend),
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """KL along the flow by the witness of these cases, against the bound from KL_0."""
    from lvebm_theory.constants import constants_of

    from ... import closed_form_witness
    from ...grid_witness import curve, density_path, with_shown

    energy, start = energy_of(setting), start_of(setting)
    witness, run = asked[0].witness, asked[0].run
    log_sobolev = constants_of(energy).log_sobolev
    require(statements.theorem, log_sobolev=log_sobolev, smooth=energy.smooth)
    require_finite(energy, start)
    if witness == "closed-form":
        measured = closed_form_witness.curve(energy, start, setting.times, "KL", claim=NAME)
        initial = measured.at(0.0)
    else:
        times = with_shown(setting) if witness == "grid" else setting.times
        path = density_path(energy, start, times, claim=NAME)
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
        floor=FLOORS.get(witness, FLOORS["particles"]),
        relative_width=initial.numerical / initial.value,
    )
    if witness == "grid":
        measured = curve(path, "KL")
    elif witness != "closed-form":
        from ...controls.schemes import with_drift_scaled, with_noise_scaled
        from ...particle_witness import enough, snapshots, step_for

        mutate = {
            "": None,
            "half-noise": lambda scheme: with_noise_scaled(scheme, 0.5**0.5),
            "double-drift": lambda scheme: with_drift_scaled(scheme, 2.0),
        }[run]
        measured = snapshots(
            energy,
            start,
            sorted({case.time for case in asked if case.time is not None}),
            context,
            stream=f"{NAME}/{setting.name}/{run}",
            step_size=step_for(energy, start, setting.times),
            mutate=mutate,
            particles=None if run else enough(setting, context),
            companion=not run,
        ).relative_entropy(path)
    return Evidence(
        outcomes=statement.outcomes(asked, measured),
        dataset=dataset(
            measured,
            {"kl-decay": statement.bound},
            setting=setting.name,
            witness=witness,
            claim=NAME,
        ),
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one or two dimensions."""
    return adapted(NAME, subject, start, times)


claim = Claim(
    name=NAME,
    title="Relative entropy decays at rate 2 rho under LSI(rho)",
    theorems=(statements.theorem, statements.translate_of_gaussian),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
