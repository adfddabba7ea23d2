"""Relative entropy of an initial law, by quadrature rather than from any grid of cells.

    KL(mu_0|pi) = E_{mu_0}[ log mu_0 + U ] + log Z,

by the trapezoidal rule over each Gaussian component, with two spacings for the width: spectrally
accurate, and indifferent to what shape U has within a standard deviation. The nodes end ``reach``
standard deviations from the mean. What lies beyond is part of the width: proved from the growth of
U against the Gaussian where U is a formula, else from nodes that reach farther.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .measurement import Measurement

_NODES = {1: (16_001, 12_001), 2: (801, 601), 3: (97, 73)}  # from -10 to 10 standard deviations
# standard deviations; e^(-36^2/2) is still a double. In three dimensions the first three
_REACHES = (10.0, 14.0, 20.0, 36.0)
_NEGLIGIBLE = 1e-12


def require_finite(energy: Energy, start: InitialLaw) -> None:
    """Raise AssumptionError where KL(mu_0|pi) is infinite, proved; before anything is solved."""
    from lvebm_theory.certified import finite_relative_entropy

    verdict = finite_relative_entropy(energy, start)
    if verdict.finite is False:
        raise AssumptionError(
            "relative entropy of the start", [f"KL(mu_0|pi) is finite: {verdict.reason}"]
        )


def relative_entropy_of_start(
    energy: Energy, start: InitialLaw, log_normaliser: tuple[float, float]
) -> Measurement:
    """KL(mu_0|pi) in nats, d <= 3.

    Parameters
    ----------
    log_normaliser : (value, half-width) of log int exp(-U)

    Raises
    ------
    AssumptionError
        KL_0 is infinite, proved: U grows too fast for the tails of the start. Or it could not be
        proved finite, and U outgrows double precision on the nodes.
    """
    require_finite(energy, start)
    value, width = log_normaliser
    total, numerical = value, width
    for component in range(len(start.weights)):
        share = float(start.weights[component])
        mean, error = _component(energy, start, component)
        total, numerical = total + share * mean, numerical + share * error
    return Measurement(value=total, numerical=numerical + 1e-12 * (1.0 + abs(total - value)))


def _component(energy: Energy, start: InitialLaw, component: int) -> tuple[float, float]:
    """E[log mu_0 + U] over one component, and how far that may be off.

    The reach grows until what is proved about the rest is negligible. Where nothing is proved it
    grows to its end, and what the last step changed stands for the rest.
    """
    fine, coarse = _NODES[energy.dim]

    def integrand(x: FloatArray) -> FloatArray:
        return np.asarray(start.log_density(x) + energy.potential(x))

    mean, error, last = math.inf, math.inf, 0.0
    for reach in _REACHES if energy.dim < 3 else _REACHES[:3]:
        found = trapezoidal(integrand, start, component, reach, fine)
        beyond = _beyond(energy, start, component, reach)
        if not math.isfinite(found) and math.isfinite(error):
            break  # a shorter reach has its proof
        proved = math.isfinite(beyond)
        change = 2.0 * abs(found - mean) if last else math.inf
        mean, last, error = found, reach, beyond if proved else math.inf
        if proved and beyond <= _NEGLIGIBLE * (1.0 + abs(mean)):
            break
    if not math.isfinite(error):
        error = change
    if not math.isfinite(mean + error):
        raise AssumptionError(
            "relative entropy of the start",
            [
                "KL(mu_0|pi) is finite: that could not be proved, and U is beyond double "
                f"precision {last:g} standard deviations from the mean of {start}"
            ],
        )
    return mean, error + abs(mean - trapezoidal(integrand, start, component, last, coarse))


def trapezoidal(
    function: Callable[[FloatArray], FloatArray],
    law: InitialLaw,
    component: int,
    reach: float,
    count: int,
) -> float:
    """The mean of a function of x (n, d) under one component of a law, to ``reach`` sds of it.

    By as many nodes per coordinate as put ``count`` over ten standard deviations each side.
    """
    half = math.ceil((count - 1) / 2 * reach / _REACHES[0])
    nodes = np.arange(-half, half + 1) * (reach / half)
    weights = np.exp(-(nodes**2) / 2)
    axes = [weights / weights.sum()] * law.dim
    share = axes[0]
    for other in axes[1:]:
        share = np.multiply.outer(share, other)
    mesh = np.meshgrid(*([nodes] * law.dim), indexing="ij")
    unit = np.stack([a.ravel() for a in mesh], axis=1)
    x = law.means[component] + law.sds[component] * unit
    with np.errstate(over="ignore", invalid="ignore"):
        return float(share.ravel() @ function(x))


def _beyond(energy: Energy, start: InitialLaw, component: int, reach: float) -> float:
    """E |log mu_0 + U| beyond the nodes, at most; infinite where nothing was proved."""
    from lvebm_theory.certified.start import mean_beyond

    mean, sd = start.means[component], start.sds[component]
    # |log mu_0| <= c + |z|^2/2, between the component's own density and the sum of all maxima
    peaks = -np.log(start.sds).sum(1) - 0.5 * start.dim * math.log(2 * math.pi)
    constant = abs(math.log(start.weights[component]) + peaks[component]) + abs(
        float(np.logaddexp.reduce(peaks))
    )
    d = start.dim
    density = math.exp(-(reach**2) / 2)
    logarithm = d * density * (2.0 * constant + (d + reach + 1.0))
    return float(logarithm + mean_beyond(energy, mean.tolist(), sd.tolist(), reach))
