"""The quadratic potential in any dimension: the one energy whose every flow is closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray
from ..energy import energy
from ..errors import ArgumentError
from ..facts import KnownFacts, gaussian_facts
from ..formula_energy import FormulaEnergy
from ..protocols import SourceBackend

#: up to here the traced formula, with its unrolled sums, is the faster source
_UNROLLED = 6

_LOOPS = """from numpy import {real} as real


def potential(x, p):
    total = real(0.0)
    for i in range({d}):
        slope = real(0.0)
        for j in range({d}):
            slope += p[i * {d} + j] * (x[j] - p[{square} + j])
        total += slope * (x[i] - p[{square} + i])
    return real(0.5) * total


def gradient(x, p, g):
    for i in range({d}):
        slope = real(0.0)
        for j in range({d}):
            slope += p[i * {d} + j] * (x[j] - p[{square} + j])
        g[i] = slope


def potential_gradient(x, p, g):
    total = real(0.0)
    for i in range({d}):
        slope = real(0.0)
        for j in range({d}):
            slope += p[i * {d} + j] * (x[j] - p[{square} + j])
        g[i] = slope
        total += slope * (x[i] - p[{square} + i])
    return real(0.5) * total
"""

_TENSORS = """import torch


def _parts(x, p):
    shape = ({d},) + (1,) * (x.dim() - 1)
    return p[:{square}].reshape({d}, {d}), x - p[{square}:].reshape(shape)


def potential(x, p):
    precision, centred = _parts(x, p)
    return 0.5 * (centred * torch.tensordot(precision, centred, dims=1)).sum(0)


def gradient(x, p):
    precision, centred = _parts(x, p)
    return torch.tensordot(precision, centred, dims=1)
"""


class QuadraticEnergy(FormulaEnergy):
    """U(x) = (x - m)' P (x - m) / 2 with a precision matrix P; pi = N(m, P^{-1}).

    A FormulaEnergy, so that ball arithmetic and constants treat it like any other; but its
    arrays are matrix products and its sources loops over P in p, which stay small in d = 100.
    """

    @property
    def precision(self) -> FloatArray:
        """P, shape (d, d)."""
        return self.parameter_vector()[: self.dim**2].reshape(self.dim, self.dim)

    @property
    def mean(self) -> FloatArray:
        """m, shape (d,)."""
        return self.parameter_vector()[self.dim**2 :]

    def _components(self, field: Any, coordinates: Sequence[Any] | FloatArray) -> FloatArray:
        if field == "parameter_gradient":
            return super()._components(field, coordinates)
        if len(coordinates) != self.dim:
            raise ArgumentError(f"{self.name} has {self.dim} coordinates, got {len(coordinates)}")
        x = np.stack(np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in coordinates)))
        shape = x.shape[1:]
        if field in ("hessian", "laplacian"):
            entries = (
                self.precision[np.triu_indices(self.dim)]
                if field == "hessian"
                else np.array([np.trace(self.precision)])
            )
            return np.broadcast_to(
                entries.reshape(-1, *(1,) * len(shape)), (len(entries), *shape)
            ).copy()
        centred = x - self.mean.reshape(-1, *(1,) * len(shape))
        slope = np.tensordot(self.precision, centred, axes=1)
        return slope if field == "gradient" else 0.5 * (slope * centred).sum(0)[None]

    def source(
        self,
        backend: SourceBackend,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> str:
        """Loops (numba) or tensor products (torch) over P and m in p.

        Unrolled for small d, and for triton, whose loops hold everything in registers.
        """
        if self.dim <= _UNROLLED or backend == "triton":
            return super().source(backend, dtype)
        text = _LOOPS if backend == "numba" else _TENSORS
        return text.format(d=self.dim, square=self.dim**2, real=dtype)


def _prepare(dim: int | None, values: dict[str, Any]) -> dict[str, Any]:
    precision, mean = np.asarray(values["precision"]), np.asarray(values["mean"])
    d = max([1, *precision.shape, *mean.shape]) if dim is None else dim
    if precision.ndim < 2:
        precision = np.diag(np.broadcast_to(precision, (d,)) if precision.ndim == 0 else precision)
    if mean.ndim == 0:
        mean = np.full(d, float(mean))
    if precision.shape != (d, d) or mean.shape != (d,):
        raise ArgumentError(
            f"quadratic: precision must be ({d}, {d}) and mean ({d},), got {precision.shape} and "
            f"{mean.shape}"
        )
    if not np.allclose(precision, precision.T, rtol=1e-12, atol=0):
        raise ArgumentError("quadratic: the precision matrix must be symmetric")
    precision = (precision + precision.T) / 2
    if not np.linalg.eigvalsh(precision)[0] > 0:
        raise ArgumentError(
            f"quadratic: the precision must be positive definite, got {precision.tolist()}"
        )
    if d == 1:
        return {"precision": float(precision[0, 0]), "mean": float(mean[0])}
    return {"precision": precision, "mean": mean}


@energy(
    dim=1,
    any_dim=True,
    dim_from="mean",
    prepare=_prepare,
    implementation=QuadraticEnergy,
    precision=1.0,
    mean=0.0,
)
def quadratic(x: Any, precision: Any, mean: Any) -> Any:
    """U(x) = (x - m)' P (x - m) / 2;  pi = N(m, P^{-1}).

    ``precision`` is a scalar, a diagonal (d,) or a matrix (d, d); ``mean`` a scalar or (d,).
    """
    centred = x - mean
    if np.ndim(precision) == 0:
        return precision * centred[0] ** 2 / 2
    return centred @ (precision @ centred) / 2


@quadratic.facts
def _facts(dim: int, precision: Any, mean: Any) -> KnownFacts:
    matrix = np.reshape(np.asarray(precision, dtype=float), (dim, dim))
    return gaussian_facts(matrix, np.reshape(np.asarray(mean, dtype=float), (dim,)))
