"""The closed-form witness: a quadratic energy and a Gaussian start, in any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.errors import AssumptionError
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .curves import Curve

if TYPE_CHECKING:
    from lvebm_theory.energies.quadratic import QuadraticEnergy

_ROUNDING = 1e-12


def target_of(energy: Energy, *, claim: str) -> Gaussian:
    """pi = N(m, P^{-1}) of a quadratic energy; AssumptionError for any other."""
    from lvebm_theory.energies.quadratic import QuadraticEnergy

    if not isinstance(energy, QuadraticEnergy):
        raise AssumptionError(claim, ["the closed-form witness needs a quadratic energy"])
    quadratic: QuadraticEnergy = energy
    return Gaussian.from_precision(quadratic.mean, quadratic.precision)


def laws(
    energy: Energy, start: InitialLaw, times: Sequence[float], *, claim: str
) -> tuple[list[Gaussian], Gaussian]:
    """The laws of the flow at these times, and pi."""
    target = target_of(energy, claim=claim)
    if len(start.weights) != 1:
        raise AssumptionError(claim, ["the closed-form witness needs one Gaussian as start"])
    first = Gaussian.matching(start)
    return [gaussian.langevin_flow(first, target, time) for time in times], target


def curve(
    energy: Energy, start: InitialLaw, times: Sequence[float], quantity: str, *, claim: str
) -> Curve:
    """KL, chi2, FI or W2 to pi, at time 0 and at these times; widths are rounding."""
    moments = sorted({0.0, *times})
    found, target = laws(energy, start, moments, claim=claim)
    function = {
        "KL": gaussian.relative_entropy,
        "chi2": gaussian.chi_square,
        "FI": gaussian.fisher_information,
        "W2": gaussian.wasserstein,
    }[quantity]
    values = np.array([function(law, target) for law in found])
    return Curve(
        quantity=quantity,
        times=np.array(moments),
        values=values,
        numerical=_ROUNDING * (1.0 + np.abs(values)),
    )
