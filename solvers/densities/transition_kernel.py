r"""The law of ULA on the line, step by step, without particles.

    P(x, dy) = N(x - h U'(x), 2h)(dy),   p_{k+1}(y) = int P(x, y) p_k(x) dx

by the trapezoidal rule on equidistant nodes (Nystrom). The integrand is smooth on the scale
sqrt(2h) of the kernel and vanishes at both ends, so the rule converges faster than any power; with
four nodes per sqrt(2h) its own error is below rounding. This is a second witness for what particles
do at a given step size: nothing is random and nothing is expanded in h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]

NODES_PER_DEVIATION = 4.0
LARGEST_LATTICE = 6_000
LOST_MASS = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class LatticeLaw:
    """A density on equidistant nodes.

    Parameters
    ----------
    nodes, density : arrays (n,)
        ``density`` integrates to one by the trapezoidal rule.
    """

    nodes: FloatArray
    density: FloatArray

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
    matrix : array (n, n)
        matrix[i, j] = density at node i after a step from node j, times the spacing.
    """

    energy: Energy
    step_size: float
    nodes: FloatArray
    matrix: FloatArray

    def after(self, start: InitialLaw, steps: Sequence[int]) -> list[LatticeLaw]:
        """Laws of X_k for these k >= 1, increasing.

        The first step integrates over a lattice of the start's own width, so that narrow starts
        cost no accuracy.

        Raises
        ------
        SolverError
            When mass leaves the lattice: ULA diverges, or the box is too small.
        """
        wanted = list(steps)
        if wanted != sorted(set(wanted)) or (wanted and wanted[0] < 1):
            raise ArgumentError(f"steps must be increasing and >= 1, got {wanted}")
        laws: list[LatticeLaw] = []
        current, done = self._first_step(start), 1
        for k in wanted:
            for _ in range(k - done):
                current = self.matrix @ current
            done = k
            laws.append(self._normalised(current, f"the law after {k} steps"))
        return laws

    def stationary(self, tolerance: float = 1e-14) -> LatticeLaw:
        """The stationary law, by repeated squaring of the matrix.

        Raises
        ------
        SolverError
            When there is none on this lattice (mass leaks out at every step).
        """
        power = self.matrix
        spacing = self.nodes[1] - self.nodes[0]
        centre = int(np.argmin(self.energy.potential(self.nodes[:, None])))
        before = power[:, centre]
        for _ in range(60):
            power = power @ power
            total = power.sum(axis=0).max()
            if not np.isfinite(total) or total < 0.5:
                raise SolverError(
                    "ULA has no stationary law on this lattice: its mass leaks out",
                    last_state=before / spacing,
                )
            power = power / total
            now = power[:, centre]
            if np.abs(now / now.sum() - before / before.sum()).sum() < tolerance:
                break
            before = now
        return self._normalised(now / spacing, "the stationary law", renormalise=True)

    def _first_step(self, start: InitialLaw) -> FloatArray:
        finest = min(float(start.sds.min()), float(np.sqrt(2 * self.step_size)))
        low = float((start.means - 9 * start.sds).min())
        high = float((start.means + 9 * start.sds).max())
        count = int(np.ceil((high - low) / finest * NODES_PER_DEVIATION)) + 1
        points = np.linspace(low, high, count)
        masses = np.exp(start.log_density(points[:, None])) * (points[1] - points[0])
        return np.asarray(
            _kernel(self.energy, self.step_size, self.nodes, points) @ (masses / masses.sum())
        )

    def _normalised(self, density: FloatArray, what: str, renormalise: bool = False) -> LatticeLaw:
        spacing = float(self.nodes[1] - self.nodes[0])
        total = float(density.sum() * spacing)
        if not renormalise and not abs(total - 1) < LOST_MASS:
            raise SolverError(
                f"{what} has mass {total:.12g} on the lattice, {1 - total:.3g} left it",
                last_state=density,
            )
        return LatticeLaw(nodes=self.nodes, density=density / total)


def _kernel(energy: Energy, h: float, to: FloatArray, at: FloatArray) -> FloatArray:
    centres = at - h * energy.gradient(at[:, None])[:, 0]
    z = (to[:, None] - centres[None, :]) ** 2 / (4 * h)
    return np.asarray(np.exp(-z) / np.sqrt(4 * np.pi * h))


def ula_kernel(
    energy: Energy, step_size: float, box: tuple[float, float], *, refine: float = 1.0
) -> UlaKernel:
    """The kernel of ULA with step h on a lattice over a box.

    Parameters
    ----------
    energy : Energy of dimension one
    step_size : float
    box : (low, high)
        Must hold all but ``LOST_MASS`` of every law asked for; laws that leave it raise.
    refine : float
        Nodes per sqrt(2h) relative to the default.

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
    count = int(np.ceil((high - low) / np.sqrt(2 * step_size) * NODES_PER_DEVIATION * refine)) + 1
    if not 2 < count <= LARGEST_LATTICE:
        raise ArgumentError(
            f"step size {step_size:g} on [{low:g}, {high:g}] needs {count} nodes, "
            f"at most {LARGEST_LATTICE} fit"
        )
    nodes = np.linspace(low, high, count)
    matrix = _kernel(energy, step_size, nodes, nodes) * (nodes[1] - nodes[0])
    return UlaKernel(energy=energy, step_size=step_size, nodes=nodes, matrix=matrix)
