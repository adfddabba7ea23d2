"""Files of one's own: defaults that learn, runs that are lost and say so, rows that are refused."""

import dataclasses

import numpy as np
import pytest

from benchmarks import own_data
from lvebm_theory.errors import ArgumentError, SolverError
from verification import cli
from verification.training.config import config_of
from verification.training.data import load_points, without_outliers
from verification.training.folder import RunFolder
from verification.training.scores import CEILING, Distance, Scores
from verification.training.session import Asked, begin
from verification.training.watch import Sign

from .test_training_runs import configuration, said


def test_two_clusters_are_learned_with_the_defaults():
    found = own_data.trained("two clusters", 0)
    assert found["ratio"] < 2
    assert found["signs"] == []
    assert abs(found["share"] - found["share of the rows"]) < 5 * 0.5 / np.sqrt(own_data.ROWS)


def test_two_moons_are_learned_with_the_defaults(monkeypatch):
    law, rows, _ = own_data.FILES["two moons"]
    monkeypatch.setitem(own_data.FILES, "two moons", (law, rows, 1000))
    found = own_data.trained("two moons", 0)
    assert found["ratio"] < 2
    assert found["signs"] == []
    assert abs(found["share"] - found["share of the rows"]) < 5 * 0.5 / np.sqrt(own_data.ROWS)


def test_steps_of_two_sizes_run_away_and_the_run_is_lost():
    """Latents that move seven times as far as the pool: z runs away under a weak confinement."""
    apart = {
        "neural": {"dim_z": 1, "confinement": 0.1},
        "training": {
            "pool": 500,
            "latent_step": 0.02,
            "pool_step": 0.003,
            "acceptance": 0.0,
            "rate": {"kind": "Adam", "value": 2e-3, "halving": 330.0},
        },
    }
    with pytest.raises(SolverError, match=r"not learned, signs of divergence.*last good state"):
        own_data.trained("two clusters", 0, apart)


def test_a_lost_run_ends_with_its_last_good_state_also_when_resumed(tmp_path, capsys, monkeypatch):
    file = configuration(
        tmp_path, training={"updates": 120, "record_every": 4, "checkpoint_every": 20}
    )

    def from_forty(watch, reading):
        return [Sign(name="moments", sentence="wide")] if reading.update >= 40 else []

    monkeypatch.setattr("verification.training.watch.Watch.look", from_forty)
    folder = tmp_path / "run"
    for again in ((), ("--resume",)):
        asked = ["train", "--out", str(folder), *again] + ([] if again else [str(file)])
        assert cli.run(asked) == 4
        err = said(capsys)[1]
        # looks at 40, 44, ..., 76: ten of them
        assert "training stopped after update 76: not learned" in err
        assert "the last good state, at update 20" in err
        assert "comparing" not in err
    assert not RunFolder(folder).results_file.exists()
    assert cli.run(["sample", str(folder), "-n", "5"]) == 0


def test_a_law_far_from_the_true_one_is_said_to_be_not_learned():
    from verification.measurement import Measurement

    def at(ratio):
        one = Distance(value=1.0, lower=0.9, upper=1.1)
        return Scores(
            n=100, blocks=2, source="rows", learned=dataclasses.replace(one, value=ratio),
            fresh=one, energy_distance=Measurement(value=0.0),
        )  # fmt: skip

    assert at(CEILING).warning is None
    assert "not learned" not in at(CEILING).in_words()["ratio"]
    assert "not learned" in at(1.01 * CEILING).in_words()["ratio"]
    assert "not learned" in at(1.01 * CEILING).as_json()["warning"]


def test_a_law_that_was_not_learned_is_said_on_the_screen(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("verification.training.scores.CEILING", 1e-3)
    file = configuration(tmp_path)
    assert cli.run(["train", str(file), "--out", str(tmp_path / "run")]) == 0
    assert "warning: not learned" in said(capsys)[1]
    assert "Not learned" in (tmp_path / "run" / "report.html").read_text()


def test_one_row_far_away_is_left_out_and_said():
    rows = np.random.default_rng(0).normal(size=(500, 2))
    rows[7, 1] = 300.0
    kept, told = without_outliers(rows, ("length", "mass"), 20.0)
    assert len(kept) == 499
    assert np.abs(kept).max() < 10
    assert "row 7" in told[0]
    assert "mass = 300" in told[0]
    # two far rows of five hundred are a mode; a wider limit keeps all; so do columns of zeros
    rows[8, 1] = 301.0
    assert without_outliers(rows, ("length", "mass"), 20.0) == (rows, ())
    assert without_outliers(rows[:8], ("length", "mass"), 1e9)[1] == ()
    rare = np.zeros((500, 1))
    rare[3] = 1.0
    assert without_outliers(rare, ("x",), 20.0)[1] == ()


def test_a_constant_column_is_refused_with_what_to_do(tmp_path):
    np.save(tmp_path / "rows.npy", np.c_[np.arange(50.0), np.full(50, 3.0)])
    content = {"data": {"file": "rows.npy"}, "model": {"neural": {}}, "training": {"updates": 10}}
    with pytest.raises(ArgumentError, match=r"coordinate 1 .* does not vary.*data\.columns"):
        begin(Asked(config=config_of(content), beside=tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    content["data"]["columns"] = [0]
    assert load_points(config_of(content), None, tmp_path).dim == 1


def test_learned_parameters_stand_beside_their_start_and_the_best(tmp_path, capsys):
    file = tmp_path / "gaussian.toml"
    file.write_text(
        """
        [data]
        law = "normal(0, 2)"
        n = 200
        [model]
        energy = "linear_gaussian_undirected"
        parameters = { a = 1.5, b = 0.5 }
        best = { a = 0.5 }
        [training]
        updates = 40
        pool = 100
        learned = ["a"]
        backend = "torch"
        [evaluation]
        n = 60
        pairs = 2
        sampling_steps = 10
        """
    )
    assert cli.run(["train", str(file), "--out", str(tmp_path / "run")]) == 0
    shown = [line.split() for line in said(capsys)[0].splitlines() if line.startswith("a ")]
    assert shown[0][:3] == ["a", "start", "1.5,"]
    assert shown[0][-2:] == ["best", "0.5"]
    looks = RunFolder(tmp_path / "run").read_dataset(tmp_path / "run" / "curves.nc", "readings")
    assert list(looks["particle_coordinate"].values) == ["x", "z"]
