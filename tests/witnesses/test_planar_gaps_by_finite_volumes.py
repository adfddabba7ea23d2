"""Planar gaps against the grid's own matrix and scipy's eigensolver; 25 s of processor time.

The finite-volume matrix shares no code with the spectral elements. Its error is even in the width
of the cells, so two grids give an extrapolated value, and the extrapolation its uncertainty.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lvebm_theory.constants import spectrum
from lvebm_theory.parse import parse_potential
from solvers.densities.box import find_box

ROOT = Path(__file__).parents[2]
NAMES = (
    "Mueller-Brown, scaled by hand",
    "eight on a circle",
    "unequal mixture of eight",
    "logistic posterior, four rows",
)


@pytest.fixture(scope="module")
def table() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.constants")


@pytest.mark.parametrize("name", NAMES)
def test_gap_is_the_one_of_finite_volumes(table: ModuleType, name: str) -> None:
    energy = table.energy_of(name)
    found = spectrum(energy, 1)
    gap, error = float(found.eigenvalues[0]), float(found.error[0])
    box = find_box(energy)
    coarse, fine = (table.finite_volume_gap(energy, box, cells) for cells in (80, 160))
    value, width = fine + (fine - coarse) / 3, abs(fine - coarse) / 3
    assert width < 0.02 * value  # grids this coarse still tell one gap from another
    assert abs(gap - value) <= width + error
    # a tenth more, and the two are told apart
    assert abs(1.1 * gap - value) > width + 1.1 * error


@pytest.mark.parametrize("text", ["x**2/2+(y-x**2/2)**2", "(x**2-1)**2+(x-y)**2+y**4/9+x"])
def test_the_factorised_matrix_is_the_form_of_the_slopes(text: str) -> None:
    elements = spectrum(parse_potential(text), 1).elements
    root = np.sqrt(elements.masses)
    load = root * np.sin(3 * elements.points.sum(axis=1))
    for shift in (0.3, 2.0):
        y = elements.shift_inverse(shift)(load)
        form = float((elements.slopes((y / root)[:, None]) ** 2).sum())
        assert y @ load == pytest.approx(form + shift * y @ y, rel=1e-9)
        assert y @ load != pytest.approx(form + 1.01 * shift * y @ y, rel=1e-6)
