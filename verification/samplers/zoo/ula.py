"""The unadjusted Langevin algorithm and what goes wrong in it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step


def _ula(
    drift: Callable[[float], float] = lambda h: h,
    noise: Callable[[float], float] = lambda h: np.sqrt(2 * h),
    draw: Callable[[np.random.Generator, tuple[int, ...]], Any] = lambda rng, shape: (
        rng.standard_normal(shape)
    ),
    clip: float = np.inf,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        g = energy.gradient(x)
        size = np.sqrt((g * g).sum(axis=1, keepdims=True))
        g = g * np.minimum(1.0, clip / np.maximum(size, 1e-300))
        return np.asarray(x - drift(h) * g + noise(h) * draw(rng, x.shape))

    return step


def _stale() -> Step:
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        g = energy.gradient(x)
        before = memory.get("g")
        memory["g"] = g
        used = before if before is not None and before.shape == g.shape else g
        return np.asarray(x - h * used + np.sqrt(2 * h) * rng.standard_normal(x.shape))

    return step


def _every_second_noise_again() -> Step:
    memory: dict[str, FloatArray] = {}

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        xi = memory.pop("xi", None)
        if xi is None or xi.shape != x.shape:
            xi = memory["xi"] = rng.standard_normal(x.shape)
        return np.asarray(x - h * energy.gradient(x) + np.sqrt(2 * h) * xi)

    return step


def _decaying() -> Step:
    calls = [0]

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        calls[0] += 1
        h = step_size * (1 + 0.05 * calls[0]) ** -0.5
        return np.asarray(
            x - h * energy.gradient(x) + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        )

    return step


def _same_seed() -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        again = np.random.default_rng(0)
        return np.asarray(
            x - h * energy.gradient(x) + np.sqrt(2 * h) * again.standard_normal(x.shape)
        )

    return step


def _preconditioned() -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        m = np.linspace(0.5, 1.0, x.shape[1])
        noise = np.sqrt(2 * h) * m * rng.standard_normal(x.shape)
        return np.asarray(x - h * m * energy.gradient(x) + noise)

    return step


def _tamed() -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        g = energy.gradient(x)
        g = g / (1 + h * np.sqrt((g * g).sum(axis=1, keepdims=True)))
        return np.asarray(x - h * g + np.sqrt(2 * h) * rng.standard_normal(x.shape))

    return step


_entry = functools.partial(Entry, family="ula", kind="unadjusted", options={"scheme": "ula"})

CORRECT = (_entry(name="ula", make=_ula, variance=lambda h: 1 / (1 - h / 2)),)

MUTANTS = (
    _entry(
        name="ula-noise-sqrt-h",
        make=lambda: _ula(noise=np.sqrt),
        component="noise scale",
        fault="noise sqrt(h) xi in place of sqrt(2h) xi",
        provenance="planted: the factor is lost where the step is stated as h/2",
        variance=lambda h: 1 / (2 - h),
    ),
    _entry(
        name="ula-noise-linear-in-h",
        make=lambda: _ula(noise=lambda h: 2 * h),
        component="noise scale",
        fault="noise scale 2h in place of sqrt(2h): the learning rate itself, not its root",
        provenance="edward 722",
        variance=lambda h: 2 * h / (1 - h / 2),
    ),
    _entry(
        name="ula-noise-five-per-cent",
        make=lambda: _ula(noise=lambda h: 1.05 * np.sqrt(2 * h)),
        component="noise scale",
        fault="noise 5 per cent too large",
        variance=lambda h: 1.05**2 / (1 - h / 2),
    ),
    _entry(
        name="ula-drift-twice",
        make=lambda: _ula(drift=lambda h: 2 * h),
        component="drift",
        fault="drift 2h grad U",
        variance=lambda h: 0.5 / (1 - h),
    ),
    _entry(
        name="ula-drift-half",
        make=lambda: _ula(drift=lambda h: h / 2),
        component="drift",
        fault="drift h/2 grad U with noise sqrt(2h): two conventions mixed",
        provenance="google-research/ibc 6 (h (g/2 + noise))",
        variance=lambda h: 2 / (1 - h / 4),
    ),
    _entry(
        name="ula-gradient-clipped",
        make=lambda: _ula(clip=1.0),
        component="drift",
        fault="gradients clipped to norm 1 without a word",
    ),
    _entry(
        name="ula-one-normal-for-all-coordinates",
        make=lambda: _ula(draw=lambda rng, s: np.broadcast_to(rng.standard_normal((s[0], 1)), s)),
        component="shared randomness",
        fault="one normal for all coordinates of a chain",
    ),
    _entry(
        name="ula-one-normal-for-all-chains",
        make=lambda: _ula(draw=lambda rng, s: np.broadcast_to(rng.standard_normal((1, s[1])), s)),
        component="shared randomness",
        fault="one normal for all chains",
    ),
    _entry(
        name="ula-uniform-noise",
        make=lambda: _ula(draw=lambda rng, s: np.sqrt(3.0) * rng.uniform(-1, 1, s)),
        component="noise scale",
        fault="uniform increments of the right variance in place of normal ones",
        bias="weak order one is kept, the documented law is not",
        variance=lambda h: 1 / (1 - h / 2),
    ),
    _entry(
        name="ula-absolute-noise",
        make=lambda: _ula(draw=lambda rng, s: np.abs(rng.standard_normal(s))),
        component="noise scale",
        fault="absolute values of normals",
        variance=lambda h: (1 - 2 / np.pi) / (1 - h / 2),
    ),
    _entry(
        name="ula-stale-gradient",
        make=_stale,
        component="stale gradient",
        fault="the gradient of the call before",
        variance=lambda h: (1 + h) / ((1 - h) * (1 + h / 2)),
    ),
    _entry(
        name="ula-every-second-noise-again",
        make=_every_second_noise_again,
        component="shared randomness",
        fault="every noise is used twice",
        bias="the variance below is that after an even number of calls",
        variance=lambda h: 2 * (2 - h) / (1 + (1 - h) ** 2),
        provenance="numpyro 1949 (a key used twice)",
    ),
    _entry(
        name="ula-decaying-step",
        make=_decaying,
        component="schedule",
        fault="a hidden schedule shrinks the step with every call",
    ),
    _entry(
        name="ula-same-seed-every-call",
        make=_same_seed,
        component="shared randomness",
        fault="the generator is made anew with one seed at every call",
        provenance="SGMCMCJax 69 (constant output)",
    ),
    _entry(
        name="ula-preconditioner-not-rooted",
        make=lambda: _preconditioned(),
        component="noise scale",
        fault="noise times the preconditioner in place of its root",
        provenance="tensorflow/probability 50",
        variance=lambda h: 0.5 / (1 - h / 4),
    ),
    _entry(
        name="ula-tamed-unannounced",
        make=_tamed,
        component="drift",
        fault="a tamed gradient under the name of ULA",
    ),
)
