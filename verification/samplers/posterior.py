"""A model's parameters given its data, as a step sees them: every chain has data of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

OfBoth = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorEnergy:
    """-log p(theta, y) as a function of theta, for data that come with each chain.

    Parameters
    ----------
    name : str
    dim : int
        Parameters p.
    shape : tuple of int
        Of the data of one chain.
    joint : callable (theta (n, p), y (n, q)) -> (n,)
        -log p(theta, y).
    slope : callable (theta (n, p), y (n, q)) -> (n, p), optional
        Its gradient in theta.
    """

    name: str
    dim: int
    shape: tuple[int, ...]
    joint: OfBoth
    slope: OfBoth | None = None
    smooth: bool = False
    parameters: dict[str, float] = field(default_factory=dict)

    def potential(self, x: FloatArray) -> FloatArray:
        """-log p at rows (theta, y), shape (n,)."""
        return self.joint(x[:, : self.dim], x[:, self.dim :])


class PosteriorView:
    """The energy of theta given the data of these chains.

    Attributes
    ----------
    dim : int
    data : array
        In the shape in which they were drawn, with a leading axis for all chains at once.
    potential_calls, gradient_calls : int
    """

    def __init__(self, energy: PosteriorEnergy, data: FloatArray) -> None:
        self._energy = energy
        self._rows = np.atleast_2d(data)
        shape = energy.shape if data.ndim == 1 else (len(data), *energy.shape)
        self.data: Any = float(data[0]) if shape == () else data.reshape(shape).copy()
        self.dim = energy.dim
        self.potential_calls = 0
        self.gradient_calls = 0

    def _with_data(self, x: Any) -> tuple[FloatArray, FloatArray]:
        theta = np.asarray(x, dtype=float)
        theta = theta[None, :] if theta.ndim == 1 else np.atleast_2d(theta)
        if len(self._rows) not in (1, len(theta)):
            raise ArgumentError(
                f"every chain has data of its own: {len(self._rows)} chains, asked at {len(theta)}"
            )
        return theta, np.broadcast_to(self._rows, (len(theta), self._rows.shape[1]))

    def potential(self, x: Any) -> Any:
        """-log p(x, y) at x (n, p) or (p,): shape (n,) or ()."""
        self.potential_calls += 1
        found = self._energy.joint(*self._with_data(x))
        return found if np.ndim(x) == 2 else found[0]

    def log_density(self, x: Any) -> Any:
        """log p(x, y)."""
        return -self.potential(x)

    def gradient(self, x: Any) -> Any:
        """Gradient of -log p(x, y) in x, in the shape of x."""
        self.gradient_calls += 1
        if self._energy.slope is None:
            raise ArgumentError(f"{self._energy.name} was given no gradient: from_model(gradient=)")
        found = self._energy.slope(*self._with_data(x))
        return found if np.ndim(x) == 2 else found[0]
