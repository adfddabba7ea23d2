"""Settings, rates, projections, updates and batches of the trainer."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvebm_theory.energies.linear_gaussian import (
    linear_gaussian,
    linear_gaussian_directed,
    linear_gaussian_undirected,
)
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from solvers.learning import projection_steps
from solvers.learning.problem import learning_problem
from solvers.learning.projections import AboveSquare, Box, PositiveDefinite
from solvers.learning.rates import Constant, RobbinsMonro, TorchOptimizer
from solvers.learning.settings import LearningSettings
from solvers.learning.update import SEQUENTIAL, SIMULTANEOUS, Stage, Update
from solvers.noise import Noise
from verification.controls.updates import (
    with_latents_redrawn,
    with_stale_pool,
    with_the_other_order,
)

DATA = np.linspace(-1.5, 2.0, 10)[:, None]


def settings_of(**changed):
    chosen = {
        "latents": 3,
        "pool": 8,
        "latent_step": 0.1,
        "pool_step": 0.2,
        "rate": Constant(0.05),
    }
    return LearningSettings(**{**chosen, **changed})


def problem_of(energy=None, data=DATA, **changed):
    return learning_problem(
        energy or linear_gaussian_undirected(), data, settings_of(**changed), Noise(seed=1)
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latents": 0}, r"latents \(K\).*>= 1, got 0"),
        ({"pool": 0}, r"pool \(M\).*>= 1, got 0"),
        ({"inner_steps": 1.5}, r"inner_steps.*got 1\.5"),
        ({"batch": 0}, "batch.*got 0"),
        ({"latent_step": 0.0}, "latent_step.*got 0"),
        ({"pool_step": float("nan")}, "pool_step.*got nan"),
        ({"temperature": -1.0}, r"temperature.*got -1"),
        ({"gradient_noise": -0.1}, "gradient_noise"),
        ({"order": "both"}, "sequential or simultaneous, got 'both'"),
        ({"rate": 0.1}, r"Constant\(a\).*got 0\.1"),
        ({"learned": ()}, "learned"),
        ({"learned": "a"}, "learned"),
    ],
)
def test_settings_say_what_was_required_and_what_came(changed, message):
    with pytest.raises(ArgumentError, match=message):
        settings_of(**changed)


def test_time_counts_inner_steps_of_the_pool():
    assert settings_of(inner_steps=5).time_per_update == 5 * 0.2


def test_rates():
    assert Constant(0.1).values(3, 6).tolist() == [0.1] * 3
    rate = RobbinsMonro(0.4, 20.0, 0.75)
    k = np.arange(5, 9)
    np.testing.assert_allclose(rate.values(5, 9), 0.4 * (20.0 / (20.0 + k)) ** 0.75, rtol=1e-14)
    assert rate.values(0, 1)[0] == 0.4
    for power in (0.5, 1.1):
        with pytest.raises(ArgumentError, match="power"):
            RobbinsMonro(0.1, 1.0, power)
    with pytest.raises(ArgumentError, match="constant rate"):
        Constant(0.0)
    with pytest.raises(ArgumentError, match=r"torch\.optim"):
        TorchOptimizer("torch.optim.Adam", {"lr": 0.1})


def projected(projection, names, theta):
    moved = np.array(theta, dtype=float)
    getattr(projection_steps, projection.function)(moved, *projection.arrays(names))
    return moved


@given(st.floats(-8, 8), st.floats(-3, 3), st.floats(0.01, 2.0))
def test_above_square_is_the_nearest_point(a, b, margin):
    moved = projected(AboveSquare(margin=margin), ("a", "b"), [a, b])
    assert moved[0] - moved[1] ** 2 >= margin
    if a - b * b >= margin:
        assert moved.tolist() == [a, b]
        return
    t = np.linspace(-4, 4, 20_001)
    distance = np.hypot(margin + t**2 - a, t - b)
    assert np.hypot(*(moved - [a, b])) <= distance.min() + 1e-9


def test_boxes_clip_what_they_name():
    box = Box(lower={"b": -1.0}, upper={"a": 2.0, "b": 1.0})
    assert projected(box, ("a", "b", "c"), [3.0, -4.0, 9.0]).tolist() == [2.0, -1.0, 9.0]
    assert projected(box, ("a", "b", "c"), [-3.0, 0.5, 9.0]).tolist() == [-3.0, 0.5, 9.0]
    with pytest.raises(ArgumentError, match="lower <= upper"):
        Box(lower={"a": 1.0}, upper={"a": 0.0})
    with pytest.raises(ArgumentError, match="names 'd'"):
        Box(lower={"d": 1.0}).arrays(("a", "b"))


def test_matrices_keep_their_least_eigenvalue():
    names = tuple(linear_gaussian().parameters)
    projection = PositiveDefinite(matrix="precision", margin=0.2)
    good = linear_gaussian().parameter_vector()
    assert projected(projection, names, good).tolist() == good.tolist()
    bad = np.diag([1.0, -0.5, 0.7]) + 0.3
    moved = projected(projection, names, bad.reshape(-1)).reshape(3, 3)
    values, vectors = np.linalg.eigh(bad)
    np.testing.assert_allclose(moved, vectors @ np.diag(values.clip(0.2)) @ vectors.T, atol=1e-14)
    with pytest.raises(ArgumentError, match="'a'"):
        PositiveDefinite(matrix="a", margin=0.1).arrays(("a", "b"))


def test_updates_refuse_what_no_algorithm_does():
    with pytest.raises(ArgumentError, match="ends with ASCEND"):
        Update(name="none", stages=(Stage.ASCEND, Stage.COMBINE))
    with pytest.raises(ArgumentError, match="at most once"):
        dataclasses.replace(SEQUENTIAL, stages=(Stage.MOVE_POOL, *SEQUENTIAL.stages))
    with pytest.raises(ArgumentError, match="come together"):
        dataclasses.replace(SEQUENTIAL, restart=InitialLaw.normal(0.0, 1.0))
    mixture = InitialLaw.mixture((0.5, 0.0, 1.0), (0.5, 1.0, 1.0))
    with pytest.raises(ArgumentError, match="mixture of 2"):
        with_latents_redrawn(SEQUENTIAL, mixture)


def test_mutants_are_other_orders_of_the_same_stages():
    for update in (SEQUENTIAL, SIMULTANEOUS):
        stale = with_stale_pool(update)
        assert sorted(stale.stages) == sorted(update.stages)
        assert stale.stages != update.stages
        assert with_the_other_order(update).stages != update.stages
    late = with_stale_pool(SEQUENTIAL).stages
    assert late.index(Stage.AVERAGE_POOL) < late.index(Stage.MOVE_POOL)
    assert late.index(Stage.MOVE_LATENTS) < late.index(Stage.AVERAGE_LATENTS)
    last = with_stale_pool(SIMULTANEOUS).stages
    assert last.index(Stage.COMBINE) < last.index(Stage.AVERAGE_POOL) < last.index(Stage.MOVE_POOL)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones(5), r"\(n, 1\).*got \(5,\)"),
        (np.ones((5, 2)), r"got \(5, 2\)"),
        (np.ones((0, 1)), r"n >= 1, got \(0, 1\)"),
        ([[1.0], [np.nan], [np.inf]], "2 of 3 rows.*row 1"),
        ("data", "real numbers"),
    ],
)
def test_data_are_looked_at_first(data, message):
    with pytest.raises(ArgumentError, match=message):
        problem_of(data=data)


def test_problems_find_their_entries():
    assert problem_of().learned.tolist() == [0, 1]
    assert problem_of(learned=("b",)).learned.tolist() == [1]
    assert problem_of(linear_gaussian(), learned=("precision",)).learned.tolist() == [*range(9)]
    one = problem_of(linear_gaussian(), learned=("precision_0_1", "precision_1_0"))
    assert one.learned.tolist() == [1, 3]
    assert problem_of(linear_gaussian_directed()).positive.tolist() == [1]
    assert problem_of(linear_gaussian_directed(), learned=("t",)).positive.tolist() == []
    with pytest.raises(ArgumentError, match=r"\['a', 'b'\], got 'c'"):
        problem_of(learned=("c",))
    with pytest.raises(ArgumentError, match="at most the 10 data that there are, got 11"):
        problem_of(batch=11)
    with pytest.raises(ArgumentError, match="joint energy"):
        problem_of(linear_gaussian_undirected().joint())


def test_batches_are_pieces_of_shuffled_passes():
    problem = problem_of(batch=3)
    rows = problem.batches(0, 3000)
    assert rows.shape == (3000, 3)
    assert np.all(np.diff(rows, axis=1) > 0)
    for start in range(0, 3000, 3):  # no datum twice in a pass of three batches
        assert len(set(rows[start : start + 3].ravel())) == 9
    # 1000 passes leave out one datum each: binomial counts, alpha about 1e-6
    left_out = 1000 - np.bincount(rows.ravel(), minlength=10)
    assert np.all(np.abs(left_out - 100) < 5.5 * np.sqrt(1000 * 0.1 * 0.9))
    np.testing.assert_array_equal(problem_of(batch=3).batches(700, 760), rows[700:760])
    assert problem_of().batches(0, 5).shape == (1, 0)


def test_starts_have_their_shapes():
    problem = problem_of()
    state = problem.start(InitialLaw.normal(5.0, 0.1), InitialLaw.normal([1.0, -7.0], 0.1))
    assert state.latents.shape == (10, 3, 1)
    assert state.pool.shape == (8, 2)
    assert abs(state.latents.mean() - 5.0) < 0.1
    assert np.all(np.abs(state.pool.mean(axis=0) - [1.0, -7.0]) < 0.2)
    given_latents = np.arange(30.0).reshape(10, 3, 1)
    assert np.array_equal(problem.start(given_latents, None).latents, given_latents)
    with pytest.raises(ArgumentError, match=r"\(10, 3, 1\), got \(10, 3\)"):
        problem.start(np.zeros((10, 3)), None)
    with pytest.raises(ArgumentError, match=r"dimension 2, got a law on R\^1"):
        problem.start(None, InitialLaw.normal(0.0, 1.0))
