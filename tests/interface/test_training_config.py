"""The configuration of a training run: what cannot be meant is refused, and says how to mend it."""

import tomllib

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from verification.training.config import config_of, read_config
from verification.training.points import read_points
from verification.training.toml_text import toml_text

GOOD = {
    "model": {"energy": "linear_gaussian_undirected"},
    "data": {"law": "normal(0, 1)"},
    "training": {"updates": 100},
}


def changed(**tables):
    return {key: {**GOOD.get(key, {}), **value} for key, value in {**GOOD, **tables}.items()}


BAD = {
    "unknown table": ({**GOOD, "modle": {}}, "modle is unknown; did you mean 'model'"),
    "unknown key": (changed(training={"pol": 3}), "training.pol is unknown; did you mean 'pool'"),
    "unknown inner key": (
        changed(training={"rate": {"kind": "constant", "value": 1.0, "powr": 1}}),
        "training.rate.powr is unknown; did you mean 'power'",
    ),
    "missing table": ({"model": {"energy": "x"}, "data": {"law": "y"}}, "training is missing"),
    "missing key": ({**GOOD, "training": {}}, "training.updates is missing"),
    "empty pool": (changed(training={"pool": 0}), "training.pool must be an integer, at least 1"),
    "no updates": (changed(training={"updates": 0}), "training.updates must be an integer"),
    "a text for a number": (changed(training={"pool": "many"}), "got 'many'"),
    "true for a number": (changed(training={"pool": True}), "got true"),
    "a number for a text": (changed(model={"energy": 3}), "model.energy must be a text"),
    "negative step": (changed(training={"pool_step": -0.1}), "above 0, got -0.1"),
    "infinite step": (changed(training={"pool_step": float("inf")}), "finite number"),
    "not a number": (changed(training={"latent_step": float("nan")}), "finite number"),
    "unknown order": (changed(training={"order": "paralel"}), "one of sequential, simultaneous"),
    "negative rate": (changed(training={"rate": -1}), "training.rate must be a finite number"),
    "unknown optimiser": (
        changed(training={"rate": {"kind": "adam", "value": 0.1}}),
        "did you mean 'Adam'",
    ),
    "options of a formula": (
        changed(training={"rate": {"kind": "constant", "value": 0.1, "options": {"a": 1.0}}}),
        "training.rate.options",
    ),
    "power of one third": (
        changed(training={"rate": {"kind": "robbins-monro", "value": 0.1, "power": 0.3}}),
        "training.rate.power must be a finite number, above 0.5 and at most 1",
    ),
    "unknown projection": (changed(training={"projection": {"kind": "ball"}}), "one of box"),
    "a list for a table": (changed(model={"parameters": [1, 2]}), "must be a table"),
    "a number for a list": (changed(evaluation={"missing": 1}), "must be a list"),
    "no model": ({**GOOD, "model": {}}, "model needs either"),
    "two models": (changed(model={"neural": {}}), "model needs either"),
    "parameters of a network": (
        {**GOOD, "model": {"neural": {}, "parameters": {"a": 1.0}}},
        "model.parameters",
    ),
    "a layer of no units": ({**GOOD, "model": {"neural": {"widths": [8, 0]}}}, "got 0"),
    "no data": ({**GOOD, "data": {}}, "one of file, system, law, truth, got none"),
    "two sources": (changed(data={"system": "lorenz"}), "got system and law"),
    "columns of a law": (changed(data={"columns": [0]}), "data.columns belongs to data.file"),
    "numba on a GPU": (
        changed(training={"backend": "numba", "device": "cuda"}),
        'needs training.backend = "torch"',
    ),
    "records beyond the run": (changed(training={"record_every": 200}), "record_every"),
    "negative seed": ({**GOOD, "seed": -1}, "seed must be an integer"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_meant(name):
    content, words = BAD[name]
    with pytest.raises(ArgumentError) as caught:
        config_of(content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_survives_json_and_toml():
    content = changed(
        training={
            "rate": {"kind": "Adam", "value": 0.01, "options": {"amsgrad": True}},
            "projection": {"kind": "box", "lower": {"a": 0.1}},
            "learned": ["a"],
        },
        evaluation={"missing": [0]},
    )
    config = config_of(content)
    assert config_of(config.to_json()) == config
    assert config_of(tomllib.loads(toml_text(config.to_json()))) == config


def test_a_network_has_defaults_of_its_own():
    content = {**GOOD, "model": {"neural": {}}}
    training = config_of(content).training
    assert (training.inner_steps, training.rate.kind) == (10, "Adam")
    # halved so many times along a run, however long that is
    assert config_of({**content, "training": {"updates": 90}}).training.rate.halving == 90 / 7
    assert config_of({**content, "training": {"updates": 90, "rate": 0.1}}).training.rate == 0.1
    assert config_of(GOOD).training.inner_steps == 1


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(ArgumentError, match="cannot read"):
        read_config(tmp_path / "nowhere.toml")
    file = tmp_path / "run.toml"
    file.write_text("[model\n")
    with pytest.raises(ArgumentError, match="no TOML"):
        read_config(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArgumentError, match="UTF-8"):
        read_config(file)


# points -------------------------------------------------------------------------------------------


def test_csv_with_and_without_names(tmp_path):
    plain, named = tmp_path / "plain.csv", tmp_path / "named.csv"
    plain.write_text("1,2\n3,4\n")
    named.write_text("x;y\n1;2\n\n3;4e0\n")
    assert read_points(plain).names == ("x0", "x1")
    found = read_points(named)
    assert found.names == ("x", "y")
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(read_points(named, columns=["y"]).values, [[2], [4]])
    np.testing.assert_array_equal(read_points(plain, columns=[1, 0]).values, [[2, 1], [4, 3]])


def test_numpy_files(tmp_path):
    x = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", first=x, second=2 * x)
    np.testing.assert_array_equal(read_points(tmp_path / "x.npy").values, x)
    np.testing.assert_array_equal(read_points(tmp_path / "x.npz", array="second").values, 2 * x)
    with pytest.raises(ArgumentError, match="first, second"):
        read_points(tmp_path / "x.npz")
    with pytest.raises(ArgumentError, match="did you mean 'second'"):
        read_points(tmp_path / "x.npz", array="secnd")


def test_missing_values_only_where_they_are_asked_about(tmp_path):
    file = tmp_path / "gaps.csv"
    file.write_text("x,y\n1,\nnan,4\n")
    np.testing.assert_array_equal(
        np.isnan(read_points(file, missing=True).values), [[0, 1], [1, 0]]
    )
    with pytest.raises(ArgumentError, match="row 0, column 1"):
        read_points(file)


def test_points_that_cannot_be_used(tmp_path):
    ragged, words, empty = (tmp_path / f"{name}.csv" for name in ("ragged", "words", "empty"))
    ragged.write_text("1,2\n3\n")
    words.write_text("1,2\n3,four\n")
    empty.write_text("\n")
    for file, said in (
        (ragged, "line 2 of ragged.csv"),
        (words, "'four'"),
        (empty, "is empty"),
        (tmp_path / "nowhere.csv", "no such data file"),
        (tmp_path / "x.pkl", ".csv, .npy, .npz"),
    ):
        with pytest.raises(ArgumentError, match=said):
            read_points(file)
    np.save(tmp_path / "deep.npy", np.zeros((2, 2, 2)))
    with pytest.raises(ArgumentError, match=r"shape \(n, d\), got \(2, 2, 2\)"):
        read_points(tmp_path / "deep.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ArgumentError, match="cannot be read as numbers"):
        read_points(tmp_path / "objects.npy")
    np.save(tmp_path / "complex.npy", np.zeros((2, 1), dtype=complex))
    with pytest.raises(ArgumentError, match="real numbers"):
        read_points(tmp_path / "complex.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "deep.npy").read_bytes()[:90])
    with pytest.raises(ArgumentError, match="cannot be read as numbers"):
        read_points(tmp_path / "cut.npy")
