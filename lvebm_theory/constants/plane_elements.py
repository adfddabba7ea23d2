"""Weighted spectral elements on a masked tensor mesh of the plane (see ``line_elements``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy import sparse
from scipy.sparse.linalg import splu

from ..arrays import FloatArray
from ..errors import ArgumentError
from ..initial import InitialLaw
from .frame import Frame, PlanePotential
from .lobatto import lobatto
from .plane_mesh import PlaneMesh

IntArray = npt.NDArray[np.integer]

_CHUNK = 32  # cells whose dense blocks are made at a time


class PlaneElements:
    """One mesh, one potential; attributes as in ``LineElements``, ``points`` being (n, 2).

    Parameters
    ----------
    potential : callable
        U in the original coordinates.
    mesh : PlaneMesh
    frame : Frame
        In which the mesh is upright.
    degree : int
    level : float
        Where cells ended, above the minimum of U.
    """

    dim = 2

    def __init__(
        self, potential: PlanePotential, mesh: PlaneMesh, frame: Frame, degree: int, level: float
    ) -> None:
        rule = lobatto(degree)
        self.mesh, self.frame, self.degree = mesh, frame, degree
        columns, rows = np.nonzero(mesh.active)
        self._cells = (columns, rows)
        half = [np.diff(e) / 2 for e in mesh.edges]
        self._half = (half[0][columns], half[1][rows])
        p = ((mesh.edges[0][:-1] + half[0])[columns])[:, None] + self._half[0][:, None] * rule.nodes
        q = ((mesh.edges[1][:-1] + half[1])[rows])[:, None] + self._half[1][:, None] * rule.nodes
        size = degree + 1
        shape = (len(columns), size, size)
        p = np.broadcast_to(p[:, :, None], shape)
        q = np.broadcast_to(q[:, None, :], shape)
        with np.errstate(over="ignore"):
            u = np.asarray(frame.potential(potential)(p, q), dtype=float)
        floor = float(u.min())
        if not np.isfinite(floor):
            raise ArgumentError("the potential is not finite where its mass should be")
        self._potential, self.floor, self.level = potential, floor, level
        # nodes of edge cells reach far beyond the level; a plateau there costs e^-level and
        # keeps the scaled stiffness within range
        weight = np.exp(np.maximum(floor - np.where(np.isnan(u), np.inf, u), -level - 10.0))
        weight = weight * rule.weights[:, None] * rule.weights
        weight = weight * (self._half[0] * self._half[1])[:, None, None]
        height = (len(mesh.edges[1]) - 1) * degree + 1
        global_index = (columns[:, None, None] * degree + np.arange(size)[:, None]) * height + (
            rows[:, None, None] * degree + np.arange(size)
        )
        used, index = np.unique(global_index, return_inverse=True)
        self.index = index.reshape(shape)
        masses = np.zeros(len(used))
        np.add.at(masses, self.index, weight)
        total = masses.sum()
        self.log_normaliser = float(np.log(total) - floor)
        self.masses = masses / total
        self._weight = weight / total
        self._height = np.zeros(len(used))
        self._height[self.index] = np.minimum(u - floor, level + 10.0)
        local = np.empty((len(used), 2))
        local[self.index, 0], local[self.index, 1] = p, q
        self.points = np.stack(frame.outward(local[:, 0], local[:, 1]), axis=1)
        self._slope = None if frame.slope is None else frame.slope(p[:, :, 0])

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Bounding box of the nodes in the original coordinates."""
        return tuple(
            (float(a), float(b))
            for a, b in zip(self.points.min(axis=0), self.points.max(axis=0), strict=True)
        )

    def share_of_level(self, points: FloatArray) -> FloatArray:
        """(U - min U)/level at points (n, 2), where level is the height at which cells end."""
        with np.errstate(all="ignore"):
            u = np.asarray(self._potential(points[:, 0], points[:, 1]), dtype=float)
        return (np.where(np.isnan(u), np.inf, u) - self.floor) / self.level

    def height_at(self, points: FloatArray) -> FloatArray:
        """U - min U at points (n, 2)."""
        return self.share_of_level(points) * self.level

    def covers(self, low: FloatArray, high: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether boxes with corners (n, 2), (n, 2) are sure to lie in the mesh."""
        corners = self.frame.enclosure(low, high)
        first, last, inside = [], [], np.ones(len(low), dtype=bool)
        for axis in (0, 1):
            e = self.mesh.edges[axis]
            a, b = corners[0][:, axis], corners[1][:, axis]
            inside &= (a >= e[0]) & (b <= e[-1])
            first.append(np.clip(np.searchsorted(e, a, side="right") - 1, 0, len(e) - 2))
            last.append(np.clip(np.searchsorted(e, b, side="left"), 1, len(e) - 1))
        total = np.zeros((self.mesh.active.shape[0] + 1, self.mesh.active.shape[1] + 1), dtype=int)
        total[1:, 1:] = self.mesh.active.cumsum(axis=0).cumsum(axis=1)
        last = [np.maximum(b, a + 1) for a, b in zip(first, last, strict=True)]
        held = (
            total[last[0], last[1]]
            - total[first[0], last[1]]
            - total[last[0], first[1]]
            + total[first[0], first[1]]
        )
        return np.asarray(inside & (held == (last[0] - first[0]) * (last[1] - first[1])))

    def shift_inverse(self, shift: float) -> Callable[[FloatArray], FloatArray]:
        """y -> (S + shift)^{-1} y in scaled variables, by one sparse factorisation."""
        stiffness = self._stiffness()
        factor = splu(
            (stiffness + shift * sparse.identity(len(self.masses), format="csc")).tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return lambda y: np.asarray(factor.solve(y))

    def _stiffness(self) -> sparse.csc_matrix:
        """S in scaled variables, (n, n)."""
        d = lobatto(self.degree).derivative
        scale = (1 / np.sqrt(self.masses))[self.index]
        # lines of nodes along the axis come last: (cell, line, node)
        along = self._weight / self._half[0][:, None, None] ** 2
        up = self._weight / self._half[1][:, None, None] ** 2
        if self._slope is None:
            parts = [
                _lines(along.swapaxes(1, 2), scale.swapaxes(1, 2), self.index.swapaxes(1, 2), d),
                _lines(up, scale, self.index, d),
            ]
        else:
            up = up * (1 + self._slope[:, :, None] ** 2)
            # -g' f_p f_q: node (k, j) meets (i, l) through the quadrature point (i, j)
            cross = -self._weight * self._slope[:, :, None]
            cross = cross / (self._half[0] * self._half[1])[:, None, None]
            parts = [
                _cells(along[e], up[e], cross[e], scale[e], self.index[e], d)
                for e in np.array_split(np.arange(len(cross)), -(-len(cross) // _CHUNK))
            ]
        entries, rows, columns = (np.concatenate(p) for p in zip(*parts, strict=True))
        size = len(self.masses)
        return sparse.csc_matrix((entries, (rows, columns)), shape=(size, size))

    def slopes(self, u: FloatArray) -> FloatArray:
        """Weighted partial derivatives whose squares sum to the energy: (n, k) to (q, k)."""
        d = lobatto(self.degree).derivative
        local = u[self.index]
        root = np.sqrt(self._weight)[..., None]
        along = (
            np.einsum("qi,eijk->eqjk", d, local) / self._half[0][:, None, None, None],
            np.einsum("qj,eijk->eiqk", d, local) / self._half[1][:, None, None, None],
        )
        if self._slope is not None:
            along = (along[0] - self._slope[:, :, None, None] * along[1], along[1])
        return np.concatenate([(root * a).reshape(-1, u.shape[1]) for a in along])

    def mass_above(self, height: float, functions: FloatArray) -> FloatArray:
        """E_pi phi^2 1{U - min U > height} for nodal functions (n, k); shape (k,)."""
        weight = self.masses * (self._height > height)
        return np.asarray(weight @ functions**2)

    def evaluate(self, u: FloatArray, x: FloatArray, derivative: int = 0) -> FloatArray:
        """The function with nodal values u (n,) at points x (m, 2); nearest cell's end outside."""
        if derivative:
            raise ArgumentError("derivatives of planar eigenfunctions are not offered")
        cell, basis = self._basis_at(np.asarray(x, dtype=float))
        return np.asarray(np.einsum("mi,mij,mj->m", basis[0], u[self.index[cell]], basis[1]))

    def load(self, start: InitialLaw) -> FloatArray:
        """int basis_i d start, shape (n,), by tensor Gauss rules over ten standard deviations."""
        x, w = legendre.leggauss(8)
        out = np.zeros(len(self.masses))
        cuts = np.linspace(-9, 9, 19)
        z = ((cuts[:-1] + 0.5)[:, None] + 0.5 * x).ravel()
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * np.tile(w / 2, len(cuts) - 1)
        for weight, mean, sd in zip(start.weights, start.means, start.sds, strict=True):
            points = np.stack(
                np.meshgrid(mean[0] + sd[0] * z, mean[1] + sd[1] * z, indexing="ij"), axis=-1
            ).reshape(-1, 2)
            mass = weight * np.outer(density, density).ravel()
            cell, basis = self._basis_at(points)
            local = mass[:, None, None] * basis[0][:, :, None] * basis[1][:, None, :]
            np.add.at(out, self.index[cell], local)
        return out

    def _basis_at(
        self, x: FloatArray
    ) -> tuple[npt.NDArray[np.intp], tuple[FloatArray, FloatArray]]:
        """Cell of each point and its nodal basis per axis; inactive points go to a near cell."""
        local = self.frame.inward(x)
        where, reference = [], []
        for axis in (0, 1):
            e = self.mesh.edges[axis]
            z = np.clip(local[:, axis], e[0], e[-1])
            k = np.clip(np.searchsorted(e, z, side="right") - 1, 0, len(e) - 2)
            where.append(k)
            reference.append((2 * z - e[k] - e[k + 1]) / (e[k + 1] - e[k]))
        table = np.full(self.mesh.active.shape, -1)
        table[self._cells] = np.arange(len(self._cells[0]))
        cell = table[where[0], where[1]]
        lost = np.flatnonzero(cell < 0)
        if lost.size:
            centres = [(e[:-1] + e[1:]) / 2 for e in self.mesh.edges]
            active = np.stack([centres[0][self._cells[0]], centres[1][self._cells[1]]], axis=1)
            for chunk in np.array_split(lost, max(1, lost.size // 2000)):
                distance = ((local[chunk, None, :] - active) ** 2).sum(axis=2)
                near = np.argmin(distance, axis=1)
                cell[chunk] = near
                for axis in (0, 1):
                    k = self._cells[axis][near]
                    e = self.mesh.edges[axis]
                    z = (2 * local[chunk, axis] - e[k] - e[k + 1]) / (e[k + 1] - e[k])
                    reference[axis][chunk] = np.clip(z, -1.0, 1.0)
        to_basis = lobatto(self.degree).coefficients
        basis = [legendre.legvander(np.clip(r, -1, 1), self.degree) @ to_basis for r in reference]
        return cell, (basis[0], basis[1])


def _lines(
    weight: FloatArray, scale: FloatArray, index: IntArray, d: FloatArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Entries, rows and columns of int w f' g' along lines: nodes meet those of their line."""
    b = np.sqrt(weight)[..., None] * d * scale[..., None, :]
    block = np.matmul(b.swapaxes(-1, -2), b)
    index = index.astype(np.int32)
    rows = np.broadcast_to(index[..., :, None], block.shape).ravel()
    columns = np.broadcast_to(index[..., None, :], block.shape).ravel()
    return block.ravel(), rows, columns


def _cells(
    along: FloatArray,
    up: FloatArray,
    cross: FloatArray,
    scale: FloatArray,
    index: IntArray,
    d: FloatArray,
) -> tuple[FloatArray, IntArray, IntArray]:
    """The same with a cross term, by which all nodes of a cell meet.

    The blocks are dense and summed before they become entries: four times less memory.
    """
    mixed = np.einsum("eij,ik,jl->ekjil", cross, d, d, optimize=True)
    block = mixed + mixed.transpose(0, 3, 4, 1, 2)
    np.einsum("ekjij->ejki", block)[...] += np.einsum("eqj,qk,qi->ejki", along, d, d, optimize=True)
    np.einsum("ekjkl->ekjl", block)[...] += np.einsum("ekq,qj,ql->ekjl", up, d, d, optimize=True)
    block *= scale[:, :, :, None, None]
    block *= scale[:, None, None]
    index = index.astype(np.int32)
    rows = np.broadcast_to(index[:, :, :, None, None], block.shape).ravel()
    columns = np.broadcast_to(index[:, None, None], block.shape).ravel()
    return block.ravel(), rows, columns
