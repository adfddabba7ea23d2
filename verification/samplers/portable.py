"""Energies that every array library can evaluate: one formula, in numpy, torch and JAX.

A step written in torch or JAX wants U and its gradient on its own arrays, and automatic
differentiation through them. So targets of this package give their formulas in the words that the
three libraries share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.errors import ArgumentError

Backend = Literal["numpy", "torch", "jax", "numba"]
BACKENDS: tuple[Backend, ...] = ("numpy", "torch", "jax", "numba")


class Arrays:
    """The functions of one array library, and constants on its arrays."""

    def __init__(self, backend: Backend, module: ModuleType) -> None:
        self.backend = backend
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def constant(self, value: npt.ArrayLike, like: Any) -> Any:
        """An array of numbers, of the type and on the device of ``like``."""
        if self.backend == "torch":
            return self._module.as_tensor(np.asarray(value), dtype=like.dtype, device=like.device)
        return self._module.asarray(value, dtype=like.dtype)


@lru_cache
def arrays(backend: Backend) -> Arrays:
    """The array library of a back end, imported when first asked for.

    Raises
    ------
    ArgumentError
        For another name, or a library that is not installed.
    """
    if backend in ("numpy", "numba"):  # compiled steps work on numpy arrays
        return Arrays(backend, np)
    try:
        if backend == "torch":
            import torch

            return Arrays(backend, torch)
        if backend == "jax":
            import jax.numpy as jnp

            return Arrays(backend, jnp)
    except ImportError as error:
        raise ArgumentError(f"the back end {backend} needs a package: {error}") from error
    raise ArgumentError(f"a back end is one of {', '.join(BACKENDS)}, got {backend!r}")


Formula = Callable[[Arrays, Any], Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class PortableEnergy(CallableEnergy):
    """U by a formula that numpy, torch and JAX evaluate alike.

    Parameters
    ----------
    formula : callable (arrays, x (n, d)) -> (n,)
    slope : callable (arrays, x (n, d)) -> (n, d), the gradient
    """

    formula: Formula
    slope: Formula


@dataclass(frozen=True, kw_only=True, eq=False)
class SummedEnergy(PortableEnergy):
    """U(x) = sum_i U_i(x), for samplers that look at some terms only.

    Parameters
    ----------
    terms : int
        How many.
    term_slope : callable (arrays, x (n, d), index (n,)) -> (n, d)
        The gradient of term ``index[j]`` at x[j].
    """

    terms: int
    term_slope: Callable[[Arrays, Any, Any], Any]

    def term_gradient(self, x: FloatArray, index: npt.NDArray[np.int64]) -> FloatArray:
        """Gradients of single terms: term ``index`` (n,) at x (n, d), shape (n, d)."""
        return np.asarray(self.term_slope(arrays("numpy"), x, index), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianEnergy(PortableEnergy):
    """U(x) = (x - m)' P (x - m)/2, with P and m in the open: for samplers of conditionals.

    Parameters
    ----------
    precision, mean : arrays (d, d) and (d,)
    """

    precision: FloatArray
    mean: FloatArray


def portable(
    *,
    name: str,
    dim: int,
    formula: Formula,
    slope: Formula,
    curvature: Callable[[FloatArray], FloatArray] | None = None,
    smooth: bool = True,
) -> PortableEnergy:
    """An energy from its formula and gradient in shared words; shapes as in ``PortableEnergy``.

    ``curvature`` gives the Hessian (n, d, d) on numpy arrays; without it: central differences.
    """
    here = arrays("numpy")
    return PortableEnergy(
        name=name,
        dim=dim,
        potential_function=lambda x: formula(here, x),
        gradient_function=lambda x: slope(here, x),
        hessian_function=curvature,
        smooth=smooth,
        formula=formula,
        slope=slope,
    )
