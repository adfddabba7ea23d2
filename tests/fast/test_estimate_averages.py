"""Averages: values, exact special cases, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from lvebm_theory.errors import ArgumentError
from verification.estimate import averages


def test_mean_is_students_interval_without_skewness() -> None:
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    interval = averages.mean(x, 0.05)
    low, high = stats.t.interval(0.95, 4, loc=0, scale=x.std(ddof=1) / np.sqrt(5))
    assert (interval.lower, interval.upper) == pytest.approx((low, high), rel=1e-9)
    assert interval.confidence == pytest.approx(0.95)


def test_skewness_widens_by_its_edgeworth_term() -> None:
    n, alpha = 400, 1e-3
    straight = averages.mean_from_moments(n, 1.0, 2.0, 0.0, alpha)
    skew = averages.mean_from_moments(n, 1.0, 2.0, -1.5, alpha)
    t = stats.t.isf(alpha / 2, n - 1)
    extra = np.sqrt(2.0 / n) * 1.5 * (2 * t**2 + 1) / (6 * np.sqrt(n))
    assert skew.statistical - straight.statistical == pytest.approx(extra, rel=1e-6)


def test_tiny_alpha_is_served() -> None:
    interval = averages.mean_from_moments(100_000, 0.0, 1.0, 0.0, 1e-12)
    assert interval.statistical * np.sqrt(1e5) == pytest.approx(stats.norm.isf(5e-13), rel=1e-3)


def test_a_constant_sample_has_no_width() -> None:
    assert averages.mean(np.full(10, 0.1), 0.05).half_width < 1e-15


def test_pairing_takes_the_common_noise_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    y = x + 0.01 * rng.normal(size=5000)
    paired = averages.paired_difference(x, y, 0.05)
    assert paired.half_width < 0.02 * averages.mean_difference(x, y, 0.05).half_width
    assert paired.value == pytest.approx(averages.mean_difference(x, y, 0.05).value)


def test_variance_is_unbiased_and_shift_free() -> None:
    x = np.random.default_rng(1).exponential(size=1000)
    interval, shifted = averages.variance(x, 0.01), averages.variance(x + 100, 0.01)
    assert interval.value == pytest.approx(np.var(x, ddof=1))
    assert shifted.half_width == pytest.approx(interval.half_width, rel=1e-6)


def test_empirical_bernstein_width() -> None:
    x = np.array([0.0, 1.0] * 50)
    log_term = np.log(4 / 0.01)
    expected = np.sqrt(2 * x.var(ddof=1) * log_term / 100) + 7 * log_term / (3 * 99)
    assert averages.bounded_mean(x, 0.0, 1.0, 0.01).half_width == pytest.approx(expected)
    with pytest.raises(ArgumentError, match="leave"):
        averages.bounded_mean(x, 0.0, 0.5, 0.01)


@pytest.mark.parametrize(
    "call",
    [
        lambda: averages.mean([1.0], 0.05),
        lambda: averages.mean([1.0, np.inf], 0.05),
        lambda: averages.mean([1.0, 2.0], 0.0),
        lambda: averages.mean([1.0, 2.0], 1.0),
        lambda: averages.paired_difference([1.0, 2.0], [1.0], 0.05),
        lambda: averages.variance([1.0, 2.0], 0.05),
    ],
)
def test_unusable_samples_are_refused(call) -> None:
    with pytest.raises(ArgumentError):
        call()
