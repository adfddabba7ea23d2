"""Mici: its Markov transitions in numpy, one chain at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def from_mici(
    make: Callable[[Any, float, np.random.Generator], Any],
    system: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """A step of a Mici sampler: its transitions, momentum first, from a fresh momentum.

    Parameters
    ----------
    make : callable (system, step_size, rng) -> mici sampler
        For example ``lambda s, h, rng: StaticMetropolisHMC(s, LeapfrogIntegrator(s, h), rng, 5)``.
    system : callable (neg_log_dens=, grad_neg_log_dens=) -> mici system, optional
        ``EuclideanMetricSystem`` by default.

    Returns
    -------
    step(x, energy, step_size, rng), x of shape (d,)
    """
    from mici.states import ChainState
    from mici.systems import EuclideanMetricSystem

    kind = EuclideanMetricSystem if system is None else system

    def step(x: Any, energy: Any, step_size: float, rng: np.random.Generator) -> Any:
        if x.ndim != 1:
            raise TypeError("Mici steps one chain at a time")
        made = kind(
            neg_log_dens=lambda q: float(energy.potential(q)),
            grad_neg_log_dens=energy.gradient,
        )
        state = ChainState(pos=x.copy(), mom=None, dir=1)
        state.mom = made.sample_momentum(state, rng)
        for transition in make(made, step_size, rng).transitions.values():
            state, _ = transition.sample(state, rng)
        return state.pos

    return step
