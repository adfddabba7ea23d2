"""W2 decay through Talagrand: W2(mu_t, pi) <= sqrt(2 KL_0 / rho) e^{-rho t} under LSI(rho).

Holds without convexity, at the price of the prefactor. Grid: quantile transport to the Gibbs
masses, KL_0 from quadrature. Particles: W2 of ULA samples to the Gibbs masses. Companion
EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorems.transport import w2_decay_through_talagrand as statements

from ...claim import Setting
from ...confront import faster
from ...confrontation import Says, confrontation
from ...controls.mutants import HALF_NOISE
from ...controls.variants import rate_multiplied, value_multiplied
from ...defaults import length_of
from ...flow import Flow, flow_of
from ...initial_entropy import require_finite
from ...subjects import adapted, energy_of, is_translate, start_of

NAME = "w2-talagrand-decay"


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
            options={"control_times": (0.5,)},
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
            options={"witnesses": ("grid",)},
        ),
    ]


def given(setting: Setting) -> Mapping[str, Any]:
    """rho of the energy; KL at the start has to be finite."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    log_sobolev = constants_of(energy).log_sobolev
    require_finite(energy, start_of(setting))
    return {
        "log_sobolev": log_sobolev,
        "smooth": energy.smooth,
        "translate_of_gaussian": is_translate(setting),
    }


def quantities(_: Setting, flow: Flow, time: float) -> Mapping[str, Any]:
    """The time, and KL at the start with its width."""
    return {"time": time, "initial_relative_entropy": flow.initial}


def witnesses(setting: Setting) -> Sequence[str]:
    """Particles know W2 in one dimension."""
    return ("grid", "particles") if energy_of(setting).dim == 1 else ("grid",)


claim = confrontation(
    name=NAME,
    title="W2 decays at rate rho under LSI(rho), with prefactor sqrt(2 KL_0/rho)",
    says=(
        Says(theorem=statements.theorem, quantity="W2"),
        Says(theorem=statements.translate_of_gaussian, quantity="W2", where=is_translate),
    ),
    settings=settings,
    given=given,
    measure=flow_of(NAME),
    quantities=quantities,
    witnesses=witnesses,
    variants={
        "rate-doubled": rate_multiplied(2.0, "the rate rho replaced by 2 rho"),
        "factor-two-lost": value_multiplied(
            0.5**0.5, "sqrt(KL_0/rho) in place of sqrt(2 KL_0/rho)"
        ),
    },
    mutants=(HALF_NOISE,),
    # half the noise leaves a Gaussian coordinate of variance 1/2: W2 = 1 - sqrt(1/2) = 0.29
    floors={"grid": 1e-4, "particles": 0.03},
    unit=lambda setting: length_of(energy_of(setting)),
    sharpened=faster,
    accepts=partial(adapted, NAME),
)
