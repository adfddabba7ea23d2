"""Lowest modes of a weighted Galerkin form, with relative accuracy for tiny eigenvalues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from ..arrays import FloatArray
from ..errors import SolverError
from ..initial import InitialLaw

# by dimension: lines at the edge of an essential spectrum need many, and theirs are cheap
_RESTARTS = {1: 12, 2: 6}


class Elements(Protocol):
    """What the solvers below need of a discretisation (see ``LineElements``)."""

    dim: int
    points: FloatArray
    masses: FloatArray
    log_normaliser: float

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Bounding box of the mesh."""

    def shift_inverse(self, shift: float) -> Callable[[FloatArray], FloatArray]:
        """y -> (S + shift)^{-1} y in scaled variables y = sqrt(masses) u."""

    def slopes(self, u: FloatArray) -> FloatArray:
        """Weighted derivatives whose squares sum to the energy."""

    def evaluate(self, u: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """The function with nodal values u at points x."""

    def load(self, start: InitialLaw) -> FloatArray:
        """Integrals of the basis against a law."""


def natural_shift(elements: Elements) -> float:
    """1 / (largest coordinate variance): the scale of the gap's upper bound 1 / Var."""
    centred = elements.points - elements.masses @ elements.points
    return float(1.0 / (elements.masses @ centred**2).max())


def low_modes(elements: Elements, count: int) -> tuple[FloatArray, FloatArray]:
    """The ``count`` lowest non-zero eigenvalues and nodal eigenfunctions, unit in L^2(pi).

    Shift-inverted Lanczos finds the invariant subspace; the eigenvalues are then singular
    values squared of the weighted derivative on it, with the constant removed exactly. An
    error e of the subspace enters squared, and no cancellation occurs, so a gap of 1e-8 is
    as accurate as a gap of one.

    Returns
    -------
    eigenvalues : array (count,), increasing
    functions : array (n, count), nodal values

    Raises
    ------
    SolverError
        If the modes cannot be told apart, or pi underflows on the mesh.
    """
    if not np.all(np.isfinite(elements.masses) & (elements.masses > 0)):
        # LAPACK would write to the terminal about the infinities that follow
        raise SolverError("pi underflows between the ends of the mesh: its barriers are too high")
    try:
        return _low_modes(elements, count)
    except ArpackNoConvergence as failure:
        raise SolverError("the lowest modes did not separate: the mesh is too coarse") from failure
    except (ArpackError, np.linalg.LinAlgError, FloatingPointError) as failure:
        raise SolverError(f"the lowest modes could not be computed: {failure}") from failure


def _low_modes(elements: Elements, count: int) -> tuple[FloatArray, FloatArray]:
    size = len(elements.masses)
    ground = np.sqrt(elements.masses)
    solve = elements.shift_inverse(natural_shift(elements))
    basis = min(size - 1, max(40, 4 * count + 8))
    operator = LinearOperator((size, size), matvec=lambda y: solve(y.ravel()), dtype=np.float64)
    start = np.cos(np.arange(size) * 0.7548776662) * ground
    # Rayleigh-Ritz below squares the error of the subspace
    _, vectors = eigsh(
        operator,
        k=count + 1,
        which="LA",
        v0=start + ground,
        tol=1e-10,
        ncv=basis,
        maxiter=_RESTARTS[elements.dim],
    )
    # one inverse power step more: ARPACK's vectors carry its tolerance, these do not
    vectors = np.stack([solve(v) for v in vectors.T], axis=1)
    if not np.all(np.isfinite(vectors)):
        raise SolverError("the lowest modes are not finite: the mesh does not resolve U")
    return _rayleigh_ritz(elements, vectors / np.linalg.norm(vectors, axis=0), count)


def _rayleigh_ritz(
    elements: Elements, vectors: FloatArray, count: int
) -> tuple[FloatArray, FloatArray]:
    ground = np.sqrt(elements.masses)
    for _ in range(2):
        vectors = vectors - ground[:, None] * (ground @ vectors)
    frame = np.linalg.svd(vectors, full_matrices=False)[0][:, :count]
    functions = frame / ground[:, None]
    _, singular, right = np.linalg.svd(elements.slopes(functions), full_matrices=False)
    order = np.argsort(singular)
    functions = functions @ right[order].T
    return singular[order] ** 2, functions * _signs(elements, functions)


def _signs(elements: Elements, functions: FloatArray) -> FloatArray:
    """Signs that make the first clearly non-zero moment against 1, x, y, x^2, ... positive."""
    z = elements.points - elements.masses @ elements.points
    z = z / np.sqrt(elements.masses @ z**2)
    tests = np.concatenate([z, z**2, z**3, z[:, :1] * z[:, -1:], z**4], axis=1)
    moments = (elements.masses[:, None] * tests).T @ functions
    first = np.argmax(np.abs(moments) > 1e-2, axis=0)
    return np.where(moments[first, np.arange(functions.shape[1])] < 0, -1.0, 1.0)
