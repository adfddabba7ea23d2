"""Particles, grid densities and moment equations learn the same theta, over drawn settings."""

import numpy as np
import pytest
from scipy.stats import norm

from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
from lvebm_theory.energies.gaussian_location import gaussian_location
from lvebm_theory.energies.linear_gaussian import linear_gaussian_directed
from lvebm_theory.initial import InitialLaw
from solvers.learning.closed_form import solve_closed_form
from solvers.learning.finite_pools import finite_pool_path
from solvers.learning.fluctuations import predict_fluctuations
from solvers.learning.mean_field import solve_mean_field
from solvers.learning.rates import Constant
from solvers.learning.replicates import train_replicates
from solvers.learning.settings import LearningSettings
from solvers.learning.train import train
from solvers.noise import Noise
from verification.claims.learning.propagation_of_chaos import slope_of_scatter
from verification.controls.learning import UPDATE_MUTANTS

DRAWN, ALPHA = 20, 1e-6
STEP, UPDATES, PARTICLES = 0.01, (25, 50, 100), 20_000


def drawn(seed):
    """A setting of a fixed seed: energy, learned parameter, data, starts, eta and order."""
    rng = np.random.default_rng([2510, 15447, seed])
    noise, theta = rng.uniform(0.4, 1.5), rng.uniform(-1.0, 1.0)
    if seed % 2:
        energy, name = linear_gaussian_directed(t=theta, noise=noise), "t"
    else:
        energy, name = gaussian_location(theta=theta, noise=noise), "theta"
    data = rng.normal(0.0, 1.2, (int(rng.integers(1, 5)), 1))
    latent = InitialLaw.normal(rng.uniform(-0.5, 0.5), rng.uniform(0.5, 1.2))
    pool = InitialLaw.normal(rng.uniform(-0.5, 0.5, 2), rng.uniform(0.5, 1.2, 2))
    order = ("sequential", "simultaneous")[int(rng.integers(2))]
    return energy, name, data, latent, pool, rng.uniform(0.3, 1.5), order


def three_forms(seed, mutant=None):
    """theta of the particles less its known shift by the step, its band, the grid and the flow."""
    energy, name, data, latent, pool, eta, order = drawn(seed)
    learner = LearningSettings(
        latents=PARTICLES // len(data),
        pool=PARTICLES,
        latent_step=STEP,
        pool_step=STEP,
        rate=Constant(eta * STEP),
        order=order,
        learned=(name,),
    )
    starts = {"latent_start": latent, "pool_start": pool}
    run = train(
        energy,
        data,
        learner,
        noise=Noise(seed, "three forms"),
        updates=UPDATES[-1],
        update=None if mutant is None else UPDATE_MUTANTS[mutant](order),
        **starts,
    )
    rows = np.array(UPDATES)
    theta = run.theta[rows - 1, list(energy.parameters).index(name)]
    path = finite_pool_path(energy, data, learner, updates=UPDATES[-1], **starts)
    flow = solve_closed_form(energy, data, eta=eta, times=rows * STEP, learned=(name,), **starts)
    grid = solve_mean_field(energy, data, eta=eta, times=rows * STEP, learned=(name,), **starts)
    quantile = norm.isf(ALPHA / (2 * DRAWN * len(rows)))
    # the covariance is of leading order and the bias of theta O(1/N) where the family is curved
    band = quantile * np.sqrt(path.covariance[rows, 0, 0]) * 1.01 + 10 / PARTICLES
    shifted = theta - (path.theta[rows, 0] - flow.theta[:, 0])
    return shifted, band, grid, flow


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(DRAWN))
def test_three_forms_agree_within_a_simultaneous_band(seed):
    theta, band, grid, flow = three_forms(seed)
    width = grid.theta_width[:, 0] + flow.theta_width[:, 0]
    assert np.all(np.abs(grid.theta[:, 0] - flow.theta[:, 0]) <= width + 1e-9)
    assert np.all(np.abs(theta - flow.theta[:, 0]) <= band)
    assert np.all(np.abs(theta - grid.theta[:, 0]) <= band + width)
    assert band.max() < 0.1


@pytest.mark.parametrize("mutant", ["noise-sqrt-h", "latents-not-persistent"])
def test_wrong_particles_leave_the_band(mutant):
    theta, band, _, flow = three_forms(1, mutant)
    assert np.any(np.abs(theta - flow.theta[:, 0]) > band)


@pytest.mark.slow
def test_theta_scatters_like_one_over_the_root_of_n_with_the_predicted_variance():
    energy = bimodal_posterior(t=0.4, b=1.0, noise=0.5)
    data, eta, updates = np.array([[0.1], [-0.6]]), 1.0, 50
    starts = {
        "latent_start": InitialLaw.normal(0.2, 0.5),
        "pool_start": InitialLaw.normal([0.0, 0.3], [0.7, 0.5]),
    }
    scatter = {}
    for n in [64 * 2**k for k in range(9)]:
        learner = LearningSettings(
            latents=n,
            pool=n,
            latent_step=STEP,
            pool_step=STEP,
            rate=Constant(eta * STEP),
            order="simultaneous",
            learned=("t",),
        )
        run = train_replicates(
            energy,
            data,
            learner,
            noise=Noise(7, f"chaos/{n}"),
            updates=updates,
            replicates=100,
            record_every=updates,
            **starts,
        )
        scatter[n] = run.final_theta[:, list(energy.parameters).index("t")]
    slope = slope_of_scatter(scatter, 0.01)
    assert slope.lower <= -0.5 <= slope.upper
    assert slope.upper < -0.4
    assert slope.lower > -0.6
    predicted = predict_fluctuations(
        energy, data, eta=eta, times=[updates * STEP], learned=("t",), **starts
    )
    variance, width = predicted.covariance(latents=1, pool=1)
    pooled = np.mean([n * x.var(ddof=1) for n, x in scatter.items()])
    # nine independent variances of 99 degrees each, at alpha = 1e-6; 2 per cent for O(h), O(1/N)
    spread = norm.isf(5e-7) * np.sqrt(2 / (99 * 9))
    assert abs(pooled / variance[0, 0, 0] - 1) <= spread + 0.02 + width[0, 0, 0]
    mean_field = predicted.mean_field.theta[0, 0]
    largest = scatter[max(scatter)]
    error = norm.isf(5e-7) * largest.std(ddof=1) / 10
    assert abs(largest.mean() - mean_field) <= error + 0.01
