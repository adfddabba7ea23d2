"""One-dimensional W2: closed forms, invariances, order of accuracy, and the binned bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from solvers.transport.one_dimensional import (
    w2_grids,
    w2_samples,
    w2_samples_binned,
    w2_samples_grid,
)

samples = st.lists(st.floats(-50, 50), min_size=1, max_size=12)


def normal_masses(edges: np.ndarray, mean: float, sd: float) -> np.ndarray:
    z = (edges - mean) / sd
    return np.where(z[:-1] > 0, ndtr(-z[:-1]) - ndtr(-z[1:]), ndtr(z[1:]) - ndtr(z[:-1]))


@settings(max_examples=60, deadline=None)
@given(x=samples, y=samples, z=samples)
def test_samples_form_a_metric_space(x: list, y: list, z: list) -> None:
    xy, yx, xz, zy = (w2_samples(a, b) for a, b in ((x, y), (y, x), (x, z), (z, y)))
    assert xy == pytest.approx(yx, abs=1e-9)
    assert w2_samples(x, x) == 0.0
    assert xy <= xz + zy + 1e-9


@settings(max_examples=60, deadline=None)
@given(x=samples, shift=st.floats(-10, 10), scale=st.floats(0.1, 5))
def test_translation_and_scale(x: list, shift: float, scale: float) -> None:
    a = np.array(x)
    assert w2_samples(a, a + shift) == pytest.approx(abs(shift), abs=1e-9)
    spread = np.sqrt(np.mean((a * scale - a) ** 2))
    assert w2_samples(a, a * scale) == pytest.approx(spread, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(x=samples, y=samples, repeat=st.integers(2, 4))
def test_weights_are_repeated_samples(x: list, y: list, repeat: int) -> None:
    weights = np.ones(len(x))
    weights[0] = repeat
    copies = list(x) + [x[0]] * (repeat - 1)
    assert w2_samples(x, y, weights_x=weights) == pytest.approx(w2_samples(copies, y), abs=1e-7)


def test_a_sample_against_a_point_and_a_uniform_cell() -> None:
    assert w2_samples([1.0, 3.0], [0.0]) == pytest.approx(np.sqrt(5))
    # Q_n = 0 then 1 on the halves, Q = u: 2 int_0^{1/2} u^2 du
    assert w2_samples_grid([0.0, 1.0], [1.0], [0.0, 1.0]) == pytest.approx(np.sqrt(1 / 12))
    assert w2_samples_grid([0.5], [1.0], [0.0, 1.0]) == pytest.approx(np.sqrt(1 / 12))


def test_uniform_cells_on_different_grids() -> None:
    # U(0, 1) against U(1, 3): Q difference 1 + u, integral of (1 + u)^2 is 7 / 3
    quarter, half = np.linspace(0, 1, 5), np.linspace(1, 3, 3)
    assert w2_grids(np.ones(4), quarter, np.ones(2), half) == pytest.approx(np.sqrt(7 / 3))
    # a gap without mass is jumped over
    assert w2_grids([0.5, 0.0, 0.5], [0, 1, 2, 3], [1.0, 1.0], [0, 1, 2]) == pytest.approx(
        np.sqrt(0.5)
    )


def test_grids_are_second_order_and_exact_for_small_translations() -> None:
    errors = []
    for cells in (128, 256, 512):
        edges = np.linspace(-9, 9, cells + 1)
        a, b = normal_masses(edges, 0.0, 1.0), normal_masses(edges, 0.3, 0.7)
        errors.append(abs(w2_grids(a, edges, b, edges) - np.hypot(0.3, 0.3)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("shift", [1e-3, 1e-7, 1e-11])
def test_tiny_distances_keep_their_relative_accuracy(shift: float) -> None:
    edges = np.linspace(-9, 9, 4001)
    a = normal_masses(edges, 0.0, 1.0)
    b = normal_masses(edges, shift, 1.0)
    assert w2_grids(a, edges, b, edges) == pytest.approx(shift, rel=1e-4)


def test_a_sample_of_quantiles_is_close_to_its_law() -> None:
    edges = np.linspace(-9, 9, 4001)
    a = normal_masses(edges, 0.0, 1.0)
    u = (np.arange(1000) + 0.5) / 1000
    quantiles = np.interp(u, np.concatenate([[0], np.cumsum(a)]), edges)
    distance = w2_samples_grid(quantiles, a, edges)
    assert 0 < distance < 0.03
    # the cost splits exactly into the mean shift and the rest
    shifted = w2_samples_grid(quantiles + 2.0, a, edges)
    assert shifted == pytest.approx(np.sqrt(distance**2 + 4.0), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 300),
    m=st.integers(1, 300),
    bins=st.integers(1, 400),
)
def test_binned_interval_covers_the_exact_value(seed: int, n: int, m: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_t(3, size=n), rng.normal(0.2, 1.3, size=m)
    interval = w2_samples_binned(x, y, bins=bins)
    assert interval.lower <= w2_samples(x, y) <= interval.upper


@pytest.mark.parametrize("bins", [16, 4096, 60_000])
def test_binned_intervals_hold_whatever_lies_far_out(bins: int) -> None:
    rng = np.random.default_rng(7)
    far = np.concatenate([rng.normal(size=5000), [1e6, -1e5], rng.normal(3e3, 1, size=10)])
    cauchy, other = rng.standard_cauchy(size=5012), rng.normal(1e4, 1e-3, size=3000)
    for x, y in ((far, cauchy), (far, other), (cauchy, other), (other, other + 1e-7)):
        interval = w2_samples_binned(x, y, bins=bins)
        assert interval.lower <= w2_samples(x, y) <= interval.upper
    # a narrow interval proves that it was not the range that was binned
    assert w2_samples_binned(far, far + 0.5, bins=4096).half_width < 1e-2


def test_equal_atoms_and_mixed_magnitudes_are_binned() -> None:
    assert w2_samples_binned([3.0] * 9, [3.0] * 5).upper < 1e-12
    assert w2_samples_binned([1e140], [-1e140]).lower == pytest.approx(2e140)
    with pytest.raises(ArgumentError, match="bins"):
        w2_samples_binned([0.0], [1.0], bins=0)


def test_binned_error_is_second_order_in_the_bin_width() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=20_000), rng.normal(0.4, 1.2, size=20_000)
    widths = [w2_samples_binned(x, y, bins=b).half_width for b in (256, 512, 1024)]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)
    assert widths[1] / widths[2] == pytest.approx(4, rel=0.2)
    assert widths[2] < 1e-3


@pytest.mark.parametrize(
    "call",
    [
        lambda: w2_samples([], [1.0]),
        lambda: w2_samples([np.nan], [1.0]),
        lambda: w2_samples([1.0, 2.0], [1.0], weights_x=[1.0, -1.0]),
        lambda: w2_samples([1.0, 2.0], [1.0], weights_x=[1.0]),
        lambda: w2_grids([1.0], [0.0, 0.0], [1.0], [0.0, 1.0]),
        lambda: w2_grids([0.0], [0.0, 1.0], [1.0], [0.0, 1.0]),
        lambda: w2_grids([1.0, 1.0], [0.0, 1.0], [1.0], [0.0, 1.0]),
        lambda: w2_samples_binned([np.inf], [0.0]),
        lambda: w2_samples_binned(np.append(np.zeros(5001), np.nan), [0.0]),
        lambda: w2_samples(np.append(np.zeros(70_000), np.nan), np.zeros(70_001)),
        lambda: w2_grids([1.0, -1e-9], [0.0, 1.0, 2.0], [1.0], [0.0, 1.0]),
        lambda: w2_grids([1.0, np.nan], [0.0, 1.0, 2.0], [1.0], [0.0, 1.0]),
        lambda: w2_grids([1.0], [0.0, np.inf], [1.0], [0.0, 1.0]),
    ],
)
def test_unusable_laws_are_refused(call) -> None:
    with pytest.raises(ArgumentError):
        call()
