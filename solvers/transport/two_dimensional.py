"""Two-sided W2 between piecewise constant densities on one rectangular grid of the plane.

Above: the better of two kinds of coupling. Knothe's couples one axis monotonically and then the
other given it, exactly; it is sharp when the laws nearly agree or the axes nearly decouple. The
other replaces each law by one that is constant on boxes of a quadtree (at a cost s known in closed
form, by Knothe's coupling within the box), and transports boxes to boxes by linear programming;
the uniform laws on two boxes are |c - c'|^2 + sum_axis (w - w')^2 / 12 apart.

Below: the exact distances of the marginals (each a projection), Gelbrich's bound, and the linear
programme's potentials, carried to a refined grid, made feasible there by exact c-transforms, and
extended to the plane as convex functions, whose cell averages multilinear interpolation bounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian, wasserstein

from .duality import solve, squared_distances
from .grid_potentials import dual_bound_on_grid, extended_potential
from .interval import DistanceInterval
from .one_dimensional import grid_pieces, w2_pieces
from .quadtree import Boxes, boxes_of


def w2_grids_2d(
    masses_a: npt.ArrayLike,
    masses_b: npt.ArrayLike,
    edges: Sequence[npt.ArrayLike],
    *,
    boxes: int = 1200,
    refine: int | None = None,
) -> DistanceInterval:
    """Bounds on W2 between two piecewise constant densities in the plane; not squared.

    Proved for the piecewise constant laws, up to rounding of 1e-13 of the squared diameter. The
    smooth laws with the same cell masses are each within one cell's diameter of them, and second
    order in the cell width.

    Parameters
    ----------
    masses_a, masses_b : arrays (n_1, n_2)
        Normalised here.
    edges : two increasing arrays (n_1 + 1,) and (n_2 + 1,)
    boxes : int
        Boxes per law in the linear programme; 0 leaves it out (Knothe above, marginals and
        Gelbrich below), which takes milliseconds instead of a second.
    refine : int, optional
        Subdivision of each cell for the potentials; by default up to about 192 nodes per axis.
    """
    axes = [np.asarray(e, dtype=float) for e in edges]
    law_a, law_b = _law(masses_a, axes), _law(masses_b, axes)
    laws = (law_a, law_b)
    lowers = {"marginals": _marginals(laws, axes), "Gelbrich": _gelbrich(laws, axes)}
    knothe = _knothe(law_a, law_b, axes), _knothe(law_a.T, law_b.T, axes[::-1])
    uppers = {"Knothe coupling": min(knothe)}
    if boxes:
        coarse = [boxes_of(*_cut(law, axes, boxes), boxes) for law in laws]
        _, cost, *potentials = solve(_box_costs(*coarse), coarse[0].mass, coarse[1].mass)
        uppers["box coupling"] = float(np.sqrt(cost)) + coarse[0].distance + coarse[1].distance
        parts = refine or max(1, 192 // max(law_a.shape))
        for source, other in ((laws, 1), (laws[::-1], 0)):
            area = float(coarse[other].mass @ coarse[other].side.prod(1))
            f = extended_potential(axes, coarse[other], potentials[other], area)
            dual = dual_bound_on_grid(source, axes, f, parts)
            lowers["potentials"] = max(lowers.get("potentials", 0.0), float(np.sqrt(max(dual, 0))))
    diameter = float(np.hypot(np.ptp(axes[0]), np.ptp(axes[1])))
    return DistanceInterval.between(lowers, uppers, 1e-6 * diameter)


def _law(masses: npt.ArrayLike, axes: Sequence[FloatArray]) -> FloatArray:
    law = np.asarray(masses, dtype=float)
    if law.ndim != 2 or tuple(len(e) - 1 for e in axes) != law.shape:
        raise ArgumentError(
            f"masses (n_1, n_2) need edges (n_1 + 1,), (n_2 + 1,), got {law.shape} "
            f"and {[len(e) for e in axes]}"
        )
    if any(np.any(np.diff(e) <= 0) or not np.all(np.isfinite(e)) for e in axes):
        raise ArgumentError("grid edges must be finite and increasing")
    if not (np.all(law >= 0) and 0 < law.sum() < np.inf):
        raise ArgumentError("masses must be >= 0, finite, and not all zero")
    return np.asarray(law / law.sum())


def _cut(
    law: FloatArray, axes: Sequence[FloatArray], boxes: int
) -> tuple[FloatArray, list[FloatArray]]:
    """Cells cut evenly, where there are so few that the boxes allowed would not be used up."""
    parts = max(1, int(np.sqrt(boxes / law.size)))
    fine = np.repeat(np.repeat(law, parts, 0), parts, 1) / parts**2
    steps = np.arange(parts) / parts
    edges = [np.append((e[:-1, None] + np.diff(e)[:, None] * steps).ravel(), e[-1]) for e in axes]
    return fine, edges


def _marginals(laws: Sequence[FloatArray], axes: Sequence[FloatArray]) -> float:
    """Root of the sum of the squared distances of both marginals."""
    first, second = (
        w2_pieces(*(grid_pieces(law.sum(1 - axis), axes[axis]) for law in laws)) for axis in (0, 1)
    )
    return float(np.hypot(first, second))


def _gelbrich(laws: Sequence[FloatArray], axes: Sequence[FloatArray]) -> float:
    centre = [(e[1:] + e[:-1]) / 2 for e in axes]
    gaussians = []
    for law in laws:
        marginal = [law.sum(1), law.sum(0)]
        mean = np.array([m @ c for m, c in zip(marginal, centre, strict=True)])
        off = [c - m for c, m in zip(centre, mean, strict=True)]
        variances = [
            m @ (o**2 + np.diff(e) ** 2 / 12) for m, o, e in zip(marginal, off, axes, strict=True)
        ]
        mixed = off[0] @ law @ off[1]
        gaussians.append(Gaussian(mean, [[variances[0], mixed], [mixed, variances[1]]]))
    diameter = float(np.hypot(np.ptp(axes[0]), np.ptp(axes[1])))
    return max(wasserstein(*gaussians) - 1e-13 * diameter, 0.0)


def _knothe(a: FloatArray, b: FloatArray, axes: Sequence[FloatArray]) -> float:
    """Cost of coupling the first axis monotonically, then the second given the first."""
    first = w2_pieces(grid_pieces(a.sum(1), axes[0]), grid_pieces(b.sum(1), axes[0]))
    total = first**2
    rows_a, rows_b = a.sum(1), b.sum(1)
    pieces = [
        [grid_pieces(row, axes[1]) if row.sum() > 1e-290 else None for row in law] for law in (a, b)
    ]
    i, j, used_a, used_b = 0, 0, 0.0, 0.0
    while i < rows_a.size and j < rows_b.size:
        rest_a, rest_b = rows_a[i] - used_a, rows_b[j] - used_b
        step = min(rest_a, rest_b)
        left, right = pieces[0][i], pieces[1][j]
        if step > 0 and left is not None and right is not None:
            total += step * w2_pieces(left, right) ** 2
        i, used_a = (i + 1, 0.0) if rest_a <= rest_b else (i, used_a + step)
        j, used_b = (j + 1, 0.0) if rest_b <= rest_a else (j, used_b + step)
    # what rounding left uncoupled may travel across the whole box
    return float(np.sqrt(total + 1e-13 * np.ptp(axes[1]) ** 2))


def _box_costs(a: Boxes, b: Boxes) -> FloatArray:
    """W2^2 between the uniform laws on every pair of boxes."""
    return squared_distances(a.centre, b.centre) + squared_distances(a.side, b.side) / 12
