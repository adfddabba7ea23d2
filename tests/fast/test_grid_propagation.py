"""The one-resolution engine: shared solves, alternating directions, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_banded

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid
from solvers.densities.alternating import AlternatingDirections
from solvers.densities.contour import nodes_and_weights
from solvers.densities.generator import build_generator
from solvers.densities.propagation import propagate
from solvers.densities.semigroup import evolve
from solvers.densities.sums import masses_from_excess
from solvers.densities.tridiagonal import TridiagonalExponential
from solvers.densities.vector_math import exponential, logarithm


def line(cells=300):
    generator = build_generator(
        parse_potential("4*(x**2-1)**2"), Grid.uniform([(-2.6, 2.6)], cells)
    )
    return generator, masses_of(InitialLaw.normal(0.1, 0.1), generator)


def plane(cells=(70, 51)):
    energy = parse_potential("2*(x**2-1)**2 + y**2/2 + x*y/2")
    generator = build_generator(energy, Grid.uniform([(-2.6, 2.6), (-4.5, 4.5)], list(cells)))
    return generator, masses_of(InitialLaw.normal([0.3, -0.5], [0.3, 0.3]), generator)


def space():
    energy = parse_potential("x**2/2 + y**2 + z**2*(1 + x**2)/2")
    grid = Grid.uniform([(-4.0, 4.0), (-3.5, 3.5), (-4.0, 4.0)], [20, 22, 18])
    generator = build_generator(energy, grid)
    return generator, masses_of(InitialLaw.normal([0.3, -0.5, 0.2], [0.5, 0.4, 0.5]), generator)


def masses_of(start, generator):
    masses = start.cell_masses(generator.grid.edges)
    return masses / masses.sum()


@pytest.mark.parametrize("ratio", [1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-13])
def test_one_contour_serves_all_times(ratio, tolerance):
    times = np.geomspace(0.7, 0.7 * ratio, 7) if ratio > 1 else np.array([0.7])
    nodes, weights = nodes_and_weights(times, tolerance, 8)
    x = np.append(0.0, -np.geomspace(1e-6, 1e9, 500))
    kernel = 1 / (nodes[:, None] - x)
    errors = np.abs((weights @ kernel).real - np.exp(np.multiply.outer(times, x)))
    assert errors.max() <= max(tolerance, 3e-13)
    one_missing = np.abs((weights[:, 1:] @ kernel[1:]).real - np.exp(np.outer(times, x)))
    assert one_missing.max() > 1e-3


def test_shared_solves_are_those_of_single_times():
    generator, masses = line()
    solver = TridiagonalExponential(generator.rates_up[0], generator.rates_down[0])
    vector = masses / generator.root_gibbs
    times = np.linspace(0.05, 0.5, 9)
    rows, solves = solver.symmetric_at(vector, times, 1e-12)
    assert solves < 8 * times.size
    for row, time in zip(rows, times, strict=True):
        single = solver.symmetric(vector, float(time))
        assert np.linalg.norm(row - single) <= 1e-11 * np.linalg.norm(vector)


def test_steps_are_those_of_peaceman_and_rachford():
    generator, masses = plane()
    vector = masses / generator.root_gibbs
    step, up, down = 0.05, generator.rates_up, generator.rates_down

    def bands(axis, j):
        u, d = (np.take(a[axis], j, axis=1 - axis) for a in (up, down))
        n = u.size + 1
        out = np.zeros((3, n))
        out[1, :-1] += u
        out[1, 1:] += d
        out[0, 1:] = out[2, :-1] = -np.sqrt(u * d)
        return out

    def along(axis, array, half, *, solve):
        out = np.empty_like(array)
        for j in range(array.shape[1 - axis]):
            b, v = half * bands(axis, j), np.take(array, j, axis=1 - axis)
            if solve:
                b[1] += 1
                new = solve_banded((1, 1), b, v)
            else:
                new = v - b[1] * v
                new[:-1] -= b[0, 1:] * v[1:]
                new[1:] -= b[2, :-1] * v[:-1]
            out[(slice(None), j) if axis == 0 else (j, slice(None))] = new
        return out

    expected = vector
    for _ in range(3):
        inner = along(0, along(1, expected, step / 2, solve=False), step / 2, solve=True)
        expected = along(1, along(0, inner, step / 2, solve=False), step / 2, solve=True)
    got = AlternatingDirections(up, down).steps(vector, step, 3)
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()


def test_alternating_directions_are_of_order_two_and_extrapolate():
    generator, masses = plane()
    root = generator.root_gibbs
    vector = (masses - generator.gibbs) / root
    exact = evolve(generator, masses, [1.0])[0][0].excess
    solver = AlternatingDirections(generator.rates_up, generator.rates_down)

    def error(value):
        return np.abs(root * value - exact).sum()

    runs = [solver.steps(vector, 1.0 / n, n) for n in (40, 80, 160)]
    errors = [error(run) for run in runs]
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.1)
    assert error((4 * runs[2] - runs[1]) / 3) < errors[2] / 50
    # a step that is one per cent too long must be seen
    assert error(solver.steps(vector, 1.01 / 160, 160)) > 3 * errors[2]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("setting", [line, plane, space])
@pytest.mark.parametrize("times", [[0.4], [0.02, 0.1, 0.4, 1.5]])
def test_the_error_that_was_asked_is_kept(setting, times, tolerance):
    generator, masses = setting()
    exact = np.stack([s.masses for s in evolve(generator, masses, times)[0]])
    found = propagate(generator, masses, times, tolerance=tolerance)
    assert found.masses.shape == (len(times), *masses.shape)
    errors = np.abs(found.masses - exact).reshape(len(times), -1).sum(axis=1)
    assert errors.max() <= tolerance
    assert errors.max() <= max(found.error, 2e-10)
    assert found.lowest >= -1e-12
    assert found.masses.min() >= 0
    assert np.abs(found.masses.reshape(len(times), -1).sum(axis=1) - 1).max() <= 1e-12
    known = {"rational", "contour", "alternating", "chebyshev", "carried"}
    assert set(found.method.split(" and ")) <= known


@pytest.mark.parametrize("setting", [line, plane, space])
def test_gibbs_stays(setting):
    generator, _ = setting()
    found = propagate(generator, generator.gibbs, [0.1, 3.0, 50.0], tolerance=1e-3)
    drift = np.abs(found.masses - generator.gibbs).reshape(3, -1).sum(axis=1)
    assert drift.max() <= 1e-11


def test_the_method_follows_from_the_question():
    generator, masses = line()
    assert propagate(generator, masses, 1.0).method == "rational"
    assert propagate(generator, masses, np.linspace(0.1, 1.0, 30)).method == "contour"
    far = masses_of(InitialLaw.normal(2.4, 0.05), generator)
    assert propagate(generator, far, 1.0).method == "carried"
    generator, masses = plane((256, 256))
    assert propagate(generator, masses, 4.0, tolerance=1e-4).method == "alternating"
    assert propagate(generator, masses, 1e-4, tolerance=1e-6).method == "chebyshev"


@pytest.mark.parametrize("setting", [line, plane, space], ids=lambda s: s.__name__)
@pytest.mark.parametrize("times", [[2.0], [0.001, 0.1, 0.5, 1.0, 2.0]], ids=["one time", "many"])
def test_one_two_and_four_threads_give_the_same_bits(setting, times, monkeypatch):
    generator, masses = setting()
    energy = {
        1: "4*(x**2-1)**2",
        2: "2*(x**2-1)**2 + y**2/2 + x*y/2",
        3: "x**2/2 + y**2 + z**2*(1 + x**2)/2",
    }[len(generator.grid.shape)]
    monkeypatch.setattr("solvers.densities.cell_integrals._LEAST_PIECE", 1)
    asked, results = [], []
    for threads in (1, 2, 4):  # more than the machine has is fine: the pools are our own

        def number(threads=threads):
            asked.append(threads)
            return threads

        monkeypatch.setattr("numba.get_num_threads", number)
        assembled = build_generator(parse_potential(energy), generator.grid)
        found = propagate(assembled, masses, times, tolerance=1e-7)
        results.append((assembled.gibbs.tobytes(), found.masses.tobytes()))
    assert set(asked) == {1, 2, 4}
    assert len(set(results)) == 1


def test_negative_masses_are_cleaned_at_constant_mass():
    gibbs = np.full(8, 1 / 8)
    root = np.sqrt(gibbs)
    excess = np.array([[-0.2, 0.2, 0, 0, 0, 0, 0, 0], [0.05, -0.05, 0, 0, 0, 0, 0, 0]]) / root
    out, negative = np.empty((2, 8)), np.empty(2)
    lowest = masses_from_excess(gibbs, root, excess, out, negative)
    assert lowest == pytest.approx(-0.075)
    assert negative == pytest.approx([0.075, 0.0])
    assert out.min() == 0
    assert np.abs(out.sum(axis=1) - 1).max() < 1e-15
    assert out[1] == pytest.approx(gibbs + root * excess[1])
    excess[1, 3] = np.inf
    assert np.isnan(masses_from_excess(gibbs, root, excess, out, negative))


def test_lanes_compute_the_exponential_and_the_logarithm():
    for x in (-700.0, -3.2, -1e-9, 0.0, 0.7, 3.2, 300.0):
        assert exponential(x) == pytest.approx(np.exp(x), rel=7e-16)
    for x in (1e-300, 1e-4, 0.9999999, 1.0, 2.5, 1e200):
        assert logarithm(x) == pytest.approx(np.log(x), rel=7e-16, abs=1e-300)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [0.0, 1.0]}, "> 0"),
        ({"times": [1.0, 0.5]}, "increasing"),
        ({"times": []}, "> 0"),
        ({"tolerance": 1e-15}, "tolerance"),
        ({"masses": np.full(300, 2.0)}, "sum to one"),
        ({"masses": np.full(200, 1 / 200)}, "grid"),
    ],
)
def test_what_cannot_be_propagated_is_refused(change, message):
    generator, masses = line()
    full = {"masses": masses, "times": [1.0], "tolerance": 1e-6} | change
    with pytest.raises(ArgumentError, match=message):
        propagate(generator, full["masses"], full["times"], tolerance=full["tolerance"])
