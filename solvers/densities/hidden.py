"""Wells and barriers of a potential that lie between the nodes of a grid.

On parts of a cell U is compared with P, the tensor quadratic through the cell's 3^d nodes: by the
mean value form, with the gradient of U in interval arithmetic on all parts at once,

    |U - P| <= |(U - P)(c)| + sum_i r_i sup |d_i U - d_i P|        (centre c, half-sides r_i).

Parts where this exceeds the tolerance are halved, until it does not or until (U - P)(c) does: then
the grid has not seen what U does at c. No sequence of resolutions tells that by itself: grids that
all step over a well agree with each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import LvebmError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .grid import Grid

IntArray = npt.NDArray[np.intp]

#: of U, hence powers of e of the density, up to the height of the start and a little above
UNSEEN = 0.5
_ABOVE = 5.0
#: higher up the tolerance grows by one for so much of U: a share e^-height of the flow comes there
_GROWTH = 4.0
_REACH = 4.0  # standard deviations of a start
_MOST_PARTS = 400_000
_SIGNS = np.array([-1.0, 0.0, 1.0])


def hidden_places(
    energy: Energy, start: InitialLaw, grid: Grid
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where U differs from what a grid sees of it.

    Parameters
    ----------
    energy : Energy
        Looked at where it is a smooth formula in one or two dimensions.

    Returns
    -------
    places, lengths, sides : (m, d)
        One point for each such cell, over which length U - P changes by its own size there, and
        the sides of the cell. Empty where there is none, or where interval arithmetic cannot tell
        with the parts allowed.
    """
    nothing = (np.empty((0, grid.dim)),) * 3
    gradient = _enclosed_gradient(energy)
    if gradient is None:
        return nothing
    cells = _Cells(energy, grid)
    level = max(float(np.nanmin(cells.values)), _height(energy, start)) + _ABOVE
    least = cells.values.min(axis=tuple(range(1, grid.dim + 1)))
    tolerance = UNSEEN + np.maximum(0.0, least - level) / _GROWTH
    owner = np.flatnonzero(np.isfinite(cells.values).all(axis=tuple(range(1, grid.dim + 1))))
    low, high = cells.knots[owner, :, 0], cells.knots[owner, :, 2]
    found: dict[int, tuple[FloatArray, FloatArray]] = {}
    looked = 0
    while owner.size and looked < _MOST_PARTS:
        looked += owner.size
        middle, half = (low + high) / 2, (high - low) / 2
        here = energy.potential(middle) - cells.interpolant(owner, middle)
        slack = cells.slopes_apart(owner, low, high, gradient(low, high)) * half.T
        unseen = np.abs(here) > tolerance[owner]
        for i in np.flatnonzero(unseen):
            found.setdefault(int(owner[i]), (middle[i], half[i]))
        left = ~unseen & ~(np.abs(here) + slack.sum(axis=0) <= tolerance[owner])
        left &= ~np.isin(owner, np.fromiter(found, dtype=np.intp, count=len(found)))
        left &= (half > 1e-14 * (1 + np.abs(middle))).all(axis=1)
        # along the axis that contributes most
        axis = np.argmax(np.where(np.isfinite(slack), slack, np.inf), axis=0)[left]
        owner, low, high = (np.concatenate([a[left], a[left]]) for a in (owner, low, high))
        rows = np.arange(axis.size)
        high[rows, axis] = low[axis.size + rows, axis] = middle[left][rows, axis]
    if not found:
        return nothing
    places = np.array([place for place, _ in found.values()])
    owner = np.array(list(found))
    sides = cells.knots[owner, :, 2] - cells.knots[owner, :, 0]
    return places, np.minimum(_lengths(energy, cells, owner, places), sides), sides


def _height(energy: Energy, start: InitialLaw) -> float:
    spots = start.means[:, None, :] + _SIGNS[:, None] * _REACH * start.sds[:, None, :]
    with np.errstate(all="ignore"):
        heights = energy.potential(spots.reshape(-1, start.dim))
    return float(heights[np.isfinite(heights)].max(initial=-np.inf))


def _lengths(energy: Energy, cells: _Cells, owner: IntArray, places: FloatArray) -> FloatArray:
    """sqrt(|D| / |d_ii D|), D = U - P."""
    with np.errstate(all="ignore"):
        apart = np.abs(energy.potential(places) - cells.interpolant(owner, places))
        curved = np.abs(np.einsum("mii->mi", energy.hessian(places)))
        lengths = np.sqrt(apart[:, None] / curved)
    return np.asarray(np.where(np.isnan(lengths), np.inf, lengths))


class _Cells:
    """The cells of a grid in one line, with their nodes and U there.

    ``knots`` (m, d, 3), ``values`` (m, 3, .., 3).
    """

    def __init__(self, energy: Energy, grid: Grid) -> None:
        dim, sizes = grid.dim, [a.size for a in grid.nodes]
        shaped = np.meshgrid(*grid.nodes, indexing="ij", sparse=True)
        with np.errstate(all="ignore"):
            whole = np.asarray(energy.on_coordinates("potential", list(shaped)), dtype=float)
        whole = np.broadcast_to(whole, sizes)
        windows = np.lib.stride_tricks.sliding_window_view(whole, (3,) * dim)
        self.values = windows[(slice(None, None, 2),) * dim].reshape(-1, *(3,) * dim)
        triples = [np.stack([a[:-2:2], a[1::2], a[2::2]], axis=1) for a in grid.nodes]
        which = np.indices(grid.shape).reshape(dim, -1)
        self.knots = np.stack([t[i] for t, i in zip(triples, which, strict=True)], axis=1)

    def interpolant(self, owner: IntArray, x: FloatArray, axis: int | None = None) -> FloatArray:
        """P (n,) of the owners' cells at x (n, d), or its derivative along an axis."""
        total = self.values[owner]
        for k in range(x.shape[1]):
            a, b, c = self.knots[owner, k].T
            t = x[:, k]
            if k == axis:
                weights = ((2 * t - b - c), (2 * t - a - c), (2 * t - a - b))
            else:
                weights = ((t - b) * (t - c), (t - a) * (t - c), (t - a) * (t - b))
            scales = ((a - b) * (a - c), (b - a) * (b - c), (c - a) * (c - b))
            w = np.stack([u / v for u, v in zip(weights, scales, strict=True)], axis=1)
            total = np.einsum("mi,mi...->m...", w, total)
        return np.asarray(total)

    def slopes_apart(
        self,
        owner: IntArray,
        low: FloatArray,
        high: FloatArray,
        slopes: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        """sup |d_i U - d_i P| (d, n) on boxes, P's by corners and centre."""
        least, most = (np.array(s) for s in slopes)
        dim = low.shape[1]
        for i in range(dim):
            seen = [
                self.interpolant(owner, low + (high - low) * np.array(t) / 2, axis=i)
                for t in (*np.ndindex(*(3,) * dim),)
                if all(s != 1 for s in t) or all(s == 1 for s in t)
            ]
            least[i] -= np.max(seen, axis=0)
            most[i] -= np.min(seen, axis=0)
        return np.maximum(np.abs(least), np.abs(most))


def _enclosed_gradient(energy: Energy) -> Any:
    """Boxes (m, d) to bounds (d, m) of grad U; None where there is no smooth formula."""
    from lvebm_theory.certified.array_intervals import ARRAY_INTERVALS, array_hull, array_meet
    from lvebm_theory.certified.evaluation import bind
    from lvebm_theory.certified.jets import JetAlgebra, NotSmooth
    from lvebm_theory.certified.subject import as_written

    dim = energy.dim
    if dim > 2 or getattr(energy, "formula", None) is None:
        return None
    jets = JetAlgebra(ARRAY_INTERVALS, hull=array_hull, meet=array_meet)

    def gradient(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        sides = [(low[:, min(k, dim - 1)], high[:, min(k, dim - 1)]) for k in range(2)]
        with np.errstate(all="ignore"):
            (jet,) = field(jets.coordinates(*sides)[:dim])
        lowest, highest = (
            np.array([np.broadcast_to(entry[k], len(low)) for entry in jet[1 : 1 + dim]])
            for k in range(2)
        )
        return lowest, highest

    try:
        potential = as_written(energy)
        field = bind(potential.program(potential.expression), jets)
        gradient(np.zeros((1, dim)), np.zeros((1, dim)))
    except (LvebmError, NotSmooth, NotImplementedError):
        return None
    return gradient
