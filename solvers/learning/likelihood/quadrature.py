"""log Z by quadrature, up to three dimensions, with an error width.

    log Z = log int exp(-U)

The rule is the equally weighted lattice: for smooth integrands that decay at the ends of the box
its error falls faster than any power of the spacing (Trefethen and Weideman 2014). The lattice of
spacing h is the union of 2^d lattices of spacing 2h; the width is the largest distance from the
whole of one of those or of the lattice before the last halving, which lies elsewhere. Where the
spacing is too coarse for the integrand they scatter, and where they agree the whole is better than
any of them. Lattices begin a quarter of a spacing inside the box: begun at the middle, those of
spacing 2h would be mirror images, which agree on every symmetric integrand. The box is grown until
the density at its faces is below e^{-30} of its maximum; what lies outside, from the shells around
it, and what blocks left out can hold are part of the width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

from .bracket import Bracket
from .integration_box import (
    Box,
    blocks_that_matter,
    box_around,
    checked_box,
    in_chunks,
    mass_beyond,
    mass_box,
    mesh,
)

DROP = 30.0
OFFSET = 0.25
#: blocks per axis, by dimension
_BLOCKS = {1: 32, 2: 16, 3: 8}
MOST_POINTS = 4_000_000
_LARGEST_WIDTH = 0.1  # lattices that differ by more have not met the integrand yet


class Potential(Protocol):
    """What quadrature needs of an energy."""

    @property
    def dim(self) -> int:
        """Dimension d."""

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d), shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class LogNormaliser:
    """log int exp(-U), known up to ``width``.

    Attributes
    ----------
    value, width : float
    box : d pairs
    spacing : tuple of d floats
        Of the finest lattice.
    points : int
        Evaluations on it.
    """

    value: float
    width: float
    box: Box
    spacing: tuple[float, ...]
    points: int

    @property
    def bracket(self) -> Bracket:
        """value +- width."""
        return Bracket.from_width(self.value, self.width)


def log_normaliser(
    energy: Potential,
    *,
    box: Sequence[Sequence[float]] | None = None,
    around: npt.ArrayLike | None = None,
    tolerance: float = 1e-8,
    most_points: int = MOST_POINTS,
) -> LogNormaliser:
    """log Z of exp(-U) in one, two or three dimensions.

    Parameters
    ----------
    energy : with ``dim`` and ``potential``
    box : d pairs (low, high), optional
        Where to look first; by default the energy's own hint, else around ``around``, else
        [-4, 4]^d. It is grown or shrunk to the mass.
    around : array (n, d), optional
        Points near the mass, data for instance.
    tolerance : float
        The spacing is halved until the width is below.
    most_points : int
        No lattice has more; the width then says what was reached.

    Raises
    ------
    ArgumentError
        More than three dimensions.
    SolverError
        exp(-U) has no finite integral, too heavy tails for a box, or needs more than most_points.
    """
    dim = energy.dim
    if dim not in _BLOCKS:
        raise ArgumentError(f"quadrature is for 1 to 3 dimensions, got {dim}; use annealing")
    where = mass_box(energy.potential, _first_box(energy, box, around), DROP)
    keep = blocks_that_matter(energy.potential, where, _BLOCKS[dim], DROP)
    outside = mass_beyond(energy.potential, where)
    value, width, per_block = math.nan, math.inf, 1
    while width > tolerance:
        finer = 2 * per_block
        if int(keep.sum()) * finer**dim > most_points and math.isfinite(width):
            break
        before, per_block = value, finer
        value, width, peak = _lattice(energy.potential, where, keep, per_block)
        width = max(width, abs(value - before)) if math.isfinite(before) else math.inf
    if width > _LARGEST_WIDTH:
        raise SolverError(
            f"log Z by quadrature: {most_points} points on the box {where} leave a width of "
            f"{width:.3g}, too coarse to be believed; exp(-U) is too narrow for its tails"
        )
    if not keep.all():
        volume = math.prod(b - a for a, b in where) * (1 - float(keep.mean()))
        outside = float(np.logaddexp(outside, math.log(volume) - DROP - peak))
    width += math.exp(min(outside - value, 700.0))
    spacing = tuple((b - a) / (keep.shape[0] * per_block) for a, b in where)
    return LogNormaliser(
        value=value,
        width=width,
        box=where,
        spacing=spacing,
        points=int(keep.sum()) * per_block**dim,
    )


def _first_box(
    energy: Potential, box: Sequence[Sequence[float]] | None, around: npt.ArrayLike | None
) -> Box:
    if box is not None:
        return checked_box(box, energy.dim)
    if around is not None:
        points = np.asarray(around, dtype=float)
        if points.ndim != 2 or points.shape[1] != energy.dim:
            raise ArgumentError(f"need points (n, {energy.dim}), got shape {points.shape}")
        return box_around(points)
    hint = getattr(getattr(energy, "facts", None), "box", None)
    return checked_box(hint if hint is not None else ((-4.0, 4.0),) * energy.dim, energy.dim)


def _lattice(
    potential: Callable[[FloatArray], FloatArray],
    box: Box,
    keep: npt.NDArray[np.bool_],
    per_block: int,
) -> tuple[float, float, float]:
    """log of the integral with ``per_block`` (even) points per block and axis, its width, min U."""
    dim, blocks = len(box), keep.shape[0]
    sides = np.array([(b - a) / blocks for a, b in box])
    lows = np.array([a for a, _ in box])
    inside = (np.arange(per_block) + OFFSET) / per_block
    local = mesh([inside * side for side in sides])
    parity = mesh([np.arange(per_block, dtype=float) % 2] * dim) @ 2.0 ** np.arange(dim)
    classes = 2**dim
    order = np.argsort(parity, kind="stable").reshape(classes, -1)
    peak = math.inf
    sums = np.zeros(classes)
    corners = lows + np.argwhere(keep) * sides
    at_once = max(1, (1 << 18) // len(local))
    for first in range(0, len(corners), at_once):
        some = corners[first : first + at_once]
        values = in_chunks(potential, (some[:, None, :] + local).reshape(-1, dim))
        values = values.reshape(len(some), -1)[:, order]
        least = float(values.min())
        if least < peak:
            sums *= math.exp(least - peak) if math.isfinite(peak) else 0.0
            peak = least
        sums += np.exp(peak - values).sum(axis=(0, 2))
    cell = math.log(float(np.prod(sides / per_block)))
    whole = math.log(sums.sum()) - peak + cell
    with np.errstate(divide="ignore"):
        parts = np.log(sums) - peak + cell + math.log(classes)
    return whole, float(np.abs(parts - whole).max()) + 1e-14, peak
