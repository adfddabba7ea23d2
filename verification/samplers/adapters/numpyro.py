"""NumPyro: its HMC kernels on a potential, one chain at a time, mapped over many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def from_numpyro(make: Callable[[Callable[[Any], Any], Any], Any]) -> Callable[..., Any]:
    """A step of a NumPyro kernel without adaptation.

    Parameters
    ----------
    make : callable (potential, step_size) -> MCMCKernel
        For example ``lambda U, h: HMC(potential_fn=U, step_size=h, num_steps=5,
        trajectory_length=None, adapt_step_size=False, adapt_mass_matrix=False)``; with a
        trajectory length NumPyro takes its own step size. ``potential`` maps a position (d,) to a
        number.

    Returns
    -------
    step(x, energy, step_size, key), x of shape (d,)
    """

    def step(x: Any, energy: Any, step_size: Any, key: Any) -> Any:
        if x.ndim != 1:
            raise TypeError("NumPyro steps one chain at a time")
        kernel = make(energy.potential, step_size)
        state = kernel.init(key, 0, x, (), {})
        return kernel.sample(state, (), {}).z

    return step
