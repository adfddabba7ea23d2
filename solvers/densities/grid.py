"""Tensor grids of cells, uniform or mapped, nested by construction.

An axis is a smooth increasing map x(xi) sampled at the 2n+1 half-integers of a uniform xi: even
nodes are cell edges, odd nodes are cell centres. Dropping every second node gives the grid with
half as many cells, whose centres are again the images of xi-midpoints; so errors of second-order
quantities expand in even powers of the spacing along the sequence n, n/2, n/4, ...
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Cells [edges_i, edges_{i+1}] along every axis, and their tensor product.

    Parameters
    ----------
    nodes : tuple of d increasing arrays of lengths 2 n_k + 1
        Edges (even entries) and centres (odd entries).
    """

    nodes: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        frozen = []
        for axis, nodes in enumerate(self.nodes):
            a = np.array(nodes, dtype=float)
            if a.ndim != 1 or a.size < 5 or a.size % 2 == 0:
                raise ArgumentError(
                    f"axis {axis} needs 2n+1 nodes with n >= 2 cells, got an array of shape "
                    f"{a.shape}"
                )
            if not (np.all(np.isfinite(a)) and np.all(np.diff(a) > 0)):
                raise ArgumentError(f"nodes of axis {axis} must be finite and increasing")
            a.setflags(write=False)
            frozen.append(a)
        object.__setattr__(self, "nodes", tuple(frozen))

    @classmethod
    def uniform(cls, box: Sequence[tuple[float, float]], cells: int | Sequence[int]) -> Grid:
        """Equal cells on a box; ``cells`` per axis, one number for all axes or d numbers."""
        counts = [cells] * len(box) if isinstance(cells, int) else list(cells)
        if len(counts) != len(box):
            raise ArgumentError(f"a box of dimension {len(box)} got {len(counts)} cell counts")
        return cls(
            nodes=tuple(
                np.linspace(low, high, 2 * n + 1)
                for (low, high), n in zip(box, counts, strict=True)
            )
        )

    @classmethod
    def from_edges(cls, edges: Sequence[FloatArray]) -> Grid:
        """Cells with given edges, centres at midpoints."""
        nodes = []
        for e in edges:
            a = np.asarray(e, dtype=float)
            full = np.empty(2 * a.size - 1)
            full[::2] = a
            full[1::2] = (a[:-1] + a[1:]) / 2
            nodes.append(full)
        return cls(nodes=tuple(nodes))

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.nodes)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(a.size // 2 for a in self.nodes)

    @functools.cached_property
    def edges(self) -> tuple[FloatArray, ...]:
        """Cell edges along each axis, lengths n_k + 1."""
        return tuple(a[::2] for a in self.nodes)

    @functools.cached_property
    def centres(self) -> tuple[FloatArray, ...]:
        """Cell centres along each axis, lengths n_k."""
        return tuple(a[1::2] for a in self.nodes)

    @functools.cached_property
    def widths(self) -> tuple[FloatArray, ...]:
        """Cell widths along each axis."""
        return tuple(np.diff(e) for e in self.edges)

    @functools.cached_property
    def volumes(self) -> FloatArray:
        """Cell volumes, shape ``shape``."""
        return functools.reduce(np.multiply.outer, self.widths)

    @property
    def box(self) -> list[tuple[float, float]]:
        """(low, high) along each axis."""
        return [(float(a[0]), float(a[-1])) for a in self.nodes]

    def coordinates(self) -> tuple[FloatArray, ...]:
        """Centres as d arrays that broadcast to ``shape``."""
        return tuple(
            c.reshape([-1 if k == axis else 1 for k in range(self.dim)])
            for axis, c in enumerate(self.centres)
        )

    def coarsened(self) -> Grid:
        """Cells merged in pairs along every axis."""
        if any(n % 2 for n in self.shape):
            raise ArgumentError(f"cells {self.shape} cannot be merged in pairs along every axis")
        return Grid(nodes=tuple(a[::2] for a in self.nodes))

    def coarsen_masses(self, masses: FloatArray) -> FloatArray:
        """Masses (..., *shape) of the cells of ``coarsened()``."""
        out = np.asarray(masses)
        lead = out.ndim - self.dim
        for k, n in enumerate(self.shape):
            new = (*out.shape[: lead + k], n // 2, 2, *out.shape[lead + k + 1 :])
            out = out.reshape(new).sum(axis=lead + k + 1)
        return out

    def density(self, masses: FloatArray, points: FloatArray) -> FloatArray:
        """Piecewise constant density at points (n, d), zero outside the box; shape (n,)."""
        x = np.asarray(points, dtype=float).reshape(-1, self.dim)
        inside = np.ones(len(x), dtype=bool)
        index = []
        for k, e in enumerate(self.edges):
            i = np.searchsorted(e, x[:, k], side="right") - 1
            inside &= (i >= 0) & (i < self.shape[k])
            index.append(np.clip(i, 0, self.shape[k] - 1))
        where = tuple(index)
        return np.asarray(np.where(inside, np.asarray(masses)[where] / self.volumes[where], 0.0))

    def marginal(self, masses: FloatArray, axis: int) -> FloatArray:
        """Cell masses (..., n_axis) of the marginal along one axis."""
        a = np.asarray(masses)
        lead = a.ndim - self.dim
        others = tuple(lead + k for k in range(self.dim) if k != axis)
        return np.asarray(a.sum(axis=others))
