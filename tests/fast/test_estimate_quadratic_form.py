"""Saddlepoint tails against scipy's chi-squares, and the inversion at its corners."""

import numpy as np
import pytest
from scipy import stats

from verification.estimate.quadratic_form import QuadraticForm, invert


def chi_square(freedom: float, noncentral: float = 0.0) -> QuadraticForm:
    return QuadraticForm(
        weights=np.ones(1), multiplicities=np.array([freedom]), noncentral=noncentral
    )


@pytest.mark.parametrize("freedom", [2, 5, 50, 500])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 1e-3, 1e-6, 1e-9])
def test_chi_square_tails(freedom: int, alpha: float) -> None:
    form, tolerance = chi_square(freedom), 0.2 / freedom
    assert form.tails(stats.chi2.isf(alpha, freedom))[1] == pytest.approx(alpha, rel=tolerance)
    assert form.tails(stats.chi2.ppf(alpha, freedom))[0] == pytest.approx(alpha, rel=tolerance)
    if alpha < 0.1:
        quantile = stats.chi2.isf(alpha, freedom)
        assert form.upper_quantile(alpha) == pytest.approx(quantile, rel=tolerance)


@pytest.mark.parametrize("alpha", [0.3, 0.05, 1e-6])
def test_noncentral_tails(alpha: float) -> None:
    at = stats.ncx2.isf(alpha, 20, 30)
    assert chi_square(20, 30.0).tails(at)[1] == pytest.approx(alpha, rel=0.01)


def test_weighted_sum_against_simulation() -> None:
    weights = 1 / np.arange(1, 30.0)
    form = QuadraticForm(weights=weights, multiplicities=np.ones(29), shift=0.7)
    draws = 0.7 + np.random.default_rng(0).normal(size=(200_000, 29)) ** 2 @ weights
    assert form.mean == pytest.approx(draws.mean(), rel=0.01)
    assert form.variance == pytest.approx(draws.var(), rel=0.02)
    for level in (0.5, 0.9, 0.99):
        upper = form.tails(float(np.quantile(draws, level)))[1]
        assert upper == pytest.approx(1 - level, rel=0.05)


def test_tails_are_continuous_through_the_mean_and_stop_at_the_shift() -> None:
    form = chi_square(4.0)
    around = [form.tails(4.0 + d)[0] for d in (-2e-3, -1e-4, 0.0, 1e-4, 2e-3)]
    assert np.all(np.diff(around) >= 0)
    assert around[-1] - around[0] < 2e-3
    assert form.tails(0.0) == (0.0, 1.0)


def test_inversion_starts_at_zero_when_equality_is_not_refuted() -> None:
    def law(theta: float) -> QuadraticForm:
        return chi_square(9.0, theta)

    lower, upper = invert(9.0, law, 0.0, 4.0, 0.05)
    assert lower == 0.0
    assert law(upper).tails(9.0)[0] == pytest.approx(0.025, rel=1e-3)
    lower, upper = invert(stats.chi2.isf(0.049, 9), law, 0.0, 4.0, 0.05)
    assert lower > 0.0
    lower, upper = invert(200.0, law, 0.0, 4.0, 0.05)
    assert law(lower).tails(200.0)[1] == pytest.approx(0.025, rel=1e-3)
    assert law(upper).tails(200.0)[0] == pytest.approx(0.025, rel=1e-3)
