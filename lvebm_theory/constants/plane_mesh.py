"""A tensor mesh of active cells on which a planar potential is resolved along both axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, label

from ..arrays import BoolArray, FloatArray
from .frame import PlanePotential
from .lobatto import lobatto
from .region import LevelBox

_START = 6
_ROUNDS = 14
_LINES = 5
_PATIENCE = 1.5  # how far the guard against spurious modes may exceed the budget of cells


@dataclass(frozen=True, kw_only=True)
class PlaneMesh:
    """Edges per axis in the frame of the box and which cells carry mass.

    ``guarded``: U varies little enough on every cell, so that no spurious slow mode can hide
    in the tails; ``resolved``: its Legendre coefficients have also settled.
    """

    edges: tuple[FloatArray, FloatArray]
    active: BoolArray
    guarded: bool
    resolved: bool


@dataclass(frozen=True, kw_only=True)
class PlaneRecipe:
    """level of U where cells end; degree; variation of U per cell; tolerance; most cells."""

    level: float
    degree: int
    variation: float
    tolerance: float
    cells: int


def plane_mesh(potential: PlanePotential, box: LevelBox, recipe: PlaneRecipe) -> PlaneMesh:
    """Bisects the intervals of each axis until every active cell is fine enough, or too many.

    A cell is active if U - min U < level at one of its nodes. Along an axis it is fine if U
    varies by at most ``variation`` over its part below the level and the last two Legendre
    coefficients of U there are below ``tolerance`` exp((U - min U)/2).
    """
    edges = [np.linspace(a, b, _START + 1) for a, b in zip(box.lower, box.upper, strict=True)]
    everywhere = np.ones((_START, _START), dtype=bool)
    inspected = _inspect(potential, edges, everywhere, box.minimum, recipe)
    guarded = resolved = False
    for _ in range(_ROUNDS):
        active, rough, unresolved = inspected
        guarded = not any(r.any() for r in rough)
        resolved = guarded and not any(u.any() for u in unresolved)
        if resolved:
            break
        split = unresolved if guarded else rough
        finer = [_bisect(e, s) for e, s in zip(edges, split, strict=True)]
        # a level set may leave an active cell by a side that no node of its neighbour saw
        candidates = binary_dilation(active, np.ones((3, 3)))
        for axis in (0, 1):
            candidates = np.repeat(candidates, 1 + split[axis].astype(int), axis=axis)
        most = (1 if guarded else _PATIENCE) * recipe.cells
        if candidates.sum() > 8 * most:
            break
        following = _inspect(potential, finer, candidates, box.minimum, recipe)
        if following[0].sum() > most:
            break
        edges, inspected = finer, following
    return PlaneMesh(
        edges=(edges[0], edges[1]),
        active=_without_crumbs(inspected[0]),
        guarded=guarded,
        resolved=resolved,
    )


def _bisect(edges: FloatArray, split: BoolArray) -> FloatArray:
    middle = (edges[:-1] + edges[1:]) / 2
    return np.sort(np.concatenate([edges, middle[split]]))


def _inspect(
    potential: PlanePotential,
    edges: list[FloatArray],
    candidates: BoolArray,
    minimum: float,
    recipe: PlaneRecipe,
) -> tuple[BoolArray, list[BoolArray], list[BoolArray]]:
    """Active cells (i, j); per axis: intervals where U varies too much, or is unresolved."""
    rule = lobatto(recipe.degree)
    lines = lobatto(_LINES - 1).nodes
    cell = np.nonzero(candidates)
    active = np.zeros(candidates.shape, dtype=bool)
    rough = [np.zeros(len(e) - 1, dtype=bool) for e in edges]
    unresolved = [np.zeros(len(e) - 1, dtype=bool) for e in edges]
    for axis in (0, 1):
        along = _nodes(edges[axis], rule.nodes)[cell[axis]][:, :, None]
        across = _nodes(edges[1 - axis], lines)[cell[1 - axis]][:, None, :]
        along, across = np.broadcast_arrays(along, across)
        with np.errstate(all="ignore"):
            u = potential(along, across) if axis == 0 else potential(across, along)
            u = np.asarray(u, dtype=float) - minimum
        u = np.where(np.isfinite(u), u, 1e300)
        lowest = u.min(axis=1)
        live = lowest < recipe.level
        active[cell] |= live.any(axis=1)
        cut = np.minimum(u, recipe.level + recipe.variation)
        spread = cut.max(axis=1) - lowest
        tail = np.abs(np.einsum("cq,eql->ecl", rule.coefficients[-2:], u)).max(axis=1)
        allowed = recipe.tolerance * np.exp(np.minimum(lowest, recipe.level) / 2)
        too_rough = (live & (spread > recipe.variation)).any(axis=1)
        not_yet = (live & (tail > allowed)).any(axis=1)
        rough[axis][cell[axis][too_rough]] = True
        unresolved[axis][cell[axis][not_yet]] = True
    return active, rough, unresolved


def _nodes(edges: FloatArray, reference: FloatArray) -> FloatArray:
    half = np.diff(edges) / 2
    return np.asarray((edges[:-1] + half)[:, None] + half[:, None] * reference)


def _without_crumbs(active: BoolArray) -> BoolArray:
    """Drops groups of at most two cells that touch the rest by a corner only."""
    groups, count = label(active)
    sizes = np.bincount(groups.ravel(), minlength=count + 1)
    if count <= 1:
        return active
    return np.asarray(active & (sizes[groups] > 2))
