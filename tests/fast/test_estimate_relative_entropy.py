"""KL from counts: partitions, binning loss, and the lower-bound semantics."""

import numpy as np
import pytest
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from verification.estimate.partition import balanced_partition, cell_indices
from verification.estimate.relative_entropy import relative_entropy, relative_entropy_of_cells

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


def test_indices_put_outsiders_into_the_end_cells() -> None:
    uneven = np.array([0.0, 0.1, 1.0, 3.0])
    found = cell_indices(np.array([[-9.0, -1.0], [0.5, 0.05], [9.0, 9.0]]), [EDGES, uneven])
    assert found[0][0] == 0
    assert found[0][2] == 511
    assert found[1].tolist() == [0, 0, 2]


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


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no mass"):
        relative_entropy_of_cells([10.0, 1.0], [1.0, 0.0], 0.05)
    with pytest.raises(ArgumentError, match="one shape"):
        relative_entropy_of_cells([10.0, 1.0], [1.0], 0.05)
    with pytest.raises(ArgumentError, match="finite particles"):
        relative_entropy(np.array([[np.nan]]), normal_masses(), [EDGES], 0.05)
