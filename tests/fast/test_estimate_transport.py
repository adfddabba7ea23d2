"""W2 of a sample from a known law: the pieces of its limit law, and the plug-in's bias."""

import numpy as np
import pytest
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from solvers.transport.one_dimensional import w2_samples_grid
from verification.estimate.transport import QuantileFunction, ReferenceOnLine, wasserstein

EDGES = np.linspace(-8, 8, 1025)
NORMAL = np.diff(ndtr(EDGES))


def draw(rng: np.random.Generator, mass: np.ndarray, n: int) -> np.ndarray:
    return QuantileFunction(mass, EDGES)(rng.random(n))


def well(barrier: float) -> np.ndarray:
    x = (EDGES[1:] + EDGES[:-1]) / 2
    mass = np.exp(-np.minimum(barrier * (x**2 - 1) ** 2, 600))
    return mass / mass.sum()


def test_quantile_averages_are_its_integrals() -> None:
    quantile = QuantileFunction(np.array([0.5, 0.0, 0.5]), np.array([0.0, 1.0, 3.0, 4.0]))
    np.testing.assert_allclose(quantile.averages(4), [0.25, 0.75, 3.25, 3.75])
    assert quantile.averages(3)[1] == pytest.approx((5 / 6 + 19 / 6) / 2)


@pytest.mark.parametrize(("mass", "n"), [(NORMAL, 500), (NORMAL, 5000), (well(2.0), 2000)])
def test_expected_squared_distance_of_a_sample_from_its_own_law(mass: np.ndarray, n: int) -> None:
    rng = np.random.default_rng(n)
    reference = ReferenceOnLine.of(mass, EDGES, n)
    squares = [n * w2_samples_grid(draw(rng, mass, n), mass, EDGES) ** 2 for _ in range(400)]
    predicted = reference.eigenvalues.sum() + reference.offset
    error = np.std(squares) / 20
    assert predicted == pytest.approx(np.mean(squares), abs=4 * error)
    spread = np.sqrt(2 * (reference.eigenvalues**2).sum())
    assert spread == pytest.approx(np.std(squares), rel=0.25)


def test_largest_eigenvalue_is_the_inverse_gap() -> None:
    # sup Var f / E f'^2 = 1 / gap: 1 for N(0, 1), 1 / 0.4545466 for the well with b = 2
    assert ReferenceOnLine.of(NORMAL, EDGES, 10**5).eigenvalues[0] == pytest.approx(1, rel=0.08)
    largest = ReferenceOnLine.of(well(2.0), EDGES, 10**5).eigenvalues[0]
    assert largest == pytest.approx(1 / 0.4545466, rel=0.08)


def test_separated_modes_are_noticed() -> None:
    assert ReferenceOnLine.of(NORMAL, EDGES, 1000).linear
    assert ReferenceOnLine.of(well(2.0), EDGES, 10_000).linear
    assert not ReferenceOnLine.of(well(8.0), EDGES, 10_000).linear


@pytest.mark.parametrize("barrier", [2.0, 8.0])
def test_a_shift_is_found_at_tiny_alpha(barrier: float) -> None:
    mass, n = well(barrier), 20_000
    reference = ReferenceOnLine.of(mass, EDGES, n)
    x = draw(np.random.default_rng(1), mass, n)
    near, far = (wasserstein(x + shift, reference, 1e-7) for shift in (0.0, 0.4))
    assert near.lower <= 0.0
    assert far.lower <= 0.4 <= far.upper
    if barrier < 4:
        assert near.upper < 0.07
        assert far.half_width < 0.07


def test_the_width_shrinks_like_root_n_away_from_equality() -> None:
    rng = np.random.default_rng(2)
    halves = []
    for n in (2000, 32_000):
        reference = ReferenceOnLine.of(NORMAL, EDGES, n)
        halves.append(wasserstein(rng.normal(0.5, 1, size=n), reference, 0.05).statistical)
    assert halves[0] / halves[1] == pytest.approx(4, rel=0.15)


def test_what_cannot_be_measured_is_refused() -> None:
    reference = ReferenceOnLine.of(NORMAL, EDGES, 100)
    with pytest.raises(ArgumentError, match="100 samples"):
        wasserstein(np.zeros(50), reference, 0.05)
    with pytest.raises(ArgumentError, match="at least 20"):
        ReferenceOnLine.of(NORMAL, EDGES, 5)
