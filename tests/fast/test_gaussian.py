"""Closed forms of Gaussian laws against quadrature, the trace formulas and the moment ODE."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.linalg import sqrtm

from lvebm_theory import gaussian as g
from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.initial import InitialLaw


def random_gaussian(rng: np.random.Generator, dim: int) -> Gaussian:
    a = rng.normal(size=(dim, dim))
    return Gaussian(rng.normal(size=dim), a @ a.T + 0.3 * np.eye(dim))


def pairs(seed: int, dim: int) -> tuple[Gaussian, Gaussian]:
    rng = np.random.default_rng(seed)
    return random_gaussian(rng, dim), random_gaussian(rng, dim)


def integral(f) -> float:
    return quad(f, -30, 30, epsabs=1e-13, epsrel=1e-12, limit=400, points=[-2, 0, 2])[0]


@given(m=st.floats(-2, 2), v=st.floats(0.1, 1.7))
def test_divergences_in_one_dimension_against_quadrature(m: float, v: float) -> None:
    mu, pi = Gaussian(m, v), Gaussian(0.2, 1.0)

    def densities(x: float) -> tuple[float, float]:
        at = np.array([[x]])
        return float(np.exp(mu.log_density(at))[0]), float(np.exp(pi.log_density(at))[0])

    def chi_square(x: float) -> float:
        p, q = densities(x)
        return (p / q - 1) ** 2 * q if q > 1e-180 else 0.0

    def relative_entropy(x: float) -> float:
        p, q = densities(x)
        return p * np.log(p / q) if p > 1e-180 else 0.0

    def fisher(x: float) -> float:
        return densities(x)[0] * (-(x - m) / v + (x - 0.2)) ** 2

    assert g.relative_entropy(mu, pi) == pytest.approx(integral(relative_entropy), abs=1e-9)
    assert g.chi_square(mu, pi) == pytest.approx(integral(chi_square), rel=1e-6, abs=1e-9)
    assert g.fisher_information(mu, pi) == pytest.approx(integral(fisher), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_relative_entropy_is_the_trace_formula(dim: int) -> None:
    mu, pi = pairs(dim, dim)
    shift = mu.mean - pi.mean
    expected = 0.5 * (
        np.trace(pi.precision @ mu.covariance)
        + shift @ pi.precision @ shift
        - dim
        - np.log(np.linalg.det(mu.covariance) / np.linalg.det(pi.covariance))
    )
    assert g.relative_entropy(mu, pi) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("dim", [1, 3])
def test_relative_entropy_is_minus_entropy_plus_energy(dim: int) -> None:
    mu, pi = pairs(7 + dim, dim)
    log_z = pi.entropy - dim / 2
    assert g.relative_entropy(mu, pi) == pytest.approx(
        g.expected_energy(mu, pi) + log_z - mu.entropy, rel=1e-11
    )


def test_chi_square_in_two_dimensions_against_a_grid() -> None:
    pi = Gaussian([0.1, -0.2], [[1.0, 0.4], [0.4, 0.8]])
    mu = Gaussian([0.3, 0.2], [[0.7, 0.1], [0.1, 1.0]])
    axis = np.linspace(-12, 12, 801)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    log_ratio = 2 * mu.log_density(x) - pi.log_density(x)
    expected = np.exp(log_ratio).sum() * (axis[1] - axis[0]) ** 2 - 1
    assert g.chi_square(mu, pi) == pytest.approx(expected, rel=1e-9)


def test_chi_square_diverges_at_twice_the_covariance() -> None:
    assert np.isfinite(g.chi_square(Gaussian(0.0, 1.999), Gaussian(0.0, 1.0)))
    assert g.chi_square(Gaussian(0.0, 2.0), Gaussian(0.0, 1.0)) == np.inf


@pytest.mark.parametrize("size", [1e-3, 1e-6])
def test_divergences_keep_their_leading_order_near_equality(size: float) -> None:
    # KL = v^2/4 - v^3/6 + v^4/8, chi2 = 2 KL to leading order, for N(0, 1 + v) against N(0, 1)
    mu, pi = Gaussian(0.0, 1 + size), Gaussian(0.0, 1.0)
    rounding = 1e-15 / size
    assert g.relative_entropy(mu, pi) == pytest.approx(
        size**2 / 4 - size**3 / 6 + size**4 / 8, rel=1e-9 + rounding
    )
    assert g.chi_square(mu, pi) == pytest.approx(size**2 / 2, rel=2 * size**2 + rounding)
    assert g.wasserstein(mu, pi) == pytest.approx(size / 2, rel=size)
    assert g.fisher_information(mu, pi) == pytest.approx(size**2, rel=2 * size)


@pytest.mark.parametrize("dim", [1, 2, 6])
def test_wasserstein_is_bures_and_a_metric(dim: int) -> None:
    rng = np.random.default_rng(dim)
    a, b, c = (random_gaussian(rng, dim) for _ in range(3))
    root = np.real(sqrtm(a.covariance))
    bures = np.trace(a.covariance + b.covariance - 2 * np.real(sqrtm(root @ b.covariance @ root)))
    assert g.wasserstein(a, b) ** 2 == pytest.approx(((a.mean - b.mean) ** 2).sum() + bures)
    assert g.wasserstein(a, b) == pytest.approx(g.wasserstein(b, a), rel=1e-12)
    assert g.wasserstein(a, a) < 1e-13
    assert g.wasserstein(a, c) <= g.wasserstein(a, b) + g.wasserstein(b, c)


def test_optimal_map_pushes_forward_at_the_distance() -> None:
    a, b = pairs(11, 3)
    t = g.optimal_map(a, b)
    np.testing.assert_allclose(t @ a.covariance @ t, b.covariance, atol=1e-12)
    cost = ((a.mean - b.mean) ** 2).sum() + np.trace(
        (t - np.eye(3)) @ a.covariance @ (t - np.eye(3))
    )
    assert cost == pytest.approx(g.wasserstein(a, b) ** 2, rel=1e-12)


def test_langevin_flow_solves_the_moment_equations() -> None:
    start, target = pairs(3, 2)
    p = target.precision

    def derivative(_t: float, y: np.ndarray) -> np.ndarray:
        m, v = y[:2], y[2:].reshape(2, 2)
        return np.concatenate([-p @ (m - target.mean), (2 * np.eye(2) - p @ v - v @ p).ravel()])

    y0 = np.concatenate([start.mean, start.covariance.ravel()])
    path = solve_ivp(derivative, (0, 0.7), y0, rtol=1e-11, atol=1e-12).y[:, -1]
    end = g.langevin_flow(start, target, 0.7)
    np.testing.assert_allclose(end.mean, path[:2], atol=1e-9)
    np.testing.assert_allclose(end.covariance.ravel(), path[2:], atol=1e-9)


def test_langevin_flow_on_flat_and_inverted_directions() -> None:
    end = g.langevin_flow_quadratic(Gaussian([1.0, 1.0], [1.0, 1.0]), [0.0, -1.0], [0.0, 0.0], 0.5)
    np.testing.assert_allclose(end.covariance, np.diag([2.0, np.e + (np.e - 1)]), rtol=1e-12)
    np.testing.assert_allclose(end.mean, [1.0, np.exp(0.5)], rtol=1e-12)


def test_de_bruijn_along_the_flow() -> None:
    start, target = pairs(5, 3)
    h = 1e-4

    def kl(t: float) -> float:
        return g.relative_entropy(g.langevin_flow(start, target, t), target)

    slope = (kl(0.3 + h) - kl(0.3 - h)) / (2 * h)
    fisher = g.fisher_information(g.langevin_flow(start, target, 0.3), target)
    assert slope == pytest.approx(-fisher, rel=1e-6)


def test_pure_translate_decays_at_exactly_twice_the_curvature() -> None:
    target = Gaussian(0.0, 1 / 1.7)
    start = Gaussian(2.0, 1 / 1.7)
    for t in (0.3, 1.0, 3.0):
        end = g.langevin_flow(start, target, t)
        decayed = np.exp(-2 * 1.7 * t) * g.relative_entropy(start, target)
        assert g.relative_entropy(end, target) == pytest.approx(decayed, rel=1e-12)
        talagrand = 2 / 1.7 * g.relative_entropy(end, target)
        assert g.wasserstein(end, target) ** 2 == pytest.approx(talagrand, rel=1e-11)


def test_ula_flow_is_the_recursion_and_reaches_its_stationary_law() -> None:
    start, target = pairs(4, 2)
    h = 0.9 / np.linalg.eigvalsh(target.precision)[-1]
    a = np.eye(2) - h * target.precision
    m, v = start.mean, start.covariance
    for _ in range(9):
        m, v = target.mean + a @ (m - target.mean), a @ v @ a + 2 * h * np.eye(2)
    after = g.ula_flow(start, target, h, 9)
    np.testing.assert_allclose(after.mean, m, atol=1e-12)
    np.testing.assert_allclose(after.covariance, v, atol=1e-12)
    law = g.ula_stationary(target, h)
    np.testing.assert_allclose(
        a @ law.covariance @ a + 2 * h * np.eye(2), law.covariance, rtol=1e-10
    )
    settled = g.ula_flow(start, target, h, 5000)
    np.testing.assert_allclose(settled.covariance, law.covariance, rtol=1e-10)


def test_ula_variance_in_one_dimension() -> None:
    law = g.ula_stationary(Gaussian(0.0, 1 / 2.5), 0.1)
    assert law.covariance[0, 0] == pytest.approx(1 / (2.5 * (1 - 0.1 * 2.5 / 2)), rel=1e-14)
    with pytest.raises(ArgumentError, match="no stationary law"):
        g.ula_stationary(Gaussian(0.0, 1 / 2.5), 0.8)


def test_mean_field_gap_closed_form_and_minimality() -> None:
    precision = np.array([[1.5, -0.6], [-0.6, 1.2]])
    gap = g.mean_field_gap(precision)
    assert gap == pytest.approx(0.1115717757, abs=1e-10)
    target = Gaussian.from_precision([0.3, -1.0], precision)
    best = g.best_mean_field(target)
    assert g.relative_entropy(best, target) == pytest.approx(gap, rel=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(200):
        other = Gaussian(
            target.mean + 0.05 * rng.normal(size=2),
            np.diag(np.diag(best.covariance) * np.exp(0.1 * rng.normal(size=2))),
        )
        assert g.relative_entropy(other, target) >= gap
    assert g.mean_field_gap(np.diag([1.0, 3.0])) == 0.0


def test_conditional_and_marginal_factor_the_joint_density() -> None:
    joint, _ = pairs(9, 4)
    x = np.random.default_rng(1).normal(size=4)
    given_values = x[[2, 0]]
    conditional = joint.conditional([2, 0], given_values)
    marginal = joint.marginal([2, 0])
    total = conditional.log_density(x[None, [1, 3]]) + marginal.log_density(given_values[None])
    np.testing.assert_allclose(total, joint.log_density(x[None]), rtol=1e-12)


def test_moments_of_an_initial_law() -> None:
    law = InitialLaw.mixture((0.3, [1.0, 0.0], [0.5, 1.0]), (0.7, [-1.0, 2.0], [1.0, 0.2]))
    matched = Gaussian.matching(law)
    np.testing.assert_allclose(matched.mean, law.mean)
    np.testing.assert_allclose(matched.covariance, law.covariance)


def test_point_masses_have_a_distance_but_no_density() -> None:
    point = Gaussian([0.0, 0.0], np.zeros((2, 2)))
    wide = Gaussian([3.0, 4.0], np.eye(2))
    assert g.wasserstein(point, wide) == pytest.approx(np.sqrt(25 + 2))
    assert g.relative_entropy(point, wide) == np.inf
    assert g.fisher_information(point, wide) == np.inf
    with pytest.raises(ArgumentError, match="singular"):
        g.relative_entropy(wide, point)


@pytest.mark.parametrize(
    ("mean", "covariance"),
    [(0.0, -1.0), ([0.0, np.nan], np.eye(2)), ([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]])],
)
def test_unusable_moments_are_refused(mean: object, covariance: object) -> None:
    with pytest.raises(ArgumentError):
        Gaussian(mean, covariance)
