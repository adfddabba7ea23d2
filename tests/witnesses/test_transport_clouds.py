"""Clouds and plane grids: verified intervals against POT and against scipy's assignment."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from lvebm_theory.errors import ArgumentError
from solvers.transport.duality import squared_distances
from solvers.transport.point_clouds import w2_clouds, w2_large_clouds
from solvers.transport.two_dimensional import w2_grids_2d

ot = pytest.importorskip("ot")


@pytest.mark.parametrize(("n", "dim"), [(50, 1), (300, 2), (200, 5)])
def test_clouds_against_an_assignment(n: int, dim: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, dim)), rng.standard_t(4, size=(n, dim)) + 0.3
    cost = squared_distances(x, y)
    exact = np.sqrt(cost[linear_sum_assignment(cost)].mean())
    interval = w2_clouds(x, y)
    assert interval.lower <= exact * (1 + 1e-12)
    assert interval.upper >= exact * (1 - 1e-12)
    assert interval.half_width < 1e-9 * exact


def test_weighted_clouds_against_pot() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(90, 2)) * 1.5
    a, b = rng.random(60), rng.random(90)
    a[:5] = 0.0
    exact = np.sqrt(ot.emd2(a / a.sum(), b / b.sum(), ot.dist(x, y)))
    interval = w2_clouds(x, y, weights_x=a, weights_y=b)
    assert interval.value == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("dim", [2, 4])
def test_bounds_for_large_clouds_hold_the_exact_distance(dim: int) -> None:
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(900, dim))
    y = np.where(rng.random((900, 1)) < 0.5, 1.5, -1.0) + 0.5 * rng.normal(size=(900, dim))
    exact = w2_clouds(x, y)
    for blocks, pairs in ((1, 0.0), (20, 0.0), (200, 2e8)):
        bounds = w2_large_clouds(x, y, blocks=blocks, pairs=pairs)
        assert bounds.lower <= exact.upper
        assert bounds.upper >= exact.lower
    assert bounds.how.startswith("potentials")
    assert bounds.lower > 0.9 * exact.value
    assert bounds.upper < 1.3 * exact.value


def test_plane_grids_against_pot_on_finely_split_cells() -> None:
    rng = np.random.default_rng(4)
    edges = [np.cumsum(rng.random(6)), np.cumsum(rng.random(5))]
    laws = [rng.random((5, 4)) ** 3 for _ in range(2)]
    parts = 8
    t = (np.arange(parts) + 0.5) / parts
    places = [(e[:-1, None] + np.diff(e)[:, None] * t).ravel() for e in edges]
    points = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, 2)
    masses = [np.repeat(np.repeat(a / a.sum(), parts, 0), parts, 1).ravel() for a in laws]
    masses = [m / m.sum() for m in masses]
    exact = np.sqrt(ot.emd2(*masses, ot.dist(points, points)))
    split = 0.003 * exact
    interval = w2_grids_2d(*laws, edges, refine=32)
    assert interval.lower <= exact + split
    assert interval.upper >= exact - split
    assert interval.lower > 0.9 * exact
    finer = w2_grids_2d(
        *(m.reshape(5 * parts, 4 * parts) for m in masses),
        [
            np.append(
                (e[:-1, None] + np.diff(e)[:, None] * np.arange(parts) / parts).ravel(), e[-1]
            )
            for e in edges
        ],
    )
    assert finer.lower <= exact + split
    assert exact - split <= finer.upper < 1.05 * exact


@pytest.mark.parametrize("refine", [1, 2, 8])
def test_potentials_bound_the_continuous_laws_and_not_their_centres(refine: int) -> None:
    # four corner cells against the four central ones
    cells = 6
    edges = [np.linspace(-3, 3, cells + 1)] * 2
    up, across = np.zeros((cells, cells)), np.zeros((cells, cells))
    up[[0, 5, 0, 5], [0, 5, 5, 0]] = 0.25
    across[2:4, 2:4] = 0.25
    # by symmetry each corner goes to the centre cell of its own quadrant, a shift by (2, 2)
    exact = np.sqrt(8.0)
    interval = w2_grids_2d(up, across, edges, refine=refine)
    assert interval.lower <= exact * (1 + 1e-9)
    assert interval.upper >= exact * (1 - 1e-9)
    assert interval.half_width < 0.03 * exact


def test_unusable_clouds_are_refused() -> None:
    with pytest.raises(ArgumentError, match="finite array"):
        w2_clouds(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ArgumentError, match="one dimension"):
        w2_clouds(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ArgumentError, match="weight"):
        w2_clouds(np.zeros((3, 2)), np.zeros((3, 2)), weights_x=[0.0, 0.0, 0.0])
