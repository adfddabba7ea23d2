"""KL decay: KL(mu_t|pi) <= e^{-2 rho t} KL(mu_0|pi) under LSI(rho), joint and conditional.

Grid: relative entropy of cell masses; KL_0 in the bound comes from quadrature. Particles: KL of a
histogram of ULA samples against the Gibbs masses. Closed form: Gaussians in two dimensions.
Companion EQUAL: a translate of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorems.flow import relative_entropy_decay as statements

from ...claim import Setting
from ...confront import faster
from ...confrontation import Says, confrontation
from ...controls.mutants import DOUBLE_DRIFT, HALF_NOISE
from ...controls.variants import rate_multiplied, value_multiplied
from ...flow import Flow, flow_of
from ...initial_entropy import require_finite
from ...subjects import adapted, energy_of, is_translate, start_of

NAME = "kl-decay"


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
            options={"control_times": (1.0,)},
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


claim = confrontation(
    name=NAME,
    title="Relative entropy decays at rate 2 rho under LSI(rho)",
    says=(
        Says(theorem=statements.theorem, quantity="KL"),
        Says(theorem=statements.translate_of_gaussian, quantity="KL", where=is_translate),
    ),
    settings=settings,
    given=given,
    measure=flow_of(NAME),
    quantities=quantities,
    witnesses=lambda _: ("grid", "particles"),
    variants={
        "rate-doubled": rate_multiplied(2.0, "the rate 2 rho replaced by 4 rho"),
        "half-entropy": value_multiplied(0.5, "the prefactor 1 replaced by 1/2"),
    },
    mutants=(HALF_NOISE, DOUBLE_DRIFT),
    # When the decay is over, bound and false variants are all zero to a witness; what is left to
    # refute is a solver with a wrong stationary law. Half the noise, or twice the drift, leaves
    # (log 2 - 1/2)/2 = 0.097 nats per Gaussian coordinate: a third of it is 0.032.
    floors={"grid": 1e-9, "closed-form": 1e-9, "particles": 0.02},
    sharpened=faster,
    accepts=partial(adapted, NAME),
)
