"""Coverage of every interval routine: many seeds at alpha = 0.05 against known truths.

Calibrated routines must miss between 3 % and 7 % of the time, at equality too, where a naive
interval misses always or never. Routines that are conservative by construction (no limit taken,
or a loss bounded from one side) must not miss more than 5 % plus three standard deviations.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import ndtr, rel_entr

from solvers.transport.one_dimensional import grid_pieces, w2_pieces
from verification.estimate import averages
from verification.estimate.rates import line
from verification.estimate.relative_entropy import relative_entropy, relative_entropy_of_cells
from verification.estimate.transport import QuantileFunction, ReferenceOnLine, wasserstein
from verification.measurement import Measurement

SEEDS, ALPHA = 2000, 0.05
FEWER, FEWEST = 1000, 200  # for costlier routines, and for those of them that are conservative


def most_misses(seeds: int) -> float:
    """alpha plus three standard deviations of a miss rate over so many seeds."""
    return ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / seeds)


def miss_rate(
    measure: Callable[[np.random.Generator], Measurement], truth: float, seeds: int = SEEDS
) -> float:
    # intervals that end at an equality truth up to rounding contain it
    slack = 1e-13
    missed = 0
    for seed in range(seeds):
        interval = measure(np.random.Generator(np.random.Philox(seed)))
        missed += not interval.lower - slack <= truth <= interval.upper + slack
    return missed / seeds


LAWS = {
    "normal": (lambda rng, n: rng.normal(1.0, 2.0, size=n), 1.0, 4.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0, 1.0),
    "two points": (lambda rng, n: 1.0 * (rng.random(n) < 0.2), 0.2, 0.16),
}


@pytest.mark.parametrize("law", LAWS)
def test_mean(law: str) -> None:
    draw, truth, _ = LAWS[law]
    assert 0.03 <= miss_rate(lambda rng: averages.mean(draw(rng, 1000), ALPHA), truth) <= 0.07


@pytest.mark.parametrize("law", LAWS)
def test_variance(law: str) -> None:
    draw, _, truth = LAWS[law]
    assert 0.03 <= miss_rate(lambda rng: averages.variance(draw(rng, 4000), ALPHA), truth) <= 0.07


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_paired_difference(shift: float) -> None:
    def measure(rng: np.random.Generator) -> Measurement:
        common = rng.normal(size=1000)
        own = 0.1 * rng.normal(size=1000)
        return averages.paired_difference(common + shift + own, common, ALPHA)

    assert 0.03 <= miss_rate(measure, shift) <= 0.07


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_mean_difference(shift: float) -> None:
    def measure(rng: np.random.Generator) -> Measurement:
        return averages.mean_difference(
            rng.exponential(size=900) + shift, rng.normal(1, 0.5, size=300), ALPHA
        )

    assert 0.03 <= miss_rate(measure, shift) <= 0.07


@pytest.mark.parametrize("which", [0, 1])
def test_line(which: int) -> None:
    x, sd = np.linspace(1, 2, 7), np.linspace(0.1, 0.5, 7)
    truth = (0.0, 3.0)[which]  # a horizontal line is the equality case of the slope

    def measure(rng: np.random.Generator) -> Measurement:
        return line(x, 3.0 + sd * rng.normal(size=7), sd, ALPHA)[which]

    assert 0.03 <= miss_rate(measure, truth) <= 0.07


def test_empirical_bernstein_is_conservative() -> None:
    def measure(rng: np.random.Generator) -> Measurement:
        return averages.bounded_mean(rng.random(200), 0.0, 1.0, ALPHA)

    assert miss_rate(measure, 0.5) <= most_misses(SEEDS)


# Far from equality, around the noise floor sqrt(K / 2) / n, and at equality.
@pytest.mark.slow
@pytest.mark.parametrize("tilt", [0.0, 0.05, 0.5])
@pytest.mark.parametrize(("cells", "count"), [(5, 2000), (60, 10_000), (400, 10_000)])
def test_relative_entropy_of_cells(tilt: float, cells: int, count: int) -> None:
    rng = np.random.default_rng(cells)
    q = rng.dirichlet(np.full(cells, 30.0))
    p = q * np.exp(tilt * np.sin(2 * np.pi * np.arange(cells) / cells))
    p /= p.sum()
    truth = max(float(rel_entr(p, q).sum()), 0.0)

    def measure(rng: np.random.Generator) -> Measurement:
        return relative_entropy_of_cells(rng.multinomial(count, p), q, ALPHA)

    assert 0.03 <= miss_rate(measure, truth, FEWER) <= 0.07


EDGES = np.linspace(-8, 8, 1025)
NORMAL = np.diff(ndtr(EDGES))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("dim", [1, 2])
def test_relative_entropy_with_its_binning_loss_is_conservative(shift: float, dim: int) -> None:
    edges = np.linspace(-6, 6, 257 if dim == 1 else 65)
    one = np.diff(ndtr(edges))
    mass = one if dim == 1 else np.outer(one, one)

    def measure(rng: np.random.Generator) -> Measurement:
        x = shift + rng.normal(size=(5000, dim))
        return relative_entropy(x, mass, [edges] * dim, ALPHA, cells=16)

    truth = dim * shift**2 / 2
    assert miss_rate(measure, truth, FEWEST) <= most_misses(FEWEST)


def well(barrier: float) -> np.ndarray:
    x = (EDGES[1:] + EDGES[:-1]) / 2
    mass = np.exp(-np.minimum(barrier * (x**2 - 1) ** 2, 600))
    return mass / mass.sum()


# At equality, and a translate far enough to be told apart.
@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("name", ["normal", "double well"])
def test_wasserstein(name: str, shift: float) -> None:
    mass, count = (NORMAL if name == "normal" else well(1.5)), 2000
    reference = ReferenceOnLine.of(mass, EDGES, count)
    quantile = QuantileFunction(mass, EDGES)

    def measure(rng: np.random.Generator) -> Measurement:
        return wasserstein(quantile(rng.random(count)) + shift, reference, ALPHA)

    assert 0.03 <= miss_rate(measure, shift) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.8, 1.5])
def test_wasserstein_of_another_shape(scale: float) -> None:
    count = 2000
    reference = ReferenceOnLine.of(NORMAL, EDGES, count)
    truth = w2_pieces(grid_pieces(NORMAL, EDGES), grid_pieces(NORMAL, scale * EDGES))

    def measure(rng: np.random.Generator) -> Measurement:
        return wasserstein(scale * rng.normal(size=count), reference, ALPHA)

    assert 0.03 <= miss_rate(measure, truth) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.1])
def test_wasserstein_below_its_noise_and_between_separated_modes_is_conservative(
    shift: float,
) -> None:
    mass, count = well(7.0), 2000
    reference = ReferenceOnLine.of(mass, EDGES, count)
    quantile = QuantileFunction(mass, EDGES)
    assert not reference.linear

    def measure(rng: np.random.Generator) -> Measurement:
        return wasserstein(quantile(rng.random(count)) + shift, reference, ALPHA)

    assert miss_rate(measure, shift) <= most_misses(SEEDS)
