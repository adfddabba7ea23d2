"""An optimiser of torch as a step of theta, with its state as arrays."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from .rates import TorchOptimizer

Array = npt.NDArray[Any]
#: entries of theta from which torch's threads pay
_LONG = 1 << 18


@contextlib.contextmanager
def _alone(theta: Any) -> Iterator[None]:
    """One thread of torch's for a short theta.

    Its threads spin for milliseconds after they are needed, on cores where the particles move.
    """
    import torch

    threads = torch.get_num_threads()
    if theta.numel() >= _LONG or theta.device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class TorchAscent:
    """theta <- one step of ``torch.optim.<name>`` on the loss whose gradient is -g.

    Parameters
    ----------
    rate : TorchOptimizer
    theta : torch.Tensor (p,)
        The learned entries; changed in place by ``step``.

    Raises
    ------
    ArgumentError
        For a name that torch.optim lacks, options that it refuses, and optimisers that evaluate
        the loss themselves.
    """

    def __init__(self, rate: TorchOptimizer, theta: Any) -> None:
        import torch

        kind = getattr(torch.optim, rate.name, None)
        if not (inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)):
            raise ArgumentError(f"torch.optim has no optimiser {rate.name!r}")
        if kind is torch.optim.Optimizer or kind is torch.optim.LBFGS:
            raise ArgumentError(
                f"an optimiser that steps along a gradient is needed, got {rate.name}"
            )
        self.theta = theta
        self.theta.requires_grad_(False)
        try:
            self._optimiser: Any = kind([theta], **rate.options)
        except (TypeError, ValueError, RuntimeError) as refused:
            raise ArgumentError(
                f"torch.optim.{rate.name} refuses {dict(rate.options)}: {refused}"
            ) from None
        self._first = float(self._optimiser.param_groups[0]["lr"])
        self._halving = rate.halving

    def reach(self, update: int) -> None:
        """Set the learning rate of this update."""
        if self._halving is not None:
            self._optimiser.param_groups[0]["lr"] = self._first * 2.0 ** (-update / self._halving)

    @property
    def rate(self) -> float:
        """Its learning rate, which gradient noise is scaled by."""
        return float(self._optimiser.param_groups[0]["lr"])

    def step(self, gradient: Any) -> None:
        """One step along g (p,), in place."""
        with _alone(self.theta):
            self.theta.grad = -gradient
            self._optimiser.step()
            self.theta.grad = None

    def state(self) -> dict[str, Array]:
        """What the optimiser remembers, by its own names."""
        found = self._optimiser.state_dict()["state"].get(0, {})
        return {
            name: np.array(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
            for name, value in found.items()
            if value is not None
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state`` gave."""
        import torch

        whole = self._optimiser.state_dict()
        whole["state"] = (
            {0: {name: torch.from_numpy(np.array(value)) for name, value in state.items()}}
            if state
            else {}
        )
        self._optimiser.load_state_dict(whole)
