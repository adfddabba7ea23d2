"""Documented one-step laws: the noise is read back, and on Gaussians the recursion is the law."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from lvebm_theory.errors import ArgumentError
from verification.samplers.schemes import NAMES, Scheme, scheme_of
from verification.samplers.schemes.sk_rock import StabilisedChebyshev
from verification.samplers.schemes.stochastic_gradient import NoisyGradient, StochasticGradient
from verification.samplers.schemes.underdamped import Underdamped
from verification.samplers.shapes import SHAPES
from verification.samplers.targets import (
    gaussian,
    log_gamma,
    mixture,
    subsampled_targets,
    with_momenta,
)

GAUSS = gaussian([[2.0, 0.6], [0.6, 1.0]], [0.5, -1.0])
BENT = mixture([[-1.0, 0.0], [1.0, 0.5]], 0.7)
H = 0.3


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
def test_shapes_are_centred_and_bounded(shape):
    def weighted(r):
        pair = shape(np.array([r])) + shape(np.array([-r]))
        return float(pair[0]) * np.exp(-r * r / 2) / np.sqrt(2 * np.pi)

    assert abs(quad(weighted, 0, 12, points=[2, 3], epsabs=1e-13)[0]) < 1e-12
    far = np.concatenate([np.linspace(-60, 60, 200_001), [1e3, -1e3]])
    assert np.abs(shape(far)).max() <= shape.size <= 1


def ula(target, x, h, noise):
    return x - h * target.energy.gradient(x) + np.sqrt(2 * h) * noise


def tamed(target, x, h, noise):
    g = target.energy.gradient(x)
    size = np.linalg.norm(g, axis=1, keepdims=True)
    return x - h * g / (1 + h * size) + np.sqrt(2 * h) * noise


@pytest.mark.parametrize("target", [GAUSS, BENT, log_gamma(2.0)], ids=lambda t: t.name)
@pytest.mark.parametrize(("name", "step"), [("ula", ula), ("tamed-ula", tamed)])
def test_increments_give_their_noise_back(target, name, step):
    rng = np.random.default_rng(0)
    x = target.draw(rng, 30)
    noise = rng.standard_normal(x.shape)
    found = scheme_of(name).innovations(target, x, step(target, x, H, noise), H)
    assert np.allclose(found.normal, noise)
    assert found.exact.shape == (30, 0)


def splitting(rule, target, state, h, friction, noises):
    d = target.for_step.dim
    q, p = state[:, :d], state[:, d:]
    slope = target.for_step.gradient
    noises = list(noises)
    share = {"B": 2, "A": 2 if rule.count("A") == 2 else 1, "O": 2 if rule.count("O") == 2 else 1}
    for part in rule:
        length = h / share[part]
        if part == "B":
            p = p - length * slope(q)
        elif part == "A":
            q = q + length * p
        else:
            c = np.exp(-friction * length)
            p = c * p + np.sqrt(1 - c * c) * noises.pop(0)
    return np.concatenate([q, p], axis=1)


@pytest.mark.parametrize("target", [GAUSS, BENT], ids=lambda t: t.name)
@pytest.mark.parametrize("rule", ["BAOAB", "OBABO"])
def test_splittings_give_their_noise_back_and_tie_the_momentum(target, rule):
    target, scheme = with_momenta(target), Underdamped(rule.lower(), friction=0.7)
    rng = np.random.default_rng(1)
    x = target.draw(rng, 40)
    noises = [rng.standard_normal((40, 2)) for _ in range(rule.count("O"))]
    after = splitting(rule, target, x, H, 0.7, noises)
    found = scheme.innovations(target, x, after, H)
    assert np.allclose(found.normal, np.concatenate(noises, axis=1))
    assert np.all(np.abs(found.exact) < 1e-13)
    after[:, -1] += 1e-3
    broken = scheme.innovations(target, x, after, H)
    assert not np.allclose(broken.normal, np.concatenate(noises, axis=1)) or np.any(
        np.abs(broken.exact) > 1e-6
    )


def chebyshev_step(target, x, h, noise, stages, eta):
    def t(k, w):
        return np.cosh(k * np.arccosh(w))

    w0 = 1 + eta / stages**2
    w1 = t(stages, w0) / (stages * np.sinh(stages * np.arccosh(w0)) / np.sinh(np.arccosh(w0)))
    q, force = np.sqrt(2 * h) * noise, target.energy.gradient
    last, now = x, x - w1 / w0 * h * force(x + stages * w1 / 2 * q) + stages * w1 / w0 * q
    for j in range(2, stages + 1):
        ratio = t(j - 1, w0) / t(j, w0)
        nu = 2 * w0 * ratio
        last, now = now, -2 * w1 * ratio * h * force(now) + nu * now + (1 - nu) * last
    return now


@pytest.mark.parametrize("stages", [2, 5, 10])
def test_the_polynomials_of_sk_rock_are_its_recursion(stages):
    scheme = StabilisedChebyshev(stages=stages)
    rng = np.random.default_rng(2)
    x, noise = GAUSS.draw(rng, 20), rng.standard_normal((20, 2))
    after = chebyshev_step(GAUSS, x, H, noise, stages, scheme.eta)
    _, vectors = np.linalg.eigh(GAUSS.precision)
    assert np.allclose(scheme.innovations(GAUSS, x, after, H).normal, noise @ vectors)
    assert scheme.reason(BENT, H)
    # near -2/w1 the noise of that mode vanishes, and nothing can be read back
    assert "next to no noise" in StabilisedChebyshev(stages=5).reason(gaussian(1.0), 48.366)


@pytest.mark.parametrize("scheme", [StochasticGradient(), StochasticGradient(2, replace=False)])
@pytest.mark.parametrize("target", subsampled_targets(), ids=lambda t: t.name)
def test_minibatch_noise_becomes_standard_normal(scheme, target):
    rng = np.random.default_rng(3)
    n, energy = 20_000, target.energy
    x = target.draw(rng, n)
    order = np.argsort(rng.random((n, energy.terms)), axis=1)[:, : scheme.batch]
    if scheme.replace:
        order = rng.integers(energy.terms, size=(n, scheme.batch))
    g = sum(energy.term_gradient(x, order[:, j]) for j in range(scheme.batch))
    after = x - 0.5 * energy.terms / scheme.batch * g + rng.standard_normal(x.shape)
    r = scheme.innovations(target, x, after, 0.5).normal
    for j in range(x.shape[1]):
        assert kstest(r[:, j], "norm").pvalue > 1e-6
        assert kstest(1.2 * r[:, j], "norm").pvalue < 1e-6
    assert "sum of terms" in scheme.reason(GAUSS, 0.5)
    assert "minibatches" in StochasticGradient(9).reason(target, 0.5)


LINEAR = [
    (scheme_of("ula"), GAUSS),
    (scheme_of("exact"), GAUSS),
    (scheme_of("sk-rock"), GAUSS),
    (NoisyGradient(2.0), GAUSS),
    (Underdamped("baoab", 0.7), with_momenta(GAUSS)),
    (Underdamped("obabo", 2.0), with_momenta(GAUSS)),
]


@pytest.mark.parametrize(("scheme", "target"), LINEAR, ids=lambda p: getattr(p, "name", ""))
def test_the_linear_law_is_that_of_the_noise_read_back(scheme, target):
    # two routes: matrices multiplied here, and the map that innovations inverts
    law = scheme.linear(target, H)
    k = len(law.mean)
    centre = law.mean[None]
    moved = law.mean + (np.eye(k) @ law.factor.T)
    still = scheme.innovations(target, centre + np.eye(k), moved, H)
    assert np.allclose(still.normal, 0.0, atol=1e-9)
    # directions of the covariance carry unit noise
    values, vectors = np.linalg.eigh(law.covariance)
    steps = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    start = np.repeat(centre, k, axis=0)
    r = scheme.innovations(target, start, start + steps, H).normal
    assert np.allclose(r.T @ r, np.eye(r.shape[1]), atol=1e-6)


def test_the_stationary_variance_of_ula_is_the_known_one():
    for precision, h in ((1.0, 0.3), (2.5, 0.1)):
        law = scheme_of("ula").linear(gaussian(precision), h)
        assert np.isclose(law.stationary()[0, 0], 1 / (precision * (1 - h * precision / 2)))
        later = law.after(200)
        assert np.isclose(later.covariance[0, 0], law.stationary()[0, 0])
    with pytest.raises(ArgumentError, match="no stationary law"):
        scheme_of("ula").linear(gaussian(1.0), 2.5).stationary()


def test_schemes_are_asked_for_by_name():
    assert all(isinstance(scheme_of(name), Scheme) for name in NAMES)
    mine = StabilisedChebyshev(stages=7)
    assert scheme_of(mine) is mine
    with pytest.raises(ArgumentError, match="one of ula"):
        scheme_of("euler")
    with pytest.raises(ArgumentError, match="stages"):
        StabilisedChebyshev(stages=0)
    with pytest.raises(ArgumentError, match="baoab or obabo"):
        Underdamped("aboba")
    with pytest.raises(ArgumentError, match="friction"):
        Underdamped(friction=0.0)
