"""Draws whose law is the model's, with the reason why: what the reverse side starts from.

A bare array proves nothing of its law. A reverse side that starts from anything else than the
model bounds some other number, silently; so draws come with their origin here, and other solvers
take nothing less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

from .annealed import Differentiable
from .integration_box import Box, axes_of, in_chunks, mesh
from .quadrature import DROP, log_normaliser

if TYPE_CHECKING:
    from lvebm_theory.protocols import Energy

_CELLS = {1: 2048, 2: 96, 3: 32}


@dataclass(frozen=True, kw_only=True)
class ExactSamples:
    """Independent draws from a model.

    Parameters
    ----------
    points : array (n, d)
    origin : str
        Why their law is the model's.
    """

    points: FloatArray
    origin: str

    def __post_init__(self) -> None:
        x = np.asarray(self.points, dtype=float)
        if x.ndim != 2 or x.size == 0 or not np.all(np.isfinite(x)):
            raise ArgumentError(f"exact draws are a finite array (n, d), got shape {x.shape}")
        if not self.origin.strip():
            raise ArgumentError("exact draws need their origin in words")
        object.__setattr__(self, "points", x)


def from_known_sampler(energy: Energy, count: int, seed: int) -> ExactSamples:
    """Draws by the exact sampler that the energy carries among its known facts.

    Raises
    ------
    ArgumentError
        It carries none.
    """
    facts = getattr(energy, "facts", None)
    if facts is None or facts.sample is None:
        raise ArgumentError(f"{energy.name} has no exact sampler; use by_rejection up to d = 3")
    points = facts.sample(np.random.Generator(np.random.Philox(seed)), count)
    return ExactSamples(points=points, origin=f"exact sampler: {facts.sources['sample']}")


def from_simulation(points: npt.ArrayLike, description: str) -> ExactSamples:
    """Draws that were simulated from the model itself, latents first and data from them."""
    return ExactSamples(
        points=np.asarray(points, dtype=float), origin=f"simulated data: {description}"
    )


def by_rejection(energy: Differentiable, count: int, seed: int) -> ExactSamples:
    """Rejection under a piecewise constant envelope, up to three dimensions.

    On a cell with centre c and half-sides r the envelope is exp of minus

        U(c) - sum_i |d_i U(c)| r_i - L |r|^2 / 2,

    a lower bound of U for L >= sup |Hess U|. L is the energy's known smoothness where that costs
    less than a factor e in the envelope; else twice the largest curvature that differences of the
    gradient between neighbouring cells show. Every proposal checks the bound. Mass outside the
    box, relative to the whole, is of the order e^{-30}.

    Raises
    ------
    ArgumentError
        More than three dimensions.
    SolverError
        A proposal lies above its envelope: L was not a bound.
    """
    if energy.dim not in _CELLS:
        raise ArgumentError(f"rejection is for 1 to 3 dimensions, got {energy.dim}")
    box = log_normaliser(energy, tolerance=1e-2).box
    sides, centres, floor = _envelope(energy, box)
    rng = np.random.Generator(np.random.Philox(seed))
    share = np.exp(floor.min() - floor)
    chances = np.cumsum(share / share.sum())
    kept: list[FloatArray] = []
    missing = count
    for _ in range(10_000):
        cells = np.minimum(np.searchsorted(chances, rng.random(2 * missing + 64)), floor.size - 1)
        x = centres[cells] + (rng.random((cells.size, energy.dim)) - 0.5) * sides
        above = in_chunks(energy.potential, x) - floor[cells]
        if above.min() < -1e-9:
            raise SolverError(
                f"the density exceeds its envelope by e^{-above.min():.3g}: the curvature is "
                "larger than was seen; give the energy's smoothness among its facts"
            )
        kept.append(x[rng.random(cells.size) < np.exp(-above)])
        missing = count - sum(map(len, kept))
        if missing <= 0:
            origin = "rejection from a grid envelope; mass outside its box of order e^-30"
            return ExactSamples(points=np.concatenate(kept)[:count], origin=origin)
    raise SolverError("rejection accepts next to nothing: the cells are too coarse")


def _envelope(energy: Differentiable, box: Box) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sides of the cells, centres (m, d) and a lower bound of U on each (m,)."""
    dim, cells = energy.dim, _CELLS[energy.dim]
    sides = np.array([(b - a) / cells for a, b in box])
    inner = tuple((a + s / 2, b - s / 2) for (a, b), s in zip(box, sides, strict=True))
    centres = mesh(axes_of(inner, cells))
    values = in_chunks(energy.potential, centres)
    slopes = np.concatenate(
        [energy.gradient(centres[i : i + (1 << 16)]) for i in range(0, len(centres), 1 << 16)]
    )
    known = getattr(getattr(energy, "facts", None), "smoothness", None)
    half = sides / 2
    if known is not None and known.upper * (half @ half) / 2 < 1:
        curvature = np.full(len(centres), float(known.upper))
    else:
        curvature = 2 * _seen_curvature(slopes.reshape(*(cells,) * dim, dim), sides).ravel()
    floor = values - np.abs(slopes) @ half - curvature * (half @ half) / 2
    # cells that hold less than e^-DROP of the highest are left out with what is outside the box
    kept = values - np.abs(slopes) @ half < values.min() + DROP
    return sides, centres[kept], floor[kept]


def _seen_curvature(slopes: FloatArray, sides: FloatArray) -> FloatArray:
    """Largest |difference of the gradient| / distance to the neighbours of each cell."""
    dim = slopes.shape[-1]
    seen = np.zeros(slopes.shape[:-1])
    for axis in range(dim):
        jump = np.linalg.norm(np.diff(slopes, axis=axis), axis=-1) / sides[axis] * np.sqrt(dim)
        low = [slice(None)] * dim
        high = [slice(None)] * dim
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        seen[tuple(low)] = np.maximum(seen[tuple(low)], jump)
        seen[tuple(high)] = np.maximum(seen[tuple(high)], jump)
    return np.asarray(seen)
