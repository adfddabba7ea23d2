"""Neural energies on torch tensors, the gradient written out: the fast route for long chains.

The same function as ``NeuralEnergy``, which evaluates in numpy; no graph is recorded, and value and
gradient share one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.facts import KnownFacts
from lvebm_theory.neural_energy import NeuralEnergy

Pair = tuple[Any, Any]


def _silu(a: Any) -> Pair:
    s = a.sigmoid()
    value = a * s
    return value, s + value - value * s


def _tanh(a: Any) -> Pair:
    value = a.tanh()
    return value, 1 - value * value


def _softplus(a: Any) -> Pair:
    return a.logaddexp(a.new_zeros(())), a.sigmoid()


#: activation and its slope together
_PAIRS: dict[str, Callable[[Any], Pair]] = {
    "silu": _silu,
    "tanh": _tanh,
    "softplus": _softplus,
}


def potential_and_gradient(energy: NeuralEnergy, theta: Any, w: Any) -> Pair:
    """U (n,) and grad U (n, d) at a tensor w (n, d), with theta (n_theta,) of its type."""
    network, pair = energy.network, _PAIRS[energy.activation]
    parts = network.parts(theta)
    depth = len(network.widths)
    h, slopes = w, []
    for index in range(1, depth + 1):
        a = h @ parts[f"weight_{index}"].T + parts[f"bias_{index}"]
        h, slope = pair(a)
        slopes.append(slope)
    centred = w - w.new_tensor(energy.centre)
    bowl = centred * w.new_tensor(energy.confinement)
    value = h @ parts["readout"] + 0.5 * (centred * bowl).sum(1) + energy.offset
    u = slopes[-1] * parts["readout"]
    for index in range(depth, 1, -1):
        u = (u @ parts[f"weight_{index}"]) * slopes[index - 2]
    return value, u @ parts["weight_1"] + bowl


class FastEnergy:
    """A neural energy at fixed theta with numpy faces and torch inside, in double precision.

    Parameters
    ----------
    energy : NeuralEnergy
    """

    def __init__(self, energy: NeuralEnergy) -> None:
        import torch

        self.energy = energy
        self.name, self.dim = energy.name, int(energy.dim)
        self._theta = torch.as_tensor(energy.parameter_vector(), dtype=torch.float64)

    @property
    def facts(self) -> KnownFacts:
        """Those of the energy."""
        return self.energy.facts

    def potential_gradient(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """U (n,) and grad U (n, d) at x (n, d)."""
        import torch

        with torch.no_grad():
            u, g = potential_and_gradient(
                self.energy, self._theta, torch.as_tensor(x, dtype=torch.float64)
            )
        return u.numpy(), g.numpy()

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d), shape (n,)."""
        import torch

        with torch.no_grad():
            w = torch.as_tensor(x, dtype=torch.float64)
            return np.asarray(self.energy.on_tensors(w, self._theta).numpy())

    def gradient(self, x: FloatArray) -> FloatArray:
        """grad U at x (n, d), shape (n, d)."""
        return self.potential_gradient(x)[1]
