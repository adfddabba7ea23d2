"""A numpy energy in torch, differentiable once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lvebm_theory.protocols import Energy


class _Potential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, energy: Energy) -> Any:
        ctx.save_for_backward(x)
        ctx.energy = energy
        return _called(energy.potential, x)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (x,) = ctx.saved_tensors
        return outer[0][:, None] * _called(ctx.energy.gradient, x), None


def _called(function: Any, x: Any) -> Any:
    values = function(x.detach().cpu().numpy().astype(np.float64))
    return torch.as_tensor(values, dtype=x.dtype, device=x.device)


class TorchBridge:
    """U and grad U on tensors (n, d)."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy

    def potential(self, x: Any) -> Any:
        """U, shape (n,)."""
        return _Potential.apply(x, self._energy)  # type: ignore[no-untyped-call]

    def gradient(self, x: Any) -> Any:
        """grad U, shape (n, d)."""
        return _called(self._energy.gradient, x)
