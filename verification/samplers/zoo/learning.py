"""Learners (coupled updates of parameter, latents and pool) and what goes wrong in them.

z <- z - h grad_z E(x, z) + sqrt(2h) xi,     w <- w - h grad E(w) + sqrt(2h) xi
theta <- theta + a [ mean grad_theta E(w) - mean grad_theta E(x, z) ]
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .entry import Entry

Triple = tuple[FloatArray, FloatArray, FloatArray]


def _pairs(data: FloatArray, latents: FloatArray) -> FloatArray:
    n, k, dim_z = latents.shape
    return np.concatenate([np.repeat(data, k, axis=0), latents.reshape(n * k, dim_z)], axis=1)


def _moved(
    points: FloatArray, force: FloatArray, h: float, noise: float, rng: np.random.Generator
) -> FloatArray:
    return np.asarray(
        points - h * force + noise * np.sqrt(2 * h) * rng.standard_normal(points.shape)
    )


def _learner(
    *,
    simultaneous: bool = False,
    parameter_first: bool = False,
    latent_noise: float = 1.0,
    pool_noise: float = 1.0,
    parameter_noise: float = 0.0,
    sign: float = 1.0,
    negative: float = 1.0,
    restart_pool: bool = False,
    restart_latents: bool = False,
    shift_data: int = 0,
    sum_of_data: bool = False,
    clamped: bool = False,
) -> Any:
    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Triple:
        h = step_size

        def ascent(z: FloatArray, w: FloatArray) -> FloatArray:
            positive = energy.parameter_gradient(theta, _pairs(data, z))
            phases = negative * energy.parameter_gradient(theta, w).mean(axis=0)
            phases = phases - (positive.sum(axis=0) if sum_of_data else positive.mean(axis=0))
            push = theta + sign * rate * phases
            return np.asarray(
                push + parameter_noise * np.sqrt(2 * rate) * rng.standard_normal(theta.shape)
            )

        start = rng.standard_normal(pool.shape) if restart_pool else pool
        z = 0 * latents if restart_latents else latents
        used = ascent(latents, pool) if parameter_first else theta
        own = energy.gradient(used, _pairs(np.roll(data, shift_data, axis=0), z))[:, energy.dim_x :]
        force = energy.gradient(used, start)
        if clamped:
            force[:, : energy.dim_x] = 0.0
        after = _moved(z, own.reshape(z.shape), h, latent_noise, rng)
        w = _moved(start, force, h, pool_noise, rng)
        if parameter_first:
            return used, after, w
        return (ascent(latents, pool) if simultaneous else ascent(after, w)), after, w

    return step


def _one_noise() -> Any:
    """Latents and pool take their noise from one generator that is made twice with one seed."""

    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Triple:
        seed = int(rng.integers(2**62))
        own = energy.gradient(theta, _pairs(data, latents))[:, energy.dim_x :]
        z = _moved(latents, own.reshape(latents.shape), step_size, 1.0, np.random.default_rng(seed))
        force = energy.gradient(theta, pool)
        w = _moved(pool, force, step_size, 1.0, np.random.default_rng(seed))
        difference = energy.parameter_gradient(theta, w).mean(axis=0)
        difference = difference - energy.parameter_gradient(theta, _pairs(data, z)).mean(axis=0)
        return theta + rate * difference, z, w

    return step


def _decaying_rate() -> Any:
    plain, calls = _learner(), [0]

    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Triple:
        calls[0] += 1
        slower = rate / np.sqrt(1 + 0.05 * calls[0])
        found: Triple = plain(theta, latents, pool, data, energy, step_size, slower, rng)
        return found

    return step


def _last_gradient() -> Any:
    """theta moves by the difference of phases of the update before."""
    plain, memory = _learner(), {}  # type: ignore[var-annotated]

    def step(
        theta: FloatArray,
        latents: FloatArray,
        pool: FloatArray,
        data: FloatArray,
        energy: Any,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> Triple:
        after, z, w = plain(theta, latents, pool, data, energy, step_size, rate, rng)
        before = memory.get("push", after - theta)
        memory["push"] = after - theta
        return theta + (before if before.shape == theta.shape else after - theta), z, w

    return step


_entry = functools.partial(Entry, family="learning", kind="learner")
_simultaneous = functools.partial(_entry, options={"scheme": "simultaneous"})

CORRECT = (
    _entry(name="learner-sequential", make=_learner),
    _simultaneous(name="learner-simultaneous", make=lambda: _learner(simultaneous=True)),
)

MUTANTS = (
    _entry(
        name="learner-simultaneous-for-sequential",
        make=lambda: _learner(simultaneous=True),
        component="stale gradient",
        fault="the parameter moves with the particles before the update",
        provenance="rbms 31 (hidden units of the sweep before)",
    ),
    _simultaneous(
        name="learner-sequential-for-simultaneous",
        make=_learner,
        component="stale gradient",
        fault="the parameter moves with the particles after the update",
    ),
    _simultaneous(
        name="learner-parameter-first",
        make=lambda: _learner(parameter_first=True),
        component="stale gradient",
        fault="the particles move at the parameter after its update",
    ),
    _entry(
        name="learner-last-gradient",
        make=_last_gradient,
        component="stale gradient",
        fault="the parameter moves by the gradient of the update before",
    ),
    _entry(
        name="learner-noise-sqrt-h",
        make=lambda: _learner(latent_noise=0.5**0.5, pool_noise=0.5**0.5),
        component="noise scale",
        fault="noise sqrt(h) xi in both phases",
        bias="location model: the pool has half its stationary variance",
    ),
    _entry(
        name="learner-quiet-latents",
        make=lambda: _learner(latent_noise=0.0),
        component="noise scale",
        fault="latents follow the gradient without noise",
    ),
    _entry(
        name="learner-quiet-pool",
        make=lambda: _learner(pool_noise=0.0),
        component="noise scale",
        fault="the pool follows the gradient without noise",
        bias="location model: the pool shrinks to a point",
    ),
    _entry(
        name="learner-wrong-sign",
        make=lambda: _learner(sign=-1.0),
        component="drift",
        fault="the parameter descends the likelihood",
        bias="no stationary law",
    ),
    _entry(
        name="learner-no-negative-phase",
        make=lambda: _learner(negative=0.0),
        component="drift",
        fault="the phase of the pool is missing in the gradient",
    ),
    _entry(
        name="learner-sum-over-data",
        make=lambda: _learner(sum_of_data=True),
        component="drift",
        fault="the phase of the data is summed, that of the pool averaged",
    ),
    _entry(
        name="learner-pool-not-persistent",
        make=lambda: _learner(restart_pool=True),
        component="drift",
        fault="the pool starts from fresh normals at every update",
        provenance="torchebm 60, Boltzmann.jl 47",
    ),
    _entry(
        name="learner-latents-not-persistent",
        make=lambda: _learner(restart_latents=True),
        component="drift",
        fault="latents start from zero at every update",
    ),
    _entry(
        name="learner-data-shifted",
        make=lambda: _learner(shift_data=1),
        component="drift",
        fault="latents feel the datum of their neighbour",
    ),
    _entry(
        name="learner-pool-clamped",
        make=lambda: _learner(clamped=True),
        component="drift",
        fault="no force on the observed coordinates of the pool",
    ),
    _entry(
        name="learner-noisy-parameter",
        make=lambda: _learner(parameter_noise=0.1),
        component="noise scale",
        fault="the parameter is given Langevin noise of its own",
    ),
    _entry(
        name="learner-one-noise-for-both-phases",
        make=_one_noise,
        component="shared randomness",
        fault="latents and pool share their noise",
        provenance="fab-jax 15 (one key for all transitions)",
    ),
    _entry(
        name="learner-hidden-decay",
        make=_decaying_rate,
        component="schedule",
        fault="a hidden schedule shrinks the rate with every update",
    ),
)
