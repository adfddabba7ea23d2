"""Bugs of documented schemes and of learners, written after the laws were frozen."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from scipy.special import eval_chebyt, eval_chebyu

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from ..schemes.sk_rock import StabilisedChebyshev
from ..schemes.stochastic_gradient import NoisyGradient
from .entry import Entry, Step
from .learning import CORRECT as LEARNERS
from .splittings import FRICTION, Pair

STAGES = 5
DAMPING = 0.05


def _tamed(coordinatewise: bool = False) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h, g = step_size, energy.gradient(x)
        size = np.abs(g) if coordinatewise else np.sqrt((g * g).sum(axis=1, keepdims=True))
        noise = np.sqrt(2 * h) * rng.standard_normal(x.shape)
        return np.asarray(x - h * g / (1 + h * size) + noise)

    return step


def _sk_rock_with_old_stages() -> Step:
    """The recursion's gradient is that of the stage before last."""
    w0 = 1 + DAMPING / STAGES**2
    t = [float(eval_chebyt(j, w0)) for j in range(STAGES + 1)]
    w1 = t[STAGES] / (STAGES * float(eval_chebyu(STAGES - 1, w0)))

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        q = np.sqrt(2 * h) * rng.standard_normal(x.shape)
        before = x
        now = x - w1 / w0 * h * energy.gradient(x + STAGES * w1 / 2 * q) + STAGES * w1 / w0 * q
        for j in range(2, STAGES + 1):
            ratio = t[j - 1] / t[j]
            ahead = 2 * w0 * ratio * now + (1 - 2 * w0 * ratio) * before
            before, now = now, ahead - 2 * w1 * ratio * h * energy.gradient(before)
        return np.asarray(now)

    return step


def _baoab_with_collisions(
    x: FloatArray, v: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
) -> Pair:
    """Andersen's thermostat: momenta are replaced with probability 1 - exp(-g h)."""
    h = step_size
    v = v - h / 2 * energy.gradient(x)
    x = x + h / 2 * v
    hit = rng.random(x.shape) < -math.expm1(-FRICTION * h)
    v = np.where(hit, rng.standard_normal(x.shape), v)
    x = x + h / 2 * v
    return x, v - h / 2 * energy.gradient(x)


def _obabo_with_one_kick(
    x: FloatArray, v: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
) -> Pair:
    """Symplectic Euler in place of velocity Verlet between the refreshments."""
    h = step_size
    fade = math.exp(-FRICTION * h / 2)
    scale = math.sqrt(1 - fade * fade)
    v = fade * v + scale * rng.standard_normal(x.shape)
    v = v - h * energy.gradient(x)
    x = x + h * v
    return x, fade * v + scale * rng.standard_normal(x.shape)


def _discounted_noise() -> Step:
    """Injected noise is lessened by what the gradient's own noise is thought to bring."""
    deviation = NoisyGradient().deviation

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        g = energy.gradient(x) + deviation * rng.standard_normal(x.shape)
        injected = math.sqrt(max(2 * h - (h * deviation) ** 2, 0.0))
        return np.asarray(x - h * g + injected * rng.standard_normal(x.shape))

    return step


def _fading_to_zero(
    x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
) -> FloatArray:
    """The transition of a centred normal, whatever the mean."""
    values, vectors = np.linalg.eigh(energy.hessian(np.zeros((1, x.shape[1])))[0])
    scale = np.sqrt(-np.expm1(-2 * step_size * values) / values)
    y = np.exp(-step_size * values) * (x @ vectors) + scale * rng.standard_normal(x.shape)
    return np.asarray(y @ vectors.T)


def _old_latents_in_the_gradient() -> Any:
    """theta moves with the new pool, but with the latents from before the update."""
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
        _, z, w = plain(theta, latents, pool, data, energy, step_size, rate, rng)
        n, k, dim_z = latents.shape
        pairs = np.concatenate([np.repeat(data, k, axis=0), latents.reshape(n * k, dim_z)], axis=1)
        phases = energy.parameter_gradient(theta, w).mean(axis=0)
        phases = phases - energy.parameter_gradient(theta, pairs).mean(axis=0)
        return theta + rate * phases, z, w

    return step


def _parameter_every_second_call() -> Any:
    plain, calls = LEARNERS[0].make(), [0]

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
        calls[0] += 1
        after, z, w = plain(theta, latents, pool, data, energy, step_size, rate, rng)
        return (after if calls[0] % 2 else theta), z, w

    return step


_documented = functools.partial(Entry, kind="unadjusted")
_learner = functools.partial(Entry, family="learning", kind="learner")
_tamed_entry = functools.partial(_documented, family="ula", options={"scheme": "tamed-ula"})

CORRECT = (_tamed_entry(name="tamed-ula", make=_tamed),)

MUTANTS = (
    _tamed_entry(
        name="tamed-ula-coordinates-apart",
        make=lambda: _tamed(coordinatewise=True),
        component="drift",
        fault="every coordinate is tamed by its own size, not by the gradient's norm",
        bias="none in one dimension",
    ),
    _documented(
        name="sk-rock-gradient-of-stage-before-last",
        family="sk-rock",
        make=_sk_rock_with_old_stages,
        options={"scheme": StabilisedChebyshev(stages=STAGES, eta=DAMPING)},
        component="stale gradient",
        fault="the recursion uses the gradient of the stage before last",
        bias="drift and noise are wrong to first order in h; the wide range of stability is lost",
    ),
    _documented(
        name="baoab-andersen",
        family="splittings",
        make=lambda: _baoab_with_collisions,
        options={"scheme": "baoab"},
        component="momentum refresh",
        fault="momenta are replaced at random times, not faded and refreshed at every step",
        bias="none in the second moments; the documented step is another",
        variance=lambda h: 1.0,
    ),
    _documented(
        name="obabo-one-whole-kick",
        family="splittings",
        make=lambda: _obabo_with_one_kick,
        options={"scheme": "obabo"},
        component="drift",
        fault="one whole kick before the move in place of a half before and a half after",
        bias="order one in place of two",
    ),
    _documented(
        name="noisy-gradient-discounted",
        family="sgld",
        make=_discounted_noise,
        options={"scheme": NoisyGradient()},
        component="noise scale",
        fault="the injected variance is 2h - h^2 s^2, lessened by the gradient noise's share",
        bias="a relative h s^2/2 of the noise's variance is missing",
        variance=lambda h: max(2 * h, h * h) / (h * (2 - h)),
    ),
    _documented(
        name="ornstein-uhlenbeck-fades-to-zero",
        family="exact",
        make=lambda: _fading_to_zero,
        kind="exact-discretisation",
        component="drift",
        fault="the state fades to zero in place of the mean",
        bias="none on centred normals; else the mean is zero",
        variance=lambda h: 1.0,
    ),
    _learner(
        name="learner-old-latents-in-the-gradient",
        make=_old_latents_in_the_gradient,
        component="stale gradient",
        fault="the data's phase takes the latents before the update, the pool's those after",
    ),
    _learner(
        name="learner-parameter-every-second-call",
        make=_parameter_every_second_call,
        component="schedule",
        fault="the parameter stands still at every second call",
    ),
)
