"""Sinkhorn divergences: the soft minima, closed forms, and what is stated about their bias."""

import numba
import numpy as np
import pytest
from scipy.special import logsumexp, ndtr

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian, wasserstein
from solvers.transport.sinkhorn import PlaneKernel, sinkhorn_divergence

EDGES = np.linspace(-4, 4, 65)


def gaussian(mean: float, sd: float) -> np.ndarray:
    return np.diff(ndtr((EDGES - mean) / sd))


def entropic_squared_distance(a: float, b: float, gap: float, epsilon: float) -> float:
    """OT_e of N(0, a) and N(gap, b) on the line (Janati, Muzellec, Peyre and Cuturi 2020)."""
    half = epsilon / 2
    d = np.sqrt(4 * a * b + half**2)
    return gap**2 + a + b - d + half * (1 - np.log(2 * half)) + half * np.log(d + half)


def entropic_divergence(a: float, b: float, gap: float, epsilon: float) -> float:
    own = entropic_squared_distance(a, a, 0, epsilon) + entropic_squared_distance(b, b, 0, epsilon)
    return entropic_squared_distance(a, b, gap, epsilon) - own / 2


@pytest.mark.parametrize("shape", [(1, 1), (7, 40), (70, 33)])
@pytest.mark.parametrize("epsilon", [10.0, 0.1, 1e-3, 1e-7])
def test_soft_minima_are_those_of_the_definition(shape: tuple, epsilon: float) -> None:
    rng = np.random.default_rng(1)
    centres = [np.cumsum(0.01 + rng.random(n) ** 3) for n in shape]
    g, mass = rng.normal(size=shape), rng.random(shape)
    mass[rng.random(shape) < 0.3] = 0.0
    mass[0] = 1e-300
    mass[:, shape[1] // 2 + 1 :][:, :3] = 0.0  # lines without mass
    log_mass = np.log(mass, out=np.full(shape, -np.inf), where=mass > 0)
    points = np.stack(np.meshgrid(*centres, indexing="ij"), -1).reshape(-1, 2)
    cost = ((points[:, None] - points) ** 2).sum(-1)
    exponents = log_mass.reshape(-1) + (g.reshape(-1) - cost) / epsilon
    expected = -epsilon * logsumexp(exponents, axis=1).reshape(shape)
    found = PlaneKernel(centres, epsilon).soft_minimum(g, log_mass)
    scale = 1 + cost.max() + 700 * epsilon  # the largest terms
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("epsilon", [0.5, 0.1, 0.05])
def test_gaussians_in_closed_form(epsilon: float) -> None:
    (m, s), (k, t) = (-0.4, 0.5), (0.5, 0.7)
    a, b = np.outer(gaussian(m, s), gaussian(0, 0.6)), np.outer(gaussian(k, t), gaussian(0.2, 0.4))
    found = sinkhorn_divergence(a, b, [EDGES, EDGES], epsilon, threshold=1e-7).value
    # masses at the cells' centres have the variance of a cell more (Sheppard)
    cell = (EDGES[1] - EDGES[0]) ** 2 / 12
    expected = entropic_divergence(s**2 + cell, t**2 + cell, k - m, epsilon)
    expected += entropic_divergence(0.36 + cell, 0.16 + cell, 0.2, epsilon)
    assert found == pytest.approx(expected, abs=2e-5)
    # without what makes it a divergence it is another number
    raw = sinkhorn_divergence(a, b, [EDGES, EDGES], epsilon, threshold=1e-7).between.value
    assert abs(raw - expected) > epsilon


def test_a_translate_is_at_the_length_of_its_shift_whatever_epsilon() -> None:
    rng = np.random.default_rng(2)
    law, moved = np.zeros((40, 40)), np.zeros((40, 40))
    law[5:15, 10:20] = rng.random((10, 10))
    moved[15:25, 6:16] = law[5:15, 10:20]
    edges = [np.arange(41.0) / 10, np.arange(41.0) / 10]
    for epsilon in (1.0, 0.05):
        found = sinkhorn_divergence(law, moved, edges, epsilon, threshold=1e-8)
        assert found.value == pytest.approx(1.0 + 0.16, abs=1e-6)
        assert found.between.marginal_error <= 1e-8
    same = sinkhorn_divergence(law, law, edges, 0.05, threshold=1e-8)
    assert abs(same.value) < 1e-8


def test_the_divergence_is_far_closer_to_the_distance_than_its_proved_bound() -> None:
    a, b = (
        Gaussian([-0.5, 0.0], [[0.5, 0.2], [0.2, 0.4]]),
        Gaussian([0.6, 0.3], [[0.3, -0.1], [-0.1, 0.6]]),
    )
    centre = (EDGES[1:] + EDGES[:-1]) / 2
    points = np.stack(np.meshgrid(centre, centre, indexing="ij"), -1).reshape(-1, 2)
    masses = [np.exp(law.log_density(points)).reshape(64, 64) for law in (a, b)]
    squared = wasserstein(a, b) ** 2
    errors = []
    for epsilon in (0.2, 0.1, 0.05):
        found = sinkhorn_divergence(*masses, [EDGES, EDGES], epsilon, threshold=1e-6)
        low, high = found.bias
        assert low < found.value - squared < high
        errors.append(squared - found.value)
    assert errors[2] < 2e-4
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)  # second order in epsilon
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 97, 70))
    edges = [np.linspace(0, 1, 98), np.linspace(0, 2, 71)]
    found = []
    for threads in (1, 2, 4):  # more than the machine has is fine: the pool is our own
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        found.append(sinkhorn_divergence(a, b, edges, 0.05).between.f.tobytes())
    assert len(set(found)) == 1


def test_sweeps_that_do_not_end_and_unusable_laws_are_refused() -> None:
    a, b = np.outer(gaussian(-1, 0.3), gaussian(0, 0.3)), np.outer(gaussian(1, 0.3), gaussian(0, 1))
    with pytest.raises(SolverError, match="marginal error") as caught:
        sinkhorn_divergence(a, b, [EDGES, EDGES], 0.01, threshold=1e-9, most_sweeps=20)
    assert np.all(np.isfinite(caught.value.last_state))
    for laws, epsilon in (((a, -b), 0.1), ((a, b[1:]), 0.1), ((a, b), 0.0), ((a, 0 * b), 0.1)):
        with pytest.raises(ArgumentError):
            sinkhorn_divergence(*laws, [EDGES, EDGES], epsilon)


def test_an_epsilon_that_the_grid_does_not_allow_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PlaneKernel, "__init__", lambda *_: pytest.fail("work began"))
    edges = np.arange(97) * 0.125
    law = np.outer(np.diff(ndtr(edges - 5)), np.diff(ndtr(edges - 6)))
    with pytest.raises(ArgumentError, match=r"at least 0\.003906 on cells 0\.125 apart"):
        sinkhorn_divergence(law, law, [edges, edges], 1e-4)
    # the coarser axis counts, and of it what holds mass
    graded = np.concatenate([[-50.0], edges, [60.0]])
    padded = np.pad(law, ((1, 1), (0, 0)), constant_values=1e-12)
    with pytest.raises(ArgumentError, match=r"at least 0\.003906"):
        sinkhorn_divergence(padded, padded, [graded, edges], 1e-4)


def random_laws(seed: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], float]:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(5, 30, 2)
    spacing = rng.uniform(0.05, 0.5)
    a, b = rng.random((2, n, m)) ** rng.integers(1, 9)
    if seed % 2:
        a[rng.random((n, m)) < 0.5] = 0
        a[0, 0] = 1
    edges = [np.arange(n + 1) * spacing, np.arange(m + 1) * spacing]
    return a, b, edges, spacing**2 * 10 ** rng.uniform(-0.3, 2.5)


@pytest.mark.parametrize("seed", range(12))
def test_unfinished_sweeps_are_within_the_stated_width(seed: int) -> None:
    a, b, edges, epsilon = random_laws(seed)
    exact = sinkhorn_divergence(a, b, edges, epsilon, threshold=1e-11, most_sweeps=100_000)
    # without the width, early values would be wrong by more than rounding
    early = []
    for threshold in (1e-2, 1e-3):
        found = sinkhorn_divergence(a, b, edges, epsilon, threshold=threshold)
        early.append(abs(found.value - exact.value))
        assert early[-1] <= found.half_width + exact.half_width
        same = sinkhorn_divergence(a, a, edges, epsilon, threshold=threshold)
        assert abs(same.value) <= same.half_width
        assert found.half_width < 0.02 * exact.value + 0.5 * threshold * epsilon + 1e-9
    assert early[0] > 1e-9


def test_the_distance_counts_the_bias_of_epsilon_and_of_the_cells() -> None:
    # coarse cells of uniform laws: W2 is the shift, whatever the cells
    edges = [np.arange(9) / 2.0, np.arange(9) / 2.0]
    a, b = np.zeros((8, 8)), np.zeros((8, 8))
    a[1:4, 2:4], b[3:6, 3:5] = 1.0, 1.0
    for epsilon in (0.1, 0.5, 2.0):
        found = sinkhorn_divergence(a, b, edges, epsilon).distance
        assert found.lower <= np.hypot(1.0, 0.5) <= found.upper
    # Gaussians on cells of half their width: the points alone would miss the truth
    coarse = np.linspace(-6, 6, 25)
    laws = [
        np.outer(*(np.diff(ndtr((coarse - m) / s)) for m in (0, 0))) for m, s in ((0, 1), (0, 0.4))
    ]
    found = sinkhorn_divergence(*laws, [coarse, coarse], 0.0625)
    exact = np.sqrt(2) * 0.6
    assert found.distance.lower <= exact <= found.distance.upper
    assert abs(np.sqrt(found.value) - exact) > found.half_width


def test_a_pace_that_cannot_do_ends_early() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 30, 30)) ** 8
    edges = [np.arange(31) / 10.0] * 2
    with pytest.raises(SolverError, match="take a larger epsilon") as caught:
        sinkhorn_divergence(a, b, edges, 0.0026, threshold=1e-12, most_sweeps=3000)
    assert " in 3000 sweeps" not in str(caught.value)
