"""Theorems about learning theta: against linear systems solved here, and where they must refuse."""

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov, solve_discrete_lyapunov

from lvebm_theory.constant import Constant
from lvebm_theory.errors import AssumptionError
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems import all_theorems
from lvebm_theory.theorems.learning import (
    comparison,
    coupled_gaussian,
    directed_twin,
    finite_pool_variance,
    inexact_ascent,
    normalisable_along_a_run,
    propagation_of_chaos,
    single_loop,
    tracking,
    two_loop,
    two_time_scales,
    ula_bias_of_learned_parameter,
)

THEOREMS = all_theorems()
RNG = np.random.default_rng(20240607)


def exact(value):
    return Constant.exact(float(value), "test")


class Location:
    """Mean-field learning of a Gaussian location family U = w' P w/2 in both of its phases.

    Means only: theta (2), mean of the pool (2), latents c + k x. Everything is a translate.
    """

    def __init__(self, precision, data):
        self.p, self.data, self.mean = precision, data, data.mean()
        self.marginal = np.linalg.inv(precision)[0, 0]
        values = np.linalg.eigvalsh(precision)
        self.lipschitz = (np.linalg.norm(precision[:, 1]), values[-1])
        self.log_sobolev = (precision[1, 1], values[0])
        self.constants = {
            "pl": exact(1 / self.marginal),
            "likelihood_smoothness": exact(1 / self.marginal),
            "conditional_lipschitz": exact(self.lipschitz[0]),
            "joint_lipschitz": exact(self.lipschitz[1]),
            "conditional_log_sobolev": exact(self.log_sobolev[0]),
            "joint_log_sobolev": exact(self.log_sobolev[1]),
        }

    @classmethod
    def drawn(cls, rng):
        while True:
            r = rng.uniform(-0.8, 0.8)
            p = np.array([[1.0, r], [r, rng.uniform(0.5, 2.0)]]) * rng.uniform(0.5, 2.0)
            if np.linalg.eigvalsh(p)[0] > 0.1:
                return cls(p, rng.normal(size=3))

    def direction(self, y):
        pool, c, k = y[2:4], y[4], y[5]
        return self.p @ (np.array([self.mean, c + k * self.mean]) - pool)

    def field(self, eta, kappa):
        p = self.p

        def slope(_, y):
            theta, pool, c, k = y[:2], y[2:4], y[4], y[5]
            shift = p[1, 0] * theta[0] + p[1, 1] * theta[1] - p[1, 1] * c
            latents = kappa * np.array([shift, -p[1, 0] - p[1, 1] * k])
            return np.concatenate([eta * self.direction(y), -p @ (pool - theta), latents])

        return slope

    def errors(self, y):
        """D and w."""
        theta, pool, c, k = y[:2], y[2:4], y[4], y[5]
        root_gap = abs(self.mean - theta[0]) / math.sqrt(2 * self.marginal)
        joint = (pool - theta) @ self.p @ (pool - theta) / 2
        posterior = theta[1] - self.p[1, 0] / self.p[1, 1] * (self.data - theta[0])
        conditional = np.mean(self.p[1, 1] * (c + k * self.data - posterior) ** 2 / 2)
        roots = np.sqrt([conditional, joint])
        weights = np.array(self.lipschitz) * np.sqrt(2 / np.array(self.log_sobolev))
        return root_gap, float(weights @ roots)


@pytest.mark.parametrize("seed", range(12))
def test_the_single_loop_bound_holds_along_random_gaussian_learners(seed):
    rng = np.random.default_rng(seed)
    learner = Location.drawn(rng)
    eta, kappa = 10 ** rng.uniform(-3, -0.5), 10 ** rng.uniform(-0.5, 0.7)
    times = np.linspace(0, 3 * learner.marginal / eta, 20)
    run = solve_ivp(
        learner.field(eta, kappa),
        (0, times[-1]),
        rng.normal(size=6),
        t_eval=times,
        method="LSODA",
        rtol=1e-8,
        atol=1e-10,
    )
    gap, error = np.array([learner.errors(y) for y in run.y.T]).T
    constants = {**learner.constants, "eta": eta, "latent_speed": kappa}
    for t, d, w in zip(times, gap, error, strict=True):
        start = {"time": t, "initial_root_gap": gap[0], "initial_direction_error": error[0]}
        assert d <= THEOREMS["single-loop"].bound(**constants, **start) * (1 + 1e-6)
        if single_loop.decay_rate(**constants) > 0:
            v = single_loop.lyapunov(root_gap=d, direction_error=w, **constants)
            assert v <= THEOREMS["single-loop-lyapunov"].bound(**constants, **start) * (1 + 1e-6)


def test_the_lyapunov_rate_is_positive_exactly_below_the_stated_ratio():
    mu, smoothness, rho, g = 0.7, 1.9, 0.8, 1.3
    q = {
        "pl": exact(mu),
        "likelihood_smoothness": exact(smoothness),
        "conditional_lipschitz": exact(0.0),
        "joint_lipschitz": exact(g),
        "conditional_log_sobolev": exact(1.0),
        "joint_log_sobolev": exact(rho),
        "latent_speed": 1.0,
    }
    largest = mu * rho / (g**2 / rho * (mu + smoothness))
    assert single_loop.decay_rate(**q, eta=largest * 0.999) > 0
    assert single_loop.decay_rate(**q, eta=largest * 1.001) < 0
    starts = {"time": 1.0, "initial_root_gap": 1.0, "initial_direction_error": 1.0}
    with pytest.raises(AssumptionError, match="slow enough"):
        THEOREMS["single-loop-lyapunov"].bound(**q, eta=largest * 1.001, **starts)
    eta = 1e-4
    expected = eta * mu * (1 - eta * g**2 / rho * smoothness / (mu * rho))
    assert single_loop.decay_rate(**q, eta=eta) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_the_two_loop_bound_holds_along_random_gaussian_learners(seed):
    rng = np.random.default_rng(100 + seed)
    learner = Location.drawn(rng)
    a, inner = rng.uniform(0.05, 1.9) * learner.marginal, 10 ** rng.uniform(-1, 0.7)
    y = rng.normal(size=6)
    start = learner.errors(y)
    constants = {**learner.constants, "step_size": a, "inner_time": inner, "latent_speed": 1.0}
    p = learner.p
    for k in range(15):
        bound = THEOREMS["two-loop"].bound(
            **constants, steps=k, initial_root_gap=start[0], initial_direction_error=start[1]
        )
        assert learner.errors(y)[0] <= bound * (1 + 1e-9)
        theta = y[:2]
        pool = theta + expm(-inner * p) @ (y[2:4] - theta)
        kept = math.exp(-inner * p[1, 1])
        rest = np.array([theta[1] + p[1, 0] / p[1, 1] * theta[0], -p[1, 0] / p[1, 1]])
        y = np.concatenate([theta, pool, rest + kept * (y[4:] - rest)])
        y[:2] = theta + a * learner.direction(y)


def test_a_phase_without_a_part_in_the_direction_drops_out():
    q = {
        "conditional_lipschitz": exact(0.0),
        "joint_lipschitz": exact(2.0),
        "conditional_log_sobolev": exact(1e-9),
        "joint_log_sobolev": exact(0.5),
        "latent_speed": 1.0,
    }
    from lvebm_theory.theorems.learning.phases import under_log_sobolev

    phases = under_log_sobolev(**q)
    assert phases.rate == 0.5
    assert phases.coupling == 8.0


def test_the_leading_pair_is_an_eigenpair():
    for _ in range(50):
        matrix = RNG.uniform(0, 1, (2, 2)) - np.diag(RNG.uniform(0, 2, 2))
        value, weight = comparison.leading(matrix)
        assert np.allclose(np.array([1, weight]) @ matrix, value * np.array([1, weight]))
        assert value == pytest.approx(np.linalg.eigvals(matrix).real.max())
    steps = comparison.after_steps(matrix, np.ones(2), np.ones(2), 3)
    by_hand = np.ones(2)
    for _ in range(3):
        by_hand = matrix @ by_hand + 1
    assert np.allclose(steps, by_hand)


def test_tracking_solves_its_differential_equation():
    rho, g, c, kappa, y0 = 0.7, 1.3, 0.4, 2.0, 0.9
    q = {
        "log_sobolev": exact(rho),
        "parameter_gradient_lipschitz": exact(g),
        "parameter_speed": c,
        "phase_speed": kappa,
    }
    run = solve_ivp(
        lambda _, y: -kappa * rho * y + c * g / math.sqrt(2 * rho),
        (0, 1.7),
        [y0],
        rtol=1e-10,
        atol=1e-12,
    )
    bound = THEOREMS["tracking"].bound(time=1.7, initial_root_entropy=y0, **q)
    assert bound == pytest.approx(run.y[0, -1], rel=1e-7)
    assert tracking.floor(**q) == pytest.approx(THEOREMS["tracking-limit"].bound(**q))
    weighted = (1 - math.exp(-kappa * rho * 1.7)) / (kappa * rho) * c * g
    along = THEOREMS["tracking-along-a-path"].bound(
        time=1.7, initial_root_entropy=y0, weighted_speed=lambda rate: weighted, **q
    )
    assert along == pytest.approx(bound)
    # theory.md: E = (r/2)(x - t)^2 lags by c/sqrt(2r)
    sharp = {"log_sobolev": exact(1.6), "parameter_gradient_lipschitz": exact(1.6)}
    assert tracking.floor(**sharp, parameter_speed=0.5 * 2**0.5 * 1.6**0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("mu", [0.4, 1.3])
def test_ascent_bounds_hold_for_every_pattern_of_errors_and_are_attained(mu):
    smoothness, start, size = 1.3, 1.7, 0.5
    curvatures = np.array([mu, smoothness])
    for _ in range(40):
        a = RNG.uniform(0.05, 1.0) / smoothness
        theta, steps = np.array([start, start]), int(RNG.integers(1, 12))
        gap = float(curvatures @ theta**2 / 2)
        q = {"pl": exact(mu), "likelihood_smoothness": exact(smoothness), "step_size": a}
        q |= {"steps": steps, "initial_gap": gap}
        for _ in range(steps):
            error = RNG.normal(size=2)
            theta = theta + a * (-curvatures * theta + size * error / np.linalg.norm(error))
        after = float(curvatures @ theta**2 / 2)
        assert after <= THEOREMS["inexact-ascent"].bound(**q, mean_square_error=size**2)
        root = THEOREMS["inexact-ascent-root"].bound(**q, root_mean_square_error=size)
        assert math.sqrt(after) <= root
    with pytest.raises(AssumptionError, match="1/Lambda"):
        THEOREMS["inexact-ascent"].bound(
            **{**q, "step_size": 1.01 / smoothness}, mean_square_error=1
        )
    assert inexact_ascent.geometric_sum(1.0, 7) == 7.0


@pytest.mark.parametrize("inner_steps", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_finite_pool_variances_solve_their_lyapunov_equations(inner_steps, noise):
    r, h, a, n = 1.3, 0.2, 0.15, 7
    q = {"stiffness": r, "pool_step": h, "inner_steps": inner_steps, "step_size": a, "pool": n}
    q |= {"gradient_noise": noise, "gaussian_location": True}
    rho, b = (1 - h * r) ** inner_steps, a * r
    spread = 1 / (r * (1 - h * r / 2)) * (1 - rho**2) / n
    for name, matrix, push in (
        ("simultaneous", [[1, -b], [1 - rho, rho]], [0, 1]),
        ("sequential", [[1 - b * (1 - rho), -b * rho], [1 - rho, rho]], [-b, 1]),
    ):
        column = np.array(push, dtype=float)[:, None]
        covariance = solve_discrete_lyapunov(
            np.array(matrix), spread * column @ column.T + np.diag([2 * a * noise, 0])
        )
        assert THEOREMS[f"finite-pool-variance-{name}"].bound(**q) == pytest.approx(
            covariance[0, 0]
        )
    eta = 0.6
    flow = solve_continuous_lyapunov(
        np.array([[0, -eta * r], [r, -r]]), -np.diag([2 * noise * eta, 2 / n])
    )
    assert THEOREMS["finite-pool-variance"].bound(**q, eta=eta) == pytest.approx(flow[0, 0])


def test_the_discrete_variance_is_the_published_one_and_refuses_instability():
    a, h, n = 0.05, 0.1, 4
    q = {"stiffness": 1.0, "pool_step": h, "inner_steps": 1, "pool": n, "gaussian_location": True}
    expected = 2 * a / h * (2 - h + a * h) / (n * (1 - a) * (4 - 2 * h + a * h))
    value = finite_pool_variance.simultaneous.bound(**q, step_size=a)
    assert value == pytest.approx(expected)
    assert expected == pytest.approx(0.13175, abs=5e-5)
    with pytest.raises(AssumptionError, match="a r < 1"):
        finite_pool_variance.simultaneous.bound(**q, step_size=1.0)


def test_fluctuations_start_at_the_pool_and_end_at_rest():
    q = {"eta": 0.3, "stiffness": 1.7, "initial_variance": 0.4}
    early = propagation_of_chaos.scaled_covariance(time=1e-6, **q)
    assert np.allclose(early, np.diag([0, 0.4]), atol=1e-5)
    late = propagation_of_chaos.scaled_covariance(time=300.0, **q)
    assert np.allclose(late, np.diag([0.3 / 1.7, 1 / 1.7]))
    drift = np.array([[0.0, -0.3 * 1.7], [1.7, -1.7]])
    middle, after = (propagation_of_chaos.scaled_covariance(time=t, **q) for t in (1.0, 1.0 + 1e-6))
    slope = drift @ middle + middle @ drift.T + np.diag([0, 2])
    assert np.allclose((after - middle) / 1e-6, slope, atol=1e-5)


def test_two_time_scales_reproduce_the_recorded_suprema():
    prepared = [two_time_scales.largest_distance(e, -1.0) / e for e in (0.1, 0.05, 0.01)]
    assert np.allclose(prepared, [0.3868, 0.3773, 0.3697], atol=1e-4)
    ill = [two_time_scales.largest_distance(e, 0.0) / e for e in (0.2, 0.01)]
    assert np.allclose(ill, [0.5973, 0.9313], atol=1e-4)
    tau = np.linspace(0, 5, 2001)
    for eta in (0.1, 0.25, 2.0):
        theta = two_time_scales.mean_parameter(eta, -1.0, tau)
        step = tau[1]
        second = (theta[2:] - 2 * theta[1:-1] + theta[:-2]) / step**2
        first = (theta[2:] - theta[:-2]) / (2 * step)
        assert np.abs(eta * second + first + theta[1:-1]).max() < 1e-3


def test_the_linearised_coupled_flow_is_the_derivative_of_the_flow():
    b, s2, eta, kappa = 0.7, 2.2, 0.3, 1.4
    a = b * b + 1 / s2

    def field(v):
        own = np.array([[v[0], -v[1]], [-v[1], 1.0]])
        pool = np.array([[v[2], v[3]], [v[3], v[4]]])
        moved = 2 * np.eye(2) - own @ pool - pool @ own
        theta = [eta * (v[2] - s2) / 2, eta * (v[5] * s2 - v[3])]
        return np.array([*theta, moved[0, 0], moved[0, 1], moved[1, 1], kappa * (v[1] - v[5])])

    rest = np.array([a, b, s2, b * s2, 1 + b * b * s2, b])
    assert np.abs(field(rest)).max() < 1e-12
    columns = [(field(rest + 1e-6 * e) - field(rest - 1e-6 * e)) / 2e-6 for e in np.eye(6)]
    q = {"b": b, "eta": eta, "data_second_moment": s2, "latent_speed": kappa}
    assert np.allclose(coupled_gaussian.linearisation(**q), np.stack(columns, axis=1), atol=1e-8)


def test_coupled_fixed_points_are_not_stable_everywhere():
    stable = coupled_gaussian.largest_real_part(b=0.5, eta=5.0, data_second_moment=1.6)
    assert stable < 0
    unstable = coupled_gaussian.largest_real_part(b=0.8, eta=0.17, data_second_moment=10.0)
    assert unstable == pytest.approx(0.0224, abs=1e-4)
    for s2 in (0.7, 2.0, 5.0):
        threshold = coupled_gaussian.oscillation_threshold(data_second_moment=s2)
        q = {"b": 0.0, "data_second_moment": s2}
        assert coupled_gaussian.complex_part(**q, eta=0.99 * threshold) == 0.0
        assert coupled_gaussian.complex_part(**q, eta=1.01 * threshold) > 0.0
    # fast latents: unstable beyond kappa (1 + 1/s2)/(kappa s2 - 1 - s2)
    kappa, s2 = 4.0, 1.6
    edge = kappa * (1 + 1 / s2) / (kappa * s2 - 1 - s2)
    q = {"b": 0.0, "data_second_moment": s2, "latent_speed": kappa}
    assert coupled_gaussian.largest_real_part(**q, eta=0.99 * edge) < 0
    assert coupled_gaussian.largest_real_part(**q, eta=1.01 * edge) > 0


def test_the_escape_rate_solves_its_cubic_and_tends_to_exact_ascent():
    g, s2, eta, kappa = 0.5, 1.3, 0.4, 1.7
    rate = directed_twin.escape_rate(noise=g, data_second_moment=s2, eta=eta, latent_speed=kappa)
    pull = 1 + 1 / g
    left = rate * (rate + kappa) * (rate + pull)
    right = eta / g * (s2 * kappa / g * (rate + pull) - pull * (rate + kappa))
    assert left == pytest.approx(right)
    slow = directed_twin.escape_rate(noise=g, data_second_moment=s2, eta=1e-5)
    assert slow / 1e-5 == pytest.approx((s2 - g) / g**2, rel=1e-3)
    with pytest.raises(AssumptionError, match="s2 > g"):
        THEOREMS["directed-twin-optimum"].bound(
            noise=1.0, data_second_moment=0.9, directed_gaussian=True, off_saddle=True
        )


def test_beyond_half_the_second_moment_there_is_no_fixed_point():
    q = {"data_second_moment": 1.3, "scale_family": True}
    values = [THEOREMS["learned-bias"].bound(**q, step_size=h) for h in (1e-9, 0.1, 0.4, 0.65)]
    assert np.allclose(values, [1 / 1.3, 0.801338, 0.949566, 1 / 0.65], atol=1e-6)
    for h, t in zip((0.1, 0.4), values[1:3], strict=True):
        assert t * (1 - h * t / 2) == pytest.approx(1 / 1.3)
    with pytest.raises(AssumptionError, match="h <= s2/2"):
        THEOREMS["learned-bias"].bound(**q, step_size=0.66)
    assert math.isnan(ula_bias_of_learned_parameter.fixed_point(**q, step_size=0.66))
    t = np.linspace(0.01, 2 / 0.8 - 0.01, 999)
    direction = (1 / (t * (1 - 0.8 * t / 2)) - 1.3) / 2
    assert direction.min() == pytest.approx(
        THEOREMS["learned-bias-runaway"].bound(**q, step_size=0.8), abs=1e-4
    )


def test_the_normaliser_bound_holds_for_radial_energies():
    # E = alpha r^2/2 - c log(r/R) beyond R = sqrt(c/alpha), constant inside: attained
    alpha, c = 0.8, 1.7
    radius = math.sqrt(c / alpha)

    def tail(r):
        energy = alpha * (r * r - radius**2) / 2 - c * math.log(r / radius)
        return 2 * math.pi * r * math.exp(-energy)

    z = math.pi * radius**2 + quad(tail, radius, 40)[0]
    bound = normalisable_along_a_run.log_normaliser_bound(
        dissipativity=exact(alpha), dissipativity_offset=c, least_energy=0.0, dim=2
    )
    assert bound == pytest.approx(math.log(z), rel=1e-9)
    flat = normalisable_along_a_run.log_normaliser_bound(
        dissipativity=exact(alpha), dissipativity_offset=1e-12, least_energy=0.3, dim=3
    )
    assert flat == pytest.approx(1.5 * math.log(2 * math.pi / alpha) - 0.3, abs=1e-6)


def test_the_least_margin_inverts_the_gap():
    s2 = 1.7
    for u in (0.05, 0.4, 0.99):
        gap = (u - 1 - math.log(u)) / 2
        found = normalisable_along_a_run.least_margin(initial_gap=gap, data_second_moment=s2)
        assert found * s2 == pytest.approx(u, rel=1e-6)


def test_growth_errors_hold_for_random_couplings_and_dilations_attain_them():
    theorem = THEOREMS["gradient-error-growth"]
    for _ in range(20):
        x, y = RNG.normal(size=(2, 500)) * RNG.uniform(0.3, 2) + RNG.normal(size=(2, 1))
        x, y = np.sort(x), np.sort(y)
        w2 = math.sqrt(np.mean((x - y) ** 2))
        roots = (math.sqrt(np.mean(x**2)), math.sqrt(np.mean(y**2)))
        difference = abs(np.mean(0.7 * x + 1.1 * x**2 / 2) - np.mean(0.7 * y + 1.1 * y**2 / 2))
        bound = theorem.bound(
            growth_offset=0.7,
            growth_slope=1.1,
            conditional_w2=[0.0],
            conditional_moment_roots=[[1.0, 1.0]],
            joint_w2=w2,
            joint_moment_roots=roots,
        )
        assert difference <= bound
    s = 1.8
    root = math.sqrt(np.mean(y**2))
    attained = THEOREMS["gradient-error-dilations"].bound(
        growth_offset=0.0,
        growth_slope=1.0,
        conditional_w2=[0.0],
        conditional_moment_roots=[[1.0, 1.0]],
        joint_w2=(s - 1) * root,
        joint_moment_roots=(s * root, root),
        dilation=True,
    )
    assert attained == pytest.approx(abs(np.mean((s * y) ** 2) - np.mean(y**2)) / 2)


def test_upper_bounds_about_learning_share_a_formula_with_their_equalities():
    pairs = {
        "gradient-error-relative-entropy": "gradient-error-translates",
        "gradient-error-growth": "gradient-error-dilations",
        "tracking": "tracking-equality",
        "inexact-ascent-root": "inexact-ascent-root-equality",
        "normaliser-bound": "normaliser-equality",
    }
    for bound, equality in pairs.items():
        assert THEOREMS[bound].relation is Relation.AT_MOST
        assert THEOREMS[equality].relation is Relation.EQUAL
        assert THEOREMS[bound].formula is THEOREMS[equality].formula


def test_the_inner_time_brings_the_phase_back_to_its_tolerance():
    rho, g, delta, move = 0.7, 1.3, 0.01, 0.4
    time = two_loop.inner_time(
        log_sobolev=exact(rho), lipschitz=exact(g), tolerance=delta, move=move, phase_speed=2.0
    )
    after = math.exp(-2 * rho * time) * (delta + move * g / math.sqrt(2 * rho))
    assert after == pytest.approx(delta)
