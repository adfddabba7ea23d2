"""Stochastic-gradient Langevin dynamics and what goes wrong in it.

The minibatch is stood for by its effect: the gradient plus independent noise of known size s, so
that given x the step is N(x - h grad U(x), (2h + h^2 s^2) I) exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from ..schemes.stochastic_gradient import NoisyGradient
from .entry import Entry, Step

GRADIENT_NOISE = 1.0


def _sgld(
    injected: float = 2.0,
    scale: float = 1.0,
    one_batch_for_ever: bool = False,
    one_batch_for_all: bool = False,
    cyclic: bool = False,
) -> Step:
    memory: dict[str, FloatArray] = {}
    calls = [0]

    def step(
        x: FloatArray, energy: Energy, step_size: float, rng: np.random.Generator
    ) -> FloatArray:
        h = step_size
        if one_batch_for_all:
            batch = np.broadcast_to(rng.standard_normal((1, x.shape[1])), x.shape)
        elif one_batch_for_ever:
            batch = memory.get("batch", np.empty(0))
            if batch.shape != x.shape:
                batch = memory["batch"] = rng.standard_normal(x.shape)
        else:
            batch = rng.standard_normal(x.shape)
        if cyclic:
            calls[0] += 1
            h = h * (0.55 + 0.45 * np.cos(0.7 * calls[0]))
        g = scale * (energy.gradient(x) + GRADIENT_NOISE * batch)
        return np.asarray(x - h * g + np.sqrt(injected * h) * rng.standard_normal(x.shape))

    return step


def _minibatch(
    draw: Callable[[np.random.Generator, int, int], Any] = lambda rng, n, terms: rng.integers(
        terms, size=n
    ),
    factor: Callable[[int], float] = float,
) -> Step:
    """One term per chain, drawn anew at every call."""

    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        index = np.asarray(draw(rng, len(x), energy.terms))
        g = factor(energy.terms) * energy.term_gradient(x, index)
        return np.asarray(x - step_size * g + np.sqrt(2 * step_size) * rng.standard_normal(x.shape))

    return step


def _in_order() -> Step:
    calls = [0]

    def draw(rng: np.random.Generator, n: int, terms: int) -> Any:
        calls[0] += 1
        return np.full(n, calls[0] % terms)

    return _minibatch(draw)


_entry = functools.partial(
    Entry,
    family="sgld",
    kind="unadjusted",
    options={"scheme": NoisyGradient(GRADIENT_NOISE)},
)

_minibatched = functools.partial(
    Entry, family="sgld", kind="unadjusted", options={"scheme": "sgld"}
)

CORRECT = (
    _entry(name="noisy-gradient", make=_sgld, variance=lambda h: (1 + h / 2) / (1 - h / 2)),
    _minibatched(name="sgld-minibatch", make=lambda: _minibatch()),
)

MUTANTS = (
    _entry(
        name="sgld-injects-sqrt-h",
        make=lambda: _sgld(injected=1.0),
        component="noise scale",
        fault="injected noise sqrt(h) xi in place of sqrt(2h) xi",
        provenance="csgmcmc 1",
        variance=lambda h: (1 + h) / (2 - h),
    ),
    _entry(
        name="sgld-no-injected-noise",
        make=lambda: _sgld(injected=0.0),
        component="noise scale",
        fault="stochastic gradient descent under the name of SGLD",
        provenance="DiffEqFlux 695",
        variance=lambda h: h / (2 - h),
    ),
    _entry(
        name="sgld-gradient-not-rescaled",
        make=lambda: _sgld(scale=0.5),
        component="drift",
        fault="the minibatch gradient lacks the factor N/n = 2",
        variance=lambda h: (2 + h / 4) / (1 - h / 4),
    ),
    _entry(
        name="sgld-one-batch-for-ever",
        make=lambda: _sgld(one_batch_for_ever=True),
        component="shared randomness",
        fault="the minibatch of the first call is used for ever",
    ),
    _entry(
        name="sgld-one-batch-for-all-chains",
        make=lambda: _sgld(one_batch_for_all=True),
        component="shared randomness",
        fault="all chains see one minibatch",
    ),
    _entry(
        name="sgld-hidden-cycle",
        make=lambda: _sgld(cyclic=True),
        component="schedule",
        fault="a cyclic schedule moves the step size behind the caller's back",
        provenance="csgmcmc 1",
    ),
    _minibatched(
        name="sgld-factor-n-missing",
        make=lambda: _minibatch(factor=lambda terms: 1.0),
        component="drift",
        fault="one term's gradient stands for the sum, without the number of terms",
        provenance="understandingbdl 24 (asked where the factor is)",
    ),
    _minibatched(
        name="sgld-last-term-never-drawn",
        make=lambda: _minibatch(lambda rng, n, terms: rng.integers(terms - 1, size=n)),
        component="drift",
        fault="indices run to N - 2",
    ),
    _minibatched(
        name="sgld-one-minibatch-for-all-chains",
        make=lambda: _minibatch(lambda rng, n, terms: np.full(n, rng.integers(terms))),
        component="shared randomness",
        fault="all chains see one minibatch, drawn anew at every call",
    ),
    _minibatched(
        name="sgld-terms-in-order",
        make=_in_order,
        component="schedule",
        fault="terms are visited in order, not drawn",
    ),
)
