"""Hamiltonian Monte Carlo and what goes wrong in it.

The step size is the leapfrog's; the number of steps is drawn anew for every chain, since half a
period maps x to -x.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step

LONGEST = 5


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _masses(dim: int) -> FloatArray:
    return np.linspace(1.0, 2.0, dim) if dim > 1 else np.array([1.5])


def _trajectories(
    x: FloatArray,
    p: FloatArray,
    energy: Energy,
    eps: float,
    rng: np.random.Generator,
    *,
    velocity: Any = 1.0,
    first: float = 0.5,
    last: float = 0.5,
    stale: bool = False,
    longest: int = LONGEST,
) -> tuple[FloatArray, FloatArray]:
    """Ends of leapfrog trajectories whose lengths are drawn for every chain."""
    steps = rng.integers(1, longest + 1, size=len(x))
    end, momentum = x.copy(), p.copy()
    g = energy.gradient(x)
    p = p - first * eps * g
    for k in range(1, longest + 1):
        x = x + eps * velocity * p
        if not stale:
            g = energy.gradient(x)
        here = (steps == k)[:, None]
        end = np.where(here, x, end)
        momentum = np.where(here, p - last * eps * g, momentum)
        p = p - eps * g
    return end, momentum


def _hmc(
    momentum: Callable[[np.random.Generator, FloatArray], FloatArray] = lambda rng, x: (
        rng.standard_normal(x.shape)
    ),
    accept: Callable[[FloatArray, FloatArray], FloatArray] = lambda potential, kinetic: (
        potential + kinetic
    ),
    **parts: Any,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        p = momentum(rng, x)
        y, q = _trajectories(x, p, energy, step_size, rng, **parts)
        lost = accept(energy.potential(x) - energy.potential(y), (_squares(p) - _squares(q)) / 2)
        good = np.log(rng.random(len(x))) < lost
        return np.where(good[:, None], y, x)

    return step


def _with_mass(inverted_velocity: bool = False, inverted_momentum: bool = False) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        mass = _masses(x.shape[1])
        spread = 1 / np.sqrt(mass) if inverted_momentum else np.sqrt(mass)
        p = spread * rng.standard_normal(x.shape)
        velocity = mass if inverted_velocity else 1.0 / mass
        y, q = _trajectories(x, p, energy, step_size, rng, velocity=velocity)
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


def _energy_kept() -> Step:
    """The total energy before the trajectory is that of the last call's end."""
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        p = rng.standard_normal(x.shape)
        before = memory.get("h", np.empty(0))
        if before.shape != (len(x),):
            before = energy.potential(x) + _squares(p) / 2
        y, q = _trajectories(x, p, energy, step_size, rng)
        after = energy.potential(y) + _squares(q) / 2
        good = np.log(rng.random(len(x))) < before - after
        memory["h"] = np.where(good, after, before)
        return np.where(good[:, None], y, x)

    return step


_entry = functools.partial(Entry, family="hmc", kind="adjusted")

CORRECT = (
    _entry(name="hmc", make=_hmc),
    _entry(name="hmc-with-mass", make=_with_mass),
    _entry(name="hmc-one-leapfrog-step", make=lambda: _hmc(longest=1)),
)

MUTANTS = (
    _entry(
        name="hmc-full-first-step",
        make=lambda: _hmc(first=1.0),
        component="drift",
        fault="a full momentum step first, so that the integrator is not reversible",
        provenance="planted; half steps were wrong in keanu 492",
    ),
    _entry(
        name="hmc-full-last-step",
        make=lambda: _hmc(last=1.0),
        component="drift",
        fault="the last momentum step is not halved",
        provenance="planted; half steps were wrong in keanu 492",
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
        variance=lambda h: 1 / (1 - h * h / 4),
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
        make=lambda: _with_mass(inverted_velocity=True),
        component="drift",
        fault="velocity M p in place of M^{-1} p",
        provenance="AdvancedHMC 82",
        equivalent=True,
        bias="none: the map still preserves volume and is reversible, and the test uses the right "
        "energy; only efficiency suffers",
    ),
    _entry(
        name="hmc-momentum-of-the-inverse-mass",
        make=lambda: _with_mass(inverted_momentum=True),
        component="momentum refresh",
        fault="momenta with covariance M^{-1} where the kinetic energy is p M^{-1} p / 2",
        provenance="Pigeons.jl 135",
    ),
    _entry(
        name="hmc-gradient-of-the-start",
        make=lambda: _hmc(stale=True),
        component="stale gradient",
        fault="the gradient at the start drives the whole trajectory",
    ),
    _entry(
        name="hmc-energy-of-the-last-call",
        make=_energy_kept,
        component="Metropolis ratio",
        fault="the energy before the move is that of the last call, with its old momentum",
        provenance="flowMC 90",
    ),
    _entry(
        name="hmc-half-position-steps",
        make=lambda: _hmc(velocity=0.5),
        component="drift",
        fault="positions move by half a step where momenta move by a whole one",
        provenance="keanu 492",
        equivalent=True,
        bias="none: the map preserves volume and is reversible, and the test sees its true error",
    ),
)
