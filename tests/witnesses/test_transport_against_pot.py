"""Our quantile transport against POT, which solves the same problem by other code."""

import numpy as np
import pytest

from solvers.transport.one_dimensional import (
    w2_grids,
    w2_samples,
    w2_samples_binned,
    w2_samples_grid,
)
from solvers.transport.sinkhorn import sinkhorn_divergence

ot = pytest.importorskip("ot")


@pytest.mark.parametrize("seed", range(5))
def test_weighted_samples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 400, size=2)
    x, y = rng.normal(size=n), rng.gumbel(0.3, 1.5, size=m)
    a, b = rng.random(n), rng.random(m)
    expected = np.sqrt(ot.emd2_1d(x, y, a / a.sum(), b / b.sum()))
    assert w2_samples(x, y, weights_x=a, weights_y=b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_equal_samples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 500))
    assert w2_samples(x, y) == pytest.approx(np.sqrt(ot.emd2_1d(x, y)), rel=1e-12)


def test_grids_and_mixed_as_the_limit_of_finely_split_atoms() -> None:
    rng = np.random.default_rng(2)
    edges_a, edges_b = np.sort(rng.normal(size=9)), np.sort(rng.normal(1, 2, size=14))
    a, b = rng.random(8), rng.random(13)

    def atoms(masses: np.ndarray, edges: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
        t = (np.arange(parts) + 0.5) / parts
        places = (edges[:-1, None] + np.diff(edges)[:, None] * t).ravel()
        return places, np.repeat(masses / masses.sum() / parts, parts)

    (x, p), (y, q) = atoms(a, edges_a, 600), atoms(b, edges_b, 600)
    expected = np.sqrt(ot.emd2_1d(x, y, p, q))
    assert w2_grids(a, edges_a, b, edges_b) == pytest.approx(expected, rel=2e-6)
    assert w2_samples_grid(x, b, edges_b, weights=p) == pytest.approx(expected, rel=2e-6)


def test_entropic_transport_on_a_plane_grid() -> None:
    rng = np.random.default_rng(3)
    edges = [np.cumsum(0.1 + rng.random(9)), np.cumsum(0.1 + rng.random(7))]
    a, b = rng.random((2, 8, 6)) ** 4
    a, b, epsilon = a / a.sum(), b / b.sum(), 0.3
    found = sinkhorn_divergence(a, b, edges, epsilon, threshold=1e-11)
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), -1).reshape(-1, 2)
    cost, p, q = ot.dist(points, points), a.ravel(), b.ravel()
    plan = ot.bregman.sinkhorn_log(p, q, cost, epsilon, stopThr=1e-12, numItermax=100_000)
    relative_entropy = (plan * np.log(plan / np.outer(p, q))).sum()
    expected = (plan * cost).sum() + epsilon * relative_entropy
    assert found.between.value == pytest.approx(expected, rel=1e-8)
    f, g = found.between.f.ravel(), found.between.g.ravel()
    ours = np.outer(p, q) * np.exp((f[:, None] + g - cost) / epsilon)
    np.testing.assert_allclose(ours, plan, atol=1e-9)
    # the stated bias holds for the exact distance between the laws on the points
    low, high = found.bias
    assert low <= found.value - ot.emd2(p, q, cost) <= high


@pytest.mark.parametrize("size", [100_000, 65_537])
def test_many_samples(size: int) -> None:
    x, y = np.random.default_rng(4).normal(size=(2, size))
    expected = np.sqrt(ot.wasserstein_1d(x, y, p=2))
    assert w2_samples(x, 1.5 * y + 0.3) == pytest.approx(
        np.sqrt(ot.wasserstein_1d(x, 1.5 * y + 0.3, p=2)), rel=1e-10
    )
    interval = w2_samples_binned(x, y)
    assert interval.lower <= expected <= interval.upper
    # the independent coupling is no optimal one
    assert np.sqrt(np.mean((x - y) ** 2)) > 2 * w2_samples(x, y)
