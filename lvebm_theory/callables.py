"""Energies given as a user's own callables rather than as a formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import ArgumentError
from .facts import NOTHING_KNOWN, KnownFacts
from .formula_energy import particles
from .protocols import Field, SourceBackend

Map = Callable[[FloatArray], Any]

# rounding against truncation: eps^(1/3) for first, eps^(1/4) for second central differences
_FIRST = float(np.finfo(float).eps ** (1 / 3))
_SECOND = float(np.finfo(float).eps ** (1 / 4))


@dataclass(frozen=True, kw_only=True, eq=False)
class CallableEnergy:
    """U(x) by callables on particles (n, d); missing derivatives by central differences.

    Nothing can be certified for it: there is no formula, ``source`` is None, and ``smooth`` is
    what the user says.

    Parameters
    ----------
    name : str
    dim : int
        Dimension d.
    potential_function : callable (n, d) -> (n,)
    gradient_function : callable (n, d) -> (n, d), optional
        Without it: central differences, relative error about 1e-10.
    hessian_function : callable (n, d) -> (n, d, d), optional
        Without it: differences of the gradient (1e-10), or of the potential (1e-7).
    smooth : bool
        Whether U is twice continuously differentiable; claims that need it ask.
    """

    name: str
    dim: int
    potential_function: Map
    gradient_function: Map | None = None
    hessian_function: Map | None = None
    smooth: bool = False
    facts: KnownFacts = NOTHING_KNOWN
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.dim, int) or isinstance(self.dim, bool) or self.dim < 1:
            raise ArgumentError(f"an energy needs a dimension 1, 2, 3, ..., got {self.dim!r}")
        for name in ("potential_function", "gradient_function", "hessian_function"):
            function = getattr(self, name)
            if not (callable(function) or (function is None and name != "potential_function")):
                raise ArgumentError(f"{self.name}: {name} must be callable, got {function!r}")

    @property
    def key(self) -> tuple[Any, ...]:
        """Hashable identity: the callables themselves."""
        return (id(self.potential_function), id(self.gradient_function), self.dim)

    def _call(self, function: Map, x: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        values = np.asarray(function(x), dtype=float)
        if values.shape != (len(x), *shape):
            raise ArgumentError(
                f"{self.name}: for particles {x.shape} the callable must return "
                f"{(len(x), *shape)}, got {values.shape}"
            )
        return values

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d); shape (n,)."""
        return self._call(self.potential_function, particles(x, self.dim), ())

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U at x (n, d); shape (n, d)."""
        x = particles(x, self.dim)
        if self.gradient_function is not None:
            return self._call(self.gradient_function, x, (self.dim,))
        return self._differences(self.potential, x, _FIRST)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Hessian of U at x (n, d), symmetrised; shape (n, d, d)."""
        x = particles(x, self.dim)
        if self.hessian_function is not None:
            return self._call(self.hessian_function, x, (self.dim, self.dim))
        if self.gradient_function is not None:
            raw = self._differences(self.gradient, x, _FIRST)
        else:
            raw = self._differences(
                lambda y: self._differences(self.potential, y, _SECOND), x, _SECOND
            )
        return np.asarray((raw + np.swapaxes(raw, 1, 2)) / 2)

    def laplacian(self, x: FloatArray) -> FloatArray:
        """Laplacian of U at x (n, d); shape (n,)."""
        return np.asarray(np.einsum("nii->n", self.hessian(x)))

    def _differences(self, function: Map, x: FloatArray, relative: float) -> FloatArray:
        columns = []
        for i in range(self.dim):
            step = relative * np.maximum(1.0, np.abs(x[:, i]))
            above, below = x.copy(), x.copy()
            above[:, i] += step
            below[:, i] -= step
            width = above[:, i] - below[:, i]  # the step that rounding left
            rise = np.asarray(function(above)) - np.asarray(function(below))
            columns.append(rise / width.reshape(-1, *(1,) * (rise.ndim - 1)))
        return np.stack(columns, axis=-1)

    def on_coordinates(self, field: Field, coordinates: Sequence[Any] | FloatArray) -> FloatArray:
        """A field on d broadcastable arrays: shapes (*b), (d, *b), (d, d, *b), (*b)."""
        if len(coordinates) != self.dim:
            raise ArgumentError(
                f"{self.name} has {self.dim} coordinates, got {len(coordinates)} arrays"
            )
        arrays = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in coordinates))
        flat = np.stack([a.ravel() for a in arrays], axis=1)
        values = getattr(self, field)(flat)
        moved = np.moveaxis(values, 0, -1)
        return np.asarray(moved.reshape(*moved.shape[:-1], *arrays[0].shape))

    def parameter_vector(self) -> FloatArray:
        """Parameters as an array (n_p,); they are informative only, the callables own theirs."""
        return np.array(list(self.parameters.values()), dtype=float)

    def source(self, backend: SourceBackend) -> None:
        """None: there is no formula to spell."""
        return
