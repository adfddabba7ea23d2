"""Stochastic-gradient Langevin dynamics and what goes wrong in it.

The minibatch is stood for by its effect: the gradient plus independent noise of known size s, so
that given x the step is N(x - h grad U(x), (2h + h^2 s^2) I) exactly.
"""

from __future__ import annotations

import functools

import numpy as np

from lvebm_theory.protocols import Energy

from .entry import Entry, FloatArray, Step

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


_entry = functools.partial(
    Entry,
    family="sgld",
    kind="unadjusted",
    options={"scheme": "sgld", "gradient_noise": GRADIENT_NOISE},
)

CORRECT = (_entry(name="sgld", make=_sgld),)

MUTANTS = (
    _entry(
        name="sgld-injects-sqrt-h",
        make=lambda: _sgld(injected=1.0),
        component="noise scale",
        fault="injected noise sqrt(h) xi in place of sqrt(2h) xi",
        provenance="csgmcmc 1",
    ),
    _entry(
        name="sgld-no-injected-noise",
        make=lambda: _sgld(injected=0.0),
        component="noise scale",
        fault="stochastic gradient descent under the name of SGLD",
        provenance="DiffEqFlux 695",
    ),
    _entry(
        name="sgld-gradient-not-rescaled",
        make=lambda: _sgld(scale=0.5),
        component="drift",
        fault="the minibatch gradient lacks the factor N/n = 2",
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
)
