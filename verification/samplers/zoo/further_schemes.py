"""Bugs of documented schemes and of learners that the files of their families lack."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from ..schemes.stochastic_gradient import StochasticGradient
from .entry import Entry, Step
from .learning import CORRECT as LEARNERS
from .splittings import Pair

Draw = Callable[[np.random.Generator, tuple[int, ...]], FloatArray]


def _ula(
    draw: Draw = lambda rng, s: rng.standard_normal(s),
    gradient: Callable[[Energy, FloatArray], FloatArray] = lambda energy, x: energy.gradient(x),
    skip: float = 0.0,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, noise = step_size, draw(rng, x.shape)
        noise = noise * (rng.random((len(x), 1)) >= skip)
        return np.asarray(x - h * gradient(energy, x) + np.sqrt(2 * h) * noise)

    return step


def _antithetic(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    half = rng.standard_normal((shape[0] // 2, *shape[1:]))
    odd = rng.standard_normal((shape[0] % 2, *shape[1:]))
    return np.concatenate([half, -half, odd])


def _twelve_uniforms(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(rng.random((12, *shape)).sum(axis=0) - 6.0)


def _cut_at_three(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.clip(rng.standard_normal(shape), -3.0, 3.0)


def _one_sided_difference(energy: Energy, x: FloatArray) -> FloatArray:
    e, u = 0.05, energy.potential(x)
    found = np.empty_like(x)
    for j in range(x.shape[1]):
        ahead = x.copy()
        ahead[:, j] += e
        found[:, j] = (energy.potential(ahead) - u) / e
    return found


def _second_coordinate_halved(energy: Energy, x: FloatArray) -> FloatArray:
    g = np.array(energy.gradient(x))
    if x.shape[1] > 3:
        g[:, 1] *= 0.5
    return g


def _heavy_ball() -> Step:
    """A fifth of the last displacement is added to the next one."""
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        last = memory.get("d", np.zeros_like(x))
        if last.shape != x.shape:
            last = np.zeros_like(x)
        noise = np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        memory["d"] = 0.2 * last - step_size * energy.gradient(x) + noise
        return np.asarray(x + memory["d"])

    return step


def _two_terms(replace: bool) -> Any:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        n, terms = len(x), energy.terms
        first = rng.integers(terms, size=n)
        second = rng.integers(terms, size=n)
        if not replace:
            second = (first + 1 + rng.integers(terms - 1, size=n)) % terms
        g = energy.term_gradient(x, first) + energy.term_gradient(x, second)
        noise = np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        return np.asarray(x - step_size * terms / 2 * g + noise)

    return step


def _baoab_one_move(
    x: FloatArray, v: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
) -> Pair:
    """Both moves at once, before the refreshment."""
    h, c = step_size, np.exp(-step_size)
    v = v - h / 2 * energy.gradient(x)
    x = x + h * v
    v = c * v + np.sqrt(1 - c * c) * rng.standard_normal(x.shape)
    return x, v - h / 2 * energy.gradient(x)


def _decaying_parameter() -> Any:
    plain = LEARNERS[0].make()

    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Any:
        after, z, w = plain(theta, latents, pool, data, energy, step_size, rate, rng)
        return after - 0.01 * rate * theta, z, w

    return step


def _latents_of_one_noise() -> Any:
    """Latents of all data are given the noise of the first datum's."""
    plain = LEARNERS[0].make()

    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Any:
        h, n = step_size, len(data)
        k, dim_z = latents.shape[1:]
        pairs = np.concatenate([np.repeat(data, k, axis=0), latents.reshape(n * k, dim_z)], axis=1)
        force = energy.gradient(theta, pairs)[:, energy.dim_x :].reshape(latents.shape)
        noise = np.repeat(rng.standard_normal((1, *latents.shape[1:])), n, axis=0)
        z = latents - h * force + np.sqrt(2 * h) * noise
        _, _, w = plain(theta, latents, pool, data, energy, h, rate, rng)
        pairs[:, energy.dim_x :] = z.reshape(n * k, dim_z)
        phases = energy.parameter_gradient(theta, w).mean(axis=0)
        phases = phases - energy.parameter_gradient(theta, pairs).mean(axis=0)
        return theta + rate * phases, z, w

    return step


_documented = functools.partial(Entry, family="ula", kind="unadjusted", options={"scheme": "ula"})

CORRECT = (
    Entry(
        name="sgld-two-terms",
        family="sgld",
        make=lambda: _two_terms(replace=True),
        kind="unadjusted",
        options={"scheme": StochasticGradient(batch=2)},
    ),
)

MUTANTS = (
    _documented(
        name="ula-antithetic-halves",
        make=lambda: _ula(_antithetic),
        component="shared randomness",
        fault="the second half of the chains has the noise of the first half, negated",
        bias="none in any single chain",
    ),
    _documented(
        name="ula-twelve-uniforms",
        make=lambda: _ula(_twelve_uniforms),
        component="noise scale",
        fault="twelve uniforms less six in place of a normal",
        bias="excess kurtosis -1/10 of the noise",
    ),
    _documented(
        name="ula-noise-cut-at-three",
        make=lambda: _ula(_cut_at_three),
        component="noise scale",
        fault="normals are clipped at three standard deviations",
        bias="one in 370 normals is moved",
    ),
    _documented(
        name="ula-noise-dropped",
        make=lambda: _ula(skip=0.02),
        component="noise scale",
        fault="two steps in a hundred are made without noise",
    ),
    _documented(
        name="ula-one-sided-difference",
        make=lambda: _ula(gradient=_one_sided_difference),
        component="drift",
        fault="the gradient is a one-sided difference with spacing 0.05",
        bias="N(0, 1): the mean is off by 0.025",
    ),
    _documented(
        name="ula-second-of-many-coordinates",
        make=lambda: _ula(gradient=_second_coordinate_halved),
        component="drift",
        fault="half the drift in the second coordinate, from four coordinates on",
    ),
    _documented(
        name="ula-heavy-ball",
        make=_heavy_ball,
        component="momentum refresh",
        fault="a fifth of the last displacement is added unannounced",
    ),
    Entry(
        name="sgld-without-replacement",
        family="sgld",
        make=lambda: _two_terms(replace=False),
        kind="unadjusted",
        options={"scheme": StochasticGradient(batch=2)},
        component="noise scale",
        fault="two terms without replacement where replacement is documented",
        bias="minibatch noise is smaller by (N - 2)/(N - 1)",
    ),
    Entry(
        name="baoab-one-move",
        family="splittings",
        make=lambda: _baoab_one_move,
        kind="unadjusted",
        options={"scheme": "baoab"},
        component="drift",
        fault="the position makes its whole move before the refreshment",
    ),
    Entry(
        name="learner-weight-decay",
        family="learning",
        make=_decaying_parameter,
        kind="learner",
        component="drift",
        fault="the parameter decays by a hundredth of the rate at every update",
    ),
    Entry(
        name="learner-latents-of-one-noise",
        family="learning",
        make=_latents_of_one_noise,
        kind="learner",
        component="shared randomness",
        fault="latents of all data have the noise of the first datum's",
    ),
)
