"""Orders and lines: known curves, and widths that are worst cases."""

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from verification.estimate.rates import line, order_of_convergence


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
