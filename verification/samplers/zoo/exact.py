"""The exact transition of the diffusion on normals (Ornstein-Uhlenbeck) and what goes wrong in it.

x' - m = e^{-hP} (x - m) + (I - e^{-2hP})^{1/2} P^{-1/2} xi, in the eigenbasis of the precision P.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .entry import Entry

Rule = Callable[[FloatArray, float], FloatArray]


def _transition(
    fade: Rule = lambda p, h: np.exp(-h * p),
    variance: Rule = lambda p, h: -np.expm1(-2 * h * p) / p,
    turned: bool = True,
) -> Any:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        zero = np.zeros((1, x.shape[1]))
        precision = energy.hessian(zero)[0]
        mean = -np.linalg.solve(precision, energy.gradient(zero)[0])
        values, vectors = np.linalg.eigh(precision)
        scale = np.sqrt(variance(values, step_size))
        xi = scale * rng.standard_normal(x.shape)
        y = fade(values, step_size) * ((x - mean) @ vectors)
        return np.asarray(mean + (y @ vectors.T) + (xi @ vectors.T if turned else xi))

    return step


_entry = functools.partial(Entry, family="exact", kind="exact-discretisation")

CORRECT = (_entry(name="ornstein-uhlenbeck", make=_transition, variance=lambda h: 1.0),)

MUTANTS = (
    _entry(
        name="ornstein-uhlenbeck-variance-with-h",
        make=lambda: _transition(variance=lambda p, h: -np.expm1(-h * p) / p),
        component="noise scale",
        fault="1 - exp(-h p) in place of 1 - exp(-2 h p) in the variance",
        variance=lambda h: 1 / (1 + np.exp(-h)),
    ),
    _entry(
        name="ornstein-uhlenbeck-euler",
        make=lambda: _transition(fade=lambda p, h: 1 - h * p, variance=lambda p, h: 2 * h + 0 * p),
        component="drift",
        fault="Euler-Maruyama under the name of the exact transition",
        variance=lambda h: 1 / (1 - h / 2),
    ),
    _entry(
        name="ornstein-uhlenbeck-noise-not-turned",
        make=lambda: _transition(turned=False),
        component="noise scale",
        fault="the noise stays in the eigenbasis and is not turned back",
        bias="none in one dimension",
        variance=lambda h: 1.0,
    ),
)
