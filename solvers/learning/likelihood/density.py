"""log p(x) by quadrature, latents integrated out, with an error width at every datum.

    log p(x) = -U(x) - log Z,    or    log int exp(-E(x, z)) dz - log int int exp(-E)

Up to three data and two latent coordinates. Latents are summed on one lattice for all x, with the
widths of ``quadrature``; log Z is the quadrature of F(x) = -log int exp(-E(x, z)) dz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .bracket import Bracket
from .integration_box import Box, axes_of, box_around, checked_box, in_chunks, mass_box, mesh
from .quadrature import DROP, MOST_POINTS, OFFSET, LogNormaliser, Potential, log_normaliser

_MOST_NODES = 1024
_HEAVIER = 2.0  # p/(p - 1) for a tail |z|^-p, p >= 2


class JointPotential(Protocol):
    """What quadrature needs of a joint energy."""

    @property
    def dim_x(self) -> int:
        """Dimension of the data."""

    @property
    def dim_z(self) -> int:
        """Dimension of the latent."""

    def potential(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """E at x (n, dim_x), z (n, dim_z), shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class MarginalEnergy:
    """F(x) = -log int exp(-E(x, z)) dz on a lattice of latents, as an energy in x.

    Parameters
    ----------
    joint : joint energy
    box_z : dim_z pairs
    nodes : int
        Even; nodes per axis.
    """

    joint: JointPotential
    box_z: Box
    nodes: int

    @property
    def dim(self) -> int:
        """dim_x."""
        return self.joint.dim_x

    def potential(self, x: FloatArray) -> FloatArray:
        """F at x (n, dim_x), shape (n,)."""
        return self.with_widths(x)[0]

    def with_widths(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """F at x (n, dim_x) and its error width, both (n,).

        As the coarser lattices see it, and what may lie beyond the box: layers of cells at a wall
        go on in the ratio of the last two, twice that for tails by powers; unknown where they grow.
        """
        dim, nodes = self.joint.dim_z, self.nodes
        z = mesh([a + (np.arange(nodes) + OFFSET) * (b - a) / nodes for a, b in self.box_z])
        parity = mesh([np.arange(nodes, dtype=float) % 2] * dim) @ 2.0 ** np.arange(dim)
        order = np.argsort(parity, kind="stable")
        layers = _walls(nodes, dim, order)
        z = z[order]
        cell = math.log(math.prod((b - a) / nodes for a, b in self.box_z))
        points = np.asarray(x, dtype=float)
        whole, widths = np.empty(len(points)), np.empty(len(points))
        rows = max(1, (1 << 17) // len(z))
        for first in range(0, len(points), rows):
            some = points[first : first + rows]
            values = self.joint.potential(np.repeat(some, len(z), 0), np.tile(z, (len(some), 1)))
            values = np.asarray(values, dtype=float).reshape(len(some), -1)
            least = values.min(axis=1)
            cells = np.exp(least[:, None] - values)
            sums = cells.reshape(len(some), 2**dim, -1).sum(2)
            total = sums.sum(1)
            beyond = sum((_beyond(cells, *wall) for wall in layers), start=np.zeros(len(some)))
            here = slice(first, first + len(some))
            whole[here] = least - np.log(total) - cell
            with np.errstate(divide="ignore"):
                widths[here] = np.abs(np.log(sums * 2**dim / total[:, None])).max(1) + 1e-14
                widths[here] += np.log1p(beyond / total)
        return whole, widths


def _walls(
    nodes: int, dim: int, order: npt.NDArray[np.intp]
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(last layer, last but one) as indices into ordered nodes, for both ends of every axis."""
    place = np.indices((nodes,) * dim).reshape(dim, -1)[:, order]
    ends = ((0, 1), (nodes - 1, nodes - 2))
    return [
        (np.flatnonzero(axis == last), np.flatnonzero(axis == before))
        for axis in place
        for last, before in ends
    ]


def _beyond(
    cells: FloatArray, last: npt.NDArray[np.intp], before: npt.NDArray[np.intp]
) -> FloatArray:
    """2 m r/(1 - r) for the mass m of the last layer and its ratio r to the one before; (n,)."""
    outer, inner = cells[:, last].sum(1), cells[:, before].sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = outer / inner
        found = _HEAVIER * outer * ratio / (1 - ratio)
    return np.where(outer == 0, 0.0, np.where(ratio < 1, found, np.inf))


@dataclass(frozen=True, kw_only=True)
class LogDensity:
    """log p at each datum, known up to a width.

    Attributes
    ----------
    values, widths : arrays (n,)
        The width of log Z is contained.
    log_normaliser : LogNormaliser
    """

    values: FloatArray
    widths: FloatArray
    log_normaliser: LogNormaliser

    @property
    def mean(self) -> Bracket:
        """The bracket of the mean over these data."""
        return Bracket.from_width(float(self.values.mean()), float(self.widths.mean()))


def log_density(
    energy: Potential,
    x: npt.ArrayLike,
    *,
    tolerance: float = 1e-8,
    most_points: int = MOST_POINTS,
) -> LogDensity:
    """log p(x) = -U(x) - log Z at x (n, d) for an energy without latents, d <= 3."""
    points = _data(x, energy.dim)
    norm = log_normaliser(energy, around=points, tolerance=tolerance, most_points=most_points)
    values = -in_chunks(energy.potential, points) - norm.value
    return LogDensity(values=values, widths=np.full(len(points), norm.width), log_normaliser=norm)


def log_marginal_density(
    joint: JointPotential,
    x: npt.ArrayLike,
    *,
    box_z: Sequence[Sequence[float]] | None = None,
    tolerance: float = 1e-6,
    most_points: int = MOST_POINTS,
) -> LogDensity:
    """log p(x) = log int exp(-E(x, z)) dz - log Z at x (n, dim_x); dim_x <= 3, dim_z <= 2.

    Parameters
    ----------
    box_z : dim_z pairs, optional
        Where to look for latents first; [-4, 4]^dim_z by default.
    tolerance : float
        Lattices are refined until the widths are below, or ``most_points`` evaluations of E.
    """
    points = _data(x, joint.dim_x)
    marginal = marginal_energy(joint, points, box_z=box_z, tolerance=tolerance / 2)
    most = max(most_points // marginal.nodes**joint.dim_z, 1)
    norm = log_normaliser(marginal, around=points, tolerance=tolerance / 2, most_points=most)
    # F is known up to a width of its own where the model has its mass, and so is log Z
    over_model = mesh(axes_of(norm.box, 9))
    values, widths = marginal.with_widths(over_model)
    heavy = values < values.min() + 7
    norm = replace(norm, width=norm.width + float(widths[heavy].max()))
    values, widths = marginal.with_widths(points)
    return LogDensity(values=-values - norm.value, widths=widths + norm.width, log_normaliser=norm)


def marginal_energy(
    joint: JointPotential,
    x: FloatArray,
    *,
    box_z: Sequence[Sequence[float]] | None = None,
    tolerance: float = 1e-6,
) -> MarginalEnergy:
    """F on a lattice fine enough for these x (n, dim_x), over a box that suits them and the model.

    Raises
    ------
    ArgumentError
        More than two latent or three data coordinates.
    SolverError
        exp(-E) does not decay.
    """
    if joint.dim_z > 2 or joint.dim_x > 3:
        raise ArgumentError(
            "quadrature takes at most 3 data and 2 latent coordinates, got "
            f"{joint.dim_x} and {joint.dim_z}; use annealing"
        )
    first = checked_box(box_z if box_z is not None else ((-4.0, 4.0),) * joint.dim_z, joint.dim_z)
    cut = joint.dim_x
    whole = mass_box(
        lambda w: joint.potential(w[:, :cut], w[:, cut:]), (*box_around(x), *first), DROP
    )
    given = mass_box(lambda z: _depth_over_data(joint, x, z), whole[cut:], DROP)
    box = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(whole[cut:], given, strict=True))
    marginal = MarginalEnergy(joint=joint, box_z=box, nodes=16)
    most = _MOST_NODES if joint.dim_z == 1 else _MOST_NODES // 4
    probe = np.concatenate([x[:: max(1, len(x) // 256)], mesh(axes_of(whole[:cut], 5))])
    while marginal.nodes < most:
        values, widths = marginal.with_widths(probe)
        if widths[values < values.min() + DROP].max() < tolerance:
            break
        marginal = replace(marginal, nodes=2 * marginal.nodes)
    return marginal


def _depth_over_data(joint: JointPotential, x: FloatArray, z: FloatArray) -> FloatArray:
    """min_i E(x_i, z) - min_z E(x_i, z) over at most 64 of the data: small where any needs z."""
    some = x[:: max(1, len(x) // 64)]
    rows = joint.potential(np.repeat(some, len(z), 0), np.tile(z, (len(some), 1)))
    values = np.asarray(rows).reshape(len(some), len(z))
    return np.asarray((values - values.min(1, keepdims=True)).min(0))


def _data(x: npt.ArrayLike, dim: int) -> FloatArray:
    points = np.asarray(x, dtype=float)
    if points.ndim != 2 or points.shape[1] != dim or points.size == 0:
        raise ArgumentError(f"need data (n, {dim}), got shape {points.shape}")
    if not np.all(np.isfinite(points)):
        raise ArgumentError("the data hold values that are not finite")
    return points
