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

    made: dict[tuple[int, int, int], Any] = {}

    def step(x: Any, energy: Any, rng: np.random.Generator) -> Any:
        walkers, dim = x.shape
        key = (id(energy), walkers, dim)
        if key not in made:
            # the energy is kept beside its sampler, so that its id is not given to another
            made[key] = (
                energy,
                emcee.EnsembleSampler(
                    walkers, dim, energy.log_density, moves=moves, vectorize=True
                ),
            )
        _, sampler = made[key]
        # emcee keeps a generator of numpy's older kind, of its own
        sampler.random_state = np.random.RandomState(rng.integers(2**32)).get_state()
        end = sampler.run_mcmc(x, 1, store=False, skip_initial_state_check=True)
        return end.coords

    return step
