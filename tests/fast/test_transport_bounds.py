"""Bounds on W2 beyond one dimension: true always, and sharp where they should be."""

import numpy as np
import pytest
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian, wasserstein
from solvers.transport.bounds import coupling_upper, gelbrich_lower, sliced_lower
from solvers.transport.duality import dual_bound, primal_bound, squared_distances
from solvers.transport.grid_potentials import dual_bound_on_grid
from solvers.transport.interval import DistanceInterval
from solvers.transport.one_dimensional import w2_grids
from solvers.transport.quadtree import boxes_of
from solvers.transport.two_dimensional import w2_grids_2d


def gaussian_masses(law: Gaussian, cells: int) -> tuple[np.ndarray, list[np.ndarray]]:
    edges = np.linspace(-6, 6, cells + 1)
    centre = (edges[1:] + edges[:-1]) / 2
    points = np.stack(np.meshgrid(centre, centre, indexing="ij"), -1).reshape(-1, 2)
    mass = np.exp(law.log_density(points)).reshape(cells, cells)
    return mass / mass.sum(), [edges, edges]


@pytest.mark.parametrize("seed", range(5))
def test_feasible_pairs_bracket_the_assignment(seed: int) -> None:
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(seed)
    cost = squared_distances(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)))
    mass = np.full(40, 1 / 40)
    optimum = cost[linear_sum_assignment(cost)].mean()
    lower, f, g = dual_bound(cost, mass, mass, rng.normal(size=40))
    assert np.all(f[:, None] + g <= cost + 1e-12)
    assert lower <= optimum
    # a plan with wrong marginals is repaired, and no plan at all means the independent one
    for scale in (1e-5, 1e-3, 1.0):
        assert primal_bound(cost, mass, mass, scale * rng.random((40, 40))) >= optimum
    assert primal_bound(cost, mass, mass, np.zeros((40, 40))) == pytest.approx(cost.mean())
    rows, columns = linear_sum_assignment(cost)
    plan = np.zeros((40, 40))
    plan[rows, columns] = 1 / 40
    assert primal_bound(cost, mass, mass, plan) == pytest.approx(optimum)


def test_affine_maps_make_gelbrich_sharp_and_projections_true() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    scale = np.array([[1.5, 0.2, 0.0], [0.2, 0.8, 0.1], [0.0, 0.1, 1.1]])
    y = x @ scale + [0.3, 0.0, -0.2]
    distance = coupling_upper(x, y)  # a gradient of a convex function: optimal
    assert gelbrich_lower(x, y) == pytest.approx(distance, rel=1e-10)
    assert sliced_lower(x, y) <= distance * (1 + 1e-12)
    assert sliced_lower(x, y, frames=1) <= sliced_lower(x, y, frames=16)
    assert sliced_lower(x, x + np.array([1.0, 2.0, 2.0])) == pytest.approx(3.0, rel=1e-12)
    assert coupling_upper(x, y[::-1]) > distance


def test_quadtree_keeps_the_law_and_states_its_distance() -> None:
    rng = np.random.default_rng(1)
    edges = [np.cumsum(rng.random(14)), np.cumsum(rng.random(7))]
    law = rng.random((13, 6))
    law /= law.sum()
    middles = [(e[1:] + e[:-1]) / 2 for e in edges]
    distances = []
    for most in (78, 30, 10, 1):
        boxes = boxes_of(law, edges, most)
        assert len(boxes.mass) <= most
        assert boxes.mass.sum() == pytest.approx(1.0)
        assert (boxes.side[:, 0] * boxes.side[:, 1]).sum() == pytest.approx(
            np.ptp(edges[0]) * np.ptp(edges[1])
        )
        mean = np.array([law.sum(1) @ middles[0], law.sum(0) @ middles[1]])
        assert np.linalg.norm(boxes.mass @ boxes.centre - mean) <= boxes.distance + 1e-12
        distances.append(boxes.distance)
    assert distances[0] == 0.0
    assert np.all(np.diff(distances) >= 0)


def test_quadtree_distance_is_exact_for_a_single_merge() -> None:
    law, edges = np.array([[0.7], [0.3]]), [np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0])]
    exact = w2_grids([0.7, 0.3], edges[0], [1.0], [0.0, 3.0])
    assert boxes_of(law, edges, 1).distance == pytest.approx(exact, rel=1e-12)


def test_products_are_bracketed_to_rounding_by_marginals_and_knothe() -> None:
    rng = np.random.default_rng(2)
    edges = [np.cumsum(rng.random(21)), np.cumsum(rng.random(16))]
    a, b = ([rng.random(20), rng.random(15)] for _ in range(2))
    exact = np.hypot(*(w2_grids(p, e, q, e) for p, q, e in zip(a, b, edges, strict=True)))
    interval = w2_grids_2d(np.outer(*a), np.outer(*b), edges, boxes=0)
    assert interval.lower <= exact * (1 + 1e-9)
    assert interval.upper >= exact * (1 - 1e-9)
    assert interval.half_width < 1e-5 * exact


@pytest.mark.parametrize(
    ("covariance", "mean", "width"),
    [([[1.0, 0.7], [0.7, 1.0]], [0.0, 0.0], 0.05), ([[0.6, -0.3], [-0.3, 0.5]], [0.5, 1.0], 0.03)],
)
def test_correlated_gaussians_are_bracketed(covariance: list, mean: list, width: float) -> None:
    a, b = Gaussian([0.0, 0.0], np.eye(2)), Gaussian(mean, covariance)
    masses_a, edges = gaussian_masses(a, 64)
    interval = w2_grids_2d(masses_a, gaussian_masses(b, 64)[0], edges)
    grid = 0.004  # the cells' laws are second order away from the Gaussians
    assert interval.lower - grid <= wasserstein(a, b) <= interval.upper + grid
    assert interval.upper - interval.lower < width * interval.upper


def test_equal_laws_are_at_distance_zero() -> None:
    masses, edges = gaussian_masses(Gaussian([0.3, 0.0], [[1.0, 0.5], [0.5, 0.8]]), 48)
    interval = w2_grids_2d(masses, masses, edges)
    assert interval.lower == 0.0
    assert interval.upper < 1e-5


@pytest.mark.parametrize("boxes", [1, 5, 50])
def test_few_boxes_widen_the_interval_but_keep_it_true(boxes: int) -> None:
    edges = [np.linspace(0, 8, 9)] * 2
    corner, everywhere = np.zeros((8, 8)), np.ones((8, 8))
    corner[0, 0] = 1.0
    # a uniform cell against the uniform square: centres 3.5 apart, sides 1 and 8, on either axis
    exact = np.sqrt(2 * (3.5**2 + 7**2 / 12))
    interval = w2_grids_2d(corner, everywhere, edges, boxes=boxes)
    assert interval.lower <= exact * (1 + 1e-9)
    assert interval.upper >= exact * (1 - 1e-9)
    tilted = np.outer(np.arange(1.0, 9), np.arange(1.0, 9)) + np.eye(8)
    interval = w2_grids_2d(everywhere, tilted, edges, boxes=boxes)
    assert 0 < interval.lower <= interval.upper


@pytest.mark.parametrize("parts", [1, 3])
def test_the_potential_of_a_translation_gives_its_length_less_the_interpolation(parts: int) -> None:
    edges = [np.linspace(-4, 4, 9)] * 2
    law, moved = np.zeros((8, 8)), np.zeros((8, 8))
    law[1:4, 2:5] = moved[3:6, 2:5] = np.arange(1.0, 10.0).reshape(3, 3) / 45
    centre = (edges[0][1:] + edges[0][:-1]) / 2
    potential = np.broadcast_to(-4.0 * centre[:, None], (8, 8))  # of a shift by 2
    bound = dual_bound_on_grid((law, moved), edges, potential, parts)
    # each law's interpolated |x|^2 / 2 exceeds its cell average by (1/8 - 1/24) h^2 per axis
    assert bound == pytest.approx(4 - 2 / 3 / parts**2, abs=1e-9)


def test_crossing_bounds_are_an_error_and_not_an_interval() -> None:
    with pytest.raises(SolverError, match="cross"):
        DistanceInterval.between({"a": 0.2, "b": 1.1}, {"c": 1.0}, 1e-6)
    interval = DistanceInterval.between({"a": 0.2, "b": 1.0 + 1e-9}, {"c": 1.0}, 1e-6)
    assert (interval.lower, interval.upper, interval.how) == (1.0, 1.0, "b, c")


def test_potentials_beat_moments_where_moments_agree() -> None:
    # a ring against the Gaussian with its moments: Gelbrich sees nothing
    edges = [np.linspace(-4, 4, 49)] * 2
    centre = (edges[0][1:] + edges[0][:-1]) / 2
    radius = np.hypot(centre[:, None], centre)
    ring = np.exp(-(((radius - 1.5) / 0.3) ** 2) / 2)
    ring /= ring.sum()
    sd = np.sqrt(ring.sum(1) @ centre**2)
    blob = np.outer(*[np.diff(ndtr(edges[0] / sd))] * 2)
    interval = w2_grids_2d(ring, blob, edges)
    assert interval.how.startswith("potentials")
    assert interval.lower > 0.92 * interval.upper


@pytest.mark.parametrize(
    "call",
    [
        lambda: coupling_upper(np.zeros((3, 2)), np.zeros((4, 2))),
        lambda: gelbrich_lower(np.zeros((3, 2)), np.zeros((3, 1))),
        lambda: sliced_lower([[np.nan, 0.0]], [[0.0, 0.0]]),
        lambda: w2_grids_2d(np.ones((2, 2)), np.ones((2, 2)), [np.arange(3.0), np.arange(4.0)]),
        lambda: w2_grids_2d(np.ones((2, 2)), -np.ones((2, 2)), [np.arange(3.0)] * 2),
        lambda: w2_grids_2d(np.ones((2, 2)), np.ones((2, 2)), [np.zeros(3)] * 2),
    ],
)
def test_unusable_laws_are_refused(call) -> None:
    with pytest.raises(ArgumentError):
        call()
