"""Hamiltonian Monte Carlo and what goes wrong in it.

The leapfrog step is sqrt(2 h) for a Langevin step size h, so that one step of either moves equally
far; the number of steps is drawn anew at every call, since half a period maps x to -x.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.protocols import Energy

from .entry import Entry, FloatArray, Step

LONGEST = 5


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _masses(dim: int) -> FloatArray:
    return np.linspace(1.0, 2.0, dim) if dim > 1 else np.array([1.5])


def _leapfrog(
    x: FloatArray,
    p: FloatArray,
    energy: Energy,
    eps: float,
    steps: int,
    *,
    velocity: Any = 1.0,
    first: float = 0.5,
    last: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    p = p - first * eps * energy.gradient(x)
    for k in range(steps):
        x = x + eps * velocity * p
        p = p - (last if k + 1 == steps else 1.0) * eps * energy.gradient(x)
    return x, p


def _hmc(
    momentum: Callable[[np.random.Generator, FloatArray], FloatArray] = lambda rng, x: (
        rng.standard_normal(x.shape)
    ),
    accept: Callable[[FloatArray, FloatArray], FloatArray] = lambda potential, kinetic: (
        potential + kinetic
    ),
    first: float = 0.5,
    last: float = 0.5,
    longest: int = LONGEST,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        p = momentum(rng, x)
        steps = int(rng.integers(1, longest + 1))
        y, q = _leapfrog(x, p, energy, np.sqrt(2 * step_size), steps, first=first, last=last)
        lost = accept(energy.potential(x) - energy.potential(y), (_squares(p) - _squares(q)) / 2)
        good = np.log(rng.random(len(x))) < lost
        return np.where(good[:, None], y, x)

    return step


def _with_mass(inverted: bool) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        mass = _masses(x.shape[1])
        p = np.sqrt(mass) * rng.standard_normal(x.shape)
        velocity = mass if inverted else 1.0 / mass
        steps = int(rng.integers(1, LONGEST + 1))
        y, q = _leapfrog(x, p, energy, np.sqrt(2 * step_size), steps, velocity=velocity)
        # the kinetic energy that belongs to the momentum's law
        kinetic = ((p * p - q * q) / (2 * mass)).sum(axis=1)
        good = np.log(rng.random(len(x))) < energy.potential(x) - energy.potential(y) + kinetic
        return np.where(good[:, None], y, x)

    return step


def _momentum_kept() -> Step:
    memory: dict[str, FloatArray] = {}

    def momentum(rng: np.random.Generator, x: FloatArray) -> FloatArray:
        kept = memory.get("p")
        if kept is None or kept.shape != x.shape:
            kept = memory["p"] = rng.standard_normal(x.shape)
        return kept

    return _hmc(momentum=momentum)


def _one_momentum(rng: np.random.Generator, x: FloatArray) -> FloatArray:
    return np.broadcast_to(rng.standard_normal((1, x.shape[1])), x.shape)


_entry = functools.partial(Entry, family="hmc", kind="adjusted")

CORRECT = (
    _entry(name="hmc", make=_hmc),
    _entry(name="hmc-with-mass", make=lambda: _with_mass(False)),
    _entry(name="hmc-one-leapfrog-step", make=lambda: _hmc(longest=1)),
)

MUTANTS = (
    _entry(
        name="hmc-full-first-step",
        make=lambda: _hmc(first=1.0),
        component="drift",
        fault="a full momentum step first, so that the integrator is not reversible",
        provenance="keanu 492",
    ),
    _entry(
        name="hmc-full-last-step",
        make=lambda: _hmc(last=1.0),
        component="drift",
        fault="the last momentum step is not halved",
        provenance="keanu 492",
    ),
    _entry(
        name="hmc-no-kinetic-energy",
        make=lambda: _hmc(accept=lambda u, k: u),
        component="Metropolis ratio",
        fault="the kinetic energies are missing in the acceptance",
        provenance="keanu 33",
    ),
    _entry(
        name="hmc-kinetic-energy-twice",
        make=lambda: _hmc(accept=lambda u, k: u + 2 * k),
        component="Metropolis ratio",
        fault="p^2 in place of p^2/2 in the acceptance",
    ),
    _entry(
        name="hmc-always-accepts",
        make=lambda: _hmc(accept=lambda u, k: np.zeros_like(u)),
        component="Metropolis ratio",
        fault="every trajectory is accepted",
    ),
    _entry(
        name="hmc-inverted-ratio",
        make=lambda: _hmc(accept=lambda u, k: -(u + k)),
        component="Metropolis ratio",
        fault="the ratio upside down",
    ),
    _entry(
        name="hmc-momentum-too-large",
        make=lambda: _hmc(momentum=lambda rng, x: 1.1 * rng.standard_normal(x.shape)),
        component="momentum refresh",
        fault="momenta with standard deviation 1.1",
    ),
    _entry(
        name="hmc-uniform-momentum",
        make=lambda: _hmc(momentum=lambda rng, x: np.sqrt(3.0) * rng.uniform(-1, 1, x.shape)),
        component="momentum refresh",
        fault="uniform momenta of variance 1",
    ),
    _entry(
        name="hmc-position-as-momentum",
        make=lambda: _hmc(momentum=lambda rng, x: x.copy()),
        component="momentum refresh",
        fault="the position is passed where the momentum belongs",
        provenance="blackjax 46",
    ),
    _entry(
        name="hmc-momentum-never-refreshed",
        make=_momentum_kept,
        component="momentum refresh",
        fault="the momenta of the first call are used for ever",
    ),
    _entry(
        name="hmc-one-momentum-for-all-chains",
        make=lambda: _hmc(momentum=_one_momentum),
        component="shared randomness",
        fault="one momentum for all chains",
    ),
    _entry(
        name="hmc-mass-multiplied",
        make=lambda: _with_mass(True),
        component="drift",
        fault="velocity M p in place of M^{-1} p",
        provenance="AdvancedHMC 82",
        equivalent=True,
        bias="none: the map still preserves volume and is reversible, and the test uses the right "
        "energy; only efficiency suffers",
    ),
)
