"""Grid densities against closed forms: order two in space, expectations, far starts, 3D."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid, solve_fokker_planck, solve_time_dependent
from solvers.densities.fokker_planck import solve_on_grids

from .line_reference import LineReference

TIMES = np.array([0.05, 0.2, 1.0, 3.0])


def ornstein_uhlenbeck(mean, sd, rate, times):
    """Mean and variance of dX = -rate X dt + sqrt(2) dW."""
    decay = np.exp(-rate * times)
    return mean * decay, 1 / rate + (sd**2 - 1 / rate) * decay**2


def gaussian_divergences(mean, variance, rate):
    """KL and Fisher information of N(mean, variance) relative to N(0, 1/rate)."""
    v = variance * rate
    entropy = (v - 1 - np.log(v) + rate * mean**2) / 2
    return entropy, rate**2 * mean**2 + (rate - 1 / variance) ** 2 * variance


@pytest.mark.parametrize("dim", [1, 2])
def test_raw_masses_converge_at_order_two_to_ornstein_uhlenbeck(dim):
    names = ("x", "y")[:dim]
    energy = parse_potential(" + ".join(f"{n}**2/2" for n in names))
    start = InitialLaw.normal([0.8] * dim, [0.6] * dim)
    m, v = ornstein_uhlenbeck(0.8, 0.6, 1.0, np.array([0.5]))
    law = InitialLaw.normal([m[0]] * dim, [np.sqrt(v[0])] * dim)
    cells = [48, 96, 192]
    errors = []
    for n in cells:
        grid = Grid.uniform([(-8.0, 8.0)] * dim, n)
        path = solve_on_grids(energy, start, np.array([0.5]), [grid])
        errors.append(np.abs(path.masses[0] - law.cell_masses(grid.edges)).sum())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(orders - 2) < 0.1)


def test_raw_entropies_converge_at_order_two_to_the_spectral_reference():
    energy = parse_potential("(x**2-1)**2 + 0.4*x")
    start = InitialLaw.normal(0.2, 0.25)
    exact = LineReference(energy, start).relative_entropy(0.3)
    errors = []
    for n in (96, 192, 384):
        grid = Grid.uniform([(-2.9, 2.8)], n)
        path = solve_on_grids(energy, start, np.array([0.3]), [grid])
        masses, gibbs = path.masses[0], path.gibbs
        errors.append((masses * np.log(masses / gibbs)).sum() - exact)
    orders = np.log2(np.abs(errors[:-1]) / np.abs(errors[1:]))
    assert np.all(np.abs(orders - 2) < 0.1)


@pytest.mark.parametrize(("mean", "sd"), [(1.2, 0.25), (0.0, 0.05), (6.0, 0.3), (-15.0, 0.5)])
def test_ornstein_uhlenbeck_on_a_line(mean, sd):
    path = solve_fokker_planck(parse_potential("x**2/2"), InitialLaw.normal(mean, sd), TIMES)
    m, v = ornstein_uhlenbeck(mean, sd, 1.0, TIMES)
    entropy, information = gaussian_divergences(m, v, 1.0)
    square = path.expectation(lambda x: x**2)
    for (value, width), exact, relative in (
        (path.relative_entropy(), entropy, 1e-5),
        (path.fisher_information(), information, 1e-4),
        (path.expectation(lambda x: x), m, 1e-5),
        (square, m**2 + v, 1e-5),
        (path.energy_mean(), (m**2 + v) / 2, 1e-5),
        (path.entropy(), np.log(2 * np.pi * np.e * v) / 2, 3e-4),
    ):
        assert np.all(np.abs(value - exact) <= width + 1e-11 * np.abs(exact) + 1e-12)
        assert np.all(np.abs(value - exact) <= relative * np.maximum(np.abs(exact), 1e-3))


def test_relative_accuracy_survives_complete_relaxation():
    times = np.array([5.0, 20.0, 60.0])
    path = solve_fokker_planck(parse_potential("x**2/2"), InitialLaw.normal(1.0, 1.0), times)
    value, _ = path.relative_entropy()
    exact = np.exp(-2 * times) / 2
    assert exact[-1] < 1e-50
    assert np.all(np.abs(value / exact - 1) < 3e-3)
    assert abs(value[0] / exact[0] - 1) < 1e-4


def test_w2_to_gibbs_of_a_translate_decays_exactly():
    times = np.array([0.5, 2.0])
    path = solve_fokker_planck(parse_potential("x**2/2"), InitialLaw.normal(1.0, 1.0), times)
    value, width = path.w2_to_gibbs()
    assert np.all(np.abs(value - np.exp(-times)) <= width + 1e-6)
    assert np.all(np.abs(value - np.exp(-times)) < 1e-5)


def test_functionals_of_a_correlated_gaussian_in_the_plane():
    from scipy.linalg import expm

    precision = np.array([[1.2, 0.5], [0.5, 0.9]])
    energy = parse_potential("0.6*x**2 + 0.5*x*y + 0.45*y**2")
    mean, sd, times = np.array([1.0, -0.5]), np.array([0.3, 0.6]), np.array([0.05, 1.0, 6.0])
    path = solve_fokker_planck(energy, InitialLaw.normal(mean, sd), times)
    exact = np.empty((3, 4))
    for row, time in zip(exact, times, strict=True):
        decay, stationary = expm(-precision * time), np.linalg.inv(precision)
        m = decay @ mean
        covariance = stationary + decay @ (np.diag(sd**2) - stationary) @ decay.T
        product = precision @ covariance
        row[0] = (np.trace(product) + m @ precision @ m - 2 - np.linalg.slogdet(product)[1]) / 2
        inverse = np.linalg.inv(covariance)
        tilt = precision - inverse
        row[1] = m @ precision @ precision @ m + np.trace(tilt @ covariance @ tilt)
        both = 2 * inverse - precision
        shift = 2 * inverse @ m
        row[2] = np.expm1(
            (shift @ np.linalg.solve(both, shift) / 2 - m @ inverse @ m)
            - np.linalg.slogdet(precision)[1] / 2
            + np.linalg.slogdet(inverse)[1]
            - np.linalg.slogdet(both)[1] / 2
        )
        row[3] = covariance[0, 1] + m[0] * m[1]
    curves = (
        path.relative_entropy(),
        path.fisher_information(),
        path.chi_square(),
        path.expectation(lambda x, y: x * y),
    )
    for column, (value, width) in enumerate(curves):
        error = np.abs(value - exact[:, column])
        assert np.all(error <= width)
        assert np.all(error <= 5e-5 * np.abs(exact[:, column]))


def test_three_dimensions():
    energy = parse_potential("x**2/2 + y**2 + 2*z**2")
    start = InitialLaw.normal([0.5, -0.5, 0.3], [0.7, 0.8, 0.5])
    times = np.array([0.1, 0.5])
    path = solve_fokker_planck(energy, start, times, cells=32)
    exact = 0.0
    for mean, sd, rate in ((0.5, 0.7, 1.0), (-0.5, 0.8, 2.0), (0.3, 0.5, 4.0)):
        entropy, _ = gaussian_divergences(*ornstein_uhlenbeck(mean, sd, rate, times), rate)
        exact = exact + entropy
    value, width = path.relative_entropy()
    assert np.all(np.abs(value - exact) <= width)
    assert np.all(np.abs(value - exact) <= 1e-2 * exact)


def test_moving_potential_lags_as_the_closed_form_says():
    rate, speed = 1.5, 0.8
    energy = parse_potential("r*(x-c)**2/2", parameters={"r": rate, "c": 0.0})
    times = np.array([0.8, 1.6, 3.2])
    lag = speed / rate
    mean = speed * times - lag + (0.5 + lag) * np.exp(-rate * times)
    _, variance = ornstein_uhlenbeck(0.0, 0.4, rate, times)
    entropy, _ = gaussian_divergences(mean - speed * times, variance, rate)
    means = []
    for step in (0.1, 0.05, 0.025):
        path = solve_time_dependent(
            lambda t: energy.with_parameters(r=rate, c=speed * t),
            InitialLaw.normal(0.5, 0.4),
            times,
            step=step,
            cells=256,
        )
        value, width = path.relative_entropy()
        assert np.all(np.abs(value - entropy) <= width)
        raw = path.functional(lambda s: float(s.masses @ s.grid.centres[0]))
        assert np.all(np.abs(raw[0] - mean) <= raw[1] + 1e-10)
        finest = path.levels[-1]
        means.append([float(s.masses @ finest.grid.centres[0]) for s in finest.snapshots])
    # on one grid, differences between steps are errors of steps alone
    coarse, fine = np.diff(np.array(means), axis=0)
    assert np.all(np.abs(coarse / fine - 4) < 0.2)
