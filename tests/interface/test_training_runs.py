"""``lvebm train`` and what follows it, on models small enough to train in a moment."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from verification import cli
from verification.keeping import read_sealed, sealed, write_json
from verification.training.config import read_config
from verification.training.run import run_training
from verification.training.session import Asked, begin
from verification.training.states import resume
from verification.training.toml_text import toml_text
from verification.training.trained import open_trained

from .conftest import command, environment

PRECISION = [[1.0, 0.2, -0.5], [0.2, 1.0, 0.0], [-0.5, 0.0, 1.0]]


def points(n=80, seed=0):
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], size=n)


def configuration(folder, **tables):
    """A file that trains a Gaussian in two coordinates; tables replace keys of its own."""
    np.save(folder / "points.npy", points())
    content = {
        "name": "tiny",
        "model": {"energy": "linear_gaussian", "dim_z": 1, "parameters": {"precision": PRECISION}},
        "data": {"file": "points.npy", "held_out": 0.25},
        "training": {
            "updates": 60,
            "pool": 100,
            "latent_step": 0.1,
            "pool_step": 0.1,
            "rate": 0.02,
            "projection": {"kind": "positive-definite", "margin": 0.05},
            "record_every": 5,
            "checkpoint_every": 10,
            "backend": "torch",  # nothing to compile
        },
        "evaluation": {"n": 60, "pairs": 2, "reconstructions": 12, "sampling_steps": 20},
    }
    for name, value in tables.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    file = folder / "run.toml"
    file.write_text(toml_text(content))
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    status = cli.run(["train", str(configuration(folder)), "--out", str(folder / "run")])
    assert status == 0
    return folder / "run"


def said(capsys):
    told = capsys.readouterr()
    return told.out, told.err


def test_a_run_leaves_a_report_that_needs_nothing_else(trained):
    page = (trained / "report.html").read_text()
    assert "times as far from the true one" in page
    for title in ("Learned against true", "Densities", "Reconstruction", "Training", "Settings"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<svg") >= 8
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "nan" not in page.lower().replace("nanm", "")


def test_the_report_can_be_drawn_again_from_stored_data(trained, capsys):
    before = (trained / "report.html").read_text()
    (trained / "report.html").unlink()
    assert cli.run(["report", str(trained)]) == 0
    assert str(trained / "report.html") in said(capsys)[0].replace("\n", "")
    assert (trained / "report.html").read_text() == before


def test_samples_in_the_units_of_the_data(trained, capsys, tmp_path):
    assert cli.run(["sample", str(trained), "-n", "40", "--seed", "3"]) == 0
    lines = said(capsys)[0].splitlines()
    assert lines[0] == "x0,x1"
    first = np.array([[float(v) for v in line.split(",")] for line in lines[1:]])
    assert first.shape == (40, 2)
    out = tmp_path / "draws.npy"
    asked = ["sample", str(trained), "-n", "40", "--seed", "3", "--latents", "--out", str(out)]
    assert cli.run(asked) == 0
    assert said(capsys)[0] == ""
    np.testing.assert_array_equal(np.load(out)[:, :2], first)
    assert np.load(out).shape == (40, 3)
    assert cli.run(["sample", str(trained), "--out", str(tmp_path / "draws.txt")]) == 3


def test_reconstruction_keeps_what_is_known(trained, capsys, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("x0,x1\n0.1,\n,-0.3\n1.5,2.5\n")
    assert cli.run(["reconstruct", str(trained), "--data", str(rows), "--draws", "40"]) == 0
    lines = said(capsys)[0].splitlines()
    assert lines[0] == "x0,x1,sd_x0,sd_x1"
    values = np.array([[float(v) for v in line.split(",")] for line in lines[1:]])
    assert values[0, 0] == 0.1
    assert values[1, 1] == -0.3
    np.testing.assert_array_equal(values[2], [1.5, 2.5, 0, 0])
    assert values[0, 2] == 0
    assert values[0, 3] > 0.1
    out = tmp_path / "draws.csv"
    asked = ["reconstruct", str(trained), "--data", str(rows), "--missing", "x1", "--draws", "7"]
    assert cli.run([*asked, "--draws-too", "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 1 + 3 * 7


def test_evaluation_as_json(trained, capsys):
    assert cli.run(["evaluate", str(trained), "-n", "50", "--json"]) == 0
    scores = json.loads(said(capsys)[0])
    assert scores["ratio"] > 0
    assert scores["mean_log_density"]["kind"] == "exact by quadrature"
    assert -4 < scores["mean_log_density"]["lower"] < -1
    assert scores["source"] == "held-out rows of the file"


# bad input ----------------------------------------------------------------------------------------


def refused(capsys, *arguments, words):
    assert cli.run([str(a) for a in arguments]) == 3
    out, err = said(capsys)
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err, err


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"training": {"pool": 0}}, "training.pool must be an integer, at least 1"),
        ({"training": {"batch": 1000}}, "a batch has at most"),
        ({"training": {"learned": ["presision"]}}, "training.learned"),
        ({"training": {"latent_start": "normal(0"}}, "training.latent_start"),
        ({"training": {"pool_start": "normal(0,1)*normal(0,1)"}}, "training.pool_start"),
        ({"model": {"energy": "linear_gausian"}}, "did you mean 'linear_gaussian'"),
        ({"model": {"energy": "mine.py:mine"}}, "no such energy file"),
        ({"model": {"parameters": {"precison": PRECISION}}}, "precision"),
        ({"data": {"file": "nowhere.npy"}}, "no such data file"),
        ({"data": {"columns": [0]}}, "precision must be a symmetric (2, 2) matrix"),
        ({"evaluation": {"missing": [2]}}, "evaluation.missing"),
        ({"evaluation": {"missing": [0, 1]}}, "one must be known"),
    ],
)
def test_bad_configurations_end_before_any_work(tables, words, tmp_path, capsys):
    file = configuration(tmp_path, **tables)
    refused(capsys, "train", file, "--out", tmp_path / "run", words=words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.array([[0.0, 1.0], [np.nan, 2.0], [1.0, 1.0]]), "row 1, column 0"),
        (np.zeros((4, 2, 2)), "shape (n, d), got (4, 2, 2)"),
        (np.zeros((0, 2)), "holds no points"),
        (np.zeros((6, 3)), "precision must be a symmetric (4, 4) matrix"),
    ],
)
def test_bad_data_end_before_any_work(data, words, tmp_path, capsys):
    file = configuration(tmp_path)
    np.save(tmp_path / "points.npy", data)
    refused(capsys, "train", file, "--out", tmp_path / "run", words=words)
    assert not (tmp_path / "run").exists()


def test_bad_arguments(trained, tmp_path, capsys):
    file = configuration(tmp_path)
    refused(capsys, "train", words="CONFIG.toml or --example")
    refused(capsys, "train", file, "--example", "gaussian", words="not both")
    refused(capsys, "train", "--example", "lorentz", words="did you mean 'lorenz'")
    refused(capsys, "train", file, "--out", trained, words="already holds a run")
    refused(capsys, "train", "--resume", "--out", tmp_path / "none", words="holds no training run")
    refused(capsys, "train", file, "--resume", "--seed", 9, "--out", trained, words="another conf")
    refused(capsys, "sample", tmp_path, words="holds no training run")
    wide = tmp_path / "wide.csv"
    wide.write_text("1,2,3\n")
    refused(capsys, "reconstruct", trained, "--data", wide, words="the model has 2 coordinates")
    full = tmp_path / "full.csv"
    full.write_text("1,2\n")
    refused(capsys, "reconstruct", trained, "--data", full, words="nothing is missing")
    asked = ("reconstruct", trained, "--data", full, "--missing")
    refused(capsys, *asked, "x7", words="--missing names coordinates 0 to 1")
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("1,\n")
    refused(capsys, "evaluate", trained, "--data", gaps, words="data must be finite")


# checkpoints --------------------------------------------------------------------------------------


def copied(trained, tmp_path):
    import shutil

    return shutil.copytree(trained, tmp_path / "copy")


def test_a_truncated_checkpoint(trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    file = run / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(capsys, "sample", run, words="cut short")
    refused(capsys, "train", "--resume", "--out", run, words="cut short")
    file.unlink()
    refused(capsys, "evaluate", run, words="there is no such file")


def test_a_checkpoint_of_another_model(trained, tmp_path, capsys):
    tables = {"dim_z": 2, "parameters": {"precision": np.eye(4).tolist()}}
    asked = Asked(config=read_config(configuration(tmp_path, model=tables)), beside=tmp_path)
    other = begin(asked, tmp_path / "other")[0]
    resume(other.learner, other.folder)  # stores the start
    run = copied(trained, tmp_path)
    name = "checkpoint.safetensors"
    (run / name).write_bytes((tmp_path / "other" / name).read_bytes())
    refused(capsys, "sample", run, words="the checkpoint belongs to another model")


def test_a_run_of_another_version(trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    content = read_sealed(run / "run.json")
    write_json(run / "run.json", sealed({**content, "version": "0.0.1"}))
    refused(capsys, "sample", run, words="version 0.0.1")
    write_json(run / "run.json", sealed({**content, "schema": "something/2"}))
    refused(capsys, "sample", run, words="is no lvebm-theory/training/2 file")
    (run / "run.json").write_text("{")
    refused(capsys, "sample", run, words="cannot be used")


# divergence, interrupts, kills --------------------------------------------------------------------


def test_a_step_beyond_its_limit_is_warned_about_before_the_start(tmp_path, capsys):
    file = configuration(tmp_path, training={"pool_step": 30.0, "updates": 400, "rate": 1e-6})
    assert cli.run(["train", str(file), "--out", str(tmp_path / "run")]) == 4
    err = said(capsys)[1].splitlines()
    warned = [k for k, line in enumerate(err) if "beyond the stability limit" in line]
    begun = [k for k, line in enumerate(err) if "the run goes to" in line]
    assert warned
    assert begun
    assert warned[0] < begun[0]
    assert "pool_step = 30" in err[warned[0]]
    assert "error: training stopped" in err[-1]
    assert "is kept in" in err[-1]


def test_a_model_that_loses_its_normaliser_names_theta_and_the_update(tmp_path, capsys):
    np.save(tmp_path / "points.npy", 3.0 * points()[:, :1])
    file = configuration(tmp_path, data={"held_out": 0.0})
    content = file.read_text().replace('"linear_gaussian"', '"linear_gaussian_undirected"')
    lines = [
        line for line in content.splitlines() if "precision" not in line and "dim_z" not in line
    ]
    lines = [
        line for line in lines if not line.startswith(("[model.p", "[training.p", "kind", "margin"))
    ]
    file.write_text("\n".join(lines).replace("rate = 0.02", "rate = 2.0"))
    np.save(tmp_path / "points.npy", 3.0 * points()[:, :1])
    run = tmp_path / "run"
    assert cli.run(["train", str(file), "--out", str(run)]) == 4
    err = said(capsys)[1]
    assert "theta = (a=" in err
    assert "training stopped after update " in err
    assert "the last good state, at update" in err
    assert cli.run(["sample", str(run), "-n", "5"]) == 0  # the last good state serves


LONG = {"training": {"updates": 120, "record_every": 4, "checkpoint_every": 20, "averaging": 0.75}}


def test_a_killed_and_an_interrupted_run_resume_to_the_same_numbers(tmp_path, capsys, monkeypatch):
    file, folder = configuration(tmp_path, **LONG), tmp_path / "stopped"
    process = subprocess.Popen(
        command("train", file, "--out", folder), env=environment(), stderr=subprocess.DEVNULL
    )
    stored = folder / "checkpoint.safetensors"
    first, deadline = None, time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if stored.exists():
            first = first or stored.stat().st_mtime_ns
            if stored.stat().st_mtime_ns != first:  # the start is behind it
                break
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "report.html").exists()

    heard = []

    def interrupt(lines, step):
        heard.append(step.reading.update)
        if len(heard) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("verification.training.progress.Lines.line", interrupt)
        assert cli.run(["train", "--resume", "--out", str(folder)]) == 130
    assert 0 < heard[0] < heard[-1] < 120
    assert f"lvebm train --resume --out {folder}" in said(capsys)[1]
    assert not (folder / "report.html").exists()
    assert cli.run(["report", str(folder)]) == 0  # of what there is so far
    assert "<h2>Training</h2>" in (folder / "report.html").read_text()
    assert cli.run(["train", "--resume", "--out", str(folder)]) == 0
    asked = Asked(config=read_config(file), beside=tmp_path)
    whole, _ = begin(asked, tmp_path / "whole")
    never_stopped = run_training(whole.learner, whole.folder).state
    resumed = open_trained(folder).state
    assert resumed.update == never_stopped.update == 120
    assert resumed.averaged == 23  # every fourth of the updates 31 to 120
    for name in ("theta", "latents", "pool", "averages", "average"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(never_stopped, name))
    # a finished run has nothing left to do
    page = (folder / "report.html").read_text()
    assert cli.run(["train", "--resume", "--out", str(folder)]) == 0
    assert (folder / "report.html").read_text() == page
