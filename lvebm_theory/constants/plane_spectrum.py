"""Spectrum of a two-dimensional energy: successive looks with finer meshes and wider boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..protocols import Energy
from .modes import low_modes
from .plane_elements import PlaneElements
from .plane_mesh import PlaneRecipe, plane_mesh
from .region import LevelBox, PlanePotential, level_box
from .spectral import Spectrum

FloatArray = npt.NDArray[np.float64]
Look = tuple[PlaneElements, FloatArray, FloatArray]

_LOOKS = (
    PlaneRecipe(level=34.0, degree=8, variation=20.0, tolerance=1e-2, cells=800),
    PlaneRecipe(level=38.0, degree=10, variation=18.0, tolerance=1e-3, cells=800),
    PlaneRecipe(level=44.0, degree=12, variation=16.0, tolerance=1e-4, cells=700),
)
_GOAL = 1e-7
_ROUNDING = 1e-11


def potential_on_plane(energy: Energy) -> PlanePotential:
    """U as a function of two arrays of one shape."""

    def potential(x: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray(
            np.broadcast_to(energy.on_coordinates("potential", [x, y]), np.shape(x)), dtype=float
        )

    return potential


def plane_spectrum(energy: Energy, count: int) -> Spectrum:
    """See ``spectral.spectrum``."""
    potential = potential_on_plane(energy)
    looks: list[Look] = []
    for recipe in _LOOKS:
        box = level_box(potential, recipe.level, rotate=energy.smooth)
        elements = _elements(potential, box, recipe)
        if count > len(elements.masses) - 2:
            raise ArgumentError(f"count {count} is beyond the basis ({len(elements.masses)})")
        looks.append((elements, *low_modes(elements, count)))
        if len(looks) == 1:
            continue
        error = np.abs(looks[-1][1] - looks[-2][1])
        if np.all(error <= _GOAL * looks[-1][1]):
            break
    elements, eigenvalues, functions = looks[-1]
    return Spectrum(
        eigenvalues=eigenvalues,
        error=np.maximum(2 * error, _ROUNDING * eigenvalues),
        essential_bottom=np.inf,
        essential_source="",
        domain=elements.box,
        elements=elements,
        functions=functions,
        refine=lambda start: elements,
    )


def _elements(potential: PlanePotential, box: LevelBox, recipe: PlaneRecipe) -> PlaneElements:
    mesh = plane_mesh(box.frame.potential(potential), box, recipe)
    return PlaneElements(potential, mesh, box.frame, recipe.degree, recipe.level)
