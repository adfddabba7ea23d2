"""Spectrum of a two-dimensional energy: successive looks with finer meshes and wider boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..errors import ArgumentError, SolverError
from ..protocols import Energy
from .confinement import Confinement, confinement, unproved
from .frame import Frame, PlanePotential, kink_frames, shear_frames
from .line_spectrum import line_spectrum
from .mode_centres import mode_centres
from .modes import low_modes
from .parts import separated_parts, written
from .plane_elements import PlaneElements
from .plane_mesh import PlaneRecipe, plane_mesh
from .region import descend, level_box
from .spectral import Spectrum
from .tails import plane_threshold


class Look(NamedTuple):
    """One mesh: its lowest modes and their mass where U - min U exceeds 0.7 level."""

    elements: PlaneElements
    level: float
    eigenvalues: FloatArray
    functions: FloatArray
    edge: FloatArray


_LOOKS = (
    PlaneRecipe(level=34.0, degree=8, variation=20.0, tolerance=1e-3, cells=1500),
    PlaneRecipe(level=38.0, degree=10, variation=18.0, tolerance=1e-5, cells=1200),
    PlaneRecipe(level=44.0, degree=12, variation=12.0, tolerance=1e-7, cells=900),
    PlaneRecipe(level=50.0, degree=14, variation=10.0, tolerance=1e-8, cells=700),
)
_STEEP = PlaneRecipe(level=36.0, degree=10, variation=28.0, tolerance=1e-3, cells=1500)
# for proofs that need a rim wider than what the modes themselves need
_WIDE = PlaneRecipe(level=np.inf, degree=12, variation=14.0, tolerance=1e-6, cells=400)
_WIDE_STEEP = replace(_WIDE, degree=8, variation=28.0, tolerance=1e-3, cells=2000)
_HEAVY, _VARIES = "tails too heavy for a box", "U varies too much for the mesh"
_GOAL = 3e-7
_SPARE = 4  # modes beyond those asked for, to replace spurious ones
_SPURIOUS = 0.9  # with this much of their mass at the very edge
_EXTENDED = 0.05
_RAISED = 3  # times that a mesh is raised
_SEARCHES = 3  # rounds in which modes off the mesh are looked for
_DESCENTS = 12
_FAR = 1e4  # from where on V is looked at for a limit
_ROUNDING = 1e-11


def potential_on_plane(energy: Energy) -> PlanePotential:
    """U as a function of two arrays of one shape."""

    def potential(x: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray(
            np.broadcast_to(energy.on_coordinates("potential", [x, y]), np.shape(x)), dtype=float
        )

    return potential


def plane_spectrum(energy: Energy, count: int) -> Spectrum:
    """See ``spectral.spectrum``.

    A sum U_1(x) + U_2(y) takes its eigenvalues lambda_i + mu_j from the two lines; the planar
    basis then serves expectations, eigenfunctions and flows only.

    Raises
    ------
    SolverError
        If tails are too heavy for a box, or no mesh within the budget separates the modes.
    """
    potential = potential_on_plane(energy)
    parts = separated_parts(energy)
    product = len(parts) == 2
    bottom, source = np.inf, ""
    if product:
        sums = _sums(parts, count)
        bottom, source = sums.essential_bottom, sums.essential_source
    else:
        bottom = plane_threshold(energy, _FAR)
        source = "" if np.isinf(bottom) else f"|grad U|^2/4 - Lap U/2 tends to {bottom:.6g}"
    if bottom == 0:
        raise SolverError(f"no gap and no basis for {energy.name}: {source}")
    most = 1 if product else len(_LOOKS) if energy.smooth else 3
    frames: list[Frame] = []
    if not product:
        frames = shear_frames(energy) if energy.smooth else kink_frames(energy)
    centres = mode_centres(energy)
    held = unproved("")
    # its modes are noise far out, where masses are below rounding: it serves the proof alone
    raised: Look | None = None
    for _ in range(1 if product else _SEARCHES):
        looks, failure = _looks(potential, energy.smooth, frames, centres, count, most)
        if product or len(looks) < 2:
            break
        held, raised = _held(energy, looks[-1], bottom), None
        # a mode that fills its box fills a larger one too
        fills = bool((looks[-1].edge > _EXTENDED).any())
        for _ in range(_RAISED if np.isfinite(held.level) and not fills else 0):
            for recipe in (_WIDE, _WIDE_STEEP):
                recipe = replace(recipe, level=held.level)
                wide = _look(potential, energy.smooth, frames, centres, count, recipe)
                if wide != _VARIES:
                    break
            if isinstance(wide, str):
                break
            higher = _held(energy, wide, bottom)
            if higher.loss < held.loss:
                raised = wide
            if higher.loss < held.loss or held.reason:
                held = higher
            if held is not higher or not np.isfinite(higher.level):
                break
        found = _new_wells(potential, looks[-1], held.places)
        if not found:
            break
        centres = [*centres, *found]
    if not product and len(looks) >= 2:
        eigenvalues, error = _settled(looks, energy.smooth)
        if not held.reason:
            error = error + 2 * held.loss * eigenvalues + _cut_off(energy, looks[-1])
            if raised is not None:
                error = error + np.abs(raised.eigenvalues - eigenvalues)
        error = np.where(eigenvalues < bottom, error, np.maximum(error, eigenvalues - bottom))
        eigenvalues = np.minimum(eigenvalues, bottom)
        functions = looks[-1].functions
    elif product and looks:
        eigenvalues, error = sums.eigenvalues, sums.error
        functions = sums.products(looks[-1].elements.points)
    else:
        raise SolverError(f"no spectral basis for {energy.name}: {failure}")
    elements = looks[-1].elements
    return Spectrum(
        eigenvalues=eigenvalues,
        error=error,
        essential_bottom=bottom,
        essential_source=source,
        domain=elements.box,
        elements=elements,
        functions=functions,
        refine=lambda start: elements,
        unproved=held.reason if not product else "",
    )


def _held(energy: Energy, look: Look, bottom: float) -> Confinement:
    """Whether every slow mode is proved to be on the mesh of a look."""
    subject = written(energy)
    if subject is None:
        return unproved("U is not given by a formula")
    if not energy.smooth:
        return unproved("U has kinks")
    return confinement(energy, subject, look.elements, float(look.eigenvalues[0]), bottom)


def _new_wells(potential: PlanePotential, look: Look, places: FloatArray) -> list[FloatArray]:
    """Minima below the level of the mesh and off it, by descent from the places."""
    elements, found = look.elements, []
    for place in places[:: max(1, len(places) // _DESCENTS)]:
        if elements.covers(place[None], place[None])[0]:
            continue
        well, value = descend(potential, place)
        off = not elements.covers(well[None], well[None])[0]
        if off and value < elements.floor + look.level:
            found.append(well)
    return found


def _cut_off(energy: Energy, look: Look) -> FloatArray:
    """What a mode of the mesh, cut off before its edge, adds to its eigenvalue.

    With chi(U) falling from 1 to 0 between 0.7 and 0.9 of the level, E(chi phi) = lambda
    int chi^2 phi^2 + int phi^2 |grad chi|^2: the second term, and the mass that chi removes.
    """
    elements = look.elements
    height = elements.height_at(elements.points)
    rim = (height > 0.7 * look.level) & (height < 0.9 * look.level)
    with np.errstate(all="ignore"):
        slope = energy.on_coordinates("gradient", list(elements.points[rim].T))
    square = np.nan_to_num((slope**2).sum(axis=0)) / (0.2 * look.level) ** 2
    added = (elements.masses[rim] * square) @ look.functions[rim] ** 2
    return np.asarray(added + 2 * look.edge * look.eigenvalues)


def _looks(
    potential: PlanePotential,
    smooth: bool,
    frames: list[Frame],
    centres: list[FloatArray],
    count: int,
    most: int,
) -> tuple[list[Look], str]:
    """Converged looks, and the last reason why one was left out."""
    looks: list[Look] = []
    failure = ""
    for recipe in _LOOKS:
        found = _look(potential, smooth, frames, centres, count, recipe)
        if found == _VARIES and smooth and len(looks) == 1:
            # steep walls: larger cells, a lower edge, and the degree does the rest
            recipe = _STEEP
            found = _look(potential, smooth, frames, centres, count, recipe)
        if isinstance(found, str):
            failure = found
            if found == _HEAVY or recipe is _STEEP:
                break
            continue
        looks.append(found)
        settled = len(looks) > 1 and np.all(
            np.abs(looks[-1].eigenvalues - looks[-2].eigenvalues) <= _GOAL * looks[-1].eigenvalues
        )
        # a second look at the same steep mesh would agree with itself
        if settled or len(looks) == most or recipe is _STEEP:
            break
    return looks, failure


def _look(
    potential: PlanePotential,
    smooth: bool,
    frames: list[Frame],
    centres: list[FloatArray],
    count: int,
    recipe: PlaneRecipe,
) -> Look | str:
    """The lowest modes on the mesh of a recipe, or why there are none."""
    box = level_box(potential, recipe.level, rotate=smooth, frames=frames, centres=centres)
    if not box.reached:
        return _HEAVY
    mesh = plane_mesh(box.frame.potential(potential), box, recipe)
    if not mesh.guarded:
        return _VARIES
    elements = PlaneElements(potential, mesh, box.frame, recipe.degree, recipe.level)
    if count + _SPARE > len(elements.masses) - 2:
        raise ArgumentError(f"count {count} is beyond the basis ({len(elements.masses)})")
    try:
        values, functions = low_modes(elements, count + _SPARE)
    except SolverError as error:
        return str(error)
    edge = elements.mass_above(0.7 * recipe.level, functions)
    kept = np.flatnonzero(edge < _SPURIOUS)
    kept = (kept if len(kept) >= count else np.arange(count))[:count]
    return Look(elements, recipe.level, values[kept], functions[:, kept], edge[kept])


def _settled(looks: list[Look], smooth: bool) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues and errors from the last looks.

    The error is twice the last difference, more where differences fall slowly. A mode that
    fills the box up to its edge is no eigenfunction but a sign of essential spectrum (a valley
    in which U grows linearly with arc length, say); its value falls like E + c / level^2 and is
    extrapolated, the extrapolated piece being its error.
    """
    last, previous = looks[-1], looks[-2]
    difference = np.abs(last.eigenvalues - previous.eigenvalues)
    factor = np.full(difference.shape, 2.0 if smooth else 5.0)
    if len(looks) > 2:
        before = np.abs(previous.eigenvalues - looks[-3].eigenvalues)
        ratio = np.clip(difference / np.maximum(before, 1e-300), 0.0, 0.95)
        factor = np.maximum(factor, 2 / (1 - ratio))
    error = np.maximum(factor * difference, _ROUNDING * last.eigenvalues)
    scale = (last.level / previous.level) ** 2
    limit = (scale * last.eigenvalues - previous.eigenvalues) / (scale - 1)
    piece = np.abs(last.eigenvalues - limit)
    extended = (np.minimum(last.edge, previous.edge) > _EXTENDED) & (limit > 0)
    values = np.where(extended, limit, last.eigenvalues)
    error = np.where(extended, np.maximum(error, piece), error)
    order = np.argsort(values, kind="stable")  # extrapolation may swap neighbours
    return values[order], error[order]


class _Sums(NamedTuple):
    """Eigenvalues lambda_i + mu_j of a sum of two energies, and which i and j they are."""

    lines: tuple[Spectrum, Spectrum]
    pairs: list[tuple[int, int]]
    eigenvalues: FloatArray
    error: FloatArray
    essential_bottom: float
    essential_source: str

    def products(self, points: FloatArray) -> FloatArray:
        """phi_i(x) psi_j(y) at points (n, 2), up to the first that is no eigenfunction."""
        columns: list[FloatArray] = []
        for pair in self.pairs:
            if any(k > s.functions.shape[1] for k, s in zip(pair, self.lines, strict=True)):
                break
            values = [
                s.eigenfunction(k)(points[:, axis])
                for axis, (k, s) in enumerate(zip(pair, self.lines, strict=True))
            ]
            columns.append(values[0] * values[1])
        return np.stack(columns, axis=1) if columns else np.zeros((len(points), 0))


def _sums(parts: list[Energy], count: int) -> _Sums:
    """The lowest lambda_i + mu_j with errors and the least essential bottom."""
    first, second = (line_spectrum(part, count) for part in parts)
    values = np.concatenate([[0.0], first.eigenvalues])[:, None] + np.concatenate(
        [[0.0], second.eigenvalues]
    )
    errors = np.concatenate([[0.0], first.error])[:, None] + np.concatenate([[0.0], second.error])
    order = np.argsort(values, axis=None, kind="stable")[1 : count + 1]
    least = min((first, second), key=lambda s: s.essential_bottom)
    return _Sums(
        lines=(first, second),
        pairs=[(int(k) // values.shape[1], int(k) % values.shape[1]) for k in order],
        eigenvalues=values.ravel()[order],
        error=errors.ravel()[order],
        essential_bottom=least.essential_bottom,
        essential_source=least.essential_source,
    )
