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
