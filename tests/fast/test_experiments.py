"""The sweep resumes, the table is arithmetic, and the page says who wins, whoever that is."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError, SolverError
from solvers.learning.systems import system_named
from verification.experiments import measure as measuring
from verification.experiments.page import page
from verification.experiments.pictures import truth_picture, write
from verification.experiments.plan import METHODS, SYSTEMS, Run, Sizes, brief_plan, full_plan
from verification.experiments.sweep import stored, sweep
from verification.experiments.table import SCORES, best, cell, cells, told_apart
from verification.keeping import read_sealed

TINY = Sizes(train=200, sample=40, blocks=2, likelihood=20, masked=10, draws=4)
RUN = Run(
    system="ring_mixture",
    method="variational",
    seed=0,
    updates=3,
    options={"dim_z": 1, "hidden": (8,)},
    sizes=TINY,
)


def test_the_full_plan_is_every_cell_once_with_the_first_seeds_first() -> None:
    plan = full_plan()
    assert len(plan) == len({run.name for run in plan}) == 100
    assert {(run.system, run.method) for run in plan[:20]} == {
        (s, m) for s in SYSTEMS for m in METHODS
    }
    assert {run.method for run in brief_plan()} == set(METHODS)
    assert plan[0].digest != dataclasses.replace(plan[0], updates=7).digest
    for wrong in ({"method": "gan"}, {"system": "pendulum"}, {"updates": 0}):
        with pytest.raises(ArgumentError):
            dataclasses.replace(RUN, **wrong)


def test_a_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    runs = (RUN, dataclasses.replace(RUN, seed=1))
    heard: list[str] = []

    def again(plan: tuple[Run, ...] = runs) -> list[dict]:
        heard.clear()
        return sweep(plan, tmp_path, processes=1, listener=lambda run, _: heard.append(run.name))

    first = again()
    assert heard == [run.name for run in runs]
    assert [r["seed"] for r in first] == [0, 1]
    assert all(r["failed"] is None for r in first)
    assert first[0]["likelihood"]["kind"] == "exact by quadrature"
    assert first[0]["reconstruction"]["observed"] == [True, False]
    assert again() == first
    assert heard == []
    # a file cut short, and one of other settings, are run again; the numbers are the same
    target = tmp_path / f"{RUN.name}.json"
    target.write_text(target.read_text()[:100])
    assert stored(RUN, tmp_path) is None
    repeated = again()
    assert heard == [RUN.name]
    assert _without_times(repeated[0]) == _without_times(first[0])
    other = dataclasses.replace(runs[1], updates=4)
    assert stored(other, tmp_path) is None
    again((RUN, other))
    assert heard == [other.name]
    # pictures of the first seed only, gathered into one file
    assert (tmp_path / f"{RUN.name}.nc").exists()
    assert not (tmp_path / f"{runs[1].name}.nc").exists()
    gathered = write(tmp_path, tmp_path / "all.nc", [RUN])
    import xarray

    with xarray.open_dataset(gathered, group="ring_mixture/variational", engine="h5netcdf") as d:
        assert d["density"].shape == (72, 72)
        assert float(d["density"].min()) >= 0
    with pytest.raises(ArgumentError, match="one process"):
        sweep(runs, tmp_path, processes=0)


@pytest.mark.parametrize("name", ["ring_mixture", "van_der_pol"])
def test_the_grid_is_kept_where_the_true_density_is_unknown(name: str, tmp_path: Path) -> None:
    run = dataclasses.replace(RUN, system=name)
    found = truth_picture(system_named(name), run, tmp_path)
    assert found.sizes["x"] == found.sizes["y"] == 72
    assert len(found["x"]) == len(found["y"]) == 72
    assert ("density" in found) == (name == "ring_mixture")
    assert found["samples"].dtype == np.float32


def _without_times(result: dict) -> dict:
    kept = copy.deepcopy(result)
    kept.pop("evaluation_seconds")
    for name in ("seconds", "processor_seconds"):
        kept["fit"].pop(name)
    return kept


def test_a_method_that_fails_is_a_result(tmp_path: Path, monkeypatch) -> None:
    def dies(*args: object, **kwargs: object) -> None:
        raise SolverError("the pool left the finite numbers", step=3)

    monkeypatch.setattr(measuring, "fitted", dies)
    (result,) = sweep([RUN], tmp_path, processes=1)
    assert "finite numbers" in result["failed"]
    assert "finite numbers" in page([result], TINY, "here")
    assert read_sealed(tmp_path / f"{RUN.name}.json") == result


def _result(method: str, seed: int, likelihood: float, sliced: float, kind="exact by quadrature"):
    row = {"value": sliced, "lower": sliced - 0.01, "upper": sliced + 0.01}
    sides = {"exact by quadrature": ("lower", "upper"), "lower bound in expectation": ("lower",)}
    ends = {side: likelihood if side in sides[kind] else None for side in ("lower", "upper")}
    return {
        "system": "lorenz",
        "method": method,
        "seed": seed,
        "failed": None,
        "fit": {
            "updates": 5, "asked": 5, "seconds": 1.0, "processor_seconds": 1.0, "parameters": 9,
        },
        "likelihood": {"kind": kind, "route": "", **ends, "data": 10},
        "true_likelihood": None,
        "sliced": row,
        "sliced_of_truth": {**row, "value": 0.05},
        "energy_distance": row,
        "modes": None,
        "reconstruction": {
            "score": row, "error": row, "blind_score": row, "observed": [True, False, False],
            "info": {"disagreement": {"median": 1.3, "largest": 2.0}},
        },
    }  # fmt: skip


def test_the_table_is_a_mean_with_students_interval() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = cell(values)
    assert found.value == 3.0
    # t_4(0.975) s / sqrt 5
    assert found.half_width == pytest.approx(2.776445 * np.std(values, ddof=1) / np.sqrt(5))
    assert cell([2.0]).half_width is None
    assert cell([]) is None
    assert not told_apart(cell([2.0]), cell([9.0]))
    assert told_apart(cell([1.0, 1.01]), cell([9.0, 9.01]))
    results = [_result("variational", s, -1.0 - 0.01 * s, 0.2) for s in range(3)]
    results += [_result("latent_energy", s, -2.0 - 0.01 * s, 0.1 + 0.001 * s) for s in range(3)]
    by_likelihood = cells(results, SCORES[0])
    assert best(by_likelihood, "lorenz", SCORES[0]) == "variational"
    assert best(cells(results, SCORES[1]), "lorenz", SCORES[1]) == "latent_energy"
    assert best(by_likelihood, "van_der_pol", SCORES[0]) is None


def test_the_width_of_a_bracket_is_part_of_the_interval() -> None:
    results = [_result("latent_energy", s, -2.0 - 0.01 * s, 0.1) for s in range(3)]
    for result in results:
        ends = result["likelihood"]
        ends["lower"], ends["upper"] = ends["lower"] - 0.3, ends["upper"] + 0.3
    wide = cells(results, SCORES[0])["lorenz", "latent_energy"]
    narrow = cell([-2.0, -2.01, -2.02])
    assert wide.value == pytest.approx(narrow.value)
    assert wide.half_width == pytest.approx(narrow.half_width + 0.3)
    assert cells(results, SCORES[1])["lorenz", "latent_energy"].half_width == pytest.approx(0.0)
    assert "log-likelihood of LV-EBM, neural energy to ± 0.30" in page(results, TINY, "a machine")


def test_the_page_says_where_a_baseline_wins_and_names_one_sided_numbers() -> None:
    results = [_result("variational", s, -1.0 - 0.01 * s, 0.2) for s in range(3)]
    results += [_result("latent_energy", s, -2.0 - 0.01 * s, 0.1 + 0.001 * s) for s in range(3)]
    text = page(results, TINY, "a machine")
    wins = next(line for line in text.splitlines() if line.startswith("- held-out log-likelihood"))
    assert "VAE, Gaussian encoder (told from LV-EBM)" in wins
    assert "LV-EBM, neural energy." in next(
        line for line in text.splitlines() if line.startswith("- sliced W2:")
    )
    assert "**-1.01" in text
    words = "against VAE, Gaussian encoder: better in 4, worse in 1 and not told apart in 0 of 5"
    assert words in text
    assert "split R-hat" in text
    assert "python -m benchmarks experiments" in text
    one_sided = [_result("latent_energy", 0, -2.0, 0.1, "lower bound in expectation")]
    assert "(lower bound in expectation)" in page(one_sided, TINY, "a machine")
    swapped = page(
        [{**r, "method": {"variational": "latent_energy"}.get(r["method"], "variational")}
         for r in results], TINY, "a machine",
    )  # fmt: skip
    wins = next(line for line in swapped.splitlines() if line.startswith("- held-out log"))
    assert "VAE" not in wins
    assert "better in 1, worse in 4 and not told apart in 0 of 5" in swapped
    cut = copy.deepcopy(results[0])
    cut["fit"]["updates"] = 2
    assert "cut short by the time limit after 2 of 5" in page([cut], TINY, "a machine")
