"""Learning with quadratic energies: the flow, the recursion and the noise of finite pools."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from lvebm_theory.energies.bottleneck import bottleneck
from lvebm_theory.energies.gaussian_location import gaussian_location
from lvebm_theory.energies.linear_gaussian import (
    linear_gaussian,
    linear_gaussian_directed,
    linear_gaussian_undirected,
)
from lvebm_theory.energies.location_family import location_family
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.joint import joint_energy
from solvers.learning.closed_form import averaged_flow, solve_closed_form
from solvers.learning.closed_form_discrete import iterate_moments
from solvers.learning.finite_pools import finite_pool_path, stationary_law
from solvers.learning.finite_pools_flow import flow_covariance, flow_rates, flow_stationary_law
from solvers.learning.fixed_point import fixed_point, ula_learned_precision
from solvers.learning.gaussian_family import GaussianFamily
from solvers.learning.gaussian_values import DataMoments
from solvers.learning.rates import Constant
from solvers.learning.settings import LearningSettings
from solvers.learning.update import SEQUENTIAL, SIMULTANEOUS, Stage
from solvers.learning.wick import wick

DATA = np.array([[-1.6], [-0.4], [0.5], [1.5]])
LATENTS, POOL = InitialLaw.normal(0.3, 0.8), InitialLaw.normal([0.2, -0.4], [0.7, 1.1])


LATE_POOL = replace(
    SEQUENTIAL,
    name="pool read before it moves",
    stages=(
        Stage.AVERAGE_POOL,
        Stage.MOVE_LATENTS,
        Stage.MOVE_POOL,
        Stage.AVERAGE_LATENTS,
        Stage.COMBINE,
        Stage.ASCEND,
    ),
)
LAST_POOL = replace(
    SIMULTANEOUS,
    name="pool averaged one update ago",
    stages=(
        Stage.AVERAGE_LATENTS,
        Stage.COMBINE,
        Stage.AVERAGE_POOL,
        Stage.MOVE_LATENTS,
        Stage.MOVE_POOL,
        Stage.ASCEND,
    ),
)


def settings_of(rate=0.05, **changed):
    chosen = {
        "latents": 2,
        "pool": 4,
        "latent_step": 0.1,
        "pool_step": 0.1,
        "rate": Constant(rate),
    }
    return LearningSettings(**{**chosen, **changed})


@joint_energy(dim_x=1, dim_z=1, t=1.0)
def precision_only(x, z, t):
    """E(x, z) = t x^2/2 + z^2/2: a model of x alone beside an idle latent."""
    return t * x[0] ** 2 / 2 + z[0] ** 2 / 2


@joint_energy(dim_x=2, dim_z=2, s=0.7, m=(0.3, -0.2))
def user_quadratic(x, z, s, m):
    """A quadratic energy with nonlinear coefficients, as a user would write it."""
    u, v = x - m, z - s * x
    return (1 + s**2) * (u @ u) / 2 + np.sum(v**2) + s * u[0] * z[1] / 3


ENERGIES = {
    "undirected": linear_gaussian_undirected(a=1.4, b=0.6),
    "directed": linear_gaussian_directed(t=0.7, noise=0.5),
    "matrix": linear_gaussian(),
    "location": gaussian_location(theta=0.2, noise=0.6),
    "user": user_quadratic(),
}


@pytest.mark.parametrize("energy", ENERGIES.values(), ids=ENERGIES.keys())
def test_coefficients_are_those_of_the_formula(energy):
    family = GaussianFamily.of(energy)
    w = np.random.default_rng(0).standard_normal((7, family.dim))
    own, derived = family.coefficients(family.theta)
    value = np.einsum("ni,ij,nj->n", w, own.precision, w) / 2 - w @ own.shift + own.constant
    np.testing.assert_allclose(value, energy.joint().potential(w), rtol=1e-12, atol=1e-12)
    slopes = (
        np.einsum("ni,pij,nj->np", w, derived.precision, w) / 2
        - w @ derived.shift.T
        + derived.constant
    )
    np.testing.assert_allclose(slopes, energy.joint().parameter_gradient(w), atol=1e-12)


def test_location_families_are_recognised():
    assert GaussianFamily.of(gaussian_location(), ("theta",)).location
    assert not GaussianFamily.of(gaussian_location()).location  # the noise moves too
    still = location_family(coupling=0.0)
    assert GaussianFamily.of(still, ("theta_1", "theta_2")).location
    with pytest.raises(ArgumentError, match="quadratic"):
        GaussianFamily.of(location_family(coupling=0.5), ("theta_1",))


def test_bad_input_is_refused_with_what_came():
    arguments = {
        "latent_start": LATENTS, "pool_start": POOL, "eta": 1.0, "times": [1.0]
    }  # fmt: skip
    with pytest.raises(ArgumentError, match="quadratic"):
        solve_closed_form(bottleneck(), DATA, **arguments)
    with pytest.raises(ArgumentError, match="unknown"):
        solve_closed_form(linear_gaussian_undirected(), DATA, learned=("c",), **arguments)
    with pytest.raises(ArgumentError, match=r"\(4, 2\)"):
        solve_closed_form(linear_gaussian_undirected(), np.ones((4, 2)), **arguments)
    bad = DATA.copy()
    bad[2] = np.nan
    with pytest.raises(ArgumentError, match="1 of 4 rows"):
        solve_closed_form(linear_gaussian_undirected(), bad, **arguments)
    with pytest.raises(ArgumentError, match="times"):
        solve_closed_form(linear_gaussian_undirected(), DATA, **{**arguments, "times": [2, 1]})
    mixed = InitialLaw.mixture((0.5, 0.0, 1.0), (0.5, 1.0, 1.0))
    path = solve_closed_form(
        linear_gaussian_undirected(), DATA, **{**arguments, "latent_start": mixed}
    )
    with pytest.raises(ArgumentError, match="mixture"):
        path.saddle()
    with pytest.raises(ArgumentError, match="batch"):
        fixed_point(precision_only(), DATA, settings_of(batch=2))


@pytest.mark.parametrize("eta", [0.05, 0.5, 5.0])
def test_undirected_flow_ends_where_the_marginal_fits(eta):
    path = solve_closed_form(
        linear_gaussian_undirected(a=1.0, b=0.5),
        DATA,
        latent_start=LATENTS,
        pool_start=POOL,
        eta=eta,
        times=[20.0 / min(eta, 1.0)],
        tolerance=1e-9,
    )
    a, b = path.theta[-1]
    assert a - b * b == pytest.approx(1 / np.mean(DATA**2), abs=1e-6)
    end = path.states[-1]
    assert end.latent_slope[0, 0] == pytest.approx(b, abs=1e-6)
    assert end.latent_covariance[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_saddle_identity_along_the_flow():
    for energy in (ENERGIES["undirected"], ENERGIES["directed"], ENERGIES["location"]):
        path = solve_closed_form(
            energy,
            DATA,
            latent_start=LATENTS,
            pool_start=POOL,
            eta=0.5,
            latent_speed=2.0,
            times=[0.0, 0.3, 1.0, 4.0],
        )
        (l, wl), (q, wq), (p, wp), (j, wj) = (
            path.log_likelihood(),
            path.posterior_relative_entropy(),
            path.model_relative_entropy(),
            path.saddle(),
        )
        assert np.all(np.abs(j - (l - q + p)) <= wl + wq + wp + wj)
        assert np.all(wl + wq + wp + wj < 1e-9)
        assert p[0] > 0.01
        assert q[0] > 0.01


def test_flow_is_the_limit_of_the_recursion():
    energy, eta = linear_gaussian_undirected(a=1.3, b=0.4), 0.6
    flow = solve_closed_form(
        energy, DATA, latent_start=LATENTS, pool_start=POOL, eta=eta, times=[1.0], latent_speed=1.5
    ).theta[-1]
    gaps = []
    for steps in (50, 100):
        h = 1 / steps
        settings = settings_of(eta * h, latent_step=1.5 * h, pool_step=h)
        path = iterate_moments(
            energy, DATA, settings, latent_start=LATENTS, pool_start=POOL, updates=steps
        )
        gaps.append(path.theta[-1] - flow)
    np.testing.assert_allclose(gaps[1] / gaps[0], 0.5, atol=0.02)


def test_averaged_flow_is_the_limit_of_slow_learning():
    energy = linear_gaussian_directed(t=0.4, noise=0.5)
    slow = averaged_flow(energy, DATA, eta=1.0, times=[2.0], learned=("t",))[0]
    gaps = []
    for eta in (0.04, 0.02):
        path = solve_closed_form(
            energy,
            DATA,
            latent_start=LATENTS,
            pool_start=POOL,
            eta=eta,
            times=[2.0 / eta],
            learned=("t",),
            tolerance=1e-8,
        )
        gaps.append(abs(path.theta[-1] - slow)[0])
    assert 0.4 < gaps[1] / gaps[0] < 0.6


def test_learning_stops_where_z_ceases_to_exist():
    with pytest.raises(SolverError, match=r"not integrable at a=0\.\d+, b=0\.9\d* at time 0\.0"):
        solve_closed_form(
            linear_gaussian_undirected(a=1.0, b=0.9),
            DATA,
            latent_start=InitialLaw.normal(3.0, 1.0),
            pool_start=InitialLaw.normal([0.0, 0.0], 0.1),
            eta=5.0,
            times=[10.0],
        )
    with pytest.raises(SolverError, match="not integrable") as caught:
        iterate_moments(
            linear_gaussian_undirected(a=1.0, b=0.9),
            DATA,
            settings_of(0.5),
            latent_start=InitialLaw.normal(3.0, 1.0),
            pool_start=InitialLaw.normal([0.0, 0.0], 0.1),
            updates=10,
        )
    assert caught.value.step >= 1
    assert np.all(np.isfinite(caught.value.last_state))


def test_ula_bias_of_the_learned_precision():
    data = math.sqrt(1.3) * np.array([[-1.0], [1.0]])
    for step, known in ((0.4, 0.949566), (0.1, 0.801338)):
        assert ula_learned_precision(1.3, step) == pytest.approx(known, abs=1e-6)
        settings = settings_of(pool_step=step)
        found = fixed_point(precision_only(), data, settings).theta[0]
        assert found == pytest.approx(ula_learned_precision(1.3, step), abs=1e-9)
    assert ula_learned_precision(1.3, 0.0) == pytest.approx(1 / 1.3)
    assert ula_learned_precision(1.3, 0.65) == pytest.approx(1 / 0.65)
    with pytest.raises(SolverError, match="no real solution"):
        ula_learned_precision(1.3, 0.6500001)
    with pytest.raises(SolverError):
        fixed_point(precision_only(), data, settings_of(pool_step=0.7))


def test_discretisation_breaks_the_line_of_fixed_points():
    rest = fixed_point(linear_gaussian_undirected(a=1.0, b=0.5), DATA, settings_of(pool_step=0.1))
    assert rest.theta[1] == pytest.approx(0.0, abs=1e-8)
    s2 = float(np.mean(DATA**2))
    assert rest.theta[0] == pytest.approx(ula_learned_precision(s2, 0.1), abs=1e-9)


def test_finite_pool_variance_of_persistent_chains():
    energy = location_family(theta_1=0.1, coupling=0.0)
    for a, h, m in ((0.05, 0.1, 4), (0.3, 0.5, 2), (0.7, 1.2, 9)):
        settings = settings_of(
            pool=m, pool_step=h, rate=a, order="simultaneous", learned=("theta_1",)
        )
        exact = (2 * a / h) * (2 - h + a * h) / (m * (1 - a) * (4 - 2 * h + a * h))
        law = stationary_law(energy, DATA, settings)
        assert law.exact
        assert law.covariance[0, 0] == pytest.approx(exact, rel=1e-11)
        assert law.theta[0] == pytest.approx(DATA.mean(), abs=1e-12)
    flow = flow_stationary_law(
        energy, DATA, theta=[DATA.mean()], latents=1, pool=5, eta=0.3, learned=("theta_1",)
    )
    assert flow.covariance[0, 0] == pytest.approx(0.3 / 5, rel=1e-10)
    noisy = flow_stationary_law(
        energy, DATA, theta=[DATA.mean()], latents=1, pool=5, eta=0.3, learned=("theta_1",),
        gradient_noise=0.2,
    )  # fmt: skip
    assert noisy.covariance[0, 0] == pytest.approx(0.2 * 1.3 + 0.3 / 5, rel=1e-10)


def _particle_by_particle(settings, noise, *, fresh_latents=True, fresh_pool=True, redraw=False):
    """Matrix and noise of one update of (theta, every latent, every pool coordinate)."""
    n, k, m, g = len(DATA), settings.latents, settings.pool, noise
    size = 1 + n * k + 2 * m
    inner, added = np.eye(size), np.zeros((size, size))
    z, x = slice(1, 1 + n * k), 1 + n * k + 2 * np.arange(m)
    h_q, h_p = settings.latent_step, settings.pool_step
    for row in range(1, 1 + n * k):
        inner[row, row] -= h_q * (1 + 1 / g)
        inner[row, 0] += h_q
        added[row, row] = 2 * settings.temperature * h_q
    for i in x:
        inner[i, i] -= h_p / g
        inner[i, i + 1] += h_p / g
        inner[i + 1, i] += h_p / g
        inner[i + 1, i + 1] -= h_p * (1 + 1 / g)
        inner[i + 1, 0] += h_p
        added[i, i] = added[i + 1, i + 1] = 2 * settings.temperature * h_p
    matrix, total = np.eye(size), np.zeros((size, size))
    if redraw:
        matrix[z] = 0.0
        total[z, z] = LATENTS.covariance[0, 0] * np.eye(n * k)
    for _ in range(settings.inner_steps):
        matrix = inner @ matrix
        total = inner @ total @ inner.T + added
    latents, pool = np.zeros(size), np.zeros(size)
    latents[z], pool[x + 1] = 1 / (n * k), -1 / m
    gain = np.eye(size)
    gain[0] += settings.rate.a * (fresh_latents * latents + fresh_pool * pool)
    late = np.zeros((size, size))
    late[0] = settings.rate.a * ((not fresh_latents) * latents + (not fresh_pool) * pool)
    total = gain @ total @ gain.T
    total[0, 0] += 2 * settings.rate.a * settings.gradient_noise
    return gain @ matrix + late, total


def _register_of_last_update(settings, noise):
    """The same where the joint phase is averaged after the gradient was combined."""
    moves, added = _particle_by_particle(
        replace(settings, rate=Constant(1e-300)), noise, fresh_latents=False, fresh_pool=False
    )
    n, k, m = len(DATA), settings.latents, settings.pool
    size = len(moves)
    matrix, total = np.zeros((size + 1, size + 1)), np.zeros((size + 1, size + 1))
    matrix[:size, :size], total[:size, :size] = moves, added
    latents, pool = np.zeros(size), np.zeros(size)
    latents[1 : 1 + n * k] = 1 / (n * k)
    pool[1 + n * k + 2 * np.arange(m) + 1] = 1 / m
    a = settings.rate.a
    # theta + a (register - (theta - mean z)); register <- theta - mean of the pool's z
    matrix[0] = 0.0
    matrix[0, 0], matrix[0, size] = 1 - a, a
    matrix[0, :size] += a * latents
    matrix[size] = 0.0
    matrix[size, 0] = 1.0
    matrix[size, :size] -= pool
    return matrix, total


CASES = ("sequential", "simultaneous", "late pool", "last pool", "redrawn", "noisy")


@pytest.mark.parametrize("case", CASES)
def test_finite_pools_against_all_particles_one_by_one(case):
    settings = settings_of(inner_steps=2, pool=3, learned=("theta",), latent_step=0.15)
    how, flags = {}, {}
    if case == "simultaneous":
        settings = replace(settings, order="simultaneous")
        flags = {"fresh_latents": False, "fresh_pool": False}
    elif case == "late pool":
        how, flags = {"update": LATE_POOL}, {"fresh_pool": False}
    elif case == "last pool":
        how = {"update": LAST_POOL}
    elif case == "redrawn":
        how, flags = {"redraw": LATENTS}, {"redraw": True}
    elif case == "noisy":
        settings = replace(settings, gradient_noise=0.3, temperature=0.5)
    energy = gaussian_location(theta=0.4, noise=0.6)
    if case == "last pool":
        matrix, noise = _register_of_last_update(settings, 0.6)
    else:
        matrix, noise = _particle_by_particle(settings, 0.6, **flags)
    law = stationary_law(energy, DATA, settings, **how)
    covariance = scipy.linalg.solve_discrete_lyapunov(matrix, noise)
    assert law.covariance[0, 0] == pytest.approx(covariance[0, 0], rel=1e-10)
    lagged = np.linalg.matrix_power(matrix, 7) @ covariance
    assert law.autocovariance([7])[0, 0, 0] == pytest.approx(lagged[0, 0], rel=1e-9)
    path = finite_pool_path(
        energy, DATA, settings, latent_start=LATENTS, pool_start=POOL, updates=6, **how
    )
    start = np.concatenate(
        [[0.0], np.full(8, LATENTS.covariance[0, 0]), np.tile(np.diag(POOL.covariance), 3)]
    )
    covariance = np.diag(np.pad(start, (0, len(matrix) - start.size)))
    for _ in range(6):
        covariance = matrix @ covariance @ matrix.T + noise
    assert path.exact
    assert path.covariance[-1, 0, 0] == pytest.approx(covariance[0, 0], rel=1e-11)


def test_mutants_are_far_from_the_algorithm():
    energy = gaussian_location(theta=0.4, noise=1.0)
    settings = settings_of(0.3, learned=("theta",), pool_step=0.3, latent_step=0.3)
    own = stationary_law(energy, DATA, settings).covariance[0, 0]
    mutants = {
        "late pool": (settings, {"update": LATE_POOL}),
        "other order": (replace(settings, order="simultaneous"), {}),
        "redrawn": (settings, {"redraw": LATENTS}),
        "half the noise": (replace(settings, temperature=0.5), {}),
    }
    for name, (one, how) in mutants.items():
        wrong = stationary_law(energy, DATA, one, **how).covariance[0, 0]
        assert abs(wrong / own - 1) > 0.1, name


def test_the_mean_of_finite_pools_is_the_infinite_recursion():
    energy = linear_gaussian_undirected(a=1.3, b=0.4)
    for order in ("sequential", "simultaneous"):
        settings = settings_of(order=order, inner_steps=3, latent_step=0.07)
        start = {"latent_start": LATENTS, "pool_start": POOL, "updates": 5}
        infinite = iterate_moments(energy, DATA, settings, **start)
        finite = finite_pool_path(energy, DATA, settings, **start)
        np.testing.assert_allclose(finite.theta, infinite.theta, rtol=1e-12)


def test_neutral_directions_are_named_not_hidden():
    energy = location_family(theta_1=0.1, theta_2=0.3, coupling=0.0)
    settings = settings_of(learned=("theta_1", "theta_2"), order="simultaneous")
    law = stationary_law(energy, DATA, settings)
    np.testing.assert_allclose(np.abs(law.neutral[:, 0]) / np.abs(law.neutral).max(), [0, 1],
                               atol=1e-8)  # fmt: skip
    with pytest.raises(SolverError, match="wanders"):
        _ = law.covariance
    with pytest.raises(ArgumentError, match="not held"):
        law.variance([0.0, 1.0])
    alone = stationary_law(energy, DATA, replace(settings, learned=("theta_1",)))
    assert law.variance([1.0, 0.0]) == pytest.approx(alone.covariance[0, 0], rel=1e-8)


def test_oscillation_threshold_of_slow_fast_learning():
    energy = location_family(theta_1=0.1, coupling=0.0)
    rest = {"theta": [DATA.mean()], "learned": ("theta_1",)}
    # eps r^2 + r + 1 = 0: real roots iff eps <= 1/4; here time runs with the pool, r -> r eps
    for eta, real in ((0.2, True), (0.3, False)):
        rates = flow_rates(energy, DATA, eta=eta, **rest)
        assert np.all(rates.real < 0)
        assert bool(np.all(np.abs(rates.imag) < 1e-9)) is real


def test_rates_of_the_undirected_pair_have_one_zero():
    s2 = float(np.mean(DATA**2))
    b = 0.6
    theta = [1 / s2 + b * b, b]
    centred = DATA - DATA.mean()
    centred *= math.sqrt(s2 / np.mean(centred**2))
    rates = flow_rates(linear_gaussian_undirected(a=theta[0], b=b), centred, theta=theta, eta=0.5)
    assert np.sum(np.abs(rates) < 1e-9) == 1
    assert np.sum(rates.real < -1e-3) == len(rates) - 1


def test_wick_covariances_against_quadrature():
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()
    v = np.array([[0.7, 0.2], [0.2, 0.4]])
    root = np.linalg.cholesky(v)
    rng = np.random.default_rng(3)
    y, x = rng.standard_normal((5, 2)), rng.standard_normal((5, 1))
    u = np.stack([a.ravel() for a in np.meshgrid(nodes, nodes, indexing="ij")], axis=1)
    p = np.multiply.outer(weights, weights).ravel()
    total = np.zeros((8, 8))
    for yi, xi in zip(y, x, strict=True):
        w = yi + u @ root.T
        phi = np.hstack([w, xi[0] * w, np.einsum("na,nb->nab", w, w).reshape(len(w), 4)])
        centred = phi - p @ phi
        total += (centred * p[:, None]).T @ centred / len(y)
    got = wick(v, y.mean(0), y.T @ y / 5, clamped=(DataMoments.of(x, 1), x.T @ y / 5))
    np.testing.assert_allclose(got, total, atol=1e-12)


def test_continuous_covariance_is_the_limit_of_the_discrete_one():
    energy = linear_gaussian_directed(t=0.8, noise=0.5)
    mixed = InitialLaw.mixture((0.5, [-0.5], [0.8]), (0.5, [1.0], [0.5]))
    flow = flow_covariance(
        energy, DATA, latents=3, pool=7, latent_start=mixed, pool_start=POOL, eta=0.5,
        times=[1.0], learned=("t",), tolerance=1e-8,
    )  # fmt: skip
    values = []
    for steps in (40, 80):
        settings = settings_of(
            latents=3, pool=7, latent_step=1 / steps, pool_step=1 / steps, rate=0.5 / steps,
            learned=("t",),
        )  # fmt: skip
        path = finite_pool_path(
            energy, DATA, settings, latent_start=mixed, pool_start=POOL, updates=steps
        )
        assert not path.exact
        values.append(path.covariance[-1, 0, 0])
    gaps = np.array(values) - flow.covariance[0, 0, 0]
    assert 0.4 < gaps[1] / gaps[0] < 0.6
    assert abs(gaps[1]) < 0.05 * flow.covariance[0, 0, 0]


def test_leading_order_covariance_against_particles():
    energy = linear_gaussian_directed(t=0.8, noise=0.5)
    settings = settings_of(latents=20, pool=120, rate=0.1, learned=("t",))
    updates, replicates, h = 25, 1500, 0.1
    path = finite_pool_path(
        energy, DATA, settings, latent_start=LATENTS, pool_start=POOL, updates=updates
    )
    rng = np.random.default_rng(5)
    t = np.full(replicates, 0.8)
    z = 0.3 + 0.8 * rng.standard_normal((replicates, 4, 20))
    w = POOL.mean + np.sqrt(np.diag(POOL.covariance)) * rng.standard_normal((replicates, 120, 2))
    data = DATA[None, :, :]
    for _ in range(updates):
        slope = t[:, None, None]
        z = z - h * (z - slope * (data - slope * z) / 0.5)
        z += math.sqrt(2 * h) * rng.standard_normal(z.shape)
        gap = w[..., :1] - slope * w[..., 1:]
        w = w - h * np.concatenate([gap, 0.5 * w[..., 1:] - slope * gap], axis=2) / 0.5
        w += math.sqrt(2 * h) * rng.standard_normal(w.shape)
        joint = -((w[..., 0] - t[:, None] * w[..., 1]) * w[..., 1]).mean(axis=1) / 0.5
        clamped = -((data - slope * z) * z).mean(axis=(1, 2)) / 0.5
        t = t + 0.1 * (joint - clamped)
    ratio = t.var() / path.covariance[-1, 0, 0]
    # five standard errors of a sample variance, and the next order in 1/M
    assert abs(ratio - 1) < 5 * math.sqrt(2 / replicates) + 3 / 120
    assert abs(t.mean() - path.theta[-1, 0]) < 5 * t.std() / math.sqrt(replicates) + 3 / 120
