"""torchebm: its integrators of the Langevin equation, and its samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def from_torchebm_integrator(integrator: Any) -> Callable[..., Any]:
    """A step of an integrator for dX = -grad U dt + sqrt(2) dW.

    Parameters
    ----------
    integrator : BaseSDERungeKuttaIntegrator
        Made with ``dtype=torch.float64``, in which the positions are.

    Returns
    -------
    step(x, energy, step_size, rng), x of shape (n, d)
    """

    def step(x: Any, energy: Any, step_size: float, rng: Any) -> Any:
        return integrator.step(
            {"x": _rows(x)},
            step_size,
            drift=lambda y, t: -energy.gradient(y),
            noise_scale=1.0,
            generator=rng,
        )["x"]

    return step


def from_torchebm_sampler(make: Callable[[Any, float], Any]) -> Callable[..., Any]:
    """A step of a sampler such as ``HamiltonianMonteCarlo`` or ``LangevinDynamics``.

    Parameters
    ----------
    make : callable (model, step_size) -> sampler
        For example ``lambda model, h: HamiltonianMonteCarlo(model, h, dtype=torch.float64)``.

    Returns
    -------
    step(x, energy, step_size, rng), x of shape (n, d)
    """
    import torch
    from torchebm.core import BaseModel

    class Model(BaseModel):  # type: ignore[misc, unused-ignore]
        """The energy as torchebm knows one."""

        def __init__(self, energy: Any) -> None:
            super().__init__(dtype=torch.float64)
            self.given = energy

        def forward(self, x: Any) -> Any:
            return self.given.potential(x)

        def gradient(self, x: Any, model_kwargs: Any = None) -> Any:
            return self.given.gradient(x)

    def step(x: Any, energy: Any, step_size: float, rng: Any) -> Any:
        sampler = make(Model(energy), step_size)
        return sampler.sample(x=_rows(x), n_steps=1, generator=rng)

    return step


def _rows(x: Any) -> Any:
    """Positions (n, d) on torch; other arrays are another back end's turn."""
    import torch

    if not isinstance(x, torch.Tensor) or x.ndim != 2:
        raise TypeError("torchebm steps whole chains of torch tensors")
    return x
