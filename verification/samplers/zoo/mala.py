"""The Metropolis-adjusted Langevin algorithm, random walks, and what goes wrong in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _log_ratio(
    x: FloatArray, y: FloatArray, gx: FloatArray, gy: FloatArray, energy: Energy, h: float
) -> tuple[FloatArray, FloatArray]:
    """log pi(y)/pi(x) and log q(y, x)/q(x, y)."""
    target = energy.potential(x) - energy.potential(y)
    proposal = (_squares(y - x + h * gx) - _squares(x - y + h * gy)) / (4 * h)
    return target, proposal


def _mala(
    accept: Callable[[FloatArray, FloatArray], FloatArray] = lambda target, proposal: (
        target + proposal
    ),
    noise: float = 1.0,
    uniforms: Callable[[np.random.Generator, int], Any] = lambda rng, n: rng.random(n),
    forward_gradient_only: bool = False,
    denominator: float = 4.0,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, gx = step_size, energy.gradient(x)
        y = x - h * gx + noise * np.sqrt(2 * h) * rng.standard_normal(x.shape)
        gy = gx if forward_gradient_only else energy.gradient(y)
        target, proposal = _log_ratio(x, y, gx, gy, energy, h)
        proposal = proposal * 4.0 / denominator
        good = np.log(uniforms(rng, len(x))) < accept(target, proposal)
        return np.where(good[:, None], y, x)

    return step


def _coordinatewise() -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, gx = step_size, energy.gradient(x)
        y = x - h * gx + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        target, proposal = _log_ratio(x, y, gx, energy.gradient(y), energy, h)
        good = np.log(rng.random(x.shape)) < (target + proposal)[:, None]
        return np.where(good, y, x)

    return step


def _gradient_of_the_rejected() -> Step:
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        kept = memory.get("g")
        gx = kept if kept is not None and kept.shape == x.shape else energy.gradient(x)
        y = x - h * gx + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        gy = energy.gradient(y)
        memory["g"] = gy
        target, proposal = _log_ratio(x, y, gx, gy, energy, h)
        good = np.log(rng.random(len(x))) < target + proposal
        return np.where(good[:, None], y, x)

    return step


def _random_walk(
    correction: Callable[[FloatArray, FloatArray], Any] = lambda x, y: 0.0,
    scale: Callable[[FloatArray], Any] = lambda x: 1.0,
    barker: bool = False,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        y = x + scale(x) * np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        ratio = energy.potential(x) - energy.potential(y) + correction(x, y)
        bound = -np.logaddexp(0.0, -ratio) if barker else ratio
        good = np.log(rng.random(len(x))) < bound
        return np.where(good[:, None], y, x)

    return step


def _size(x: FloatArray) -> FloatArray:
    return 0.5 + np.sqrt(_squares(x))[:, None]


_entry = functools.partial(Entry, family="mala", kind="adjusted")

CORRECT = (
    _entry(name="mala", make=_mala),
    _entry(name="random-walk", family="random walk", make=_random_walk),
    _entry(name="barker", family="random walk", make=lambda: _random_walk(barker=True)),
)

MUTANTS = (
    _entry(
        name="mala-inverted-ratio",
        make=lambda: _mala(accept=lambda t, p: -(t + p)),
        component="Metropolis ratio",
        fault="pi(x) q(x, y) / (pi(y) q(y, x)): the ratio upside down",
        provenance="blackjax 653",
        bias="none to first order where acceptance is near 1",
    ),
    _entry(
        name="mala-no-proposal-correction",
        make=lambda: _mala(accept=lambda t, p: t),
        component="proposal correction",
        fault="the ratio of proposal densities is missing",
        provenance="BAT.jl 532",
    ),
    _entry(
        name="mala-always-accepts",
        make=lambda: _mala(accept=lambda t, p: np.zeros_like(t)),
        component="Metropolis ratio",
        fault="ULA sold as MALA",
        provenance="caustics 388",
        variance=lambda h: 1 / (1 - h / 2),
    ),
    _entry(
        name="mala-ratio-to-the-power-0.9",
        make=lambda: _mala(accept=lambda t, p: 0.9 * (t + p)),
        component="Metropolis ratio",
        fault="the ratio to the power 0.9",
        provenance="netket 2254 (the whole exponent is tempered)",
    ),
    _entry(
        name="mala-target-inverted",
        make=lambda: _mala(accept=lambda t, p: -t + p),
        component="Metropolis ratio",
        fault="pi(x)/pi(y) with the right proposal ratio",
    ),
    _entry(
        name="mala-correction-inverted",
        make=lambda: _mala(accept=lambda t, p: t - p),
        component="proposal correction",
        fault="q(x, y)/q(y, x) upside down",
        provenance="bsvars 148 (forward and reverse densities exchanged)",
    ),
    _entry(
        name="mala-correction-with-2h",
        make=lambda: _mala(denominator=2.0),
        component="proposal correction",
        fault="proposal densities with 2h in place of 4h in the exponent",
    ),
    _entry(
        name="mala-backward-with-forward-gradient",
        make=lambda: _mala(forward_gradient_only=True),
        component="proposal correction",
        fault="the backward proposal uses the gradient at x",
    ),
    _entry(
        name="mala-noise-five-per-cent",
        make=lambda: _mala(noise=1.05),
        component="noise scale",
        fault="proposals with 5 per cent more noise than their density says",
    ),
    _entry(
        name="mala-noise-sqrt-h",
        make=lambda: _mala(noise=0.5**0.5),
        component="noise scale",
        fault="proposals with noise sqrt(h) under a density with 2h",
    ),
    _entry(
        name="mala-one-uniform-for-all-chains",
        make=lambda: _mala(uniforms=lambda rng, n: np.full(n, rng.random())),
        component="shared randomness",
        fault="one uniform decides for all chains",
    ),
    _entry(
        name="mala-accepts-coordinates-apart",
        make=_coordinatewise,
        component="Metropolis ratio",
        fault="every coordinate is accepted by a uniform of its own",
        bias="none in one dimension",
    ),
    _entry(
        name="mala-gradient-of-the-rejected",
        make=_gradient_of_the_rejected,
        component="stale gradient",
        fault="the cached gradient is that of the proposal, also after a rejection",
    ),
    _entry(
        name="mala-strict-comparison",
        make=lambda: _mala(accept=lambda t, p: np.minimum(t + p, 0.0)),
        component="Metropolis ratio",
        fault="the log ratio is cut at 0 first",
        equivalent=True,
        bias="none: log u < 0 always",
    ),
    _entry(
        name="random-walk-state-dependent-scale",
        family="random walk",
        make=lambda: _random_walk(scale=_size),
        component="proposal correction",
        fault="a step that grows with |x|, accepted as if it were symmetric",
        provenance="openturns 1260",
    ),
    _entry(
        name="random-walk-too-ready",
        family="random walk",
        make=lambda: _random_walk(correction=lambda x, y: 0.1),
        component="Metropolis ratio",
        fault="a constant 0.1 in the log ratio: accepts 10 per cent too readily",
    ),
)
