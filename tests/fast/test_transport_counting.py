"""Counting samples into cells, and the threads that do it: the same integers whatever is asked."""

import numba
import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from solvers.transport.cell_counts import count_cells, merge_thin_cells
from solvers.transport.one_dimensional import w2_samples, w2_samples_binned
from solvers.transport.threads import run_all

EVEN = np.linspace(-5, 5, 129)
GRADED = np.sinh(np.linspace(-4, 4, 97)) / 5
CLUSTERED = np.concatenate([[-9.0], np.linspace(0.1, 0.1001, 60), [7.0]])


def by_bisection(x: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    counts = np.zeros([e.size - 1 for e in edges], dtype=int)
    inside = np.all([(e[0] <= c) & (c <= e[-1]) for c, e in zip(x.T, edges, strict=True)], axis=0)
    cells = [
        np.minimum(np.searchsorted(e, column, side="right") - 1, e.size - 2)
        for column, e in zip(x[inside].T, edges, strict=True)
    ]
    np.add.at(counts, tuple(cells), 1)
    return counts


@pytest.mark.parametrize(
    "edges",
    [[EVEN], [GRADED], [CLUSTERED], [EVEN, EVEN], [EVEN, GRADED], [GRADED, EVEN, CLUSTERED]],
)
def test_counts_are_those_of_bisection(edges: list) -> None:
    rng = np.random.default_rng(len(edges))
    x = rng.normal(0.1, 2.5, size=(70_001, len(edges)))
    x[:3] = [[-1e300], [1e300], [0.1]]
    counts = count_cells(x, edges)
    np.testing.assert_array_equal(counts, by_bisection(x, edges))
    assert counts.sum() < len(x) - 2  # what is outside is in no cell


@pytest.mark.parametrize("edges", [[EVEN], [GRADED], [EVEN, EVEN], [EVEN, GRADED]])
def test_one_particle_outside_is_in_no_cell(edges: list) -> None:
    x = np.zeros((100, len(edges)))
    for axis in range(len(edges)):
        for far in (-1e300, -5.0001e3, 5.0001e3, 1e300):
            moved = x.copy()
            moved[17, axis] = far
            assert count_cells(moved, edges).sum() == 99


def test_edges_themselves_belong_to_the_cell_on_their_right() -> None:
    for edges in (np.arange(9.0), CLUSTERED):
        assert count_cells(edges, [edges]).tolist() == [1] * (edges.size - 2) + [2]


@pytest.mark.parametrize("edges", [[EVEN], [GRADED], [EVEN, EVEN]])
def test_what_is_not_finite_is_found_wherever_it_is(edges: list) -> None:
    for wrong in (np.nan, np.inf, -np.inf):
        x = np.zeros((1500, len(edges)))
        x[777, -1] = wrong
        with pytest.raises(ArgumentError, match="finite"):
            count_cells(x, edges)


@pytest.mark.parametrize(
    "edges", [[EVEN, EVEN], [np.array([0.0, 1.0, 1.0, 2.0])], [np.array([1.0, 0.0])]]
)
def test_unusable_grids_are_refused(edges: list) -> None:
    with pytest.raises(ArgumentError):
        count_cells(np.zeros((5, 1)), edges)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=300_001), rng.standard_t(3, size=300_001)
    found = []
    for threads in (1, 2, 4):  # more than the machine has is fine: the pool is our own
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        interval = w2_samples_binned(x, y)
        counts = count_cells(x, [EVEN])
        found.append((w2_samples(x, y), interval.lower, interval.upper, counts.tobytes()))
    assert len(set(found)) == 1


@pytest.mark.parametrize("size", [10, 70_000])
def test_samples_stay_as_they_were(size: int) -> None:
    x, y = np.random.default_rng(5).normal(size=(2, size))
    before = x.copy(), y.copy()
    w2_samples(x, y), w2_samples_binned(x, y), count_cells(x, [EVEN])
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


def test_results_come_in_the_order_asked() -> None:
    assert run_all(lambda k: k * k, [(k,) for k in range(7)]) == [k * k for k in range(7)]
    assert run_all(abs, []) == []
    with pytest.raises(ZeroDivisionError):
        run_all(lambda k: 1 / k, [(1,), (0,)])


@pytest.mark.parametrize("shape", [(1,), (37,), (64,), (5, 9), (32, 32), (1, 7)])
def test_thin_cells_are_merged_and_nothing_is_lost(shape: tuple) -> None:
    rng = np.random.default_rng(6)
    mass = rng.random(shape) ** 8
    counts = rng.poisson(3000 * mass / mass.sum())
    held, wanted = merge_thin_cells(counts, mass)
    assert held.sum() == counts.sum()
    assert wanted.sum() == pytest.approx(1.0)
    thin = (wanted * counts.sum() < 10 * (1 - 1e-9)) & (held < 60)
    assert not np.any(thin[:-1])  # what is left at last has no neighbours
    # with nothing thin, all cells stay
    assert merge_thin_cells(counts, mass, least=0.0)[0].size == mass.size
    # with nothing enough, one block is left
    assert merge_thin_cells(counts, mass, least=1e9, many=1e9)[0].tolist() == [counts.sum()]


def test_unions_are_resolved_where_the_sample_is() -> None:
    mass, counts = np.zeros(64), np.zeros(64)
    mass[:8], counts[40:44] = 1 / 8, 100
    held, wanted = merge_thin_cells(counts, mass)
    assert held.tolist() == [0.0] * 8 + [100.0] * 4
    assert wanted.tolist() == [1 / 8] * 8 + [0.0] * 4
    few, _ = merge_thin_cells(counts / 10, mass)
    assert few.tolist() == [0.0] * 4 + [40.0]  # five expected in each cell, and forty from nowhere
