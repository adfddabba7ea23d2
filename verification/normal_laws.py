"""Bounds of the log-Sobolev constant from above by normal laws, whatever the start of a run.

    rho <= FI(mu | pi) / (2 KL(mu | pi)),    mu = N(m, diag s^2),

by quadrature against mu, the least over m and s. Laws are chosen by a search on few nodes; the
bound is then measured at the chosen one: KL as for a start (``initial_entropy``), FI by the
trapezoidal rule. Any mu gives a bound, so that a poor search loses sharpness only; so does mass of
pi that the box of log Z does not see, since it makes KL too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .initial_entropy import relative_entropy_of_start, trapezoidal
from .measurement import Measurement

LARGEST_DIMENSION = 2
# relative entropies below this, in nats, are differences of larger numbers
LEAST_ENTROPY = 1e-2
_NODES = {1: 48, 2: 14}
_PLACES = {1: 81, 2: 11}
_WIDTHS = np.geomspace(0.01, 1.0, 9)
_CELLS = {1: (4096, 2048), 2: (256, 128)}
_OUTSIDE = 1e-12
# of the box, on each side of it: what is sharp may be far out
_BESIDE = 0.5
# lengths of the box: how far the search goes, for means and standard deviations
_FARTHEST, _NARROWEST = 30.0, 1e-5
# standard deviations; at the second nothing of a normal law is left
_REACHES = (10.0, 14.0)
# nodes over ten standard deviations each side
_FINE, _COARSE = {1: 4001, 2: 321}, {1: 3001, 2: 241}


def least_over_normal_laws(energy: Energy) -> tuple[InitialLaw, Measurement] | None:
    """The law found, and FI/(2 KL) of it against pi; None beyond two dimensions or with kinks.

    Raises
    ------
    LvebmError
        No box holds pi, or an integral is not finite.
    """
    if energy.dim > LARGEST_DIMENSION or not energy.smooth:
        return None
    from solvers.densities.box import level_box

    box = level_box(energy, None, _OUTSIDE)
    log_normaliser = _log_normaliser(energy, box)
    law = _least(energy, box, log_normaliser[0])
    if law is None:
        return None
    entropy = relative_entropy_of_start(energy, law, log_normaliser)
    information = _fisher_information(energy, law)
    if not entropy.lower > 0:
        return None
    low = information.lower / (2 * entropy.upper)
    high = information.upper / (2 * entropy.lower)
    value = information.value / (2 * entropy.value)
    return law, Measurement(value=value, numerical=max(high - value, value - low))


def _log_normaliser(energy: Energy, box: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """log int exp(-U) and how far it may be off, from cell masses on two grids."""
    from solvers.densities import Grid
    from solvers.densities.generator import build_generator

    fine, coarse = (
        build_generator(
            energy, Grid(nodes=tuple(np.linspace(a, b, cells + 1) for a, b in box))
        ).log_normaliser
        for cells in _CELLS[energy.dim]
    )
    return fine, abs(fine - coarse) + 1e-10


def _least(
    energy: Energy, box: Sequence[tuple[float, float]], log_normaliser: float
) -> InitialLaw | None:
    from scipy.optimize import minimize

    d = energy.dim
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES[d])
    unit = np.stack([a.ravel() for a in np.meshgrid(*[nodes] * d, indexing="ij")])
    share = np.prod(np.meshgrid(*[weights / weights.sum()] * d, indexing="ij"), axis=0).ravel()
    lengths = np.array([b - a for a, b in box])

    def ratios(means: FloatArray, sds: FloatArray) -> FloatArray:
        """FI / (2 KL) of k laws; means and sds (k, d)."""
        x = means[:, :, None] + sds[:, :, None] * unit
        points = np.moveaxis(x, 1, 2).reshape(-1, d)
        with np.errstate(all="ignore"):
            u = energy.potential(points).reshape(len(means), -1)
            slope = energy.gradient(points).reshape(len(means), -1, d)
            score = slope - (unit / sds[:, :, None]).transpose(0, 2, 1)
            logs = -0.5 * (unit**2).sum(0) - np.log(sds).sum(1)[:, None]
            logs -= d / 2 * math.log(2 * math.pi)
            entropy = (logs + u) @ share + log_normaliser
            found = (score**2).sum(2) @ share / (2 * entropy)
        found[~(np.isfinite(found) & (entropy > LEAST_ENTROPY))] = np.inf
        return np.asarray(found)

    places = [np.linspace(a - _BESIDE * (b - a), b + _BESIDE * (b - a), _PLACES[d]) for a, b in box]
    centres = np.stack([a.ravel() for a in np.meshgrid(*places, indexing="ij")], axis=1)
    means = np.repeat(centres, len(_WIDTHS), axis=0)
    sds = np.tile(_WIDTHS[:, None] * lengths / 4, (len(centres), 1))
    found = ratios(means, sds)
    order = np.argsort(found)[:3]
    if not np.isfinite(found[order[0]]):
        return None

    middle = np.array([(a + b) / 2 for a, b in box])

    def law(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean = middle + np.clip(z[:d], -_FARTHEST, _FARTHEST) * lengths
        return mean, np.clip(np.exp(z[d:]), _NARROWEST, _FARTHEST) * lengths

    def objective(z: FloatArray) -> float:
        mean, sd = law(z)
        return float(ratios(mean[None], sd[None])[0])

    best = min(
        (
            minimize(
                objective,
                np.concatenate([(means[k] - middle) / lengths, np.log(sds[k] / lengths)]),
                method="Nelder-Mead",
                options={"maxfev": 200 * d, "xatol": 1e-3, "fatol": 1e-6},
            )
            for k in order
            if np.isfinite(found[k])
        ),
        key=lambda run: float(run.fun),
    )
    return InitialLaw.normal(*law(best.x))


def _fisher_information(energy: Energy, law: InitialLaw) -> Measurement:
    """E |grad U + grad log mu|^2 under a normal law; two spacings and two reaches."""

    def integrand(x: FloatArray) -> FloatArray:
        score = energy.gradient(x) - (x - law.means[0]) / law.sds[0] ** 2
        return np.asarray((score**2).sum(axis=1))

    value, coarse, beyond = (
        trapezoidal(integrand, law, 0, reach, count[energy.dim])
        for reach, count in ((_REACHES[0], _FINE), (_REACHES[0], _COARSE), (_REACHES[1], _FINE))
    )
    width = abs(value - coarse) + 2 * abs(value - beyond) + 1e-12 * abs(value)
    return Measurement(value=value, numerical=width)
