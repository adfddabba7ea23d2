r"""One step of the Jordan-Kinderlehrer-Otto scheme on a line, in quantile coordinates.

    J_tau mu = argmin_nu  W2(nu, mu)^2 / (2 tau) + int U dnu + int nu log nu

The start is a piecewise constant density; each of its cells keeps its mass and moves its edges.
On a line the optimal map is the monotone one, so W2^2 is a sum of quadratic terms in the
displacements of the edges and the whole objective is convex where 1/tau + U'' >= 0. Newton's method
with a tridiagonal Hessian finds the minimum to rounding.
Source: Jordan, Kinderlehrer, Otto, SIAM J. Math. Anal. 29, 1998, (10)-(12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, solveh_banded

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.protocols import Energy, Field

from .cell_integrals import gauss

_POINTS = 3
_NEGLIGIBLE = 1e-16  # mass of an end cell that is left out
_DECREMENT = 1e-24
_ITERATIONS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class JKOStep:
    """Minimiser of a JKO step: cells between moved edges, with the masses of the start.

    Attributes
    ----------
    masses : array (n,), summing to one
    edges : array (n + 1,), increasing
    start_edges : array (n + 1,), where the edges came from
    step_size : tau
    w2_moved : W2(J_tau mu, mu)
    free_energy : int U dnu + int nu log nu at nu = J_tau mu
    start_free_energy : the same at mu
    """

    masses: FloatArray
    edges: FloatArray
    start_edges: FloatArray
    step_size: float
    w2_moved: float
    free_energy: float
    start_free_energy: float

    def masses_on(self, edges: FloatArray) -> FloatArray:
        """Masses of other cells, by a piecewise linear distribution function."""
        cumulative = np.concatenate(([0.0], np.cumsum(self.masses)))
        at = np.interp(edges, self.edges, cumulative / cumulative[-1])
        return np.diff(at)


def jko_step(
    energy: Energy, edges: npt.ArrayLike, masses: npt.ArrayLike, step_size: float
) -> JKOStep:
    """One JKO step from a piecewise constant density on a line.

    Parameters
    ----------
    energy : Energy of dimension 1
    edges : increasing array (n + 1,)
    masses : array (n,), non-negative; end cells of negligible mass are left out
    step_size : tau > 0

    Raises
    ------
    ArgumentError
        Wrong dimension or shapes, or tau not positive.
    SolverError
        Newton's method did not converge (tau too large for a non-convex energy).
    """
    start, mass = _checked(energy, edges, masses, step_size)
    problem = _Problem(energy, start, mass, step_size)
    x = start.copy()
    value = problem.value(x)
    for iteration in range(_ITERATIONS):
        gradient, diagonal, off = problem.derivatives(x)
        direction = _newton_direction(gradient, diagonal, off, problem.safe_diagonal(diagonal, off))
        decrement = -float(gradient @ direction)
        if decrement <= _DECREMENT * (1 + abs(value)):
            break
        length = 1.0
        while True:
            trial = x + length * direction
            if np.all(np.diff(trial) > 0):
                new = problem.value(trial)
                if new <= value - 1e-4 * length * decrement or length * decrement < 1e-15:
                    break
            length /= 2
            if length < 1e-12:
                raise SolverError("no descent in a JKO step", step=iteration, last_state=x)
        x, value = trial, new
    else:
        raise SolverError("a JKO step did not converge", step=_ITERATIONS, last_state=x)
    return JKOStep(
        masses=mass,
        edges=x,
        start_edges=start,
        step_size=step_size,
        w2_moved=float(np.sqrt(problem.distance_squared(x))),
        free_energy=problem.free_energy(x),
        start_free_energy=problem.free_energy(start),
    )


class _Problem:
    """Objective of a JKO step as a function of the moved edges."""

    def __init__(
        self, energy: Energy, start: FloatArray, masses: FloatArray, step_size: float
    ) -> None:
        self._energy, self._start, self._masses, self._tau = energy, start, masses, step_size
        self._abscissae, self._weights, _, _ = gauss(_POINTS)

    def distance_squared(self, x: FloatArray) -> float:
        a = x - self._start
        return float(self._masses @ (a[:-1] ** 2 + a[:-1] * a[1:] + a[1:] ** 2)) / 3

    def free_energy(self, x: FloatArray) -> float:
        potential = self._field("potential", x) @ self._weights
        return float(self._masses @ (potential + np.log(self._masses / np.diff(x))))

    def value(self, x: FloatArray) -> float:
        return self.distance_squared(x) / (2 * self._tau) + self.free_energy(x)

    def derivatives(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Gradient, and diagonal and upper off-diagonal of the Hessian."""
        m, tau, width = self._masses, self._tau, np.diff(x)
        a = x - self._start
        slope = self._field("gradient", x)
        curvature = self._field("hessian", x)
        low, high = 1 - self._abscissae, self._abscissae  # weights of the two edges
        w = self._weights
        gradient, diagonal = np.zeros(x.size), np.zeros(x.size)
        gradient[:-1] += m * ((2 * a[:-1] + a[1:]) / (6 * tau) + slope @ (w * low) + 1 / width)
        gradient[1:] += m * ((a[:-1] + 2 * a[1:]) / (6 * tau) + slope @ (w * high) - 1 / width)
        diagonal[:-1] += m * (1 / (3 * tau) + curvature @ (w * low**2) + 1 / width**2)
        diagonal[1:] += m * (1 / (3 * tau) + curvature @ (w * high**2) + 1 / width**2)
        off = m * (1 / (6 * tau) + curvature @ (w * low * high) - 1 / width**2)
        return gradient, diagonal, off

    def safe_diagonal(self, diagonal: FloatArray, off: FloatArray) -> FloatArray:
        """A diagonal that makes the matrix positive definite whatever the sign of U''."""
        dominance = np.zeros_like(diagonal)
        dominance[:-1] += np.abs(off)
        dominance[1:] += np.abs(off)
        floor = np.zeros_like(diagonal)
        floor[:-1] += self._masses / (6 * self._tau)
        floor[1:] += self._masses / (6 * self._tau)
        return np.maximum(diagonal, dominance + floor)

    def _field(self, field: Field, x: FloatArray) -> FloatArray:
        points = x[:-1, None] + np.diff(x)[:, None] * self._abscissae
        values = np.asarray(self._energy.on_coordinates(field, [points]))
        # derivative indices of length one come first; constants may come unbroadcast
        shape = (1,) * max(values.ndim - 2, 0)
        return np.broadcast_to(values.reshape(values.shape[len(shape) :]), points.shape)


def _newton_direction(
    gradient: FloatArray, diagonal: FloatArray, off: FloatArray, safe: FloatArray
) -> FloatArray:
    for main in (diagonal, safe):
        if np.any(main <= 0):
            continue
        # symmetric scaling: masses of neighbouring cells differ by many orders of magnitude
        scale = 1 / np.sqrt(main)
        banded = np.stack((np.append(0.0, off * scale[:-1] * scale[1:]), np.ones(main.size)))
        try:
            return np.asarray(-scale * solveh_banded(banded, scale * gradient))
        except LinAlgError:
            continue
    raise SolverError("the Hessian of a JKO step is not positive")


def _checked(
    energy: Energy, edges: npt.ArrayLike, masses: npt.ArrayLike, step_size: float
) -> tuple[FloatArray, FloatArray]:
    e, m = np.asarray(edges, dtype=float), np.asarray(masses, dtype=float)
    if energy.dim != 1:
        raise ArgumentError(f"a JKO step needs dimension 1, {energy.name} has {energy.dim}")
    if m.ndim != 1 or e.shape != (m.size + 1,) or np.any(np.diff(e) <= 0):
        raise ArgumentError(f"n masses need n + 1 increasing edges, got {m.shape} and {e.shape}")
    if not (np.all(np.isfinite(m)) and np.all(m >= 0) and m.sum() > 0):
        raise ArgumentError("masses must be finite, non-negative and not all zero")
    if not (np.isfinite(step_size) and step_size > 0):
        raise ArgumentError(f"step_size must be positive and finite, got {step_size}")
    kept = np.nonzero(m > _NEGLIGIBLE * m.sum())[0]
    first, last = int(kept[0]), int(kept[-1]) + 1
    inner = np.maximum(m[first:last], _NEGLIGIBLE * m.sum())
    return e[first : last + 1].copy(), inner / inner.sum()
