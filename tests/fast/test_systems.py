"""The laws that learning starts from: units, determinism, densities and exact identities."""

import numpy as np
import pytest
from scipy import stats

from lvebm_theory.errors import ArgumentError
from solvers.learning.systems import System, double_pendulum, lorenz, system_named, systems
from solvers.learning.systems import mueller_brown as mueller_brown_module
from solvers.learning.systems import van_der_pol as van_der_pol_module

ALPHA = 1e-6
SYSTEMS = systems()
each_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
with_density = pytest.mark.parametrize("name", ["ring_mixture", "mueller_brown"])


def half_width(values, comparisons=1):
    quantile = stats.norm.isf(ALPHA / (2 * comparisons))
    return quantile * values.std(0) / np.sqrt(len(values))


def test_five_systems_are_found_by_walking():
    assert set(SYSTEMS) == {
        "double_pendulum", "lorenz", "mueller_brown", "ring_mixture", "van_der_pol",
    }  # fmt: skip
    assert system_named("van-der-pol") is SYSTEMS["van_der_pol"]
    with pytest.raises(ArgumentError, match="lorenz"):
        system_named("rossler")


@each_system
def test_a_sample_is_a_function_of_its_seed_in_fixed_units(system):
    y = system.sample(100, 3)
    assert y.shape == (100, system.dim)
    assert np.array_equal(y, system.sample(100, 3))
    assert not np.any(y == system.sample(100, 4))
    assert np.allclose(system.standardised(system.in_data_units(y)), y)
    # about mean 0 and variance 1, and not by construction from the sample
    assert np.all(np.abs(y.mean(0)) < half_width(y, system.dim))
    assert np.all(np.abs(y.std(0) - 1) < 0.4)
    assert np.all(y.mean(0) != 0)


@each_system
def test_bad_requests_are_named(system):
    with pytest.raises(ArgumentError, match="n >= 1"):
        system.sample(0, 1)
    with pytest.raises(ArgumentError, match="seed"):
        system.sample(3, -1)


def test_units_need_an_entry_per_coordinate():
    lorenz_system = SYSTEMS["lorenz"]
    with pytest.raises(ArgumentError, match="scale needs 3 entries"):
        System(**{**vars(lorenz_system), "scale": (1.0, 2.0)})
    with pytest.raises(ArgumentError, match="scales must be > 0"):
        System(**{**vars(lorenz_system), "scale": (1.0, 2.0, 0.0)})


@with_density
def test_a_known_density_integrates_to_one(name):
    system = SYSTEMS[name]
    reach = 9.0
    axis = np.linspace(-reach, reach, 300, endpoint=False) + reach / 300
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    mass = np.exp(system.log_density(points)).sum() * (2 * reach / 300) ** 2
    assert abs(mass - 1) < 1e-6


@with_density
def test_draws_follow_the_known_density(name):
    system = SYSTEMS[name]
    y, n = system.sample(4000, 1), 4000
    cells, fine = 16, 20
    edges = np.linspace(-3, 3, cells + 1)
    axis = np.linspace(-3, 3, cells * fine, endpoint=False) + 3 / (cells * fine)
    area = (6 / (cells * fine)) ** 2
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)

    def surprise(log_density):
        masses = np.exp(log_density).reshape(cells, fine, cells, fine).sum((1, 3)) * area
        counts = np.histogram2d(*y.T, bins=(edges, edges))[0]
        keep = masses * n > 5
        rest = n - counts[keep].sum(), n * (1 - masses[keep].sum())
        observed = np.append(counts[keep], rest[0])
        expected = np.append(masses[keep] * n, max(rest[1], 1.0))
        return stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), keep.sum())

    truth = system.log_density(points)
    assert surprise(truth) > ALPHA
    # a third hotter, normalised: what these draws must refuse
    hotter = truth / 1.3
    assert surprise(hotter - np.log(np.exp(hotter).sum() * area)) < ALPHA


def test_a_point_above_the_roof_is_an_error(monkeypatch):
    middles, height, slack = mueller_brown_module._grid()
    monkeypatch.setattr(mueller_brown_module, "_grid", lambda: (middles, height, slack - 0.1))
    with pytest.raises(RuntimeError, match="envelope"):
        SYSTEMS["mueller_brown"].sample(200, 0)


def lorenz_balances(x, variance):
    """What has mean zero under the invariant law: (x^2/2)' / 10 and z', errors taken out."""
    return np.stack(
        [
            x[:, 0] * x[:, 1] - x[:, 0] ** 2 + variance,
            x[:, 0] * x[:, 1] - lorenz.ASPECT * x[:, 2],
        ],
        axis=1,
    )


def test_lorenz_observations_balance_the_equations():
    system = SYSTEMS["lorenz"]
    x = system.in_data_units(system.sample(500, 2))
    balance = lorenz_balances(x, lorenz.NOISE[0] ** 2)
    assert np.all(np.abs(balance.mean(0)) < half_width(balance, 2))
    # the cloud that the trajectories start from is not the attractor
    cloud = np.random.default_rng(0).standard_normal((1000, 3)) * system.scale + system.centre
    balance = lorenz_balances(cloud, 0.0)
    assert np.any(np.abs(balance.mean(0)) > half_width(balance, 2))


def test_van_der_pol_observations_balance_the_equations():
    system = SYSTEMS["van_der_pol"]
    x, y = system.in_data_units(system.sample(1000, 2)).T
    force = van_der_pol_module.DAMPING * (1 - x**2) * y - x

    def balance(sigma):
        return np.stack([x * y, y**2 + x * force, y * force + sigma**2 / 2], axis=1)

    true = balance(van_der_pol_module.SIGMA)
    assert np.all(np.abs(true.mean(0)) < half_width(true, 3))
    other = balance(3 * van_der_pol_module.SIGMA)
    assert np.any(np.abs(other.mean(0)) > half_width(other, 3))


def test_the_pendulum_keeps_its_energy():
    state = double_pendulum.released(np.random.default_rng(0), 100)
    assert np.allclose(double_pendulum.energy(state), double_pendulum.ENERGY, atol=1e-12)
    for _ in range(200):
        state = double_pendulum.runge_kutta(double_pendulum.slope, state, double_pendulum.STEP)
    drift = np.abs(double_pendulum.energy(state) - double_pendulum.ENERGY)
    assert drift.max() < 1e-3 * double_pendulum.GRAVITY


def test_the_pendulum_is_seen_on_its_chart():
    system = SYSTEMS["double_pendulum"]
    angles = system.in_data_units(system.sample(300, 0))
    # the inner arm cannot go over the top at this energy; errors are five deviations at most
    reach = np.arccos(-1 / 2) if double_pendulum.ENERGY == 0 else np.pi
    assert np.abs(angles[:, 0]).max() < reach + 5 * double_pendulum.NOISE
    assert np.abs(angles[:, 1]).max() < np.pi + 5 * double_pendulum.NOISE
    assert np.abs(angles[:, 1]).max() > 0.8 * np.pi
