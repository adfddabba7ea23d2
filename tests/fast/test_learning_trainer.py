"""Runs of the trainer: records, bad ends, step limits. Torch on small problems compiles nothing."""

import warnings

import numpy as np
import pytest

import solvers.learning.divergence
from lvebm_theory.energies.linear_gaussian import (
    linear_gaussian_directed,
    linear_gaussian_undirected,
)
from lvebm_theory.energies.location_family import location_family
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.joint import joint_energy
from solvers.learning.judge import Judge
from solvers.learning.problem import learning_problem
from solvers.learning.projections import AboveSquare
from solvers.learning.rates import Constant, TorchOptimizer
from solvers.learning.replicates import train_replicates
from solvers.learning.settings import LearningSettings
from solvers.learning.stability import StepSizeWarning, step_limits
from solvers.learning.torch_engine import tree_sum
from solvers.learning.train import train
from solvers.noise import Noise

DATA = np.linspace(-1.5, 2.0, 10)[:, None]
ENERGY = linear_gaussian_undirected(a=1.5, b=0.5)


def settings_of(**changed):
    chosen = {
        "latents": 3,
        "pool": 40,
        "latent_step": 0.1,
        "pool_step": 0.12,
        "rate": Constant(0.02),
        "projection": AboveSquare(margin=0.1),
    }
    return LearningSettings(**{**chosen, **changed})


def run(updates=20, energy=ENERGY, data=DATA, settings=None, seed=3, **options):
    return train(
        energy,
        data,
        settings or settings_of(),
        noise=Noise(seed=seed),
        updates=updates,
        **{"backend": "torch", **options},
    )


def test_records_are_what_they_say():
    done = run(12, record_every=3, observe_every=6)
    assert done.updates.tolist() == [3, 6, 9, 12]
    np.testing.assert_allclose(done.times, done.updates * 0.12)
    every = run(12)
    np.testing.assert_array_equal(every.theta[2::3], done.theta)
    np.testing.assert_array_equal(every.gradient[2::3], done.gradient)
    steps = np.diff(every.theta, axis=0, prepend=[[1.5, 0.5]])
    np.testing.assert_allclose(steps, 0.02 * every.gradient, atol=1e-15)
    final = done.final
    assert final.update == 12
    assert done.initial.update == 0
    np.testing.assert_array_equal(final.theta, done.theta[-1])
    records = done.records
    assert records["updates"].tolist() == [6, 12]
    np.testing.assert_allclose(records["pool_mean"][-1], final.pool.mean(axis=0))
    np.testing.assert_allclose(records["pool_covariance"][-1], np.cov(final.pool.T, bias=True))
    latents = final.latents.reshape(-1)
    np.testing.assert_allclose(records["latent_covariance"][-1], [[latents.var()]])
    now = ENERGY.with_parameters(a=final.theta[0], b=final.theta[1])
    np.testing.assert_allclose(
        records["conditional_energy"][-1],
        now.potential(np.repeat(DATA, 3, axis=0), latents[:, None]).mean(),
    )
    np.testing.assert_allclose(
        records["joint_energy"][-1], now.potential(final.pool[:, :1], final.pool[:, 1:]).mean()
    )
    np.testing.assert_allclose(
        records["gradient_norm"][-1], np.linalg.norm(done.gradient[-1]), rtol=1e-13
    )


def test_progress_is_told_at_every_observation():
    told = []
    run(10, observe_every=4, progress=lambda *seen: told.append(seen))
    assert [(done, total) for done, total, _ in told] == [(4, 10), (8, 10), (10, 10)]
    assert {"gradient_norm", "pool_mean", "pool_covariance"} <= told[0][2].keys()


def test_a_run_of_no_updates_is_its_start():
    done = run(0)
    assert done.theta.shape == (0, 2)
    assert done.final is done.initial


def test_a_run_in_two_parts_is_the_run():
    settings = settings_of(
        batch=4, gradient_noise=0.01, inner_steps=3, rate=TorchOptimizer("Adam", {"lr": 0.02})
    )
    whole = run(20, settings=settings)
    first = run(7, settings=settings)
    rest = run(13, settings=settings, start=first.final)
    np.testing.assert_array_equal(np.vstack([first.theta, rest.theta]), whole.theta)
    np.testing.assert_array_equal(rest.final.latents, whole.final.latents)
    assert rest.updates.tolist() == list(range(8, 21))
    assert not np.array_equal(run(20, settings=settings, seed=4).theta, whole.theta)


def test_the_average_is_that_of_the_last_records_however_the_run_is_cut():
    settings = settings_of(averaging_after=8)
    done = run(20, settings=settings)
    np.testing.assert_allclose(done.final.average, done.theta[8:].mean(axis=0), rtol=1e-14)
    assert done.final.averaged == 12
    assert done.final.learned is done.final.average
    first = run(11, settings=settings)
    rest = run(9, settings=settings, start=first.final)
    np.testing.assert_array_equal(rest.final.average, done.final.average)
    # particles do not notice
    np.testing.assert_array_equal(done.theta, run(20).theta)
    every_third = run(20, settings=settings, record_every=3)
    np.testing.assert_allclose(
        every_third.final.average, done.theta[[8, 11, 14, 17]].mean(axis=0), rtol=1e-14
    )
    for none in (run(20), run(8, settings=settings)):
        assert none.final.average is None
        np.testing.assert_array_equal(none.final.learned, none.theta[-1])
    with pytest.raises(ArgumentError, match="averaging_after"):
        settings_of(averaging_after=-1)


def test_only_the_batch_moves():
    settings = settings_of(batch=4)
    start, after = run(0, settings=settings).final, run(1, settings=settings).final
    moved = np.flatnonzero(np.any(start.latents != after.latents, axis=(1, 2)))
    batch = learning_problem(ENERGY, DATA, settings, Noise(seed=3)).batches(0, 1)[0]
    assert moved.tolist() == batch.tolist()


def test_only_what_is_learned_moves():
    settings = settings_of(learned=("b",), gradient_noise=0.5)
    done = run(5, settings=settings)
    assert np.all(done.theta[:, 0] == 1.5)
    assert np.all(done.gradient[:, 0] == 0.0)
    assert np.all(np.diff(done.theta[:, 1]) != 0.0)


def test_a_normaliser_that_diverges_stops_the_run(tmp_path):
    settings = settings_of(projection=None, rate=Constant(0.5), pool=10)
    path = tmp_path / "last.safetensors"
    with pytest.raises(SolverError, match=r"Z diverges.*a=.*b=") as caught:
        run(2000, settings=settings, checkpoint=path, checkpoint_every=2)
    error = caught.value
    good = error.last_state
    assert good.update == error.step > 2
    assert good.theta[0] > good.theta[1] ** 2
    # the last good state is that of a run that ends there, the checkpoint a little earlier
    np.testing.assert_array_equal(run(error.step, settings=settings).final.pool, good.pool)
    from solvers.learning.checkpoint import load

    kept = load(path, ENERGY, settings, Noise(seed=3))
    assert good.update - 2 < kept.update <= good.update
    # with its projection the same run goes on
    run(error.step + 50, settings=settings_of(rate=Constant(0.5), pool=10))


def test_particles_that_run_away_are_found_at_their_update(monkeypatch):
    settings = settings_of(pool_step=2.5, rate=Constant(1e-12), learned=("a",))
    with pytest.warns(StepSizeWarning), pytest.raises(SolverError, match="ran away") as caught:
        run(500, settings=settings)
    step, good = caught.value.step, caught.value.last_state
    assert good.update == step
    start = learning_problem(ENERGY, DATA, settings, Noise(seed=3)).start(None, None)
    limit = 1e6 * (1 + max(np.abs(a).max() for a in (DATA, start.latents, start.pool)))
    assert np.abs(good.pool).max() <= limit
    # where nothing watches, the next update leads beyond
    monkeypatch.setattr(solvers.learning.divergence, "FAR", 1e300)
    with pytest.warns(StepSizeWarning):
        beyond = run(step + 1, settings=settings).final
    assert np.abs(beyond.pool).max() > limit


def test_parameters_stay_where_the_family_exists():
    energy = linear_gaussian_directed(t=1.0, noise=0.05)
    settings = settings_of(projection=None, rate=Constant(0.02), latent_step=0.01, pool_step=0.01)
    with pytest.raises(SolverError, match="must be > 0"):
        run(200, energy=energy, data=0.01 * DATA, settings=settings)


@joint_energy(dim_x=1, dim_z=1, c=0.5)
def quartic_in_one_direction(x, z, c):
    """E = c x^4 + z^2/2 + x^2/2, without a normaliser for c < 0."""
    return c * x[0] ** 4 + z[0] ** 2 / 2 + x[0] ** 2 / 2


def test_the_normaliser_of_what_is_not_quadratic_is_asked_for():
    settings = settings_of(projection=None)
    with pytest.raises(SolverError, match=r"Z diverges.*c=-0.1"):
        run(1, energy=quartic_in_one_direction(c=-0.1), settings=settings)
    judge = Judge(learning_problem(quartic_in_one_direction(), DATA, settings, Noise(seed=3)))
    assert judge.normaliser(np.array([0.2])) is None
    assert "refuted" not in str(judge.normaliser(np.array([-0.2])))


def test_step_limits_are_two_over_the_curvature():
    limits = step_limits(ENERGY, DATA)
    largest = np.linalg.eigvalsh([[1.5, -0.5], [-0.5, 1.0]])[-1]
    assert limits.pool.exact
    np.testing.assert_allclose(limits.pool.step, 2 / largest)
    np.testing.assert_allclose(limits.latent.step, 2.0)
    computed = step_limits(location_family(stiffness=1.0, coupling=0.5), DATA, pool=[[0.3, -0.2]])
    assert not computed.latent.exact
    # at u = v = 0 the curvatures are m + c twice; facts know the same bound of the joint energy
    np.testing.assert_allclose(computed.pool.step, 2 / 1.5)


def test_a_step_beyond_the_limit_is_warned_of_before_work():
    with pytest.warns(StepSizeWarning, match=r"latent_step.*= 2.1.*2/L = 2 "):
        run(0, settings=settings_of(latent_step=2.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(0, settings=settings_of(latent_step=1.9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"updates": -1}, "updates.*got -1"),
        ({"record_every": 0}, "record_every.*got 0"),
        ({"backend": "jax"}, "numba or torch, got 'jax'"),
        ({"dtype": "float16"}, "float64 or float32, got 'float16'"),
        ({"backend": "numba", "device": "cuda"}, "CPU"),
        ({"checkpoint_every": 5}, "needs a file"),
        ({"pool_start": InitialLaw.normal(0.0, 1.0)}, "pool start"),
        ({"settings": settings_of(rate=TorchOptimizer("Adamant"))}, "no optimiser 'Adamant'"),
        ({"settings": settings_of(rate=TorchOptimizer("LBFGS"))}, "LBFGS"),
        ({"settings": settings_of(rate=TorchOptimizer("Adam", {"lr": -1.0}))}, "refuses"),
    ],
)
def test_arguments_are_refused_before_work(options, message):
    with pytest.raises(ArgumentError, match=message):
        run(**{"updates": 5, **options})


def test_a_state_of_another_size_is_refused():
    other = run(1, settings=settings_of(pool=41)).final
    with pytest.raises(ArgumentError, match=r"pool of shape \(40, 2\), got \(41, 2\)"):
        run(1, start=other)


def test_replicates_refuse_what_their_loop_cannot_do():
    common = {"noise": Noise(seed=1), "updates": 10}
    with pytest.raises(ArgumentError, match=r"replicates.*got 0"):
        train_replicates(ENERGY, DATA, settings_of(), replicates=0, **common)
    with pytest.raises(ArgumentError, match=r"\(2,\) or \(3, 2\), got \(4, 2\)"):
        train_replicates(
            ENERGY, DATA, settings_of(), replicates=3, theta_start=np.ones((4, 2)), **common
        )
    with pytest.raises(ArgumentError, match="moments_after = 10, there are 10"):
        train_replicates(ENERGY, DATA, settings_of(), replicates=3, moments_after=10, **common)
    adam = settings_of(rate=TorchOptimizer("Adam", {"lr": 0.1}))
    with pytest.raises(ArgumentError, match="Rate is required"):
        train_replicates(ENERGY, DATA, adam, replicates=3, **common)
    averaged = settings_of(averaging_after=5)
    with pytest.raises(ArgumentError, match="averaging_after must be None"):
        train_replicates(ENERGY, DATA, averaged, replicates=3, **common)


def test_tree_sums_are_sums():
    import torch

    for count in (1, 2, 255, 256, 257, 70_000):
        values = torch.arange(2.0 * count, dtype=torch.float64).reshape(2, count)
        assert tree_sum(values).tolist() == values.sum(1).tolist()
