"""Checkpoints of learners: whole or refused."""

import dataclasses
import json
import os
import struct

import numpy as np
import pytest

from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from lvebm_theory.energies.location_family import location_family
from lvebm_theory.errors import ArgumentError
from solvers.learning import checkpoint
from solvers.learning.checkpoint import load, save
from solvers.learning.projections import Box
from solvers.learning.rates import Constant, RobbinsMonro
from solvers.learning.settings import LearningSettings
from solvers.learning.state import LearningState
from solvers.learning.train import train
from solvers.learning.update import SEQUENTIAL
from solvers.noise import Noise
from verification.controls.updates import with_stale_pool

ENERGY = linear_gaussian_undirected(a=1.5, b=0.5)
SETTINGS = LearningSettings(
    latents=2, pool=5, latent_step=0.1, pool_step=0.1, rate=Constant(0.1), projection=Box()
)
DATA = np.linspace(-1, 1, 4)[:, None]
NOISE = Noise(seed=5)


def state_of(dtype=np.float64):
    rng = np.random.default_rng(0)
    return LearningState(
        update=17,
        theta=rng.standard_normal(2),
        latents=rng.standard_normal((4, 2, 1)).astype(dtype),
        pool=rng.standard_normal((5, 2)).astype(dtype),
        averages=rng.standard_normal((2, 2)),
        optimiser={"step": np.array(3.0, dtype=np.float32), "exp_avg": rng.standard_normal(2)},
    )


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "deep" / "learner.safetensors"
    save(path, state_of(), ENERGY, SETTINGS, NOISE, data=DATA)
    return path


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_written_is_read(tmp_path, dtype):
    path, state = tmp_path / "learner", state_of(dtype)
    save(path, state, ENERGY, SETTINGS, NOISE)
    found = load(path, ENERGY, SETTINGS, NOISE)
    assert found.update == 17
    for name in ("theta", "latents", "pool", "averages"):
        ours, theirs = getattr(state, name), getattr(found, name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
    assert found.optimiser.keys() == state.optimiser.keys()
    for name, value in state.optimiser.items():
        assert found.optimiser[name].shape == value.shape
        assert found.optimiser[name].dtype == value.dtype
        assert np.array_equal(found.optimiser[name], value)


def test_an_average_is_stored_with_the_rest(tmp_path, stored):
    assert load(stored, ENERGY, SETTINGS, NOISE).average is None
    path = tmp_path / "averaged"
    state = dataclasses.replace(state_of(), average=np.array([0.25, -3.0]), averaged=7)
    save(path, state, ENERGY, SETTINGS, NOISE)
    found = load(path, ENERGY, SETTINGS, NOISE)
    assert found.averaged == 7
    np.testing.assert_array_equal(found.average, state.average)
    save(path, dataclasses.replace(state, average=np.zeros(3)), ENERGY, SETTINGS, NOISE)
    with pytest.raises(ArgumentError, match=r"average of shape \(2,\)"):
        load(path, ENERGY, SETTINGS, NOISE)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"energy": location_family()}, "another model: required.*location_family.*got.*linear"),
        (
            {"settings": dataclasses.replace(SETTINGS, pool=6)},
            r"another settings: required \{'pool': 6\}, got \{'pool': 5\}",
        ),
        (
            {"settings": dataclasses.replace(SETTINGS, rate=RobbinsMonro(0.1, 5.0, 0.9))},
            "settings.*RobbinsMonro.*got.*Constant",
        ),
        (
            {"settings": dataclasses.replace(SETTINGS, projection=Box(lower={"a": 0.1}))},
            "settings.*projection",
        ),
        ({"noise": Noise(seed=6)}, r"another noise: required \{'seed': 6\}, got \{'seed': 5\}"),
        ({"update": with_stale_pool(SEQUENTIAL)}, "another update"),
        ({"data": DATA + 1}, "another data"),
    ],
)
def test_another_run_is_refused(stored, asked, message):
    own = {"energy": ENERGY, "settings": SETTINGS, "noise": NOISE, "data": DATA}
    load(stored, **own)
    with pytest.raises(ArgumentError, match=message):
        load(stored, **{**own, **asked})


def test_parameters_that_are_not_learned_belong_to_the_model(tmp_path):
    path = tmp_path / "learner"
    only_b = dataclasses.replace(SETTINGS, learned=("b",))
    save(path, state_of(), ENERGY, only_b, NOISE)
    load(path, linear_gaussian_undirected(a=1.5, b=0.1), only_b, NOISE)
    with pytest.raises(ArgumentError, match=r"another model.*'a': 1\.7"):
        load(path, linear_gaussian_undirected(a=1.7, b=0.5), only_b, NOISE)


def test_a_truncated_checkpoint_is_refused_at_every_length(stored):
    content = stored.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 8, len(content) - 1):
        stored.write_bytes(content[:length])
        with pytest.raises(ArgumentError, match="whole safetensors file is required"):
            load(stored, ENERGY, SETTINGS, NOISE)


def test_a_damaged_or_foreign_file_is_refused(stored, tmp_path):
    content = bytearray(stored.read_bytes())
    content[-5] ^= 1
    stored.write_bytes(content)
    with pytest.raises(ArgumentError, match="damaged"):
        load(stored, ENERGY, SETTINGS, NOISE)
    stored.write_text("[settings]")
    with pytest.raises(ArgumentError, match="whole safetensors file"):
        load(stored, ENERGY, SETTINGS, NOISE)
    from safetensors.numpy import save_file

    save_file({"theta": np.zeros(2)}, stored)
    with pytest.raises(ArgumentError, match="checkpoint of a learner"):
        load(stored, ENERGY, SETTINGS, NOISE)
    with pytest.raises(ArgumentError, match="no such file"):
        load(tmp_path / "nothing", ENERGY, SETTINGS, NOISE)


def test_another_format_version_is_refused(stored):
    content = stored.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = json.loads(header["__metadata__"]["lvebm"])
    assert about["version"] == checkpoint.VERSION
    about["version"] = checkpoint.VERSION + 1
    header["__metadata__"]["lvebm"] = json.dumps(about)
    text = json.dumps(header).encode()
    stored.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(ArgumentError, match="version 1 is required, got version 2"):
        load(stored, ENERGY, SETTINGS, NOISE)


def test_a_failed_write_leaves_the_old_file_alone(stored, monkeypatch):
    before = stored.read_bytes()

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        save(stored, dataclasses.replace(state_of(), update=99), ENERGY, SETTINGS, NOISE)
    assert stored.read_bytes() == before
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]


def test_training_keeps_a_checkpoint_and_does_not_overwrite_another(tmp_path):
    path = tmp_path / "learner"
    common = {"noise": NOISE, "backend": "torch", "checkpoint": path}
    done = train(ENERGY, DATA, SETTINGS, updates=7, checkpoint_every=3, **common)
    kept = load(path, ENERGY, SETTINGS, NOISE, data=DATA)
    assert kept.update == 7
    assert np.array_equal(kept.pool, done.final.pool)
    with pytest.raises(ArgumentError, match="exists"):
        train(ENERGY, DATA, SETTINGS, updates=7, **common)
    on = train(ENERGY, DATA, SETTINGS, updates=5, start=kept, **common)
    assert load(path, ENERGY, SETTINGS, NOISE).update == 12 == on.final.update
