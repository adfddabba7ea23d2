"""``lvebm check-sampler``: exit statuses, JSON alone on standard output, storing and going on."""

import json

import pytest

from .conftest import lvebm

SAMPLERS = """
import numpy as np


def step(x, energy, step_size, rng):
    y = x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
    accepted = np.log(rng.random(len(x))) < energy.potential(x) - energy.potential(y)
    return np.where(accepted[:, None], y, x)


def wrong(x, energy, step_size, rng):
    print("a step may talk")
    return x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)


def raises(x, energy, step_size, rng):
    if len(x) > 20:
        raise KeyError("too many chains")
    return step(x, energy, step_size, rng)


not_a_step = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_sampler.py"
    path.write_text(SAMPLERS)
    return path


def test_a_wrong_sampler_ends_with_one_and_json_stands_alone(file, tmp_path):
    stored = tmp_path / "report.json"
    ran = lvebm("check-sampler", f"{file}:wrong", "--calls", 60000, "--json", "--out", stored)
    assert ran.status == 1, ran.err
    content = json.loads(ran.out)
    assert content["verdict"] == "VIOLATED"
    assert content["failing"]
    assert json.loads(stored.read_text())["state"]["kind"] == "adjusted"


def test_a_right_sampler_holds_or_stays_undecided_and_goes_on(file, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    ran = lvebm("check-sampler", file, "--calls", 20000, "--out", first)
    assert ran.status in (0, 2), ran.err
    assert "invariance" in ran.out
    again = lvebm("check-sampler", file, "--calls", 20000, "--resume", first, "--out", second)
    assert again.status in (0, 2), again.err
    turns = [json.loads(f.read_text())["state"]["turn"] for f in (first, second)]
    assert turns[1] > turns[0] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("my_sampler.py:stepp",), "did you mean step?"),
        (("my_sampler.py:not_a_step",), "not a step"),
        (("nowhere.py:step",), "no such file"),
        (("my_sampler.txt",), "file.py:step"),
        (("my_sampler.py:step", "--kind", "magic"), "a kind is one of"),
        (("my_sampler.py:step", "--alpha", "2"), "alpha"),
        (("my_sampler.py:step", "--resume", "nothing.json"), "no such stored state"),
    ],
)
def test_bad_input_ends_with_three_and_one_sentence(file, arguments, said):
    ran = lvebm("check-sampler", *arguments, "--calls", 1000, cwd=file.parent)
    assert ran.status == 3
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_step_that_raises_ends_with_four_and_its_own_traceback(file):
    ran = lvebm("check-sampler", f"{file}:raises", "--calls", 1000)
    assert ran.status == 4
    assert "too many chains" in ran.err
    assert "in raises" in ran.err
    assert "verification/samplers" not in ran.err


MODEL = """
import numpy as np

from verification.samplers.targets import from_model, gaussian

target = gaussian(np.eye(3), name="mine")


def targets():
    return [target, gaussian(2 * np.eye(2), name="another")]


def model():
    return from_model(
        lambda rng: rng.standard_normal(1),
        lambda theta, rng: theta + rng.standard_normal(2),
        lambda theta, y: -(theta @ theta + ((y - theta) ** 2).sum()) / 2,
        name="measurements",
    )


def step(x, energy, step_size, rng):
    y = x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
    accepted = np.log(rng.random(len(x))) < energy.potential(x) - energy.potential(y)
    return np.where(accepted[:, None], y, x)


def half(x, energy, step_size, rng):
    noise = np.sqrt(step_size) * rng.standard_normal(x.shape)
    return x - step_size / 2 * energy.gradient(x) + noise


def conjugate(theta, y, rng):
    return np.array([y.sum() / 3 + rng.standard_normal() / np.sqrt(3)])
"""
ULA = ("--kind", "unadjusted")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(MODEL)
    return path


@pytest.mark.parametrize(
    ("step", "options", "status", "said"),
    [
        (
            "step",
            ("--targets", "my_model.py:target", "--step-sizes", "0.5"),
            2,
            "the targets were given",
        ),
        ("step", ("--targets", "my_model.py", "--laws", "invariance", "--vectorised"), 2, ""),
        ("step", ("--walkers", "4", "--dim", "2"), 2, "walkers of one ensemble interact"),
        ("step", ("--shared", "weather"), 2, "weather"),
        ("conjugate", ("--targets", "my_model.py:model"), 2, "the targets were given"),
        ("half", (*ULA, "--convention", "half"), 2, "s = 2h"),
        ("half", ULA, 1, "VIOLATED"),
        ("step", ("--targets", "my_model.py:half"), 3, ""),
        ("step", ("--step-sizes", "0.1,fast"), 3, "numbers separated by commas"),
        ("step", ("--laws", "gravity"), 3, "laws are"),
        ("step", ("--dim", "99"), 3, "99 dimensions"),
    ],
)
def test_the_command_takes_what_the_python_call_takes(model, step, options, status, said):
    ran = lvebm("check-sampler", f"my_model.py:{step}", *options, "--calls", 8000, cwd=model.parent)
    assert ran.status == status, ran.out + ran.err
    assert said in " ".join((ran.out + ran.err).split())
