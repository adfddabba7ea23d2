"""The exact law read off a step: closed forms, recursions by hand, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import eval_chebyt, eval_chebyu

from lvebm_theory.energies.gaussian_location import gaussian_location
from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import relative_entropy, wasserstein
from lvebm_theory.initial import InitialLaw
from solvers.learning import finite_pools, finite_pools_flow
from solvers.learning.rates import Constant
from solvers.learning.settings import LearningSettings
from solvers.systems.ipla import hierarchical_gaussian, ipla, pgd, sequential_ipla, sequential_pgd
from solvers.systems.learner import learner
from solvers.systems.limits import small_step_limit, stability_limit
from solvers.systems.linear_law import LinearLaw
from solvers.systems.pcd import (
    location,
    pcd,
    pcd_pool_first,
    pcd_theta_first,
    pcd_theta_noise,
    pcd_ula,
    sk_rock,
)
from solvers.systems.system import PerStep, System

RELATIVE = 1e-12
SIZES = ((1, 1), (1, 5), (3, 5), (5, 2))  # (D, N)


def zeros(**shapes):
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def variance(law, block="theta"):
    return law.average(block, law.stationary())[1]


def toy(system, D, N, h, **more):
    y = np.linspace(-1.0, 1.5, D)
    start = zeros(theta=1, x=(D, N))
    return system.law(start, slopes=hierarchical_gaussian(y), h=h, **more)


def flow(D, N, tau):
    y = np.linspace(-1.0, 1.5, D)[:, None]
    return LinearLaw.of_drift(
        lambda s: {
            "theta": (s["x"] - s["theta"][..., None]).sum(-2).mean(-1)[..., None],
            "x": s["theta"][..., None] + y - 2 * s["x"],
        },
        zeros(theta=1, x=(D, N)),
        {"theta": np.sqrt(2 * tau), "x": np.sqrt(2)},
    )


def location_law(system, a, h, N, **more):
    start = zeros(theta=1, pool=(1, N))
    data = np.array([[0.7, 0.5, 0.9]])
    return system.law(start, energy=location, data=data, h=a, eps=a / h, **more)


def half_noise(step):
    return lambda s, xi, **a: step(s, {k: v * np.sqrt(0.5) for k, v in xi.items()}, **a)


# published and derived closed forms


@pytest.mark.parametrize(("D", "N"), SIZES)
def test_ipla_and_pgd_keep_the_variances_of_their_flows(D, N):
    """E1, E2: 2/(ND), 1/(N(D+2)), tau in between; VarX = 1/2 + Var/4 and 1/2 + Var/2."""
    for tau, expected, share in (
        (1 / N, 2 / (N * D), 1 / 4),
        (0.0, 1 / (N * (D + 2)), 1 / 2),
        (1.0, 1 / (N * (D + 2)) + (D + 4) / (D * (D + 2)), None),
    ):
        law = flow(D, N, tau)
        assert variance(law) == pytest.approx(expected, rel=RELATIVE)
        of_x = np.diag(law.block("x", law.stationary()).covariance)
        if share is not None:
            assert of_x == pytest.approx(0.5 + expected * share, rel=RELATIVE)
    assert law.average("theta", law.stationary())[0] == pytest.approx(0.25 if D > 1 else -1.0)


@pytest.mark.parametrize(("D", "N", "h"), [(3, 5, 0.02), (1, 2, 0.3), (5, 2, 0.1)])
def test_ipla_and_pgd_per_step(D, N, h):
    """E3: 2(4-4h-Dh)/(DNq) and 2(1-h)(2-Dh)/(N(D+2-Dh)q)."""
    q = 4 - 2 * D * h - 4 * h + D * h**2
    with_noise = 2 * (4 - 4 * h - D * h) / (D * N * q)
    without = 2 * (1 - h) * (2 - D * h) / (N * (D + 2 - D * h) * q)
    assert variance(toy(ipla, D, N, h)) == pytest.approx(with_noise, rel=RELATIVE)
    assert variance(toy(pgd, D, N, h)) == pytest.approx(without, rel=RELATIVE)
    # negative controls: half the noise, and theta read a step too late, are other laws
    for mutant in (ipla.mutated(half_noise), sequential_ipla):
        assert abs(variance(toy(mutant, D, N, h)) / with_noise - 1) > 0.01


def test_the_sequential_order_is_another_algorithm():
    assert variance(toy(sequential_ipla, 3, 5, 0.02)) == pytest.approx(0.1370344, abs=5e-8)
    assert variance(toy(sequential_pgd, 3, 5, 0.02)) == pytest.approx(0.0409965, abs=5e-8)


@pytest.mark.parametrize("D", [1, 3, 5])
def test_ipla_is_stable_up_to_two_over_the_largest_curvature(D):
    largest = ((D + 2) + np.sqrt(D**2 + 4)) / 2
    found = stability_limit(lambda h: toy(ipla, D, 3, h), 0.05)
    assert found.value == pytest.approx(2 / largest, abs=found.width)
    assert found.width < 1e-13


@pytest.mark.parametrize("D", [1, 3])
def test_the_limit_of_small_steps_is_the_flow_within_its_width(D):
    for system, expected in ((ipla, 2 / (4 * D)), (pgd, 1 / (4 * (D + 2)))):
        found = small_step_limit(lambda h, s=system: variance(toy(s, D, 4, h)), 0.1 / D)
        assert 0 < found.width < 1e-5
        assert abs(found.value - expected) < found.width


def test_many_particles_are_averaged_first():
    D, h = 3, 0.02
    law = toy(ipla, D, 20_000, h, averaged={"x": -1})
    assert law.layout.size == 1 + D
    q = 4 - 2 * D * h - 4 * h + D * h**2
    expected = 2 * (4 - 4 * h - D * h) / (D * 20_000 * q)
    assert variance(law) == pytest.approx(expected, rel=RELATIVE)
    small, whole = toy(ipla, D, 6, h, averaged={"x": -1}), toy(ipla, D, 6, h)
    start = {"theta": np.ones(1), "x": np.arange(18.0).reshape(D, 6)}
    found = small.after(7, small.start({"theta": np.ones(1), "x": start["x"].mean(-1)}))
    known = whole.after(7, whole.start(start))
    assert small.average("theta", found) == pytest.approx(whole.average("theta", known))
    assert small.average("x", found) == pytest.approx(whole.average("x", known))


@pytest.mark.parametrize(("eps", "N", "tau"), [(0.1, 4, 0.05), (0.5, 4, 0.0), (2.0, 2, 1.0)])
def test_pcd_keeps_eps_over_n(eps, N, tau):
    """P1: Var = tau(1+eps) + eps/N, Var(Xbar) = 1/N + tau; P3: eps r^2 + r + 1 = 0."""
    law = LinearLaw.of_drift(
        lambda s: {
            "theta": 0.7 - s["x"].mean(-1)[..., None],
            "x": -(s["x"] - s["theta"]) / eps,
        },
        zeros(theta=1, x=N),
        {"theta": np.sqrt(2 * tau), "x": np.sqrt(2 / eps)},
    )
    assert variance(law) == pytest.approx(tau * (1 + eps) + eps / N, rel=RELATIVE)
    assert variance(law, "x") == pytest.approx(1 / N + tau, rel=RELATIVE)
    slow = np.roots([eps, 1, 1])
    assert law.growth == pytest.approx(slow.real.max(), rel=1e-10)
    if eps == 0.1:
        start = zeros(theta=1, pool=(1, N))
        step = lambda h: pcd_theta_noise.law(  # noqa: E731
            start, energy=location, data=np.array([[0.7]]), h=h, eps=eps, tau=tau
        )
        found = small_step_limit(lambda h: variance(step(h)), eps / 4)
        assert abs(found.value - (tau * (1 + eps) + eps / N)) < found.width < 1e-5


@pytest.mark.parametrize(("a", "h", "N"), [(0.05, 0.1, 4), (0.3, 0.2, 3)])
def test_pcd_per_update(a, h, N):
    """P4, P4'."""
    simultaneous = (2 * a / h) * (2 - h + a * h) / (N * (1 - a) * (4 - 2 * h + a * h))
    sequential = 2 * a * (2 - h) / (N * h * (4 - 2 * h - a * h))
    assert variance(location_law(pcd_ula, a, h, N)) == pytest.approx(simultaneous, rel=RELATIVE)
    for system in (pcd_pool_first, pcd_theta_first):
        assert variance(location_law(system, a, h, N)) == pytest.approx(sequential, rel=RELATIVE)
    large = location_law(pcd_ula, a, h, 5000, averaged={"pool": -1})
    assert variance(large) == pytest.approx(simultaneous * N / 5000, rel=RELATIVE)


def amplification(s, p, eta=0.05):
    """A(p), B(p) of SK-ROCK from Chebyshev polynomials, and 2 w0/w1."""
    w0 = 1 + eta / s**2
    w1 = eval_chebyt(s, w0) / (s * eval_chebyu(s - 1, w0))
    A = eval_chebyt(s, w0 + w1 * p) / eval_chebyt(s, w0)
    B = eval_chebyu(s - 1, w0 + w1 * p) / eval_chebyu(s - 1, w0) * (1 + w1 * p / 2)
    return A, B, 2 * w0 / w1


@pytest.mark.parametrize("s", [1, 2, 3, 5, 10, 15])
def test_sk_rock_is_its_polynomials(s):
    """P6, P7."""
    scheme = sk_rock(s)

    def law(h):
        one = lambda v, xi: {"x": scheme(v["x"], lambda x: x, h, xi["x"])}  # noqa: E731
        return LinearLaw.of_step(one, zeros(x=1), zeros(x=1))

    for h in (0.01, 0.7, 1.9):
        A, B, _ = amplification(s, -h)
        assert law(h).A[0, 0] == pytest.approx(A, abs=1e-13)
        assert law(h).Q[0, 0] == pytest.approx(2 * h * B**2, abs=1e-13)
    if s in (5, 10, 15):
        limit = {5: 48.46241, 10: 193.65466, 15: 435.64170}[s]
        assert amplification(s, 0)[2] == pytest.approx(limit, abs=5e-6)
        found = stability_limit(law, 0.99 * limit, ratio=1.001)
        assert found.value == pytest.approx(amplification(s, 0)[2], abs=max(found.width, 1e-9))


@pytest.mark.parametrize(("a", "h"), [(0.05, 0.1), (0.01, 10.0)])
def test_pcd_with_sk_rock_per_update(a, h):
    """P5."""
    N, (A, B, _) = 4, amplification(5, -h)
    k, noise = 1 - A, 2 * h * B**2 / N
    expected = noise / (2 * k) * (2 * a / k) * (2 - k + a * k) / ((1 - a) * (4 - 2 * k + a * k))
    found = variance(location_law(pcd(sk_rock(5)), a, h, N))
    assert found == pytest.approx(expected, rel=1e-11)
    if h == 10.0:
        assert found == pytest.approx(9.39e-4, rel=1e-3)  # P9: not eps/N = 2.5e-4


@pytest.mark.parametrize(("l", "s", "eps"), [(0.3, 0.25, 0.1), (0.6, 2.0, 0.4)])
def test_a_frozen_slow_fast_sampler(l, s, eps):
    """Systems section 5, M1 to M3: regime 1 without bias; regime 2 with eps (1 - l), or more."""
    path, a, b, friction = l * s + 1 - l, 1 / (1 - l), 1 / (l * s), 0.9
    fast = lambda v: (a * (v["x"] - v["y"]) - b * v["y"]) / eps  # noqa: E731
    first, second = (lambda v: -a * (v["x"] - v["y"])), (lambda v: -b * v["y"])
    over = lambda slow: LinearLaw.of_drift(  # noqa: E731
        lambda v: {"x": slow(v), "y": fast(v)},
        zeros(x=1, y=1),
        {"x": np.sqrt(2), "y": np.sqrt(2 / eps)},
    )
    under = lambda slow: LinearLaw.of_drift(  # noqa: E731
        lambda v: {"x": v["v"], "v": slow(v) - friction * v["v"], "y": fast(v)},
        zeros(x=1, v=1, y=1),
        {"v": np.sqrt(2 * friction), "y": np.sqrt(2 / eps)},
    )
    more = eps * (a + b) * (a + b + eps * friction)
    more /= a * (friction * (a + b) ** 2 + eps * friction**2 * (a + b) - a * b * eps)
    for law, bias in (
        (over(first), 0.0),
        (under(first), 0.0),
        (over(second), eps * (1 - l)),
        (under(second), more),
    ):
        assert variance(law, "x") == pytest.approx(path + bias, rel=RELATIVE)


# the law against routes of their own


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    e=st.integers(0, 4),
    steps=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_any_affine_step_is_read_and_iterated(seed, n, e, steps):
    rng = np.random.default_rng(seed)
    A, b, B = rng.normal(size=(n, n)), rng.normal(size=n) * 10, rng.normal(size=(n, e))
    law = LinearLaw.of_step(
        lambda s, xi: {"v": s["v"] @ A.T + b + (xi["w"] @ B.T)}, zeros(v=n), zeros(w=e)
    )
    assert np.allclose(law.A, A, atol=1e-13)
    assert np.allclose(law.Q, B @ B.T, atol=1e-12)
    mean, covariance = rng.normal(size=n), np.diag(rng.uniform(size=n))
    found = law.after(steps, law.start({"v": mean}, {"v": np.sqrt(np.diag(covariance))}))
    for _ in range(steps):
        mean, covariance = A @ mean + b, A @ covariance @ A.T + B @ B.T
    scale = 1 + np.abs(covariance).max() + np.abs(mean).max()
    assert np.allclose(found.mean, mean, atol=1e-11 * scale)
    assert np.allclose(found.covariance, covariance, atol=1e-11 * scale)


@given(seed=st.integers(0, 2**32 - 1), time=st.floats(0.0, 3.0), stiff=st.floats(1.0, 100.0))
@settings(max_examples=10, deadline=None)
def test_an_sde_over_a_time_is_its_moment_equations(seed, time, stiff):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3, 3)) - np.diag([1.0, 2.0, stiff])
    b, noise, start = rng.normal(size=3), rng.uniform(size=3), rng.normal(size=3)
    law = LinearLaw.of_drift(lambda s: {"v": s["v"] @ A.T + b}, zeros(v=3), {"v": noise})

    def moments(_, y):
        C = y[3:].reshape(3, 3)
        return np.concatenate([A @ y[:3] + b, (A @ C + C @ A.T + np.diag(noise**2)).ravel()])

    known = solve_ivp(
        moments, (0, time), np.concatenate([start, np.zeros(9)]), rtol=1e-11, atol=1e-13
    ).y[:, -1]
    found = law.after(time, law.start({"v": start}))
    scale = 1 + np.abs(known).max()
    assert np.allclose(found.mean, known[:3], atol=1e-9 * scale)
    assert np.allclose(found.covariance.ravel(), known[3:], atol=1e-9 * scale)


def test_an_sde_over_a_long_time_is_at_rest():
    law = flow(3, 4, 1 / 4)
    start = law.start({"theta": [5.0], "x": np.full((3, 4), -2.0)}, {"x": 3.0})
    late, rest = law.after(300.0, start), law.stationary()
    assert wasserstein(late, rest) < 1e-12
    assert relative_entropy(late, rest) < 1e-12
    assert relative_entropy(law.after(1.0, start), rest) > 0.1


def test_a_schedule_gives_a_law_per_step():
    size = PerStep(lambda k: 0.2 / (1 + k))
    start, slopes = zeros(theta=1, x=(2, 3)), hierarchical_gaussian([0.3, -0.4])
    whole = ipla.law_of_steps(start, 6, slopes=slopes, h=size)
    law = whole.start({"theta": [1.0], "x": np.ones((2, 3))})
    found = whole.apply(law)
    for k in range(6):
        law = ipla.law(start, slopes=slopes, h=0.2 / (1 + k)).apply(law)
    assert np.allclose(found.mean, law.mean, atol=1e-14)
    assert np.allclose(found.covariance, law.covariance, atol=1e-14)
    frozen = ipla.law_of_steps(start, 6, slopes=slopes, h=0.2).apply(whole.start(start))
    assert not np.allclose(found.covariance, frozen.covariance, atol=1e-3)


@pytest.mark.parametrize("order", ["sequential", "simultaneous"])
def test_the_coupled_learner_has_the_law_that_its_own_moments_have(order):
    """The learner as one step, against the library's laws by averages of the particles."""
    energy, data, h, a = (
        gaussian_location(theta=1.5, noise=0.5),
        np.array([[0.4], [-0.9]]),
        0.2,
        0.3,
    )
    start = {
        "theta": np.array([1.5]),
        "latents": np.full((2, 8, 1), 0.3),
        "pool": np.tile([0.0, 0.5], (16, 1)),
    }
    law = learner(energy, order, learned=("theta",)).law(
        start, data=data, latent_step=h, pool_step=h, rate=a
    )
    options = LearningSettings(
        latents=8,
        pool=16,
        latent_step=h,
        pool_step=h,
        rate=Constant(a),
        order=order,
        learned=("theta",),
    )
    rest = finite_pools.stationary_law(energy, data, options)
    found = law.average("theta", law.stationary())
    assert found == pytest.approx((rest.theta[0], rest.variance([1.0])), rel=1e-10)
    path = finite_pools.finite_pool_path(
        energy,
        data,
        options,
        latent_start=InitialLaw.normal(0.3, 0.5),
        pool_start=InitialLaw.normal([0.0, 0.5], [1.0, 0.7]),
        updates=5,
    )
    begun = law.start(start, {"latents": 0.5, "pool": np.array([1.0, 0.7])})
    found = law.average("theta", law.after(5, begun))
    assert found == pytest.approx((path.theta[5, 0], path.covariance[5, 0, 0]), rel=1e-10)


def test_the_limit_of_the_learner_is_its_flow():
    energy, data, eta = gaussian_location(theta=1.5, noise=0.5), np.array([[0.4], [-0.9]]), 0.7
    start = {
        "theta": np.array([1.5]),
        "latents": np.zeros((2, 3, 1)),
        "pool": np.zeros((4, 2)),
    }
    known = finite_pools_flow.flow_stationary_law(
        energy, data, theta=[-0.25], latents=3, pool=4, eta=eta, learned=("theta",)
    )
    system = learner(energy, "simultaneous", learned=("theta",))
    found = small_step_limit(
        lambda h: variance(system.law(start, data=data, latent_step=h, pool_step=h, rate=eta * h)),
        0.1,
    )
    assert abs(found.value - known.variance([1.0])) < found.width < 1e-4


# what is refused


def refused(step, message, **shapes):
    noise = {"a": np.zeros(shapes["a"])}
    with pytest.raises(ArgumentError, match=message):
        LinearLaw.of_step(step, zeros(**shapes), noise)


def test_a_step_that_is_not_affine_is_refused_by_name():
    keep = lambda s, xi, **new: {**s, **new}  # noqa: E731
    refused(lambda s, xi: keep(s, xi, b=np.tanh(s["b"])), "'b' is not affine in 'b'", a=2, b=2)
    refused(
        lambda s, xi: keep(s, xi, a=s["a"] * (1 + s["b"])), "'a' is not affine in several", a=2, b=2
    )
    refused(
        lambda s, xi: keep(s, xi, a=s["a"] + xi["a"] ** 2), "'a' is not affine in the noise", a=1
    )
    refused(lambda s, xi: keep(s, xi, a=np.abs(s["a"])), "'a' is not affine in 'a'", a=1)
    refused(lambda s, xi: keep(s, xi, a=s["a"] * np.nan), "not affine|finite", a=1)
    refused(lambda s, xi: keep(s, xi, a=s["a"] - s["a"].mean()), "mix", a=2)
    refused(lambda s, xi: {"a": s["a"][..., :1]}, "shape", a=2)
    refused(lambda s, xi: {"b": s["a"]}, "blocks a are needed, got b", a=2)


def test_averages_that_do_not_close_are_refused():
    weight = np.array([1.0, 2.0, 3.0])
    pulled = System(
        name="weighted",
        step=lambda s, xi: {"t": 0.5 * s["t"] + (weight * s["x"]).mean(-1), "x": 0.5 * s["x"]},
        noisy=(),
        reference="none",
    )
    with pytest.raises(ArgumentError, match="t depends on more than the averages"):
        pulled.law(zeros(t=(), x=3), averaged={"x": -1})
    with pytest.raises(ArgumentError, match="negative axis"):
        pulled.law(zeros(t=(), x=3), averaged={"x": 0})


def test_a_law_without_rest_says_its_spectral_radius():
    with pytest.raises(ArgumentError, match=r"spectral radius < 1, got 1\.879837"):
        toy(ipla, 1, 2, 1.1).stationary()
    with pytest.raises(ArgumentError, match=r"real part of an eigenvalue < 0, got 0\.5"):
        LinearLaw.of_drift(lambda s: {"x": 0.5 * s["x"]}, zeros(x=1), {"x": 1.0}).stationary()
    with pytest.raises(ArgumentError, match="stable step size"):
        stability_limit(lambda h: toy(ipla, 1, 2, h), 1.1)
    with pytest.raises(ArgumentError, match="no limit below"):
        stability_limit(
            lambda h: LinearLaw.of_step(
                lambda s, xi: {"x": s["x"] / (1 + h)}, zeros(x=1), zeros(x=1)
            ),
            0.1,
        )


def test_unlike_arguments_are_refused():
    law, sde = toy(ipla, 1, 2, 0.1), flow(1, 2, 1.0)
    for wrong in (
        lambda: law.over(1.0),
        lambda: sde.steps(3),
        lambda: sde.over(-1.0),
        lambda: law.steps(-1),
        lambda: law.after(1.5, law.start(zeros(theta=1, x=(1, 2)))),
        lambda: law.then(toy(ipla, 1, 3, 0.1)),
        lambda: law.block("pool", law.stationary()),
        lambda: law.start(zeros(theta=1)),
        lambda: ipla.law(zeros(theta=1), slopes=None, h=0.1),
        lambda: pcd(order="both"),
        lambda: learner(gaussian_location(), "both"),
        lambda: learner(gaussian_location(), "sequential", learned=("mean",)),
        lambda: sk_rock(0),
        lambda: PerStep(lambda k: np.nan).at(0),
        lambda: hierarchical_gaussian([np.nan]),
        lambda: small_step_limit(lambda h: h, -1.0),
    ):
        with pytest.raises(ArgumentError):
            wrong()
