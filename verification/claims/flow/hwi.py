"""HWI: KL(mu|pi) <= W2(mu,pi) sqrt(FI(mu|pi)) - (K/2) W2^2(mu,pi) for Hess U >= K.

The laws mu are those of the flow at the asked times. Grid: the three functionals of cell masses,
W2 in two dimensions between bounds. Closed form: Gaussians in two dimensions. Companion EQUAL: a
translate of a Gaussian. Forced control: the term with K dropped where K < 0, at a metastable law
between two wells.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorems.transport import hwi as statements

from ...claim import Setting
from ...confrontation import Says, confrontation
from ...controls.variants import quantities_replaced
from ...flow import Flow, flow_of
from ...subjects import adapted, energy_of, is_translate

NAME = "hwi"
VARIANTS = {
    "fisher-halved": quantities_replaced(
        lambda q: {"fisher_information": 0.5 * q["fisher_information"]},
        "Fisher information with the factor 1/2 of unit noise",
    ),
}
CONVEX_ONLY = {
    "convexity-doubled": quantities_replaced(
        lambda q: {"convexity": Constant.exact(2.0 * q["convexity"].lower, "doubled")},
        "K replaced by 2K, for K > 0",
    ),
}
FORCED = {
    "convexity-dropped": quantities_replaced(
        lambda q: {"convexity": Constant.exact(0.0, "dropped")},
        "the term with K left out where K < 0",
    ),
}


def settings() -> list[Setting]:
    """A translate of a Gaussian, Gaussians in the plane, wells, and a metastable law."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well
    from lvebm_theory.parse import parse_potential

    return [
        Setting(
            name="translate-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(0.8, 1.0),
            times=(0.1, 1.0),
            options={"controls": (*VARIANTS, *CONVEX_ONLY)},
            with_controls=True,
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.1, 1.0),
            options={"witnesses": ("closed-form",)},
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.mixture((0.8, 1.0, 0.3), (0.2, -1.0, 0.3)),
            times=(0.1, 1.0, 3.0),
        ),
        Setting(
            name="convex-in-two-dimensions",
            subject=parse_potential("(x**2 + y**2)/2 + 3*x*y/10 + cos(x + y)/10"),
            start=InitialLaw.normal([1.2, -1.2], 0.8),
            times=(0.3, 1.0),
        ),
        Setting(
            name="metastable-law",
            subject=double_well(b=4.0),
            start=InitialLaw.normal(-1.0, 0.2),
            times=(1.0,),
            options={"controls": tuple(FORCED)},
            with_controls=True,
        ),
    ]


def given(setting: Setting) -> Mapping[str, Any]:
    """K of the energy."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    return {
        "convexity": constants_of(energy).convexity,
        "smooth": energy.smooth,
        "translate_of_gaussian": is_translate(setting),
    }


def quantities(_: Setting, flow: Flow, time: float) -> Mapping[str, Any]:
    """W2 and Fisher information of the law at that time, with their widths."""
    return {"w2": flow["W2"].at(time), "fisher_information": flow["FI"].at(time)}


claim = confrontation(
    name=NAME,
    title="The HWI inequality for Hess U >= K",
    says=(
        Says(theorem=statements.theorem, quantity="KL"),
        Says(theorem=statements.translate_of_gaussian, quantity="KL", where=is_translate),
    ),
    settings=settings,
    given=given,
    measure=flow_of(NAME),
    quantities=quantities,
    variants=VARIANTS,
    narrow={**CONVEX_ONLY, **FORCED},
    floors={"grid": 1e-8, "closed-form": 1e-8},
    accepts=partial(adapted, NAME),
)
