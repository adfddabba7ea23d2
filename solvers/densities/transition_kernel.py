r"""The law of ULA on the line, step by step, without particles.

    P(x, dy) = N(x - h U'(x), 2h)(dy),   p_{k+1}(y) = int P(x, y) p_k(x) dx

by the trapezoidal rule on equidistant nodes (Nystrom). As a function of x the integrand is smooth
on the scale sqrt(2h) / max(1, s), s = max |1 - h U''| the steepness of the drift map, and vanishes
at both ends, so the rule converges faster than any power: with r nodes on that scale its error is
exp(-pi^2 r^2), below rounding at r = 2. The steepness is taken where the Gibbs law has any mass:
between two wells it is far above one at large steps. The matrix is banded, and
many steps go by its powers. This is a second witness for what particles do at a given step size:
nothing is random and nothing is expanded in h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import solve_banded

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

NODES_PER_DEVIATION = 2.0
LARGEST_LATTICE = 20_000
LOST_MASS = 1e-9

_BAND = 11.0  # deviations kept around a node's mean: what is cut is 4e-28 of a step
_DENSEST = 0.2  # share of non-zeros beyond which a power is stored in full
_COARSEST = 100
_REMOTE = 40.0  # energies above the least from which on the Gibbs law counts as zero
_SAMPLES = 4001


@dataclass(frozen=True, kw_only=True, eq=False)
class LatticeLaw:
    """A density on equidistant nodes.

    Parameters
    ----------
    nodes, density : arrays (n,)
        ``density`` integrates to one by the trapezoidal rule.
    lost : float
        Mass that had left the lattice before the rest was scaled to one.
    """

    nodes: FloatArray
    density: FloatArray
    lost: float = 0.0

    @property
    def spacing(self) -> float:
        """Distance of neighbouring nodes."""
        return float(self.nodes[1] - self.nodes[0])

    @property
    def masses(self) -> FloatArray:
        """Density times spacing, shape (n,); sums to one."""
        return self.density * self.spacing

    @property
    def edges(self) -> FloatArray:
        """Edges of the cells around the nodes, shape (n + 1,)."""
        half = self.spacing / 2
        return np.append(self.nodes - half, self.nodes[-1] + half)

    def expectation(self, values: FloatArray) -> float:
        """Expectation of a function given by its values at the nodes (n,)."""
        return float(self.masses @ values)


@dataclass(frozen=True, kw_only=True, eq=False)
class UlaKernel:
    """The transition matrix of ULA on a lattice.

    Parameters
    ----------
    energy : Energy of dimension one
    step_size : float
        h > 0.
    nodes : array (n,), equidistant
    matrix : sparse array (n, n)
        matrix[i, j] = density at node i after a step from node j, times the spacing.
    """

    energy: Energy
    step_size: float
    nodes: FloatArray
    matrix: sparse.csr_array

    def after(self, start: InitialLaw, steps: Sequence[int], *, finer: int = 1) -> list[LatticeLaw]:
        """Laws of X_k for these k >= 1, increasing.

        The first step integrates over a lattice of the start's own width, so that narrow starts
        cost no accuracy; the last one may end on a lattice ``finer`` times as dense, which costs
        none either.

        Raises
        ------
        SolverError
            When mass leaves the lattice: ULA diverges, or the box is too small.
        """
        wanted = list(steps)
        if wanted != sorted(set(wanted)) or (wanted and wanted[0] < 1):
            raise ArgumentError(f"steps must be increasing and >= 1, got {wanted}")
        nodes = np.linspace(self.nodes[0], self.nodes[-1], (len(self.nodes) - 1) * finer + 1)
        laws: list[LatticeLaw] = []
        points, masses = _resolved(start, self.step_size)
        done = 0
        for k in wanted:
            if k > 1 and done == 0:
                points, masses, done = self.nodes, self._step(points, masses, self.nodes), 1
            if done:
                masses = self._advanced(masses, k - 1 - done)
                done = k - 1
            law = self._step(points, masses, nodes)
            laws.append(self._normalised(nodes, law, f"the law after {k} steps"))
        return laws

    def stationary(self) -> LatticeLaw:
        """The stationary law: P p = p with the heaviest node fixed, by banded elimination.

        Raises
        ------
        SolverError
            When there is none on this lattice (mass leaks out at every step).
        """
        centre = int(np.argmin(self.energy.potential(self.nodes[:, None])))
        kept = np.delete(np.arange(len(self.nodes)), centre)
        system = sparse.eye_array(len(kept)) - self.matrix[kept][:, kept]
        column = np.asarray(self.matrix[kept][:, [centre]].todense()).ravel()
        masses = np.ones(len(self.nodes))
        masses[kept] = np.maximum(_solve_banded(system.todia(), column), 0.0)
        total = masses.sum()
        leak = 1.0 - float((self.matrix @ masses).sum() / total)
        if not leak < LOST_MASS:
            raise SolverError(
                "ULA has no stationary law on this lattice: its mass leaks out, "
                f"{leak:.3g} of it at every step",
                last_state=masses / total,
            )
        return self._normalised(self.nodes, masses / total, "the stationary law")

    def _advanced(self, masses: FloatArray, steps: int) -> FloatArray:
        """The masses after further steps: up the ladder of powers, and down again.

        Every power is applied once on either way, so that laws are as smooth as the lattice of
        the power that meets them is coarse.
        """
        if steps < 2:
            return np.asarray(self.matrix @ masses) if steps else masses
        top = (steps // 2 + 1).bit_length() - 2
        powers = self._ladder(top + 1)
        rest = steps - 2 * (2 ** (top + 1) - 1)
        for power in powers:
            masses = power.applied(masses)
        for j in reversed(range(top + 1)):
            count = rest >> j
            rest -= count << j
            for _ in range(1 + count):
                masses = powers[j].applied(masses)
        return masses

    def _ladder(self, length: int) -> list[_Power]:
        """P, P^2, P^4, ..."""
        while len(self._powers) < length:
            self._powers.append(self._powers[-1].squared())
        return self._powers[:length]

    @cached_property
    def _powers(self) -> list[_Power]:
        return [_Power(matrix=self.matrix, stride=1)]

    def _step(self, points: FloatArray, masses: FloatArray, onto: FloatArray) -> FloatArray:
        matrix = _kernel(self.energy, self.step_size, onto, points)
        return np.asarray(matrix @ masses)

    def _normalised(self, nodes: FloatArray, masses: FloatArray, what: str) -> LatticeLaw:
        total = float(masses.sum())
        if not abs(total - 1) < LOST_MASS:
            raise SolverError(
                f"{what} has mass {total:.12g} on the lattice, {1 - total:.3g} left it",
                last_state=masses,
            )
        spacing = float(nodes[-1] - nodes[0]) / (len(nodes) - 1)
        density = masses / (total * spacing)
        return LatticeLaw(nodes=nodes, density=density, lost=abs(1.0 - total))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Power:
    """A power of the kernel between the nodes at multiples of a stride.

    As steps add up the kernel grows wider and smoother, and fewer nodes resolve it.
    """

    matrix: Any
    stride: int

    def applied(self, masses: FloatArray) -> FloatArray:
        """Masses after these steps, on this lattice, from masses on this, a finer or a coarser one.

        Masses on a coarser lattice stand for the integral as they are; on a finer one every
        other node is dropped and the rest doubled.
        """
        here = self.matrix.shape[0]
        while len(masses) > here:
            masses = 2.0 * masses[::2]
        if len(masses) < here:
            return np.asarray(self._from_coarser @ masses)
        return np.asarray(self.matrix @ masses)

    @cached_property
    def _from_coarser(self) -> Any:
        return self.matrix[:, ::2]

    def squared(self) -> _Power:
        """Twice the steps, on half the nodes if those are enough."""
        product = self.matrix @ self.matrix
        if sparse.issparse(product) and product.nnz > _DENSEST * product.shape[0] ** 2:
            product = product.toarray()
        if not _resolved_by_half(product):
            return _Power(matrix=product, stride=self.stride)
        return _Power(matrix=2.0 * product[::2, ::2], stride=2 * self.stride)


def _resolved_by_half(matrix: Any) -> bool:
    """True if every fourth node still gives the mass of each column to the root of rounding.

    The rule for products of two such smooth functions on every second node is then exact to
    rounding: exp(-pi^2 r^2 / 2) at r nodes per deviation against exp(-pi^2 r^2).
    """
    totals = np.asarray(matrix.sum(axis=0)).ravel()
    whole = totals > 1 - LOST_MASS
    if not whole.any() or matrix.shape[0] < _COARSEST:
        return False
    for offset in range(4):
        quarter = 4 * np.asarray(matrix[offset::4].sum(axis=0)).ravel()
        if np.abs(quarter / totals - 1)[whole].max() > 1e-8:
            return False
    return True


def _resolved(start: InitialLaw, h: float) -> tuple[FloatArray, FloatArray]:
    """Points and masses that resolve a start at its own width."""
    finest = min(float(start.sds.min()), float(np.sqrt(2 * h)))
    low = float((start.means - 9 * start.sds).min())
    high = float((start.means + 9 * start.sds).max())
    points = np.linspace(low, high, int(np.ceil((high - low) / finest * 4.0)) + 1)
    density = np.exp(start.log_density(points[:, None]))
    return points, density / density.sum()


def _kernel(energy: Energy, h: float, to: FloatArray, at: FloatArray) -> sparse.csr_array:
    """Masses on the lattice ``to`` after a step from each point of ``at``.

    A column whose mean lies well inside is scaled to sum to one: the trapezoidal rule is exact
    there, and thousands of steps would add up the rounding of its common factor.
    """
    deviation = np.sqrt(2 * h)
    spacing = (to[-1] - to[0]) / (len(to) - 1)
    centres = at - h * energy.gradient(at[:, None])[:, 0]
    width = int(np.ceil(2 * _BAND * deviation / spacing)) + 1
    with np.errstate(invalid="ignore", over="ignore"):
        first = np.clip((centres - _BAND * deviation - to[0]) / spacing, -width - 1, len(to) + 1)
    first = np.where(np.isfinite(first), first, len(to) + 1)
    rows = np.ceil(first).astype(np.int64)[:, None] + np.arange(width)
    inside = (rows >= 0) & (rows < len(to))
    z = (to[np.clip(rows, 0, len(to) - 1)] - centres[:, None]) / deviation
    values = np.exp(-(z**2) / 2) * (spacing / (deviation * np.sqrt(2 * np.pi)))
    values = np.where(inside, values, 0.0)
    whole = inside.all(axis=1)
    values[whole] /= values[whole].sum(axis=1, keepdims=True)
    columns = np.broadcast_to(np.arange(len(at))[:, None], rows.shape)
    return sparse.csr_array(
        (values[inside], (rows[inside], columns[inside])), shape=(len(to), len(at))
    )


def _solve_banded(system: sparse.dia_array, right: FloatArray) -> FloatArray:
    lower, upper = max(0, -int(system.offsets.min())), max(0, int(system.offsets.max()))
    bands = np.zeros((lower + upper + 1, len(right)))
    bands[upper - system.offsets] = system.data
    return np.asarray(solve_banded((lower, upper), bands, right, overwrite_ab=True))


def _steepness(energy: Energy, h: float, low: float, high: float) -> float:
    """max(1, |m'|) of the drift map m(x) = x - h U'(x), where the Gibbs law has mass."""
    x = np.linspace(low, high, _SAMPLES)
    potential = energy.potential(x[:, None])
    with np.errstate(invalid="ignore", over="ignore"):
        slopes = np.abs(np.diff(x - h * energy.gradient(x[:, None])[:, 0]) / (x[1] - x[0]))
        near = np.minimum(potential[1:], potential[:-1]) < np.nanmin(potential) + _REMOTE
    return float(max(1.0, np.max(slopes, where=near & np.isfinite(slopes), initial=1.0)))


def ula_kernel(
    energy: Energy,
    step_size: float,
    box: tuple[float, float],
    *,
    refine: float = 1.0,
    nodes: int | None = None,
) -> UlaKernel:
    """The kernel of ULA with step h on a lattice over a box.

    Parameters
    ----------
    energy : Energy of dimension one
    step_size : float
    box : (low, high)
        Must hold all but ``LOST_MASS`` of every law asked for; laws that leave it raise.
    refine : float
        Nodes per sqrt(2h) / max(1, s) relative to the default.

    nodes : int, optional
        Number of nodes, in place of what the step size asks for.

    Raises
    ------
    ArgumentError
        For another dimension, a step that is not finite and positive, or a lattice too large.
    """
    if energy.dim != 1:
        raise ArgumentError(f"the kernel of ULA needs dimension 1, got {energy.dim}")
    if not (np.isfinite(step_size) and step_size > 0):
        raise ArgumentError(f"a step size must be finite and > 0, got {step_size}")
    low, high = box
    count = nodes
    if count is None:
        scale = np.sqrt(2 * step_size) / _steepness(energy, step_size, low, high)
        count = int(np.ceil((high - low) / scale * NODES_PER_DEVIATION * refine)) + 1
    if not 2 < count <= LARGEST_LATTICE:
        raise ArgumentError(
            f"step size {step_size:g} on [{low:g}, {high:g}] needs {count} nodes, "
            f"at most {LARGEST_LATTICE} fit"
        )
    lattice = np.linspace(low, high, count)
    matrix = _kernel(energy, step_size, lattice, lattice)
    return UlaKernel(energy=energy, step_size=step_size, nodes=lattice, matrix=matrix)
