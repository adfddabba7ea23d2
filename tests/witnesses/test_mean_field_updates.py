"""Infinitely many particles with finite steps on nodes, against moments, a lattice and the flow."""

from dataclasses import replace

import numpy as np
import pytest

from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
from lvebm_theory.energies.linear_gaussian import (
    linear_gaussian_directed,
    linear_gaussian_undirected,
)
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from solvers.densities.transition_kernel import ula_kernel
from solvers.learning.closed_form_discrete import iterate_moments
from solvers.learning.finite_pools import finite_pool_path
from solvers.learning.mean_field import solve_mean_field
from solvers.learning.mean_field_updates import iterate_mean_field
from solvers.learning.projections import Box
from solvers.learning.rates import Constant, RobbinsMonro
from solvers.learning.settings import LearningSettings
from solvers.learning.update import SEQUENTIAL, Stage
from solvers.learning.update_fluctuations import predict_update_fluctuations

DATA = np.array([[-1.6], [-0.4], [0.5], [1.5]])
STARTS = {
    "latent_start": InitialLaw.normal(0.3, 0.8),
    "pool_start": InitialLaw.normal([0.2, -0.4], [0.7, 1.1]),
}
# where gradients grow faster than linearly, far starts escape by long steps
NARROW = {
    "latent_start": InitialLaw.normal(0.3, 0.5),
    "pool_start": InitialLaw.normal([0.0, 0.0], [0.7, 0.5]),
}


def settings_of(**changed):
    chosen = {
        "latents": 1,
        "pool": 1,
        "latent_step": 0.06,
        "pool_step": 0.1,
        "rate": Constant(0.1),
    }
    return LearningSettings(**{**chosen, **changed})


CASES = {
    "sequential": (linear_gaussian_undirected(a=1.4, b=0.6), settings_of()),
    "simultaneous": (
        linear_gaussian_directed(t=0.8, noise=0.5),
        settings_of(order="simultaneous", rate=RobbinsMonro(0.2, 5.0, 0.8), learned=("t",)),
    ),
    "hot, several inner steps": (
        linear_gaussian_directed(t=0.8, noise=0.5),
        settings_of(temperature=1.4, inner_steps=3, learned=("t",)),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_updates_of_densities_are_the_recursion_of_moments(case):
    energy, settings = case
    grid = iterate_mean_field(energy, DATA, settings, updates=9, record_every=3, **STARTS)
    exact = iterate_moments(energy, DATA, settings, updates=9, record_every=3, **STARTS)
    np.testing.assert_array_equal(grid.updates, exact.updates)
    assert np.all(np.abs(grid.theta - exact.theta) <= grid.theta_width)
    assert grid.theta_width.max() < 1e-6
    value, width = grid.log_likelihood()
    assert np.all(np.abs(value - exact.log_likelihood()) <= width)
    # watch it fail: noise sqrt(h) for sqrt(2h)
    cold = replace(settings, temperature=settings.temperature / 2)
    other = iterate_moments(energy, DATA, cold, updates=9, record_every=3, **STARTS)
    assert np.abs(other.theta - grid.theta).max() > 1e3 * grid.theta_width.max()


def test_latents_move_as_on_the_lattice_of_the_line():
    energy = bimodal_posterior(t=0.7)
    settings = settings_of(latent_step=0.02, pool_step=0.02, rate=Constant(1e-12), learned=("t",))
    path = iterate_mean_field(energy, DATA, settings, updates=12, record_every=12, **NARROW)
    state = path.states[-1]
    z = state.latent_plane.z[0]
    for k, x in enumerate(state.latent_plane.x[:, 0]):
        kernel = ula_kernel(energy.conditional([float(x)]), 0.02, (-5.4, 5.4))
        (law,) = kernel.after(NARROW["latent_start"], [12])
        for f in (lambda u: u, lambda u: u**2, np.tanh):
            assert state.latents[k] @ f(z) == pytest.approx(law.expectation(f(law.nodes)), abs=1e-8)


def test_short_steps_approach_the_flow():
    energy = bimodal_posterior(t=0.5)
    flow = solve_mean_field(energy, DATA, eta=1.0, times=[0.6], learned=("t",), cells=96, **NARROW)
    gaps = []
    for count in (20, 40):
        h = 0.6 / count
        settings = settings_of(latent_step=h, pool_step=h, rate=Constant(h), learned=("t",))
        path = iterate_mean_field(
            energy, DATA, settings, updates=count, record_every=count, **NARROW
        )
        gaps.append((path.theta[-1] - flow.theta[-1])[0])
    assert abs(gaps[1] / gaps[0] - 0.5) < 0.08


def test_stages_and_projections_of_the_trainer():
    energy = linear_gaussian_directed(t=0.8, noise=0.5)
    settings = settings_of(learned=("t",))
    early = replace(
        SEQUENTIAL,
        stages=(
            Stage.AVERAGE_LATENTS,
            Stage.AVERAGE_POOL,
            Stage.COMBINE,
            Stage.MOVE_LATENTS,
            Stage.MOVE_POOL,
            Stage.ASCEND,
        ),
    )
    how = {"updates": 4, "record_every": 4, **STARTS}
    by_stages = iterate_mean_field(energy, DATA, settings, update=early, **how)
    by_order = iterate_mean_field(energy, DATA, replace(settings, order="simultaneous"), **how)
    np.testing.assert_array_equal(by_stages.theta, by_order.theta)
    held = iterate_mean_field(
        energy, DATA, replace(settings, projection=Box(upper={"t": 0.79})), **how
    )
    assert held.theta[-1, 0] == pytest.approx(0.79, abs=1e-15)
    assert by_order.theta[-1, 0] > 0.79


def test_bad_input_is_refused():
    energy, how = linear_gaussian_undirected(), {"updates": 1, **STARTS}
    with pytest.raises(ArgumentError, match="gradient noise"):
        iterate_mean_field(energy, DATA, settings_of(gradient_noise=0.1), **how)
    with pytest.raises(ArgumentError, match="nodes over"):
        iterate_mean_field(energy, DATA, settings_of(pool_step=1e-5), **how)
    with pytest.raises(ArgumentError, match="batch"):
        iterate_mean_field(energy, DATA, settings_of(batch=2), **how)
    with pytest.raises(ArgumentError, match="updates"):
        iterate_mean_field(energy, DATA, settings_of(), **{**how, "updates": -1})
    far = {**STARTS, "pool_start": InitialLaw.normal([0.0, 0.0], 1.5), "updates": 1}
    with pytest.raises(SolverError, match="leave the box"):
        iterate_mean_field(bimodal_posterior(), DATA, settings_of(learned=("t",)), **far)
    with pytest.raises(SolverError, match=r"integrable|leave the box"):
        iterate_mean_field(energy, DATA, settings_of(rate=Constant(5.0)), **{**how, "updates": 9})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_fluctuations_of_updates_are_those_of_the_moments(case):
    energy, settings = case
    how = {"updates": 6, "record_every": 3, **STARTS}
    found = predict_update_fluctuations(energy, DATA, settings, **how)
    for latents, pool in ((3, 5), (1, 10**6), (10**6, 1)):
        value, width = found.covariance(latents=latents, pool=pool)
        exact = finite_pool_path(
            energy, DATA, replace(settings, latents=latents, pool=pool), **how
        ).covariance
        assert np.all(np.abs(value - exact) <= width)
        assert width.max() < 1e-6 * np.abs(exact).max()


def test_fluctuations_of_a_mutant_are_those_of_its_moments():
    energy = linear_gaussian_directed(t=0.8, noise=0.5)
    settings = settings_of(learned=("t",), latents=2, pool=3, rate=Constant(0.2))
    late = replace(
        SEQUENTIAL,
        stages=(
            Stage.AVERAGE_POOL,
            Stage.MOVE_LATENTS,
            Stage.AVERAGE_LATENTS,
            Stage.COMBINE,
            Stage.MOVE_POOL,
            Stage.ASCEND,
        ),
    )
    how = {"updates": 4, "record_every": 4, **STARTS}
    found = predict_update_fluctuations(energy, DATA, settings, update=late, **how)
    exact = finite_pool_path(energy, DATA, settings, update=late, **how)
    own = finite_pool_path(energy, DATA, settings, **how)
    value, width = found.covariance(latents=2, pool=3)
    assert np.all(np.abs(value - exact.covariance) <= width)
    assert abs(own.covariance[-1, 0, 0] / value[-1, 0, 0] - 1) > 0.05
