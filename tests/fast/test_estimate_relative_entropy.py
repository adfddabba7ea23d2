"""KL from counts: partitions, binning loss, and the lower-bound semantics."""

import numpy as np
import pytest
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from solvers.transport.cell_counts import count_cells
from verification.estimate.partition import balanced_partition
from verification.estimate.relative_entropy import (
    binned_relative_entropy,
    miller_madow,
    relative_entropy,
    relative_entropy_of_cells,
)

EDGES = np.linspace(-7, 7, 513)


def normal_masses(edges: np.ndarray = EDGES) -> np.ndarray:
    return np.diff(ndtr(edges))


@pytest.mark.parametrize("dim", [1, 2])
def test_partition_boxes_hold_enough_and_cover_everything(dim: int) -> None:
    one = normal_masses(np.linspace(-7, 7, 129))
    mass = one if dim == 1 else np.outer(one, one)
    least = 1e-3
    labels = balanced_partition(mass, [2.0] * dim, least)
    number = labels.max() + 1
    held = np.bincount(labels.ravel(), weights=mass.ravel())
    assert np.array_equal(np.unique(labels), np.arange(number))
    assert held.min() >= least * (1 - 1e-9)
    assert number > (20 if dim == 1 else 150)
    for label in range(number):  # boxes, not scattered cells
        where = np.argwhere(labels == label)
        assert np.prod(np.ptp(where, axis=0) + 1) == len(where)


def test_counts_let_boxes_be_cut_where_the_reference_is_thin() -> None:
    mass = normal_masses()
    counts = np.zeros(mass.size)
    counts[440:460] = 500.0  # around x = 5.1
    coarse = balanced_partition(mass, [4.0], 1e-3)
    fine = balanced_partition(mass, [4.0], 1e-3, counts)
    assert np.unique(coarse[440:460]).size == 1
    assert np.unique(fine[440:460]).size >= 4
    few = np.zeros(mass.size)
    few[440:460] = 2.0
    assert np.array_equal(balanced_partition(mass, [4.0], 1e-3, few), coarse)


def test_large_counts_pin_the_value_down() -> None:
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    exact = float(p @ np.log(p / q))
    interval = relative_entropy_of_cells(p * 1e8, q, 1e-6)
    assert interval.lower < exact < interval.upper
    assert interval.half_width < 1e-3 * exact * 5


def test_equality_gives_an_interval_from_zero_of_the_wilks_size() -> None:
    q = np.full(50, 0.02)
    interval = relative_entropy_of_cells(q * 1e6, q, 0.05)
    assert interval.lower == 0.0
    assert interval.upper < 49 / 1e6


def test_one_cell_says_nothing_but_zero() -> None:
    interval = relative_entropy_of_cells([100.0], [1.0], 0.05)
    assert (interval.lower, interval.upper) == (0.0, 0.0)


def test_shifted_normal_is_found_with_its_binning_loss() -> None:
    x = np.random.default_rng(3).normal(0.4, 1.0, size=(200_000, 1))
    for cells in (16, 128):
        interval = relative_entropy(x, normal_masses(), [EDGES], 1e-4, cells=cells)
        assert interval.lower <= 0.08 <= interval.upper
    # with few cells the loss is wide, but the lower end stays a lower bound
    coarse = relative_entropy(x, normal_masses(), [EDGES], 1e-4, cells=4)
    fine = relative_entropy(x, normal_masses(), [EDGES], 1e-4, cells=128)
    assert coarse.numerical > 3 * fine.numerical
    assert coarse.lower <= 0.08


def test_the_estimate_is_as_exact_as_knowing_both_densities() -> None:
    # N(m, s) against N(0, 1): the oracle averages log p / q, which only who knows p can
    m, s, n, truth = 0.3, 0.9, 100_000, (0.81 + 0.09 - 1) / 2 - np.log(0.9)
    rng, errors = np.random.default_rng(4), []
    for _ in range(40):
        x = rng.normal(m, s, size=n)
        oracle = np.mean((x**2 - ((x - m) / s) ** 2) / 2 - np.log(s))
        counts = np.histogram(x, EDGES)[0]
        plug_in = miller_madow(counts, normal_masses()) + (np.count_nonzero(counts) - 1) / (2 * n)
        errors.append([binned_relative_entropy(x, normal_masses(), [EDGES]), oracle, plug_in])
    ours, oracle, plug_in = np.sqrt(np.mean((np.array(errors) - truth) ** 2, axis=0))
    assert ours < 1.2 * oracle
    assert plug_in > 1.2 * oracle  # the bias that the correction takes away


def test_the_estimate_in_the_plane_and_at_equality() -> None:
    edges = np.linspace(-7, 7, 65)
    mass = np.outer(normal_masses(edges), normal_masses(edges))
    x = np.random.default_rng(5).normal([0.3, 0.0], 1.0, size=(400_000, 2))
    floor = 5 * 0.3 / np.sqrt(len(x))
    assert binned_relative_entropy(x, mass, [edges, edges]) == pytest.approx(0.045, abs=floor)
    at_equality = x - [0.3, 0.0]
    assert abs(binned_relative_entropy(at_equality, mass, [edges, edges])) < 2e-4
    # thin cells, if kept, bias the corrected estimate too
    assert miller_madow(count_cells(at_equality, [edges, edges]), mass) > 3e-4


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no mass"):
        relative_entropy_of_cells([10.0, 1.0], [1.0, 0.0], 0.05)
    with pytest.raises(ArgumentError, match="one shape"):
        relative_entropy_of_cells([10.0, 1.0], [1.0], 0.05)
    with pytest.raises(ArgumentError, match="finite particles"):
        relative_entropy(np.array([[np.nan]]), normal_masses(), [EDGES], 0.05)
    with pytest.raises(ArgumentError, match="no mass"):
        miller_madow([10.0, 1.0], [1.0, 0.0])
    with pytest.raises(ArgumentError, match="one shape"):
        miller_madow([10.0], [0.5, 0.5])
    with pytest.raises(ArgumentError, match="as many cells"):
        relative_entropy(np.zeros((9, 1)), normal_masses()[:-1], [EDGES], 0.05)
