"""Our quantile transport against POT, which solves the same problem by other code."""

import numpy as np
import pytest

from solvers.transport.one_dimensional import w2_grids, w2_samples, w2_samples_grid

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
