"""The parts a grid is made of: exponential, cell integrals, maps, kinks, extrapolation, spectra."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid, generator_spectrum, jko_step, solve_fokker_planck
from solvers.densities.box import find_box, level_box
from solvers.densities.cell_integrals import gauss, line_integrals, segment_integrals
from solvers.densities.extrapolation import extrapolate
from solvers.densities.kinks import find_kinks
from solvers.densities.mapping import AxisMap, start_features, tail_features


@pytest.mark.parametrize("rise", [-2000.0, -40.0, -3.0, -0.01, 0.0, 0.01, 3.0, 40.0, 2000.0])
def test_cell_integrals_of_linear_potentials(rise):
    """Closed forms for U = 1 + rise x on [0, 1]."""
    a = rise
    if abs(a) > 0.1:
        mass = max(-a, 0) + np.log1p(-np.exp(-abs(a))) - np.log(abs(a)) - 1
        climb = -1 / np.expm1(min(-a, 700)) - 1 / a
        fall = -1 / np.expm1(min(a, 700)) + 1 / a
    else:  # to second order in the rise
        mass, climb, fall = -a / 2 + a**2 / 24 - 1, 0.5 + a / 12, 0.5 - a / 12
    for points, tolerance in ((2, 2e-3), (3, 2e-4), (6, 1e-7)):
        got = line_integrals(1 + rise * gauss(points)[0][None, None, :], np.ones(1))
        assert got.mass[0, 0] == pytest.approx(mass, abs=tolerance)
        assert got.left[0, 0] == pytest.approx(1 + np.log(climb), abs=30 * tolerance)
        assert got.right[0, 0] == pytest.approx(1 + rise + np.log(fall), abs=30 * tolerance)


def test_segments_with_a_kink_or_steep_are_integrated():
    kink = segment_integrals(lambda x: np.abs(x - 0.3), np.array([0.0, 1.0]))
    assert np.exp(kink.mass[0]) == pytest.approx(2 - np.exp(-0.3) - np.exp(-0.7), rel=1e-10)
    steep = segment_integrals(lambda x: 180 * x, np.array([0.0, 1.0]))
    assert steep.mass[0] == pytest.approx(-np.log(180), abs=1e-9)


def test_joined_cells_are_the_whole_cell():
    def potential(x):
        return (x**2 - 1) ** 2 + x

    whole = segment_integrals(potential, np.array([0.2, 0.6]))
    first = segment_integrals(potential, np.array([0.2, 0.35]))
    second = segment_integrals(potential, np.array([0.35, 0.6]))
    joined = first.joined(second)
    for name in ("mass", "left", "right"):
        assert getattr(joined, name)[0] == pytest.approx(getattr(whole, name)[0], rel=1e-11)


def test_grids_nest_and_conserve():
    grid = Grid.uniform([(-1.0, 2.0), (0.0, 1.0)], [16, 8])
    coarse = grid.coarsened()
    assert coarse.shape == (8, 4)
    assert np.array_equal(coarse.edges[0], grid.edges[0][::2])
    masses = np.random.default_rng(0).random((3, 16, 8))
    merged = grid.coarsen_masses(masses)
    assert merged.shape == (3, 8, 4)
    assert np.allclose(merged.sum(axis=(1, 2)), masses.sum(axis=(1, 2)))
    assert merged[0, 0, 0] == pytest.approx(masses[0, :2, :2].sum())
    with pytest.raises(ArgumentError, match="increasing"):
        Grid(nodes=(np.array([0.0, 1.0, 0.5, 2.0, 3.0]),))


def test_maps_hit_kinks_on_every_resolution_and_resolve_starts():
    base = AxisMap(low=-7.3, high=9.1)
    features = start_features(base, [(1.2, 0.05)], 256)
    line = AxisMap.through((-7.3, 9.1), features, np.array([-0.55, 0.7]), 32)
    for n in (96, 128, 192, 256, 512):
        nodes = line.nodes(n)
        assert np.all(np.diff(nodes) > 0)
        for kink in (-0.55, 0.7):
            assert np.abs(nodes[::2] - kink).min() == 0.0
    free = AxisMap(low=-7.3, high=9.1, features=features).nodes(256)[::2]
    assert np.diff(free)[np.searchsorted(free, 1.2)] < 0.05 / 3
    assert start_features(base, [(1.2, 1.0)], 128) == ()
    assert start_features(base, [(1.2, 1e-4)], 32) is None
    tail = tail_features((-1e5, 1e5), (-1.0, 1.0))
    far = AxisMap(low=-1e5, high=1e5, features=tail).nodes(256)[::2]
    assert np.diff(far).min() < 0.2


@pytest.mark.parametrize("kink", [-0.55, 0.0, 0.123456, 3.0])
def test_kinks_are_found(kink):
    found = find_kinks(lambda x: 0.7 * np.abs(x - kink) + x**2 / 9, -11.0, 13.0)
    assert found == pytest.approx([kink], abs=1e-7)


def test_smooth_potentials_have_no_kinks():
    for function in (np.cosh, lambda x: 8 * (x**2 - 1) ** 2, lambda x: x**2 / 2 + np.cos(5 * x)):
        assert find_kinks(function, -4.0, 5.0).size == 0


def test_extrapolation_knows_its_error():
    cells = np.array([48, 64, 96, 128])
    h = 1.0 / cells
    for terms in ((1.0, 3.0, 5.0), (0.0, 30.0, 100.0), (1.0, -800.0, 0.0)):
        data = 2.0 + 0.7 * h**2 + terms[0] * h**4 * 1e2 + terms[1] * h**6 * 1e4
        value, width = extrapolate(data, cells)
        error = abs(value - 2.0)
        assert error <= width <= 30 * error


def test_boxes_hold_their_mass():
    from scipy.special import ndtr

    gaussian = parse_potential("x**2/2")
    for box in (find_box(gaussian), level_box(gaussian, None, 1e-14)):
        low, high = box[0]
        assert ndtr(low) + ndtr(-high) < 1e-14
        assert high - low < 20
    start = InitialLaw.normal(30.0, 0.1)
    assert find_box(gaussian, start)[0][1] > 30.7


def test_discrete_spectrum_keeps_small_eigenvalues():
    """Gaps of b (x^2-1)^2 known to eight digits from collocation."""
    for b, gap in ((0.5, 0.84588929), (2.0, 0.45454660), (4.0, 0.11911837), (6.0, 0.02484647)):
        value, width = generator_spectrum(parse_potential(f"{b}*(x**2-1)**2"), 2)
        assert value[0] == pytest.approx(gap, abs=1.5e-8)
        assert width[0] < 1e-6 * gap
    harmonic, width = generator_spectrum(parse_potential("x**2/2"), 5)
    assert np.all(np.abs(harmonic - np.arange(1, 6)) <= width)
    deep, _ = generator_spectrum(parse_potential("20*(x**2-1)**2"), 1)
    assert deep[0] == pytest.approx(7.27721140e-08, rel=1e-6)


def test_jko_step_of_a_gaussian_is_gaussian():
    """(s'-s)/tau + s' - 1/s' = 0 and m' = m/(1+tau) for U = x^2/2."""
    tau, mean, sd = 0.1, 0.5, 0.4
    expected = (sd + np.sqrt(sd**2 + 4 * tau * (1 + tau))) / (2 * (1 + tau))
    errors = []
    for cells in (512, 1024, 2048):
        edges = np.linspace(-8, 8, cells + 1)
        masses = InitialLaw.normal(mean, sd).cell_masses((edges,))
        step = jko_step(parse_potential("x**2/2"), edges, masses, tau)
        left, right = step.edges[:-1], step.edges[1:]
        centre = (step.masses * (left + right) / 2).sum()
        square = (step.masses * (left**2 + left * right + right**2) / 3).sum()
        assert centre == pytest.approx(mean / (1 + tau), abs=1e-12)
        errors.append(np.sqrt(square - centre**2) - expected)
        assert step.free_energy + step.w2_moved**2 / (2 * tau) < step.start_free_energy
        on_grid = step.masses_on(edges)
        assert on_grid.sum() == pytest.approx(1, abs=1e-12)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    assert abs(errors[2]) < 2e-5


def test_jko_step_refuses_bad_input():
    energy = parse_potential("x**2/2")
    with pytest.raises(ArgumentError, match="step_size"):
        jko_step(energy, [0.0, 1.0, 2.0], [0.5, 0.5], 0.0)
    with pytest.raises(ArgumentError, match="edges"):
        jko_step(energy, [0.0, 2.0, 1.0], [0.5, 0.5], 0.1)


@pytest.mark.parametrize(
    ("formula", "entropy", "chi_square"),
    [("x**2/2", True, True), ("exp(x**2/2.5)", False, False), ("x**2", True, False)],
)
def test_divergences_of_a_start_are_infinite_where_that_is_proved(formula, entropy, chi_square):
    energy, start = parse_potential(formula), InitialLaw.normal(0.0, 1.3)
    path = solve_fokker_planck(energy, start, [0.0, 0.5], cells=512, box=[(-4.5, 4.5)], tail_mass=1)
    for curve, finite in ((path.relative_entropy(), entropy), (path.chi_square(), chi_square)):
        assert np.isfinite(curve[0][0]) == finite
        assert np.isinf(curve[1][0]) >= (not finite)
