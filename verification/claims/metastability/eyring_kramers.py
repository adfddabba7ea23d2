"""Gap against barrier height: lambda(b) e^b / prefactor -> 1, and never a bound.

Quadrature: the theory storey's spectral gap. Grid: the gap of the finite-volume generator. Both are
extrapolated in 1/b. Eyring-Kramers is asymptotic: read as an upper or a lower bound it is refuted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.metastability import eyring_kramers as statement

from ...claim import Case, Claim, Context, Evidence, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import sentences, value_multiplied
from ...measurement import Measurement

NAME = "eyring-kramers"
_UNITS = {"units": "1 / time"}
BARRIERS = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0, 18.0)
# the limit is taken from the higher ones
HIGH = 9.0
# beyond, gaps fall below what ball arithmetic is asked to prove
PROVED = 9.0
VARIANTS = {
    "one-exit-rate": value_multiplied(0.5, "one of the two exit rates only: half the prefactor"),
    "barrier-curvature-8b": value_multiplied(
        2.0**0.5, "curvature 8b at the barrier in place of 4b: prefactor times sqrt 2"
    ),
}
AS_BOUND = {
    "as-upper-bound": "gap <= Eyring-Kramers taken as a theorem, at b = 1",
    "as-lower-bound": "gap >= Eyring-Kramers taken as a theorem, at b = 4",
}


def settings() -> list[Setting]:
    """Double wells with barriers from 4 to 18."""
    from lvebm_theory.energies.double_well import double_well

    return [Setting(name="barriers", subject=double_well(b=4.0), with_controls=True)]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The extrapolated ratio by both witnesses; its false variants; and the two false bounds."""
    witnesses: tuple[Witness, ...] = ("quadrature", "grid")
    found = [
        Case(quantity="gap", part="ratio", relation=Relation.RATE, witness=w, control=control)
        for w in witnesses
        for control in (None, *VARIANTS)
    ]
    relations = (Relation.AT_MOST, Relation.AT_LEAST)
    found += [
        Case(quantity="gap", part=control, relation=relation, witness=w, control=control)
        for w in witnesses
        for control, relation in zip(AS_BOUND, relations, strict=True)
    ]
    return found


def _gap(barrier: float, witness: str) -> Measurement:
    from lvebm_theory.constants import spectrum
    from lvebm_theory.energies.double_well import double_well

    energy = double_well(b=barrier)
    if witness == "quadrature":
        modes = spectrum(energy, 1)
        return Measurement(value=float(modes.eigenvalues[0]), numerical=float(modes.error[0]))
    from solvers.densities.spectrum import generator_spectrum

    values, widths = generator_spectrum(energy, 1)
    return Measurement(value=float(values[0]), numerical=float(widths[0]))


def _extrapolated(gaps: Sequence[Measurement]) -> Measurement:
    """Limit of gap/EK as b -> infinity, from polynomials in 1/b of two degrees."""
    b = np.array(BARRIERS)
    scale = np.array([statement.eyring_kramers_gap(x) for x in BARRIERS])
    high = b >= HIGH
    b, scale = b[high], scale[high]
    ratio = np.array([g.value for g in gaps])[high] / scale
    width = np.array([g.half_width for g in gaps])[high] / scale
    limits, amplified = [], 0.0
    for degree in (3, 4):
        design = np.vander(1.0 / b, degree + 1, increasing=True)
        weights = np.linalg.pinv(design)[0]
        limits.append(float(weights @ ratio))
        amplified = float(np.abs(weights) @ width)
    return Measurement(value=limits[1], numerical=2.0 * abs(limits[1] - limits[0]) + amplified)


def _certified_band() -> dict[str, tuple[str, list[float], dict[str, str]]]:
    """Proved bounds of the gap at every barrier."""
    from lvebm_theory.constants import constants_of
    from lvebm_theory.energies.double_well import double_well

    gaps = [constants_of(double_well(b=b)).gap for b in BARRIERS if b <= PROVED]
    unproved = [float("nan")] * (len(BARRIERS) - len(gaps))
    return {
        "certified_lower": ("barrier", [*(g.lower for g in gaps), *unproved], _UNITS),
        "certified_upper": ("barrier", [*(g.upper for g in gaps), *unproved], _UNITS),
    }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Ratios of gap to prefactor by the witness of these cases."""
    import xarray

    witness = asked[0].witness
    gaps = [_gap(b, witness) for b in BARRIERS]
    low = {"as-upper-bound": 1.0, "as-lower-bound": 4.0}
    outcomes: dict[Case, Outcome] = {}
    quantities = {"double_well": True}
    for case in asked:
        if case.part == "ratio":
            outcomes[case] = confront(
                case,
                _extrapolated(gaps),
                statement.theorem,
                quantities,
                resolution=0.41 / 3.0,
                variants=VARIANTS,
                perturbed=larger(statement.theorem, quantities),
            )
        else:
            barrier = low[case.part]
            outcomes[case] = Outcome(
                measurement=_gap(barrier, witness),
                bound=statement.eyring_kramers_gap(barrier),
                resolution=0.0,
            )
    curve = xarray.Dataset(
        {
            "measured": ("barrier", [g.value for g in gaps], _UNITS),
            "numerical": ("barrier", [g.half_width for g in gaps], _UNITS),
            "bound_eyring_kramers": (
                "barrier",
                [statement.eyring_kramers_gap(b) for b in BARRIERS],
                _UNITS,
            ),
            **(_certified_band() if witness == "quadrature" else {}),
        },
        coords={"barrier": ("barrier", list(BARRIERS), {"long_name": "barrier height b"})},
        attrs={"quantity": "gap", "setting": setting.name, "witness": witness, "claim": NAME},
    )
    return Evidence(outcomes=outcomes, dataset=curve)


claim = Claim(
    name=NAME,
    title="Gap against barrier height: the Eyring-Kramers limit, which is no bound",
    theorems=(statement.theorem,),
    controls={**sentences(VARIANTS), **AS_BOUND},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
