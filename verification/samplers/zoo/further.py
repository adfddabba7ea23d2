"""Bugs of adjusted samplers: random walks, slice and ensemble samplers, and what others lack."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step

WALKERS = 40


def _squares(a: FloatArray) -> FloatArray:
    return np.asarray((a * a).sum(axis=1))


def _chosen(good: npt.NDArray[np.bool_], y: FloatArray, x: FloatArray) -> FloatArray:
    return np.where(good[:, None], y, x)


def _walk(
    proposal: Callable[[np.random.Generator, FloatArray, float], FloatArray] = lambda rng, x, h: (
        x + np.sqrt(2 * h) * rng.standard_normal(x.shape)
    ),
    uniforms: Callable[[np.random.Generator, int], FloatArray] = lambda rng, n: rng.random(n),
    summed: bool = False,
    attempts: int = 1,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        waiting = np.ones(len(x), dtype=bool)
        for _ in range(attempts):
            y = proposal(rng, x, step_size)
            ratio = energy.potential(x) - energy.potential(y)
            if summed:
                ratio = np.full_like(ratio, ratio.sum())
            with np.errstate(divide="ignore"):
                good = waiting & (np.log(uniforms(rng, len(x))) < ratio)
            x, waiting = _chosen(good, y, x), waiting & ~good
        return x

    return step


def _boxed(rng: np.random.Generator, x: FloatArray, h: float) -> FloatArray:
    return np.asarray(np.clip(x + np.sqrt(2 * h) * rng.standard_normal(x.shape), -3.0, 3.0))


def _multiplied(rng: np.random.Generator, x: FloatArray, h: float) -> FloatArray:
    return np.asarray(x * np.exp(np.sqrt(2 * h) * rng.standard_normal(x.shape)))


def _from_a_normal(rng: np.random.Generator, x: FloatArray, h: float) -> FloatArray:
    return 2.0 * rng.standard_normal(x.shape)


def _coarse(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.integers(64, size=n) / 64


def _adapting() -> Step:
    factor = [1.0]
    plain = _walk()

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        y = plain(x, energy, factor[0] * step_size, rng)
        moved = float(np.any(y != x, axis=1).mean())
        factor[0] = float(np.clip(factor[0] * np.exp(moved - 0.3), 0.05, 20.0))
        return y

    return step


def _metric_forgotten() -> Step:
    """Proposals through a preconditioner, corrected as if there were none."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, metric = step_size, np.linspace(0.5, 1.0, x.shape[1])
        gx = energy.gradient(x)
        y = x - h * metric * gx + np.sqrt(2 * h * metric) * rng.standard_normal(x.shape)
        gy = energy.gradient(y)
        proposal = (_squares(y - x + h * gx) - _squares(x - y + h * gy)) / (4 * h)
        ratio = energy.potential(x) - energy.potential(y) + proposal
        return _chosen(np.log(rng.random(len(x))) < ratio, y, x)

    return step


def _mala_with_cached_energy() -> Step:
    """U at the present state is computed once and kept, whatever is accepted later."""
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, gx, u = step_size, energy.gradient(x), energy.potential(x)
        kept = memory.setdefault("u", u)
        if kept.shape != u.shape:
            kept = memory["u"] = u
        y = x - h * gx + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        there, back = y - x + h * gx, x - y + h * energy.gradient(y)
        ratio = kept - energy.potential(y) + (_squares(there) - _squares(back)) / (4 * h)
        return _chosen(np.log(rng.random(len(x))) < ratio, y, x)

    return step


def _hmc_until_it_turns() -> Step:
    """Trajectories end where they turn back, and are accepted as if their length were given."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        p = rng.standard_normal(x.shape)
        start, y, q = energy.potential(x) + _squares(p) / 2, x, p
        going = np.ones(len(x), dtype=bool)
        for _ in range(12):
            half = q - step_size / 2 * energy.gradient(y)
            ahead = y + step_size * half
            kick = half - step_size / 2 * energy.gradient(ahead)
            y, q = _chosen(going, ahead, y), _chosen(going, kick, q)
            going = going & (((y - x) * q).sum(axis=1) > 0)
        end = energy.potential(y) + _squares(q) / 2
        return _chosen(np.log(rng.random(len(x))) < start - end, y, x)

    return step


def _slice(centred: bool) -> Step:
    """Neal's slice sampler along a random direction, with a window that shrinks."""

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        n = len(x)
        width = 4 * np.sqrt(step_size)
        direction = rng.standard_normal(x.shape)
        direction /= np.sqrt(_squares(direction))[:, None]
        level = energy.potential(x) + rng.standard_exponential(n)
        low = -width * (np.full(n, 0.5) if centred else rng.random(n))
        high, found, done = low + width, x.copy(), np.zeros(n, dtype=bool)
        for _ in range(60):
            t = low + (high - low) * rng.random(n)
            y = x + t[:, None] * direction
            inside = ~done & (energy.potential(y) < level)
            found, done = _chosen(inside, y, found), done | inside
            low, high = np.where(t < 0, t, low), np.where(t < 0, high, t)
            if done.all():
                break
        return found

    return step


def _stretch(power_of: Callable[[int, int], int]) -> Any:
    """Goodman and Weare's stretch move, one half of an ensemble after the other."""

    def step(x: FloatArray, energy: Energy, rng: np.random.Generator) -> FloatArray:
        x = x.copy()
        n, d = x.shape
        halves = (np.arange(n // 2), np.arange(n // 2, n))
        for own, other in (halves, halves[::-1]):
            z = (1 + rng.random(len(own))) ** 2 / 2
            partner = x[rng.choice(other, size=len(own))]
            y = partner + z[:, None] * (x[own] - partner)
            ratio = energy.potential(x[own]) - energy.potential(y)
            ratio = ratio + power_of(d, n) * np.log(z)
            x[own] = _chosen(np.log(rng.random(len(own))) < ratio, y, x[own])
        return x

    return step


_adjusted = functools.partial(Entry, kind="adjusted")

CORRECT = (
    _adjusted(name="slice-sampler", family="slice", make=lambda: _slice(False)),
    _adjusted(
        name="stretch-move",
        family="ensemble",
        make=lambda: _stretch(lambda d, n: d - 1),
        options={"walkers": WALKERS},
    ),
)

MUTANTS = (
    _adjusted(
        name="random-walk-in-a-box",
        family="random walk",
        make=lambda: _walk(_boxed),
        component="proposal correction",
        fault="proposals are clipped to [-3, 3] in every coordinate",
    ),
    _adjusted(
        name="random-walk-multiplied",
        family="random walk",
        make=lambda: _walk(_multiplied),
        component="proposal correction",
        fault="multiplicative steps without their Jacobian",
        provenance="deal.II code gallery 64",
    ),
    _adjusted(
        name="independence-sampler-as-random-walk",
        family="random walk",
        make=lambda: _walk(_from_a_normal),
        component="proposal correction",
        fault="proposals from one fixed normal, accepted by the target's ratio alone",
    ),
    _adjusted(
        name="random-walk-coarse-uniform",
        family="random walk",
        make=lambda: _walk(uniforms=_coarse),
        component="Metropolis ratio",
        fault="the uniform is a multiple of 1/64, zero included",
        bias="every proposal is accepted with probability 1/64 at least",
    ),
    _adjusted(
        name="random-walk-until-accepted",
        family="random walk",
        make=lambda: _walk(attempts=3),
        component="Metropolis ratio",
        fault="up to three proposals until one is accepted; rejections are not counted",
    ),
    _adjusted(
        name="random-walk-batch-decides",
        family="random walk",
        make=lambda: _walk(summed=True),
        component="shared randomness",
        fault="the log ratio is summed over the batch of chains",
    ),
    _adjusted(
        name="random-walk-never-stops-adapting",
        family="random walk",
        make=_adapting,
        component="schedule",
        fault="the step size follows the acceptance rate of the calls before, for ever",
    ),
    _adjusted(
        name="mala-metric-forgotten",
        family="mala",
        make=_metric_forgotten,
        component="proposal correction",
        fault="preconditioned proposals, corrected as if there were no preconditioner",
    ),
    _adjusted(
        name="mala-energy-of-the-first-call",
        family="mala",
        make=_mala_with_cached_energy,
        component="Metropolis ratio",
        fault="the energy of the present state is computed once and kept",
    ),
    _adjusted(
        name="hmc-until-it-turns",
        family="hmc",
        make=_hmc_until_it_turns,
        component="proposal correction",
        fault="trajectories end where they turn back, without correction for that choice",
    ),
    _adjusted(
        name="slice-sampler-centred-window",
        family="slice",
        make=lambda: _slice(True),
        component="proposal correction",
        fault="the window is centred at the present state, not placed at random",
    ),
    _adjusted(
        name="stretch-move-counts-walkers",
        family="ensemble",
        make=lambda: _stretch(lambda d, n: n - 1),
        options={"walkers": WALKERS},
        component="Metropolis ratio",
        fault="the exponent of the stretch is the number of walkers less one",
        provenance="pints 1325",
    ),
)
