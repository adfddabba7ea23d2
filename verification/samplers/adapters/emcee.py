"""emcee: ensembles of walkers that interact, so one ensemble is one sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def from_emcee(moves: Any = None) -> Callable[..., Any]:
    """A step of ``emcee.EnsembleSampler``: say ``walkers=`` to ``check_sampler``, at least 2 d.

    Parameters
    ----------
    moves : emcee.moves.Move or weighted list of them, optional
        The stretch move by default.

    Returns
    -------
    step(x, energy, rng), x of shape (walkers, d)
    """
    import emcee

    def step(x: Any, energy: Any, rng: np.random.Generator) -> Any:
        walkers, dim = x.shape
        sampler = emcee.EnsembleSampler(
            walkers, dim, energy.log_density, moves=moves, vectorize=True
        )
        # emcee keeps a generator of numpy's older kind, of its own
        sampler.random_state = np.random.RandomState(rng.integers(2**32)).get_state()
        end = sampler.run_mcmc(x, 1, store=False, skip_initial_state_check=True)
        return end.coords

    return step
