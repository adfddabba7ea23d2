"""Parts of a training run: signs of divergence, acceptance, draws, truth and scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from lvebm_theory.errors import ArgumentError
from solvers.learning.acceptance import metropolis_acceptance
from verification.training.config import Config, config_of
from verification.training.data import load_points
from verification.training.diagnosis import Reading
from verification.training.sampling import draw_model, evenly
from verification.training.scores import compare
from verification.training.sources import source_of
from verification.training.tables import key_rows
from verification.training.truth import fresh_truth, from_rows
from verification.training.units import Units
from verification.training.watch import DRIFT_LOOKS, Watch

JOINT = linear_gaussian_undirected(a=1.5, b=0.8).joint()
HEALTHY = Reading(
    update=10,
    seconds=1.0,
    pool_energy=1.0,
    conditional_energy=1.1,
    gradient_norm=0.5,
    theta_norm=1.0,
    acceptance=0.9,
    pool_mean=(0.0, 0.0),
    pool_sd=(1.0, 1.0),
)


def looked_at(**changes: float | tuple[float, ...]) -> list[str]:
    watch = Watch(size=1.5, dim=2)
    for _ in range(DRIFT_LOOKS):
        assert watch.look(HEALTHY) == []
    return [sign.name for sign in watch.look(dataclasses.replace(HEALTHY, **changes))]


def test_signs_of_divergence() -> None:
    assert looked_at() == []
    assert looked_at(pool_sd=(2.0, 2.0), gradient_norm=2.0, pool_energy=4.0) == []
    assert looked_at(pool_sd=(20.0, 20.0)) == ["moments"]
    assert looked_at(gradient_norm=60.0) == ["gradient"]
    assert looked_at(pool_energy=float("nan")) == ["not finite"]


def test_energies_that_part_at_every_look_are_a_drift() -> None:
    watch = Watch(size=1.5, dim=2)
    parted = [dataclasses.replace(HEALTHY, pool_energy=1.0 + 6.0 * k) for k in range(8)]
    found = [[sign.name for sign in watch.look(reading)] for reading in parted]
    assert found[3] == []
    assert found[-1] == ["energy drift"]
    watch = Watch(size=1.5, dim=2)
    # far apart, but coming closer: a start, not a divergence
    assert all(not watch.look(reading) for reading in reversed(parted))


@pytest.mark.parametrize("step", [0.05, 0.5, 1.0])
def test_the_acceptance_is_that_of_the_adjusted_scheme(step: float) -> None:
    from solvers.evolve import simulate
    from solvers.noise import Noise
    from solvers.particles import mala

    x = np.random.default_rng(1).standard_normal((20_000, 2))
    run = simulate(JOINT, mala, x, step_size=step, steps=1, noise=Noise(3), backend="numpy")
    normals = Noise(4).normals(len(x), 0, 2)
    ours = metropolis_acceptance(JOINT, x, normals, step, 1.0)
    # both are means of numbers in [0, 1] over 20,000 draws; 5 standard errors of each
    assert abs(ours - run.info["accepted"]) < 10 * 0.5 / np.sqrt(len(x))


def test_at_temperature_t_the_test_is_of_the_energy_over_t() -> None:
    from solvers.noise import Noise

    x = np.random.default_rng(1).standard_normal((500, 2))
    normals = Noise(4).normals(len(x), 0, 2)
    half = linear_gaussian_undirected(a=1.5, b=0.8).joint()
    from verification.training.sampling import tempered

    warm = metropolis_acceptance(half, x, normals, 0.3, 2.0)
    # h grad E = (T h) grad (E/T): the same proposal, seen at temperature 1
    assert warm == pytest.approx(metropolis_acceptance(tempered(half, 2.0), x, normals, 0.6, 1.0))


def test_draws_have_the_law_of_the_model() -> None:
    pool = np.zeros((300, 2))
    draws = draw_model(JOINT, pool, 20_000, steps=300, step_size=0.3, seed=1)
    covariance = np.linalg.inv([[1.5, -0.8], [-0.8, 1.0]])
    # standard error of a covariance entry of n Gaussian draws, times 5
    width = 5 * np.sqrt((np.outer(*[np.diag(covariance)] * 2) + covariance**2) / len(draws.values))
    np.testing.assert_array_less(np.abs(np.cov(draws.values.T) - covariance), width)
    with pytest.raises(ArgumentError, match="pool of at least 1"):
        draw_model(JOINT, pool[:0], 5, steps=1, step_size=0.1)


# truth and scores ---------------------------------------------------------------------------------

LAW = {"law": "0.5*normal(-2, 0.5) + 0.5*normal(2, 0.5)", "dim": 2, "n": 400}


def asked(**data: object) -> Config:
    return config_of({"model": {"neural": {}}, "data": data, "training": {"updates": 10}})


def source(**data: object) -> Any:
    return source_of(asked(**data), Path())


def test_particles_serve_equally_often_in_random_order() -> None:
    rng = np.random.default_rng(0)
    for count, n in ((7, 30), (30, 7), (5, 5), (1, 3)):
        seen = np.array([evenly(rng.random(n), count) for _ in range(400)])
        often = np.array([np.bincount(row, minlength=count) for row in seen])
        assert often.min() >= n // count
        assert often.max() <= -(-n // count)
        # each equally likely at each place: 6 standard errors of a share of 400
        share = 1 / count
        assert np.abs((seen == 0).mean(0) - share).max() < 6 * np.sqrt(share / 400)


def test_fresh_points_are_not_those_of_training() -> None:
    points = load_points(asked(**LAW), source(**LAW), Path())
    truth = fresh_truth(source(**LAW), points, n=100, blocks=4, seed=0)
    assert truth.blocks.shape == (4, 100, 2)
    rows = {tuple(row) for row in np.vstack([points.train, truth.blocks.reshape(-1, 2)])}
    assert len(rows) == 800
    np.testing.assert_array_equal(source(**LAW).draw(400, 0), points.train)


def test_blocks_of_a_file_share_no_row_until_there_are_too_few() -> None:
    rows = np.arange(1000.0)[:, None]
    truth = from_rows(rows, 200, 4, 0, "rows")
    assert truth.independent
    assert len(np.unique(truth.blocks)) == truth.blocks.size == 800
    few = from_rows(rows[:120], 200, 4, 0, "rows")
    assert not few.independent
    assert few.blocks.shape == (4, 60, 1)
    assert not set(few.blocks[0].ravel()) & set(few.blocks[1].ravel())


def test_scores_tell_a_law_from_another() -> None:
    law = source(**LAW)
    units = Units.of(law.draw(1000, 5))
    truth = fresh_truth(law, None, n=200, blocks=20, seed=1)
    same = compare(law.draw(2000, 77), truth, units, law)
    assert 0.7 < same.ratio < 1.4
    assert same.modes is not None
    assert same.modes.hit == 4
    one = source(law="normal(-2, 0.5)", dim=2)
    collapsed = compare(one.draw(2000, 77), truth, units, law)
    assert collapsed.ratio > 5
    assert collapsed.modes is not None
    assert collapsed.modes.missed == 3
    assert collapsed.energy_distance.lower > 0


def test_modes_are_known_only_of_round_mixtures() -> None:
    assert source(law="normal(0, 1)").modes is None
    flat = "0.5*normal(0,1)*normal(0,2) + 0.5*normal(3,1)*normal(0,2)"
    assert source(law=flat, dim=2).modes is None
    assert source(system="ring-mixture").modes[1].shape == (8, 2)


def test_points_from_the_model_itself() -> None:
    content = {
        "model": {"energy": "linear_gaussian_directed", "parameters": {"t": 0.5}},
        "data": {"truth": {"t": 2.0}, "n": 4000},
        "training": {"updates": 10},
    }
    made = source_of(config_of(content), Path())
    assert made is not None
    # x ~ N(0, 1/2 + t^2); standard error of a variance of n Gaussian draws, times 5
    assert abs(made.draw(4000, 0).var() - 4.5) < 5 * 4.5 * np.sqrt(2 / 4000)
    assert "t=2" in made.label
    content["model"] = {"energy": "quartic_coupled"}
    content["data"] = {"truth": {"c": 0.5}}
    with pytest.raises(ArgumentError, match="exact sampler"):
        source_of(config_of(content), Path())


def test_data_that_cannot_be_standardised() -> None:
    with pytest.raises(ArgumentError, match="coordinate 1 of the data does not vary"):
        Units.of(np.array([[0.0, 3.0], [1.0, 3.0]]))


def test_the_manual_names_every_key() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "learning.md").read_text()
    for key, default, text in key_rows(Config):
        assert f"| `{key}` | {default} | {text} |" in manual, key
