"""Samplers made for one model, or for none of ours, are judged on what was asked, and at its price.

Cost: about 50 s of CPU, most of it for samplers that are slow on purpose.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammaln

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.errors import ArgumentError
from verification.decide import Verdict
from verification.samplers import check_sampler
from verification.samplers.targets import ExactTarget, from_model, gaussian

PRECISION = np.array([[2.0, 0.6], [0.6, 1.0]])
MEAN = np.array([0.5, -1.0])
ROOT = np.linalg.cholesky(np.linalg.inv(PRECISION))
MINE = gaussian(PRECISION, MEAN, name="mine")


def potential(x):
    y = x - MEAN
    return np.einsum("ni,ij,nj->n", y, PRECISION, y) / 2


def gibbs(x, rng, relaxed=0.0):
    x = x.copy()
    for i, j in ((0, 1), (1, 0)):
        centre = MEAN[i] - PRECISION[i, j] / PRECISION[i, i] * (x[:, j] - MEAN[j])
        noise = np.sqrt((1 - relaxed**2) / PRECISION[i, i]) * rng.standard_normal(len(x))
        x[:, i] = centre - relaxed * (x[:, i] - centre) + noise
    return x


def over_relaxed(x, rng):
    return gibbs(x, rng, 0.9)


def from_the_prior(x, rng):
    """Metropolis whose proposals are draws from N(0, 4 I), whatever the state."""
    y = 2.0 * rng.standard_normal(x.shape)
    ratio = potential(x) - potential(y) - (x * x).sum(1) / 8 + (y * y).sum(1) / 8
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


def elliptical(x, rng):
    """Elliptical slice sampling of the factor that is not the prior N(0, I), one chain."""

    def loss(z):
        return float(potential(z[None])[0]) - z @ z / 2

    nu, level = rng.standard_normal(2), loss(x) + rng.exponential()
    angle = rng.uniform(0, 2 * math.pi)
    low, high = angle - 2 * math.pi, angle
    while True:
        y = x * math.cos(angle) + nu * math.sin(angle)
        if loss(y) <= level:
            return y
        low, high = (angle, high) if angle < 0 else (low, angle)
        angle = rng.uniform(low, high)


def mala(x, energy, step_size, rng):
    h = step_size
    y = x - h * energy.gradient(x) + np.sqrt(2 * h) * rng.standard_normal(x.shape)

    def forth(a, b):
        return ((b - a + h * energy.gradient(a)) ** 2).sum(axis=1) / (4 * h)

    ratio = energy.potential(x) - energy.potential(y) + forth(x, y) - forth(y, x)
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


# S1: a target that the user names is used as it is


@pytest.mark.parametrize("step", [gibbs, over_relaxed, from_the_prior, elliptical])
def test_a_step_for_one_target_is_judged_there_alone(step):
    report = check_sampler(step, targets=[MINE], calls=60_000, vectorised=step is not elliptical)
    assert report.verdict is not Verdict.VIOLATED
    wheres = {law.power.where for law in report.laws if law.power is not None}
    assert all(where.startswith("mine, step size") for where in wheres)


def test_a_wrong_step_for_one_target_is_refuted_there():
    report = check_sampler(lambda x, rng: 1.05 * gibbs(x, rng), targets=[MINE], calls=60_000)
    assert report.verdict is Verdict.VIOLATED


def model(slope=None):
    """theta ~ N(0, 1), y_i ~ N(theta, 1) for three i."""
    return from_model(
        lambda rng: rng.standard_normal(1),
        lambda theta, rng: theta + rng.standard_normal(3),
        lambda theta, y: -(theta @ theta + ((y - theta) ** 2).sum()) / 2,
        gradient=slope,
        name="three measurements",
    )


def conjugate(theta, y, rng, factor=1.0):
    return np.array([factor * y.sum() / 4 + rng.standard_normal() / 2])


def langevin(theta, y, energy, step_size, rng):
    """A Metropolis-adjusted Langevin step for one chain, with the gradient that it is given."""
    g = energy.gradient(theta)
    new = theta - step_size * g + np.sqrt(2 * step_size) * rng.standard_normal(theta.shape)
    forth = ((new - theta + step_size * g) ** 2).sum()
    back = ((theta - new + step_size * energy.gradient(new)) ** 2).sum()
    rise = energy.potential(new) - energy.potential(theta) + (back - forth) / (4 * step_size)
    return new if np.log(rng.random()) < -rise else theta


@pytest.mark.parametrize(("factor", "violated"), [(1.0, False), (1.1, True)])
def test_a_posterior_sampler_is_judged_by_data_drawn_with_its_parameters(factor, violated):
    report = check_sampler(
        lambda theta, y, rng: conjugate(theta, y, rng, factor), targets=[model()], calls=40_000
    )
    assert (report.verdict is Verdict.VIOLATED) is violated
    assert report.law("gradient").verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(("factor", "law"), [(1.0, ""), (0.9, "gradient")])
def test_a_posterior_gradient_is_held_against_its_log_joint(factor, law):
    target = model(lambda theta, y: factor * (y.sum() - 4 * theta))
    report = check_sampler(langevin, targets=[target], calls=12_000)
    assert report.violated == ((law,) if law else ())


def test_a_model_may_have_supports_and_discrete_parameters():
    """rate ~ Gamma(2, 1), y ~ Poisson(rate): log rate is moved by a random walk."""
    target = from_model(
        lambda rng: rng.gamma(2.0),
        lambda rate, rng: float(rng.poisson(rate)),
        lambda rate, y: np.log(rate) - 2 * rate + y * np.log(rate) - gammaln(y + 1),
        supports="positive",
    )

    def walk(theta, y, energy, rng, wrong=0.0):
        new = theta + rng.standard_normal(1)
        rise = energy.potential(new) - energy.potential(theta) + wrong * (new - theta)[0]
        return new if np.log(rng.random()) < -rise else theta

    assert check_sampler(walk, targets=[target], calls=30_000).verdict is not Verdict.VIOLATED
    # the control forgets the Jacobian of the logarithm
    wrong = check_sampler(
        lambda theta, y, energy, rng: walk(theta, y, energy, rng, 1.0),
        targets=[target],
        calls=30_000,
    )
    assert wrong.verdict is Verdict.VIOLATED


def test_data_are_asked_of_targets_that_have_some():
    with pytest.raises(ArgumentError, match="from_model"):
        check_sampler(conjugate, targets=[MINE])


# S2, S10: what is proved is kept, what raises ends its trial


@pytest.mark.parametrize("slope", [lambda x: 0 * x, lambda x: -2 * x, lambda x: 0.3 + 0 * x])
def test_a_refutation_survives_whatever_happens_afterwards(slope):
    """Steps that ignore the potential, some of which the localisation cannot take apart."""

    def step(x, energy, step_size, rng):
        return x - step_size * slope(x) + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)

    report = check_sampler(step, calls=40_000)
    assert report.verdict is Verdict.VIOLATED
    assert report.localisation is not None
    assert report.localisation.text.startswith(("likely component", "component not found: "))


def test_a_localisation_that_raises_says_so(monkeypatch):
    def raising(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("verification.samplers.localise._looked_at", raising)
    report = check_sampler(lambda x, rng: 1.1 * x, calls=20_000)
    assert report.verdict is Verdict.VIOLATED
    said = "component not found: looking closer raised ZeroDivisionError: division by zero"
    assert report.localisation.text == said
    assert said in str(report)


def discrete(values, shares, gradient=None):
    """A law on a few numbers, its energy known there alone."""

    def energy_of(x):
        index = np.searchsorted(values, x[:, 0])
        return -np.log(np.asarray(shares)[index])

    return ExactTarget(
        name="a die",
        energy=CallableEnergy(
            name="a die", dim=1, potential_function=energy_of, gradient_function=gradient
        ),
        draw=lambda rng, n: rng.choice(values, p=shares, size=(n, 1)),
    )


@pytest.mark.parametrize(("power", "violated"), [(1.0, False), (0.7, True)])
def test_a_discrete_target_without_gradient_gets_the_laws_that_apply(power, violated):
    values, shares = np.array([0.0, 1.0, 2.0, 5.0]), [0.7, 0.1, 0.15, 0.05]

    def step(x, energy, rng):
        y = rng.choice(values, size=x.shape)
        ratio = power * (energy.potential(x) - energy.potential(y))
        return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)

    report = check_sampler(step, targets=[discrete(values, shares)], calls=40_000)
    assert (report.verdict is Verdict.VIOLATED) is violated
    assert report.law("gradient").verdict is Verdict.NOT_APPLICABLE


def test_a_step_that_raises_at_large_step_sizes_keeps_its_report():
    def step(x, energy, step_size, rng):
        if step_size > 100 * 0.01:
            raise OverflowError("too far")
        return mala(x, energy, step_size, rng)

    report = check_sampler(step, calls=60_000)
    assert report.verdict is Verdict.UNDECIDED
    assert "the step raised" in report.law("divergence").detail
    assert report.law("reproducibility").verdict is not Verdict.VIOLATED


def test_what_a_step_raises_does_not_hide_that_it_is_wrong():
    other = gaussian(np.eye(2), name="other")

    def step(x, energy, step_size, rng):
        if energy.name == "other" and len(x) > 200:
            raise MemoryError("too many")
        return 1.02 * mala(x, energy, step_size, rng)

    report = check_sampler(step, calls=100_000, step_sizes=[0.1], targets=[other, MINE])
    assert report.verdict is Verdict.VIOLATED
    assert any("MemoryError: too many" in text for text in report.raised)


# S5: budgets are kept


@pytest.mark.parametrize(("price", "layout"), [(5e-3, False), (0.2, False), (2e-5, True)])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_budget_of_seconds_is_kept_whatever_a_step_costs(price, layout, wrong):
    """The clock moves when the step is called, and not otherwise."""
    now, most = [0.0], [0.0]

    def step(x, energy, step_size, rng):
        whole = np.atleast_2d(x)
        most[0] = max(most[0], price * len(whole))
        now[0] += price * len(whole)
        moved = mala(whole, energy, step_size, rng) if energy.dim else whole
        return (1 + 0.5 * wrong) * moved.reshape(x.shape)

    report = check_sampler(step, budget=10, vectorised=layout, clock=lambda: now[0])
    assert now[0] <= 1.2 * 10 + most[0] + 7 * price
    assert report.seconds <= 1.2 * 10 + most[0]
    if price == 0.2:
        assert report.skipped


@pytest.mark.parametrize("calls", [500, 5_000, 50_000])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_budget_of_calls_is_kept(calls, wrong):
    made = [0]

    def step(x, energy, step_size, rng):
        made[0] += len(x)
        return (1 + 0.1 * wrong) * mala(x, energy, step_size, rng)

    report = check_sampler(step, calls=calls)
    assert report.calls <= 1.2 * calls
    assert made[0] == report.calls


# S6, S11: particular samplers


def needs_two(x, energy, step_size, rng):
    if energy.dim < 2:
        raise ValueError("an isokinetic sampler needs at least two dimensions")
    return mala(x, energy, step_size, rng)


def stands_still_on_the_line(x, energy, step_size, rng):
    return mala(x, energy, step_size, rng) if energy.dim > 1 else x


@pytest.mark.parametrize("step", [needs_two, stands_still_on_the_line])
def test_a_sampler_for_the_plane_and_beyond_is_tried_there(step):
    assert check_sampler(step, calls=30_000).verdict is not Verdict.VIOLATED
    alone = check_sampler(step, calls=30_000, min_dim=2)
    assert alone.verdict is not Verdict.VIOLATED
    assert not alone.raised


def test_both_branches_is_not_said_on_one_dimension_alone():
    line = gaussian(1.0, name="line")
    report = check_sampler(stands_still_on_the_line, targets=[line], calls=10_000)
    assert report.law("both branches").verdict is Verdict.UNDECIDED
    still = check_sampler(lambda x, energy, step_size, rng: x, targets=[MINE], calls=10_000)
    assert still.law("both branches").verdict is Verdict.VIOLATED


def test_a_correct_step_without_noise_is_not_refuted_for_that():
    centred = gaussian(PRECISION, name="centred")
    report = check_sampler(lambda x, rng: -x, targets=[centred], calls=30_000)
    assert report.verdict is not Verdict.VIOLATED
    # the controls: a seed of its own, for a scheme that has noise and for rows that keep theirs
    fixed = check_sampler(
        lambda x, energy, step_size, rng: mala(x, energy, step_size, np.random.default_rng(1)),
        calls=20_000,
        vectorised=True,
    )
    assert fixed.violated == ("reproducibility",)


# S7: chains that share on purpose


def one_length(x, energy, step_size, rng):
    """Hamiltonian steps of one random length for all chains of a call."""
    p = rng.standard_normal(x.shape)
    y, q = x.copy(), p - step_size / 2 * energy.gradient(x)
    steps = int(rng.integers(1, 8))
    for i in range(steps):
        y = y + step_size * q
        q = q - step_size * energy.gradient(y) * (0.5 if i == steps - 1 else 1.0)
    rise = energy.potential(y) - energy.potential(x) + ((q * q) - (p * p)).sum(axis=1) / 2
    return np.where((np.log(rng.random(len(x))) < -rise)[:, None], y, x)


def test_what_chains_share_on_purpose_is_no_fault():
    options = {"targets": [MINE], "step_sizes": [0.4], "vectorised": True, "calls": 200_000}
    assert check_sampler(one_length, **options).violated == ("independence",)
    report = check_sampler(one_length, shared="trajectory length", **options)
    assert report.verdict is not Verdict.VIOLATED
    assert "trajectory length" in report.law("independence").detail
    wrong = check_sampler(
        lambda x, energy, step_size, rng: 1.03 * one_length(x, energy, step_size, rng),
        shared="trajectory length",
        **options,
    )
    assert wrong.verdict is Verdict.VIOLATED


# S8: every coordinate


@pytest.mark.parametrize("wrong", [5, 7, 31])
def test_too_much_noise_in_one_of_fifty_coordinates_is_found(wrong):
    size = np.ones(50)
    size[wrong] = 1.1

    def ula(x, energy, step_size, rng):
        noise = size * rng.standard_normal(x.shape)
        return x - step_size * energy.gradient(x) + np.sqrt(2 * step_size) * noise

    report = check_sampler(
        ula,
        "unadjusted",
        targets=[replace(gaussian(np.eye(50), name="fifty"), pilots=2_000)],
        step_sizes=[0.1],
        laws=["one-step law"],
        calls=100_000,
    )
    assert report.verdict is Verdict.VIOLATED
    assert f"noise {wrong} " in report.law("one-step law").detail


def test_the_verdict_says_how_many_coordinates_were_looked_at():
    report = check_sampler(
        mala,
        targets=[replace(gaussian(np.eye(100), name="hundred"), pilots=2_000)],
        step_sizes=[0.02],
        laws=["invariance"],
        calls=4_000,
    )
    assert "64 of 100 coordinates" in report.looked
    assert report.looked in str(report)


# S4: what HOLDS says


def half_the_ratio(x, energy, step_size, rng):
    """Metropolis with the ratio to the power 1/2: its law is N(0, 2) where N(0, 1) is meant."""
    y = x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
    ratio = (energy.potential(x) - energy.potential(y)) / 2
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


def test_a_slow_wrong_kernel_that_holds_per_step_is_not_said_to_be_right():
    report = check_sampler(
        half_the_ratio,
        targets=[gaussian(1.0, name="line")],
        step_sizes=[1e-3],
        laws=["invariance"],
        calls=400_000,
    )
    assert report.verdict is Verdict.HOLDS
    assert "standard deviations per step" in report.headline
    assert "ESTIMATE" not in report.headline
    assert "ESTIMATE" in report.estimate
    # the true error of E x^2 is one, 0.7 standard deviations of x^2
    unknown = "unknown: it hardly moves" in report.estimate
    assert unknown or float(report.estimate.split("up to ")[1].split()[0]) > 0.7


def test_the_estimate_of_a_kernel_that_forgets_at_once_is_the_bound_per_step():
    report = check_sampler(
        lambda x, rng: MEAN + rng.standard_normal(x.shape) @ ROOT.T,
        targets=[MINE],
        laws=["invariance"],
        calls=200_000,
    )
    assert report.verdict is Verdict.HOLDS
    told = float(report.estimate.split("up to ")[1].split()[0])
    assert report.within <= 1.05 * told <= 1.6 * report.within


# S9: the other convention


def half(x, energy, step_size, rng):
    noise = np.sqrt(step_size) * rng.standard_normal(x.shape)
    return x - step_size / 2 * energy.gradient(x) + noise


def test_a_rule_in_the_half_convention_is_named_and_accepted():
    taken_for_full = check_sampler(half, "unadjusted", calls=2_000_000)
    assert taken_for_full.verdict is Verdict.VIOLATED
    assert "convention" in taken_for_full.localisation.text
    report = check_sampler(half, "unadjusted", calls=60_000, convention="half")
    assert report.verdict is not Verdict.VIOLATED
    wrong = check_sampler(
        lambda x, energy, step_size, rng: half(x, energy, 1.1 * step_size, rng),
        "unadjusted",
        calls=60_000,
        convention="half",
    )
    assert wrong.verdict is Verdict.VIOLATED
    with pytest.raises(ArgumentError, match="half convention"):
        check_sampler(mala, convention="half")


def moved_by(scale):
    """A random walk for all chains at once."""

    def step(theta, energy, rng):
        new = theta + scale * rng.standard_normal(theta.shape)
        rise = energy.potential(new) - energy.potential(theta)
        return np.where((np.log(rng.random(len(theta))) < -rise)[:, None], new, theta)

    return step


def estimate_of(step):
    report = check_sampler(step, targets=[model()], calls=600_000, vectorised=True)
    assert report.verdict is Verdict.HOLDS
    (line,) = [line for line in str(report).splitlines() if "ESTIMATE" in line]
    assert "up to" in line, line
    return float(line.split("up to ")[1].split()[0])


def test_what_a_posterior_sampler_leaves_possible_is_given_its_data():
    """theta stays correlated through y for ever, an independent draw given y too."""
    exact = estimate_of(
        lambda theta, y, rng: y.sum(1)[:, None] / 4 + rng.normal(size=theta.shape) / 2
    )
    assert exact < estimate_of(moved_by(0.1))


def test_without_a_gradient_a_closer_look_says_what_it_would_need():
    def wrong(theta, energy, rng):
        new = theta + 0.8 * rng.standard_normal(theta.shape)
        rise = energy.potential(new) - energy.potential(theta)
        return np.where((np.log(rng.random(len(theta))) < -0.7 * rise)[:, None], new, theta)

    report = check_sampler(wrong, targets=[model()], calls=300_000, vectorised=True)
    assert report.verdict is Verdict.VIOLATED
    assert "needs the gradient of the target" in str(report)
