"""The stabilised scheme SK-ROCK and what goes wrong in it.

Source: Abdulle, Almuslimani and Vilmart, SIAM/ASA J. Uncertainty Quantification 6 (2018) 937.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.polynomial import chebyshev

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from ..schemes.sk_rock import StabilisedChebyshev
from .entry import Entry, Step

STAGES = 5
DAMPING = 0.05


def _values(stages: int, at: float) -> tuple[list[float], float]:
    """T_0, ..., T_s and T_s' at a point."""
    basis = [np.eye(stages + 1)[j] for j in range(stages + 1)]
    values = [float(chebyshev.chebval(at, b)) for b in basis]
    return values, float(chebyshev.chebval(at, chebyshev.chebder(basis[-1])))


def _sk_rock(
    offset: float = 1.0,
    noise: float = 1.0,
    damping: float = DAMPING,
    damping_in_first: bool = True,
    shifts: float = 1.0,
) -> Step:
    w0 = 1 + damping / STAGES**2
    t, slope = _values(STAGES, w0)
    w1 = t[STAGES] / slope
    first, shift, entry = w1 / w0, STAGES * w1 / 2, STAGES * w1 / w0
    if not damping_in_first:
        first = w1

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        q = noise * np.sqrt(2 * h) * rng.standard_normal(x.shape)
        before = x
        now = x - first * h * energy.gradient(x + offset * shift * q) + entry * q
        for j in range(2, STAGES + 1):
            mu, nu = 2 * w1 * t[j - 1] / t[j], 2 * w0 * t[j - 1] / t[j]
            kappa = shifts * (1 - nu)
            before, now = now, nu * now + kappa * before - mu * h * energy.gradient(now)
        return np.asarray(now)

    return step


_entry = functools.partial(
    Entry,
    family="sk-rock",
    kind="unadjusted",
    options={"scheme": StabilisedChebyshev(stages=STAGES, eta=DAMPING)},
)

CORRECT = (_entry(name="sk-rock", make=_sk_rock),)

MUTANTS = (
    _entry(
        name="sk-rock-no-offset",
        make=lambda: _sk_rock(offset=0.0),
        component="noise scale",
        fault="the noise is missing inside the first stage's gradient",
        bias="order of the stationary variance's bias falls from two to one",
    ),
    _entry(
        name="sk-rock-noise-sqrt-h",
        make=lambda: _sk_rock(noise=0.5**0.5),
        component="noise scale",
        bias="half the stationary variance of the scheme",
        fault="noise sqrt(h) xi in place of sqrt(2h) xi",
    ),
    _entry(
        name="sk-rock-undamped-first-stage",
        make=lambda: _sk_rock(damping_in_first=False),
        component="drift",
        fault="w1 in place of w1/w0 in the first stage",
        bias="a factor 1 + 0.05/s^2 in one stage of five: 0.04 per cent of the drift",
    ),
    _entry(
        name="sk-rock-without-damping",
        make=lambda: _sk_rock(damping=0.0),
        component="drift",
        fault="the damping parameter is dropped: Chebyshev's polynomials themselves",
    ),
    _entry(
        name="sk-rock-recursion-too-weak",
        make=lambda: _sk_rock(shifts=0.9),
        component="drift",
        fault="the term of the stage before last is a tenth too small",
    ),
)
