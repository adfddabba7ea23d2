r"""Weighted spectral elements on an interval.

For pi proportional to e^{-U} the generator -L = -d^2/dx^2 + U' d/dx is the form

    int u' v' d pi = lambda int u v d pi,

discretised by continuous piecewise polynomials of degree N with Gauss-Lobatto quadrature on
the element's own nodes. The mass matrix is then diagonal, the constant is an exact
eigenvector with eigenvalue zero, and the stiffness is B^T B with B the weighted derivative,
which is kept in that form so that small eigenvalues keep their relative accuracy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.sparse.linalg import LinearOperator, eigsh

from ..arrays import FloatArray
from ..initial import InitialLaw
from .lobatto import lobatto

# entries of a scaled eigenvector below this fraction of its largest are recomputed
_SURE = 1e-8


class LineElements:
    """One mesh, one potential.

    Parameters
    ----------
    potential : callable
        Arrays to arrays of the same shape.
    edges : array (E + 1,)
    degree : int

    Attributes
    ----------
    points : array (n, 1)
    masses : array (n,)
        pi at the nodes as quadrature weights; sums to one.
    log_masses : array (n,)
        Their logarithms, finite where the masses underflow.
    node_weights, height : arrays (n,)
        Quadrature weights of the nodes, and U - min U there.
    least : float
        min U over the nodes.
    log_normaliser : float
        log int exp(-U) over the mesh.
    """

    dim = 1

    def __init__(
        self, potential: Callable[[FloatArray], FloatArray], edges: FloatArray, degree: int
    ) -> None:
        rule = lobatto(degree)
        self.edges, self.degree = edges, degree
        half = np.diff(edges) / 2
        where = (edges[:-1] + half)[:, None] + half[:, None] * rule.nodes
        u = np.asarray(potential(where), dtype=float)
        floor = self.least = float(u.min())
        weights = rule.weights * half[:, None] * np.exp(floor - u)
        self.index = np.arange(len(half))[:, None] * degree + np.arange(degree + 1)
        size = len(half) * degree + 1
        masses = np.zeros(size)
        np.add.at(masses, self.index, weights)
        total = masses.sum()
        self.node_weights = np.zeros(size)
        np.add.at(self.node_weights, self.index, rule.weights * half[:, None])
        self.height = np.empty(size)
        self.height[self.index] = u - floor
        self.log_masses = np.log(self.node_weights) - self.height - np.log(total)
        self.log_normaliser = float(np.log(total) - floor)
        self.masses = masses / total
        self.points = np.empty((size, 1))
        self.points[self.index, 0] = where
        self._slope_scale = np.sqrt(weights / total) / half[:, None]
        self._boundary_density = np.exp(floor - u[[0, -1], [0, -1]]) / total

    def nodal_density(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(density of pi (E, N + 1), half-widths (E,), nodes (E, N + 1)) panel by panel."""
        half = np.diff(self.edges) / 2
        density = (self._slope_scale * half[:, None]) ** 2
        density = density / (lobatto(self.degree).weights * half[:, None])
        return density, half, self.points[self.index, 0]

    def polynomial(self, x: FloatArray) -> FloatArray:
        """The piecewise polynomial that stands for U, at points (n,) of the mesh."""
        return self.least + self.evaluate(self.height, x)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """((lower, upper),)."""
        return ((float(self.edges[0]), float(self.edges[-1])),)

    def shift_inverse(
        self, shift: float, boundary: tuple[float, float] = (0.0, 0.0)
    ) -> Callable[[FloatArray], FloatArray]:
        """y -> (S + shift)^{-1} y, S the stiffness scaled by masses^{-1/2} on both sides.

        ``boundary`` holds outward slopes k: S then has the form int u'^2 d pi - sum k pi u^2 at
        the two ends. Raises numpy.linalg.LinAlgError if S + shift is not positive definite.
        """
        band = self._band(shift, boundary)
        factor = cholesky_banded(band, lower=True, overwrite_ab=True, check_finite=False)

        def solve(y: FloatArray) -> FloatArray:
            return np.asarray(cho_solve_banded((factor, True), y, check_finite=False))

        return solve

    def _band(self, shift: float, boundary: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
        """S + shift in the lower band storage of LAPACK."""
        root = 1 / np.sqrt(self.masses)
        b = self._slope_scale[:, :, None] * lobatto(self.degree).derivative
        b = b * root[self.index][:, None, :]
        local = np.matmul(b.transpose(0, 2, 1), b)
        band = np.zeros((self.degree + 1, len(root)))
        count = len(local)
        for i in range(self.degree + 1):
            for j in range(i + 1):
                band[i - j, j : j + count * self.degree : self.degree] += local[:, i, j]
        band[0] += shift
        ends = np.asarray(boundary) * self._boundary_density / self.masses[[0, -1]]
        band[0, [0, -1]] -= ends
        return band

    def with_tails(self, eigenvalue: float, u: FloatArray) -> FloatArray:
        """An eigenfunction (n,) whose far tails solve their own boundary value problem.

        An iterative eigensolver knows y = sqrt(masses) u to rounding of its largest entry, which
        leaves nothing of u where pi is e^-80. There (S - lambda) y = 0 is solved outward from
        the last panel edge at which y is still accurate; in scaled variables every step of that
        elimination works on entries of one size.
        """
        y = np.sqrt(self.masses) * u
        sure = np.flatnonzero(np.abs(y[:: self.degree]) > _SURE * np.abs(y).max()) * self.degree
        band = self._band(-eigenvalue)
        out = u.copy()
        first, last = int(sure[0]), int(sure[-1])
        reach = np.arange(1, self.degree + 1)
        for inner, tail in ((last, slice(last + 1, len(y))), (first, slice(0, first))):
            size = tail.stop - tail.start
            if size < self.degree:
                continue
            right = np.zeros(size)
            if tail.start:
                right[: self.degree] = -band[reach, inner] * y[inner]
                part = band[:, tail].copy()
            else:
                right[size - reach] = -band[reach, inner - reach] * y[inner]
                part = band[:, tail].copy()
                for r in reach:  # entries that reach beyond the slice
                    part[r, size - r :] = 0.0
            try:
                factor = cholesky_banded(part, lower=True, check_finite=False)
            except np.linalg.LinAlgError:  # no decay: the mode fills the box
                continue
            solved = cho_solve_banded((factor, True), right, check_finite=False)
            out[tail] = solved / np.sqrt(self.masses[tail])
        return out

    def robin_eigenvalues(self, boundary: tuple[float, float], count: int) -> FloatArray:
        """Lowest eigenvalues (ground state included) of the form with outward slopes k."""
        scale = 1.0 / float(
            self.masses @ (self.points[:, 0] - self.masses @ self.points[:, 0]) ** 2
        )
        shift = scale
        while True:  # the boundary terms push the form below zero by an unknown amount
            try:
                solve = self.shift_inverse(shift, boundary)
                break
            except np.linalg.LinAlgError:
                shift *= 4
        size = len(self.masses)
        operator = LinearOperator((size, size), matvec=lambda y: solve(y.ravel()), dtype=float)
        inverse = eigsh(
            operator,
            k=count,
            which="LA",
            v0=np.sqrt(self.masses) * (1 + 0.5 * np.cos(np.arange(size))),
            ncv=min(size - 1, 6 * count + 40),
            return_eigenvectors=False,
        )
        return np.asarray(np.sort(1 / inverse - shift))

    def slopes(self, u: FloatArray) -> FloatArray:
        """Weighted derivatives whose squares sum to the energy: (n, k) to (q, k)."""
        du = np.matmul(lobatto(self.degree).derivative, u[self.index])
        return np.asarray((self._slope_scale[:, :, None] * du).reshape(-1, u.shape[1]))

    def evaluate(self, u: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """The piecewise polynomial with nodal values u (n,) at x (m,); constant outside."""
        panel, local = self._locate(x)
        coefficients = np.matmul(u[self.index], lobatto(self.degree).coefficients.T)
        half = np.diff(self.edges) / 2
        if derivative:
            coefficients = legendre.legder(coefficients, m=derivative, axis=1)
            coefficients = coefficients / half[:, None] ** derivative
        basis = legendre.legvander(local, coefficients.shape[1] - 1)
        values = np.einsum("ij,ij->i", basis, coefficients[panel])
        if derivative:
            values = np.where((x < self.edges[0]) | (x > self.edges[-1]), 0.0, values)
        return np.asarray(values)

    def load(self, start: InitialLaw) -> FloatArray:
        """int basis_i d start, shape (n,); mass beyond the ends is put at the ends."""
        rule_x, rule_w = legendre.leggauss(self.degree + 4)
        out = np.zeros(len(self.masses))
        to_basis = lobatto(self.degree).coefficients
        for w, m, s in zip(start.weights, start.means[:, 0], start.sds[:, 0], strict=True):
            cuts = np.unique(np.concatenate([self.edges, m + s * np.linspace(-10, 10, 41)]))
            cuts = cuts[(cuts >= m - 10 * s) & (cuts <= m + 10 * s)]
            half = np.diff(cuts) / 2
            x = ((cuts[:-1] + half)[:, None] + half[:, None] * rule_x).ravel()
            density = np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))
            weight = w * density * (half[:, None] * rule_w).ravel()
            panel, local = self._locate(x)
            basis = legendre.legvander(local, self.degree) @ to_basis
            np.add.at(out, self.index[panel], weight[:, None] * basis)
        return out

    def _locate(self, x: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
        x = np.clip(np.asarray(x, dtype=float), self.edges[0], self.edges[-1])
        panel = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.edges) - 2)
        left, right = self.edges[panel], self.edges[panel + 1]
        return panel, np.clip((2 * x - left - right) / (right - left), -1.0, 1.0)
