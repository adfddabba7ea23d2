"""Training of neural energies: both back ends against numpy, threads, batches, resuming, errors."""

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.neural import NeuralJointEnergy
from lvebm_theory.neural_bounds import spectral_norm_bound
from solvers.learning.neural_particles import NeuralParticles, Task
from solvers.learning.projections import Box
from solvers.learning.rates import Constant, TorchOptimizer
from solvers.learning.settings import LearningSettings
from solvers.learning.train import train
from solvers.noise import Noise

pytest.importorskip("torch")

DATA = np.random.default_rng(0).normal(size=(90, 2))
ENERGY = NeuralJointEnergy(
    dim_x=2, dim_z=1, widths=(6, 5), confinement=(0.3, 0.4, 0.5), centre=0.1, seed=2
)
SETTINGS = LearningSettings(
    latents=2, pool=75, latent_step=0.02, pool_step=0.03, inner_steps=3, rate=Constant(0.1)
)


def settings(**changed):
    return LearningSettings(**{**vars(SETTINGS), **changed})


def learned(how=SETTINGS, updates=4, **options):
    options = {"dtype": "float64", "threads": 1} | options
    return train(ENERGY, DATA, how, noise=Noise(5), updates=updates, **options)


def by_hand(how, updates):
    """The algorithm in numpy, from the formulas of the package."""
    noise, run = Noise(5), learned(how, updates=0)
    theta, k_in = run.final.theta.copy(), how.inner_steps
    z, w = run.final.latents.reshape(-1, 1).copy(), run.final.pool.copy()
    x = np.repeat(DATA, how.latents, axis=0)

    def gradient(energy):
        return energy.mean_parameter_gradient(w[:, :2], w[:, 2:]) - energy.mean_parameter_gradient(
            x, z
        )

    for update in range(updates):
        energy = ENERGY.with_parameter_vector(theta)
        g = gradient(energy)
        for step in range(update * k_in, (update + 1) * k_in):
            slope = energy.joint().gradient(np.hstack([x, z]))[:, 2:]
            xi = noise.derive("latents").normals(len(z), step, 1)
            z = z - how.latent_step * slope
            z += np.sqrt(2 * how.temperature * how.latent_step) * xi
            xi = noise.derive("pool").normals(len(w), step, 3)
            w = w - how.pool_step * energy.joint().gradient(w)
            w += np.sqrt(2 * how.temperature * how.pool_step) * xi
        if how.order == "sequential":
            g = gradient(energy)
        theta = ENERGY.projected(theta + how.rate.a * g)
    return theta, z, w


@pytest.mark.parametrize("order", ["sequential", "simultaneous"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_run_is_the_algorithm(backend, order):
    how = settings(order=order, temperature=0.7)
    theta, z, w = by_hand(how, 4)
    final = learned(how, backend=backend).final
    assert np.allclose(final.theta, theta, atol=1e-12)
    assert np.allclose(final.latents.reshape(-1, 1), z, atol=1e-12)
    assert np.allclose(final.pool, w, atol=1e-12)
    # a pool one step stale, or the other order, would not pass
    other = settings(order="sequential" if order == "simultaneous" else "simultaneous")
    assert not np.allclose(learned(other, backend=backend).final.theta, theta, atol=1e-6)


def test_float32_follows_float64_with_the_same_noise():
    noise = Noise(5, bits=32)
    runs = [
        train(ENERGY, DATA, SETTINGS, noise=noise, updates=3, dtype=dtype, backend=backend).final
        for dtype, backend in (("float64", "numba"), ("float32", "numba"), ("float32", "torch"))
    ]
    for run in runs[1:]:
        assert np.allclose(run.theta, runs[0].theta, atol=1e-5)
        assert np.allclose(run.pool, runs[0].pool, atol=1e-4)


def test_threads_change_no_bit():
    how = settings(pool=1100, batch=30)
    one, three = (learned(how, threads=t, dtype="float32").final for t in (1, 3))
    assert np.array_equal(one.theta, three.theta)
    assert np.array_equal(one.pool, three.pool)
    assert np.array_equal(one.latents, three.latents)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_batch_moves_its_own_latents(backend):
    how = settings(batch=30)
    runs = [learned(how, updates=k, backend=backend).final for k in (0, 1)]
    moved = (runs[0].latents != runs[1].latents).any(axis=(1, 2))
    assert moved.sum() == 30
    other = learned(how, updates=1, backend="torch" if backend == "numba" else "numba").final
    assert np.allclose(runs[1].theta, other.theta, atol=1e-12)


def test_a_run_in_two_parts_is_the_whole_run():
    rate = TorchOptimizer("Adam", {"lr": 1e-2}, halving=3.0)
    how = settings(rate=rate, batch=30)
    whole = learned(how, updates=6)
    half = learned(how, updates=3)
    rest = learned(how, updates=3, start=half.final)
    assert np.array_equal(whole.final.theta, rest.final.theta)
    assert np.array_equal(whole.final.pool, rest.final.pool)


def test_a_learning_rate_is_halved():
    runs = {
        halving: learned(
            settings(rate=TorchOptimizer("SGD", {"lr": 0.1}, halving=halving)), updates=2
        )
        for halving in (None, 1.0)
    }
    for halving, run in runs.items():
        steps = np.diff(np.vstack([ENERGY.theta, run.theta]), axis=0)
        factors = (1.0, 1.0 if halving is None else 0.5)
        for step, gradient, factor in zip(steps, run.gradient, factors, strict=True):
            assert np.allclose(step, 0.1 * factor * gradient, atol=1e-12)
    with pytest.raises(ArgumentError, match="halving"):
        TorchOptimizer("Adam", halving=0.0)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_only_learned_parameters_move(backend):
    run = learned(settings(learned=("readout",)), backend=backend)
    still = [not name.startswith("readout") for name in ENERGY.parameters]
    assert np.array_equal(run.final.theta[still], ENERGY.theta[still])
    assert np.all(run.final.theta[np.invert(still)] != ENERGY.theta[np.invert(still)])


def test_theta_stays_within_the_caps():
    energy = NeuralJointEnergy(dim_x=2, dim_z=1, widths=(6, 5), spectral_caps=(1.0, 1.0, 0.5))
    run = train(energy, DATA, settings(rate=Constant(50.0)), noise=Noise(1), updates=3)
    layers = energy.network.layers(run.final.theta)
    for matrix, cap in zip([*layers.weights, layers.readout], energy.spectral_caps, strict=True):
        assert spectral_norm_bound(matrix) <= cap
        assert spectral_norm_bound(matrix) > 0.99 * cap


@pytest.mark.parametrize("activation", ["silu", "tanh", "softplus"])
def test_the_loops_know_every_activation(activation):
    # one hidden layer of an odd width, all coordinates saturated for some particles
    energy = NeuralJointEnergy(dim_x=1, dim_z=1, widths=(3,), activation=activation, seed=1)
    w = 40 * np.random.default_rng(0).normal(size=(70, 2))
    particles = NeuralParticles(energy.joint(), dtype="float64", threads=1)
    cloud = particles.cloud(w, step_size=1e-3, noise=Noise(1))
    (mean,) = particles.work([Task(cloud=cloud, averaging="before")])
    assert np.allclose(mean, energy.mean_parameter_gradient(w[:, :1], w[:, 1:]), atol=1e-11)
    particles.work([Task(cloud=cloud, first=5, steps=1)])
    moved = w - 1e-3 * energy.joint().gradient(w) + np.sqrt(2e-3) * Noise(1).normals(70, 5, 2)
    assert np.allclose(particles.positions(cloud), moved, atol=1e-12)


def test_bad_arguments_are_named():
    with pytest.raises(ArgumentError, match="spectral caps"):
        learned(settings(projection=Box(lower={}, upper={})))
    particles = NeuralParticles(ENERGY.joint(), dtype="float64", threads=1)
    with pytest.raises(ArgumentError, match="shape"):
        particles.cloud(np.zeros((0, 3)), step_size=0.1, noise=Noise(0))
    with pytest.raises(ArgumentError, match="step size"):
        particles.cloud(np.zeros((2, 3)), step_size=0.0, noise=Noise(0))


def test_a_diverging_run_stops_with_its_last_good_state():
    with pytest.warns(UserWarning, match="stability"), pytest.raises(SolverError) as caught:
        learned(settings(pool_step=1e3), updates=50)
    assert np.all(np.isfinite(caught.value.last_state.pool))
    assert np.all(np.isfinite(caught.value.last_state.theta))
