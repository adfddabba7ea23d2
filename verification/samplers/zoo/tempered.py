"""Tempered transitions (Neal 1996) and what goes wrong in them.

Up: a random walk that leaves pi^b invariant; down: another. The excursion is accepted with
probability min(1, [pi^b(x0)/pi(x0)] [pi(x2)/pi^b(x2)]), both walks being reversible under pi^b.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .entry import Entry, Step

INVERSE_TEMPERATURE = 0.5


def _walk(
    x: FloatArray, energy: Energy, beta: float, h: float, rng: np.random.Generator
) -> FloatArray:
    y = x + np.sqrt(2 * h) * rng.standard_normal(x.shape)
    good = np.log(rng.random(len(x))) < beta * (energy.potential(x) - energy.potential(y))
    return np.where(good[:, None], y, x)


def _tempered(
    weight: Callable[[float], float] = lambda beta: 1 - beta,
    down: float = INVERSE_TEMPERATURE,
    walks: int = 2,
) -> Step:
    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        y = x
        for k in range(walks):
            beta = INVERSE_TEMPERATURE if k == 0 else down
            y = _walk(y, energy, beta, step_size, rng)
        ratio = weight(INVERSE_TEMPERATURE) * (energy.potential(x) - energy.potential(y))
        good = np.log(rng.random(len(x))) < ratio
        return np.where(good[:, None], y, x)

    return step


_entry = functools.partial(Entry, family="tempered", kind="adjusted")

CORRECT = (_entry(name="tempered-transitions", make=_tempered),)

MUTANTS = (
    _entry(
        name="tempered-full-energy-in-ratio",
        make=lambda: _tempered(weight=lambda beta: 1.0),
        component="Metropolis ratio",
        fault="exp(U(x) - U(y)) in place of its power 1 - b",
        bias="targets pi^{1 + b}",
        variance=lambda h: 1 / (1 + INVERSE_TEMPERATURE),
    ),
    _entry(
        name="tempered-no-final-test",
        make=lambda: _tempered(weight=lambda beta: 0.0),
        component="Metropolis ratio",
        fault="the excursion is always accepted",
        bias="targets pi^b",
        variance=lambda h: 1 / INVERSE_TEMPERATURE,
    ),
    _entry(
        name="tempered-other-schedule-down",
        make=lambda: _tempered(down=0.25),
        component="schedule",
        fault="the way down runs at another temperature than the ratio assumes",
    ),
    _entry(
        name="tempered-weak-ratio",
        make=lambda: _tempered(weight=lambda beta: 0.8 * (1 - beta)),
        component="Metropolis ratio",
        fault="the exponent of the ratio is a fifth too small",
        bias="targets pi^{b + 0.8 (1 - b)}",
        variance=lambda h: 1 / 0.9,
    ),
    _entry(
        name="tempered-ratio-inverted",
        make=lambda: _tempered(weight=lambda beta: beta - 1),
        component="Metropolis ratio",
        fault="the ratio of the excursion upside down",
        provenance="ran 977 (the two energies of a swap exchanged)",
        bias="targets pi^{2b - 1}, which is no law at b = 1/2",
    ),
)
