"""Rates: known curves, contamination by further modes, and widths that are worst cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvebm_theory.errors import ArgumentError
from verification.estimate.rates import late_slope, line, order_of_convergence


def test_a_pure_exponential_is_read_off() -> None:
    t = np.linspace(0, 5, 101)
    slope = late_slope(t, 3 * np.exp(-1.7 * t), 0.0)
    assert slope.value == pytest.approx(1.7, rel=1e-10)
    assert slope.half_width < 1e-8


@settings(max_examples=150, deadline=None)
@given(
    rate=st.floats(0.2, 3),
    gaps=st.tuples(st.floats(0.3, 2), st.floats(0.5, 2), st.floats(0.5, 2)),
    shares=st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)),
    reach=st.floats(5, 12),
    seed=st.integers(0, 10**6),
    relative=st.floats(1e-9, 1e-3),
)
def test_interval_covers_the_slowest_of_four_modes(
    rate: float, gaps: tuple, shares: tuple, reach: float, seed: int, relative: float
) -> None:
    g = np.cumsum(gaps) * rate
    t = np.linspace(0, reach / g[0], 120)
    exact = np.exp(-rate * t) * (1 + np.exp(-np.outer(t, g)) @ np.array(shares))
    width = relative * exact
    noise = np.random.default_rng(seed).uniform(-1, 1, size=t.size)
    slope = late_slope(t, exact + width * noise, width)
    assert slope.lower <= rate <= slope.upper


def test_the_curve_below_its_width_is_not_read() -> None:
    t = np.linspace(0, 20, 200)
    exact = np.exp(-1.3 * t) * (1 + 0.5 * np.exp(-2 * t))
    slope = late_slope(t, exact + 1e-7 * np.sin(50 * t), 1e-7)
    assert slope.lower <= 1.3 <= slope.upper
    assert slope.half_width < 0.01
    with pytest.raises(ArgumentError, match="above its width"):
        late_slope(t, exact, 1.0)


def test_confidence_moves_the_width_to_the_statistical_side() -> None:
    t = np.linspace(0, 5, 50)
    slope = late_slope(t, np.exp(-t), 1e-4, confidence=0.99)
    assert slope.numerical == 0.0
    assert slope.statistical > 0.0
    assert slope.confidence == 0.99


@pytest.mark.parametrize(("order", "correction"), [(1, 0.3), (2, -0.4), (4, 1.0)])
def test_order_of_convergence_covers_the_order(order: int, correction: float) -> None:
    h = np.array([0.2, 0.1, 0.05, 0.025])
    errors = 3 * h**order * (1 + correction * h)
    found = order_of_convergence(h, errors, 1e-3 * errors)
    assert found.lower <= order <= found.upper
    assert found.half_width < 0.05
    shuffled = order_of_convergence(h[[2, 0, 3, 1]], errors[[2, 0, 3, 1]], 0.0)
    assert shuffled.value == pytest.approx(order_of_convergence(h, errors, 0.0).value)


def test_order_needs_errors_above_their_widths() -> None:
    with pytest.raises(ArgumentError, match="above their widths"):
        order_of_convergence([0.1, 0.2, 0.4], [1e-3, 4e-3, 1.6e-2], 2e-3)


def test_line_is_weighted_least_squares() -> None:
    x, sd = np.arange(6.0), np.array([1, 2, 1, 3, 1, 0.5])
    y = 2 - 0.5 * x + np.array([0.1, -0.3, 0.2, 0.5, -0.1, 0.05])
    slope, intercept = line(x, y, sd, 0.05)
    coefficients, covariance = np.polyfit(x, y, 1, w=1 / sd, cov="unscaled")
    assert (slope.value, intercept.value) == pytest.approx(tuple(coefficients))
    assert slope.statistical == pytest.approx(1.959964 * np.sqrt(covariance[0, 0]))
    assert intercept.statistical == pytest.approx(1.959964 * np.sqrt(covariance[1, 1]))
