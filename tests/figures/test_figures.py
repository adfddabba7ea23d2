"""Every figure draws from stored data alone, twice with the same bytes, and is no blank page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from paper_figures.__main__ import caption, figure_module, names
from paper_figures.canvas import save
from verification.report.results import Results

CLAIMS = sorted({claim for name in names() for claim in figure_module(name).CLAIMS})


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A small run of the claims that figures draw."""
    folder = tmp_path_factory.mktemp("figures") / "run"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "verification.cli",
            "verify",
            "--claims",
            ",".join(CLAIMS),
            "--budget",
            "quick",
            "--out",
            str(folder),
        ],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return Results(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_same_bytes_twice_and_ink_on_the_page(name: str, results: Results, tmp_path: Path) -> None:
    draw = figure_module(name).draw
    first = save(draw(results), tmp_path / "a", name)
    second = save(draw(results), tmp_path / "b", name)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    picture = matplotlib.image.imread(first[1])[..., :3]
    dark = np.mean(picture.min(axis=2) < 0.5)
    assert 0.005 < dark < 0.5
    width_in_inches = picture.shape[1] / 300
    assert abs(width_in_inches - 3.35) < 0.05


@pytest.mark.slow
def test_each_panel_is_labelled(results: Results) -> None:
    for name in names():
        figure = figure_module(name).draw(results)
        assert figure.axes[-1].get_xlabel()
        for axes in figure.axes:
            assert axes.get_ylabel(), name
            assert axes.lines or axes.collections, name


@pytest.mark.parametrize("name", names())
def test_captions_carry_the_statements(name: str) -> None:
    assert "$" in caption(name)


def test_a_run_without_the_data_is_told_what_to_run(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ArgumentError, match="no finished run"):
        Results(folder)


def test_drawing_loads_neither_numba_nor_torch() -> None:
    code = (
        "import sys; from paper_figures.__main__ import names, figure_module\n"
        "for n in names(): figure_module(n)\n"
        "assert not {'numba', 'torch'} & set(sys.modules), 'a figure loads a solver'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
