"""Samples outside a reference's cells are their own cell; the interval is as wide as they ask."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from solvers.transport.cell_counts import count_cells
from verification.estimate.relative_entropy import (
    binned_relative_entropy,
    relative_entropy,
)
from verification.estimate.transport import ReferenceOnLine, wasserstein

ALPHA = 0.05
EDGES = np.linspace(-8, 8, 513)
MASSES = np.diff(ndtr(EDGES))
CUT = np.linspace(-1.5, 1.5, 97)


def log_normal(x: np.ndarray) -> np.ndarray:
    return np.asarray(-(x**2).sum(1) / 2 - 0.5 * x.shape[1] * math.log(2 * math.pi))


def contaminated(share: float, place: float, sd: float) -> float:
    """KL of (1 - share) N(0, 1) + share N(place, sd^2) from N(0, 1), by adaptive quadrature."""

    def density(x: float) -> float:
        far = math.exp(-(((x - place) / sd) ** 2) / 2) / sd
        return ((1 - share) * math.exp(-(x**2) / 2) + share * far) / math.sqrt(2 * math.pi)

    def integrand(x: float) -> float:
        p = density(x)
        return p * (math.log(p) + x**2 / 2 + 0.5 * math.log(2 * math.pi)) if p > 0 else 0.0

    ends = [-12, 0, 8, place - 12 * sd, place, place + 12 * sd]
    return sum(quad(integrand, a, b, limit=200)[0] for a, b in itertools.pairwise(ends))


def test_one_far_sample_in_ten_thousand_widens_the_interval() -> None:
    x = np.random.default_rng(0).standard_normal((10_000, 1))
    clean = relative_entropy(x, MASSES, [EDGES], ALPHA)
    x[17] = 100.0
    found = relative_entropy(x, MASSES, [EDGES], ALPHA, log_density=log_normal)
    # one in ten thousand at 100 is worth 1e-4 (5000 - log 1e4) on its own
    assert found.upper > 0.5 > 10 * clean.upper
    assert found.lower >= 0.0
    # without the reference's density out there nothing bounds it from above
    assert relative_entropy(x, MASSES, [EDGES], ALPHA).upper == math.inf
    # its own cell costs the estimate p log(p / q) for q <= 1e-10; in an end cell it cost nothing
    assert count_cells(x, [EDGES]).sum() == 9_999
    moved = np.clip(x, -8, 8)
    gained, there = (binned_relative_entropy(s, MASSES, [EDGES]) for s in (x, moved))
    assert gained == pytest.approx(there + 1e-4 * math.log(1e-4 / 1e-10), abs=1e-4)


@pytest.mark.parametrize(("share", "place", "sd"), [(2e-3, 30.0, 1.0), (5e-3, 12.0, 0.5)])
def test_intervals_cover_with_far_outliers(share: float, place: float, sd: float) -> None:
    exact, rng = contaminated(share, place, sd), np.random.default_rng(1)
    runs, missed, clipped = 50, 0, 0
    for _ in range(runs):
        x = rng.standard_normal((5_000, 1))
        far = rng.random(len(x)) < share
        x[far] = place + sd * rng.standard_normal((int(far.sum()), 1))
        found = relative_entropy(x, MASSES, [EDGES], ALPHA, log_density=log_normal)
        missed += not found.lower <= exact <= found.upper
        # the same samples put into the end cell: the right value is never in the interval
        inside = relative_entropy(np.clip(x, -8, 8), MASSES, [EDGES], ALPHA)
        clipped += not inside.lower <= exact <= inside.upper
    assert missed <= 10  # P(Binomial(50, 0.05) > 10) < 1e-4
    assert clipped > 45


@pytest.mark.parametrize("dim", [1, 2])
def test_cut_cells_give_no_wrong_value(dim: int) -> None:
    # all but 13 or 25 % of N(0, I); samples are from N((1/2, 0), I), at KL = 1/8
    mass = np.diff(ndtr(CUT))
    masses, edges = (mass, [CUT]) if dim == 1 else (np.outer(mass, mass), [CUT, CUT])
    x = np.random.default_rng(2).standard_normal((20_000, dim))
    x[:, 0] += 0.5
    found = relative_entropy(x, masses, edges, 1e-4, log_density=log_normal)
    assert found.lower <= 0.125 <= found.upper
    # the cut histogram taken for the whole law: its interval misses the closed form
    held = np.all(np.abs(x) < 1.5, axis=1)
    wrong = relative_entropy(x[held], masses / masses.sum(), edges, 1e-4)
    assert not wrong.lower <= 0.125 <= wrong.upper
    # with no sample outside, the mass that was not met still counts: log 1 / mass inside
    inside = relative_entropy(x[held], masses, edges, 1e-4)
    assert inside.lower > -math.log(masses.sum()) - 0.02


def test_masses_that_are_no_law_are_refused() -> None:
    x = np.zeros((100, 1))
    for wrong in (2 * MASSES, 0 * MASSES):
        with pytest.raises(ArgumentError, match="one or less"):
            relative_entropy(x, wrong, [EDGES], ALPHA)
        with pytest.raises(ArgumentError, match="one or less"):
            binned_relative_entropy(x, wrong, [EDGES])


def test_all_samples_outside_is_an_interval_too() -> None:
    x = 20 + np.random.default_rng(3).standard_normal((1000, 1))
    found = relative_entropy(x, MASSES, [EDGES], ALPHA, log_density=log_normal)
    assert 10 < found.lower <= 200 <= found.upper


def test_w2_wants_a_whole_reference_and_keeps_far_samples() -> None:
    with pytest.raises(ArgumentError, match="W2 needs all"):
        ReferenceOnLine.of(np.diff(ndtr(CUT)), CUT, 1000)
    reference = ReferenceOnLine.of(MASSES, EDGES, 10_000)
    assert reference.numerical >= 16 * math.sqrt(1e-13)
    x = np.random.default_rng(4).standard_normal(10_000)
    clean = wasserstein(x, reference, ALPHA)
    x[17] = 100.0
    found = wasserstein(x, reference, ALPHA)
    assert found.upper > 1.0 > 10 * clean.upper  # W2^2 of the sample is (100 - 4)^2 / 1e4
    assert found.half_width > 10 * clean.half_width


def test_cells_whose_mass_underflows_are_outside_too() -> None:
    # N(0, 20^2) against N(0, 1): a fifth of the samples where the reference is no double
    edges = np.linspace(-160, 160, 2049)
    masses = np.diff(ndtr(edges))
    x = 20 * np.random.default_rng(5).standard_normal((20_000, 1))
    exact = (400 - 1) / 2 - math.log(20)
    found = relative_entropy(x, masses, [edges], 1e-3, log_density=log_normal)
    assert 0 < found.lower <= exact <= found.upper < math.inf
    assert relative_entropy(x, masses, [edges], 1e-3).upper == math.inf
    assert 0 < binned_relative_entropy(x, masses, [edges]) < exact
