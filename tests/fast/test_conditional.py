"""Conditional draws against closed forms, and what several modes need."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.gaussian_mixture import gaussian_mixture
from lvebm_theory.energies.linear_gaussian import linear_gaussian
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian, ula_stationary
from solvers.learning.conditional import (
    ConditionalSampling,
    fill_in,
    reconstruct,
    sample_data,
    sample_latents,
)
from solvers.noise import Noise

NOISE = Noise(seed=21)
JOINT = linear_gaussian()
LAW = Gaussian.from_precision(np.zeros(3), JOINT.parameter_vector().reshape(3, 3))
QUICK = ConditionalSampling(chains=4, steps=120, step_size=0.3)
X = np.random.default_rng(0).normal(size=(400, 1))


def _standardised(points: np.ndarray, given: list[int], law: Gaussian) -> np.ndarray:
    """Draws minus their conditional means, in units of the conditional covariance."""
    rest = [i for i in range(law.dim) if i not in given]
    flat = points.reshape(-1, law.dim)
    means = np.array([law.conditional(given, w[given]).mean for w in flat])
    root = np.linalg.inv(law.conditional(given, flat[0, given]).root)
    return (flat[:, rest] - means) @ root


@pytest.mark.parametrize("given", [[0], [1, 2], [1]])
def test_draws_have_the_closed_conditional_law(given) -> None:
    z = np.random.default_rng(1).normal(size=(400, 2))
    if given == [0]:
        found = sample_latents(JOINT, X, settings=QUICK, noise=NOISE)
    elif given == [1, 2]:
        found = sample_data(JOINT, z, settings=QUICK, noise=NOISE)
    else:
        found = fill_in(
            JOINT.joint(), np.hstack([X, z]), np.arange(3) == 1, settings=QUICK, noise=NOISE
        )
    residual = _standardised(found.points, given, LAW)
    assert found.points.shape == (400, 4, 3)
    for column in residual.T:
        assert kstest(column, norm.cdf).pvalue > 1e-6
    # the same draws are not those of a law that is wider
    assert kstest(residual[:, 0] / 1.4, norm.cdf).pvalue < 1e-6
    assert 0.5 < found.info["acceptance"][0] < 0.75
    assert found.info["disagreement"]["median"] < 1.1


def test_missing_coordinates_are_filled_in_together_with_the_latents() -> None:
    joint = linear_gaussian(
        dim_x=2, dim_z=1, precision=((1.2, 0.4, -0.3), (0.4, 1.5, -0.6), (-0.3, -0.6, 1.2))
    )
    law = Gaussian.from_precision(np.zeros(3), joint.parameter_vector().reshape(3, 3))
    x = np.hstack([X, np.full_like(X, np.nan)])
    found = reconstruct(joint, x, [True, False], settings=QUICK, noise=NOISE)
    assert np.all(found.points[:, :, 0] == X)
    residual = _standardised(found.points, [0], law)
    for column in residual.T:
        assert kstest(column, norm.cdf).pvalue > 1e-6
    # a mask of its own for every datum
    mask = np.tile([[True, False], [False, True]], (200, 1))
    mixed = reconstruct(joint, np.hstack([X, X]), mask, settings=QUICK, noise=NOISE)
    assert np.all(mixed.points[1::2, :, 1] == X[1::2])
    assert np.all(mixed.points[::2, :, 0] == X[::2])


def test_the_unadjusted_scheme_has_its_own_stationary_law() -> None:
    how = ConditionalSampling(chains=16, steps=60, step_size=0.5, scheme="ula")
    energy = quadratic(precision=((1.0, 0.0), (0.0, 2.0)), mean=(0.0, 0.0))
    w = np.zeros((200, 2))
    found = fill_in(energy, w, [True, False], settings=how, noise=NOISE).points[..., 1].ravel()
    biased = ula_stationary(Gaussian([0.0], [[0.5]]), 0.5).covariance[0, 0]
    assert kstest(found / np.sqrt(biased), norm.cdf).pvalue > 1e-6
    assert kstest(found / np.sqrt(0.5), norm.cdf).pvalue < 1e-6
    with pytest.raises(SolverError, match="finite"), np.errstate(all="ignore"):
        fill_in(
            double_well(), np.zeros((5, 1)), [False], noise=NOISE, start=np.full((3, 1), 9.0),
            settings=ConditionalSampling(scheme="ula", step_size=0.5, steps=60),
        )  # fmt: skip


def test_exchange_crosses_between_modes_that_one_temperature_cannot() -> None:
    # given w_0 = 0.5 the other coordinate sits at -3 with weight 0.8 or at 3 with weight 0.2
    energy = gaussian_mixture(means=((0.5, -3.0), (0.5, 3.0)), sds=(0.4, 0.4), weights=(0.8, 0.2))
    w = np.full((60, 2), 0.5)
    start = np.full((1, 2), 3.0)  # every chain begins in the light mode

    def light_share(ladder) -> tuple[float, dict]:
        how = ConditionalSampling(
            chains=16, steps=300, step_size=0.1, inverse_temperatures=ladder, exchange_every=2
        )
        found = fill_in(energy, w, [True, False], settings=how, noise=NOISE, start=start)
        return float((found.points[..., 1] > 0).mean()), found.info

    alone, _ = light_share((1.0,))
    tempered, info = light_share((1.0, 0.4, 0.15, 0.05))
    assert alone == 1.0  # none crossed, and chains that all agree do not tell
    assert abs(tempered - 0.2) < 0.08
    assert min(info["exchanged"]) > 0.2
    assert info["inverse_temperatures"] == [1.0, 0.4, 0.15, 0.05]
    # starts on both sides make chains of one temperature disagree, and that is reported
    both = np.array([[0.5, 3.0], [0.5, -3.0]])
    how = ConditionalSampling(chains=16, steps=100, step_size=0.1)
    apart = fill_in(energy, w, [True, False], settings=how, noise=NOISE, start=both)
    assert apart.info["disagreement"]["median"] > 3


def test_the_same_noise_gives_the_same_draws() -> None:
    runs = [sample_latents(JOINT, X[:5], settings=QUICK, noise=NOISE).points for _ in range(2)]
    assert np.array_equal(*runs)
    other = sample_latents(JOINT, X[:5], settings=QUICK, noise=Noise(seed=22)).points
    assert not np.array_equal(runs[0], other)


def test_a_proposal_without_a_potential_is_refused() -> None:
    # U is nan beyond 2: MALA stays inside
    energy = CallableEnergy(
        name="half known",
        dim=1,
        potential_function=lambda x: np.where(np.abs(x[:, 0]) < 2, x[:, 0] ** 2 / 2, np.nan),
        gradient_function=lambda x: x,
    )
    found = fill_in(energy, np.zeros((50, 1)), [False], noise=NOISE, start=np.zeros((1, 1)),
                    settings=QUICK)  # fmt: skip
    assert np.all(np.abs(found.points) < 2)


def test_unusable_requests_say_what_was_needed() -> None:
    nan = np.full((3, 1), np.nan)
    for call, text in (
        (lambda: sample_latents(JOINT, nan, noise=NOISE), "finite"),
        (lambda: sample_latents(JOINT, np.zeros((3, 2)), noise=NOISE), "x \\(n, 1\\)"),
        (lambda: fill_in(JOINT.joint(), np.zeros((3, 3)), [True] * 3, noise=NOISE), "missing"),
        (lambda: reconstruct(JOINT, X, [True, False], noise=NOISE), "mask"),
        (lambda: sample_latents(JOINT, X, noise=NOISE, start=np.zeros((4, 2))), "pool"),
        (lambda: ConditionalSampling(inverse_temperatures=(0.5, 1.0)), "fall from 1"),
        (lambda: ConditionalSampling(scheme="hmc"), "mala or ula"),
        (lambda: ConditionalSampling(scheme="ula", inverse_temperatures=(1.0, 0.5)), "exchange"),
    ):
        with pytest.raises(ArgumentError, match=text):
            call()
