"""The energy as a step sees it: on its own arrays, for one position or many, with calls counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.protocols import Energy

from .portable import Backend, PortableEnergy, arrays


class EnergyView:
    """U and grad U on the arrays of one back end.

    Positions may be (n, d) or (d,); values then are (n,) or a scalar, gradients in the shape of
    x. Whatever else the energy has (``hessian``, ``terms``, ``parameters``) passes through.

    Attributes
    ----------
    dim : int
    potential_calls, gradient_calls : int
        How often the step asked, whatever the number of positions.
    """

    def __init__(self, energy: Energy, backend: Backend) -> None:
        self._energy = energy
        self._portable = energy if isinstance(energy, PortableEnergy) else None
        self._arrays = arrays(backend)
        self._backend = backend
        self.dim = energy.dim
        self.potential_calls = 0
        self.gradient_calls = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_energy":
            raise AttributeError(name)
        return getattr(self._energy, name)

    def potential(self, x: Any) -> Any:
        """U at x (n, d) or (d,): shape (n,) or ()."""
        self.potential_calls += 1
        if x.ndim == 1:
            return self._potential(x[None, :])[0]
        return self._potential(x)

    def gradient(self, x: Any) -> Any:
        """Gradient of U at x (n, d) or (d,), in the shape of x."""
        self.gradient_calls += 1
        if x.ndim == 1:
            return self._gradient(x[None, :])[0]
        return self._gradient(x)

    def log_density(self, x: Any) -> Any:
        """-U(x): the logarithm of the density up to a constant."""
        return -self.potential(x)

    def _potential(self, x: Any) -> Any:
        if self._portable is not None:
            return self._portable.formula(self._arrays, x)
        return _through_numpy(self._energy, self._backend).potential(x)

    def _gradient(self, x: Any) -> Any:
        if self._portable is not None:
            return self._portable.slope(self._arrays, x)
        return _through_numpy(self._energy, self._backend).gradient(x)


def _through_numpy(energy: Energy, backend: Backend) -> Any:
    if backend == "numpy":
        return energy
    if backend == "torch":
        from .bridges.torch_bridge import TorchBridge

        return TorchBridge(energy)
    from .bridges.jax_bridge import JaxBridge

    return JaxBridge(energy)


def as_numpy(value: Any) -> Any:
    """A numpy array from an array of any back end."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)
