"""The mean-field solver against closed forms, another grid solver, and identities."""

import numpy as np
import pytest
from scipy.linalg import expm

from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
from lvebm_theory.energies.gaussian_location import gaussian_location
from lvebm_theory.energies.linear_gaussian import (
    linear_gaussian,
    linear_gaussian_directed,
    linear_gaussian_undirected,
)
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.joint import joint_energy
from solvers.densities import solve_time_dependent
from solvers.learning.closed_form import solve_closed_form
from solvers.learning.finite_pools_flow import flow_covariance
from solvers.learning.fluctuations import predict_fluctuations
from solvers.learning.mean_field import solve_mean_field
from solvers.learning.mean_field_frame import Frame
from solvers.learning.projections import Box

DATA = np.random.default_rng(0).normal(0.2, 1.2, (10, 1))
STARTS = {
    "latent_start": InitialLaw.normal(0.3, 0.8),
    "pool_start": InitialLaw.normal([0.2, -0.4], [0.7, 1.1]),
}
CURVES = ("log_likelihood", "posterior_relative_entropy", "model_relative_entropy", "saddle")
GAUSSIAN = {
    "undirected": (linear_gaussian_undirected(a=1.4, b=0.6), None, 0.5, 1.0),
    "directed, fast theta": (linear_gaussian_directed(t=0.5, noise=0.5), ("t",), 3.0, 1.0),
    "location, fast latents": (gaussian_location(theta=0.5), ("theta",), 0.5, 4.0),
}


@pytest.mark.parametrize("case", GAUSSIAN.values(), ids=GAUSSIAN.keys())
def test_mean_field_agrees_with_the_closed_form(case):
    energy, learned, eta, latent_speed = case
    how = {**STARTS, "times": [0.0, 0.4, 1.5, 4.0], "learned": learned}
    grid = solve_mean_field(energy, DATA, eta=eta, latent_speed=latent_speed, **how)
    exact = solve_closed_form(energy, DATA, eta=eta, latent_speed=latent_speed, **how)
    assert grid.names == exact.names
    assert np.all(np.abs(grid.theta - exact.theta) <= grid.theta_width + exact.theta_width)
    assert grid.theta_width.max() < 3e-4
    for name in CURVES:
        (value, width), (true, error) = getattr(grid, name)(), getattr(exact, name)()
        assert np.all(np.abs(value - true) <= width + error), name
        assert width.max() < 2e-3
    # watch it fail: one per cent of theta's speed is far outside the widths
    other = solve_closed_form(energy, DATA, eta=1.01 * eta, latent_speed=latent_speed, **how)
    assert np.any(np.abs(grid.theta - other.theta) > 10 * grid.theta_width)


def test_many_data_cost_as_little_as_forty():
    data = np.random.default_rng(1).normal(0.0, 1.0, (300, 1))
    how = {**STARTS, "times": [0.5, 2.0], "learned": ("t",), "eta": 1.0}
    energy = linear_gaussian_directed(t=0.5, noise=0.5)
    grid = solve_mean_field(energy, data, **how)
    exact = solve_closed_form(energy, data, **how)
    assert len(grid.state(0).latents) == 40
    assert np.all(np.abs(grid.theta - exact.theta) <= grid.theta_width + exact.theta_width)
    for name in CURVES:
        (value, width), (true, error) = getattr(grid, name)(), getattr(exact, name)()
        assert np.all(np.abs(value - true) <= width + error), name
        assert width.max() < 2e-3


BIMODAL = {
    "latent_start": InitialLaw.normal(0.2, 0.8),
    "pool_start": InitialLaw.normal([0.0, 0.0], [0.7, 0.8]),
    "eta": 1.0,
    "learned": ("t",),
    "cells": 96,
}
BIMODAL_DATA = np.array([[-1.5], [-1.0], [-0.2], [0.1], [0.9], [1.3], [0.1]])


@pytest.fixture(scope="module")
def bimodal_path():
    return solve_mean_field(
        bimodal_posterior(t=0.4), BIMODAL_DATA, times=[0.25, 0.5, 1.0, 2.0], **BIMODAL
    )


def test_saddle_identity_on_grids_with_two_modes(bimodal_path):
    (l, wl), (q, wq), (p, wp), (j, wj) = (getattr(bimodal_path, name)() for name in CURVES)
    width = wl + wq + wp + wj
    assert np.all(np.abs(j - (l - q + p)) <= width)
    assert np.all(width < 1e-3)
    # the identity is between numbers that differ: neither gap is negligible
    assert np.all(q[:2] > 30 * width[:2])
    assert np.all(p[:2] > 3 * width[:2])
    # two modes: the posterior at a small datum has a dip between them
    state = bimodal_path.state(-1)
    near = state.latents[np.argmin(np.abs(state.latent_plane.x[:, 0]))]
    z = state.latent_plane.z[0]
    assert near[np.argmin(np.abs(z))] < 0.7 * near.max()
    assert state.pool.min() >= 0
    assert state.pool.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(state.latents.sum(axis=1), 1.0, atol=1e-12)


def test_pool_agrees_with_the_solver_of_moving_potentials():
    times = np.linspace(0.0, 0.8, 17)
    energy = bimodal_posterior(t=0.4)
    path = solve_mean_field(energy, BIMODAL_DATA, times=times, **{**BIMODAL, "cells": 64})
    theta = np.polynomial.Polynomial.fit(times, path.theta[:, 0], 8)
    other = solve_time_dependent(
        lambda t: bimodal_posterior(t=float(theta(t))).joint(),
        BIMODAL["pool_start"],
        [0.4, 0.8],
        step=0.1,
        cells=72,
        box=[(-6.5, 6.5), (-4.5, 4.5)],
    )
    value, width = other.relative_entropy()
    mine, own = path.model_relative_entropy()
    assert np.all(np.abs(value - mine[[8, 16]]) <= width + own[[8, 16]])
    assert np.all(width + own[[8, 16]] < 0.05 * value)
    # theta' = eta g, the pool's half of g from the other solver
    step = 1e-3
    moved = (float(theta(0.4 + step)) - float(theta(0.4 - step))) / (2 * step)
    t = float(theta(0.4))
    joint, error = other.expectation(lambda x, z: -(x - t * z) * z / 0.5)
    clamped, more = path.latent_expectation(lambda x, z: -(x - t * z) * z / 0.5)
    assert abs(moved - (joint[0] - clamped[8])) < error[0] + more[8] + 2e-3


def test_a_run_stops_where_z_ceases_to_exist():
    energy = linear_gaussian_undirected(a=1.0, b=0.85)
    how = {
        "latent_start": InitialLaw.normal(2.0, 1.0),
        "pool_start": InitialLaw.normal([0.0, 0.0], 0.2),
        "eta": 1.0,
        "times": [5.0],
    }
    data = np.array([[1.2], [1.5], [0.4]])
    with pytest.raises(SolverError, match=r"integrable at a=.*b=.*at time") as caught:
        solve_mean_field(energy, data, **how)
    a, b = caught.value.last_state
    assert abs(a - b * b) < 0.1
    with pytest.raises(SolverError, match="integrable") as exact:
        solve_closed_form(energy, data, **how)
    np.testing.assert_allclose(exact.value.last_state, [a, b], atol=0.1)


def test_projection_holds_theta_back():
    path = solve_mean_field(
        linear_gaussian_directed(t=0.5, noise=0.5),
        DATA,
        times=[1.0, 4.0],
        eta=1.0,
        learned=("t",),
        projection=Box(upper={"t": 0.6}),
        cells=48,
        **STARTS,
    )
    np.testing.assert_allclose(path.theta[-1], 0.6, atol=1e-9)


def test_bad_input_is_refused():
    how = {**STARTS, "eta": 1.0, "times": [1.0]}
    energy = linear_gaussian_undirected()
    for changed, match in (
        ({"cells": 50}, "multiples of 8"),
        ({"step": -1.0}, "step"),
        ({"eta": np.nan}, "eta"),
        ({"latent_speed": 0.0}, "latent_speed"),
        ({"times": []}, "times"),
        ({"learned": ("q",)}, "unknown"),
        ({"latent_start": STARTS["pool_start"]}, "dimensions 1"),
        ({"theta_start": [1.0, 2.0, 3.0]}, "2 finite values"),
    ):
        with pytest.raises(ArgumentError, match=match):
            solve_mean_field(energy, DATA, **{**how, **changed})
    with pytest.raises(ArgumentError, match="dim_x = dim_z = 1"):
        solve_mean_field(linear_gaussian(), DATA, **how)
    with pytest.raises(ArgumentError, match=r"\(10, 2\)"):
        solve_mean_field(energy, np.hstack([DATA, DATA]), **how)
    small = Frame(pool_x=(-2, 2), pool_z=(-2, 2), latent_z=(-2, 2))
    with pytest.raises((SolverError, ArgumentError), match="box"):
        solve_mean_field(energy, DATA, frame=small, **how)
    narrow = InitialLaw.normal(0.0, 0.01)
    with pytest.raises(ArgumentError, match="latent start"):
        solve_mean_field(energy, DATA, **{**how, "latent_start": narrow, "cells": 48})


@pytest.mark.parametrize("name", ["undirected", "directed, fast theta"])
def test_fluctuations_agree_with_the_moment_equations(name):
    energy, learned, _, _ = GAUSSIAN[name]
    how = {**STARTS, "eta": 0.8, "times": [0.0, 0.5, 1.5], "learned": learned}
    found = predict_fluctuations(energy, DATA, latent_speed=1.5, cells=64, **how)
    for latents, pool in ((3, 7), (1, 10**6), (10**6, 1)):
        value, width = found.covariance(latents=latents, pool=pool)
        exact = flow_covariance(
            energy, DATA, latents=latents, pool=pool, latent_speed=1.5, **how
        ).covariance
        scale = np.abs(exact).max()
        assert np.all(np.abs(value - exact) <= width + 1e-7 * scale)
        assert width.max() < 5e-3 * scale
    assert np.all(found.from_pool[0] == 0)


def test_the_pool_is_followed_into_a_well_that_its_law_hardly_knows():
    # x moves on its own in a well whose minimum at 1 has e^{-36} of the mass of the one at -1
    @joint_energy(dim_x=1, dim_z=1, t=0.0)
    def tilted(x, z, t):
        """E = 20 (x^2 - 1)^2 + 18 x + (z - t)^2/2.  Two wells, one of them hardly known to pi."""
        return 20 * (x[0] ** 2 - 1) ** 2 + 18 * x[0] + (z[0] - t) ** 2 / 2

    how = {
        "latent_start": InitialLaw.normal(0.0, 1.0),
        "pool_start": InitialLaw.normal([0.45, 0.0], [0.1, 1.0]),
        "eta": 1e-3,
        "times": [0.02],
        "learned": ("t",),
        "cells": (128, 32, 32),
    }
    cut = Frame(pool_x=(-1.7, 1.0), pool_z=(-8, 8), latent_z=(-8, 8))
    with pytest.raises(SolverError, match=r"too small: the pool reach its edge"):
        solve_mean_field(tilted(), np.zeros((1, 1)), frame=cut, **how)
    path = solve_mean_field(tilted(), np.zeros((1, 1)), **how)
    assert path.frame.pool_x[1] > 1.2  # the start alone ends at 1.18, pi at -0.2
    # finite volumes on a wide box, by the exponential of the matrix
    edges = np.linspace(-1.9, 1.9, 601)
    x, h = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    u = 20 * (x**2 - 1) ** 2 + 18 * x
    up, down = np.exp((u[:-1] - u[1:]) / 2) / h**2, np.exp((u[1:] - u[:-1]) / 2) / h**2
    rates = np.diag(up, -1) + np.diag(down, 1)
    rates -= np.diag(rates.sum(0))
    law = InitialLaw.normal(0.45, 0.1).cell_masses((edges,))
    law = expm(0.02 * rates) @ law
    for f in (lambda a: a, lambda a: a**2):
        (value,), (width,) = path.pool_expectation(lambda a, _, f=f: f(a))
        assert abs(value - law @ f(x)) <= width + 1e-4
        assert width < 0.01
