"""Generalised HMC (Horowitz): underdamped Langevin with a Metropolis test, and its faults.

One call draws a momentum and makes three rounds of partial refreshment, one leapfrog step with a
test, and a change of sign on rejection; pi x N(0, I) is invariant under each.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step

ROUNDS = 3
KEPT = 0.8


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _generalised(
    flip: float = -1.0,
    flip_accepted: float = 1.0,
    fresh: Callable[[float], float] = lambda kept: float(np.sqrt(1 - kept * kept)),
    kinetic: float = 0.5,
    stale: bool = False,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        eps = step_size
        p = rng.standard_normal(x.shape)
        g = energy.gradient(x)
        for _ in range(ROUNDS):
            p = KEPT * p + fresh(KEPT) * rng.standard_normal(x.shape)
            if not stale:
                g = energy.gradient(x)
            half = p - eps / 2 * g
            y = x + eps * half
            q = half - eps / 2 * energy.gradient(y)
            lost = energy.potential(x) - energy.potential(y)
            lost = lost + kinetic * (_squares(p) - _squares(q))
            good = (np.log(rng.random(len(x))) < lost)[:, None]
            x, p = np.where(good, y, x), np.where(good, flip_accepted * q, flip * p)
        return x

    return step


_entry = functools.partial(Entry, family="underdamped", kind="adjusted")

CORRECT = (_entry(name="generalised-hmc", make=_generalised),)

MUTANTS = (
    _entry(
        name="generalised-hmc-no-flip",
        make=lambda: _generalised(flip=1.0),
        component="Metropolis ratio",
        fault="the momentum keeps its sign on rejection",
    ),
    _entry(
        name="generalised-hmc-refresh-not-rooted",
        make=lambda: _generalised(fresh=lambda kept: 1 - kept),
        component="momentum refresh",
        fault="p <- c p + (1 - c) xi in place of sqrt(1 - c^2) xi",
    ),
    _entry(
        name="generalised-hmc-refresh-with-twice-the-noise",
        make=lambda: _generalised(fresh=lambda kept: float(np.sqrt(2 * (1 - kept * kept)))),
        component="momentum refresh",
        fault="refreshment with sqrt(2(1 - c^2)) xi",
    ),
    _entry(
        name="generalised-hmc-no-kinetic-energy",
        make=lambda: _generalised(kinetic=0.0),
        component="Metropolis ratio",
        fault="the kinetic energies are missing in the acceptance",
    ),
    _entry(
        name="generalised-hmc-gradient-of-the-start",
        make=lambda: _generalised(stale=True),
        component="stale gradient",
        fault="every round begins with the gradient at the start of the call",
    ),
    _entry(
        name="generalised-hmc-flips-on-acceptance",
        make=lambda: _generalised(flip=1.0, flip_accepted=-1.0),
        component="momentum refresh",
        fault="the momentum turns on acceptance and stays on rejection",
        equivalent=True,
        bias="none: the turned move is an involution that is accepted by Metropolis' rule; only "
        "the motion is lost",
    ),
)
