"""What holds on every grid whatever its size: mass, Gibbs state, positivity, decaying entropy."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError, AssumptionError, SolverError
from lvebm_theory.functionals import chi_square, relative_entropy
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid, GridDensity, advance_masses, solve_fokker_planck
from solvers.densities.generator import build_generator
from solvers.densities.semigroup import evolve

POTENTIALS = (
    ("4*(x**2-1)**2", [(-3.0, 3.0)]),
    ("abs(x) + x**2/9", [(-12.0, 13.0)]),
    ("20*(x**2-1)**2 + 5*x", [(-2.5, 2.5)]),
    ("2*(x**2-1)**2 + (y-x)**2/2", [(-2.6, 2.6), (-8.0, 8.0)]),
    ("5*(y-x**2)**2 + (x-1)**2/2", [(-5.0, 5.0), (-3.0, 30.0)]),
    ("x**2/2 + y**2 + z**2*(1 + x**2)/2", [(-6.0, 6.0), (-5.0, 5.0), (-6.0, 6.0)]),
)
CELLS = {1: 200, 2: 48, 3: 24}


def generator_of(text, box):
    energy = parse_potential(text)
    return build_generator(energy, Grid.uniform(box, CELLS[len(box)]))


@pytest.mark.parametrize(("text", "box"), POTENTIALS)
def test_gibbs_is_stationary_and_mass_is_kept(text, box):
    generator = generator_of(text, box)
    assert abs(generator.gibbs.sum() - 1) < 1e-12
    drift = np.abs(generator.apply(generator.gibbs)).sum()
    assert drift <= 1e-11 * max(
        1.0, float(generator.exit_rates @ generator.gibbs) if generator.grid.dim == 1 else 1.0
    )
    snapshots, _ = evolve(generator, generator.gibbs / generator.gibbs.sum(), [0.1, 1.0, 10.0])
    for snapshot in snapshots:
        assert np.abs(snapshot.masses - generator.gibbs).sum() <= 1e-11


@pytest.mark.parametrize(("text", "box"), POTENTIALS)
def test_mass_positivity_and_entropy(text, box):
    generator = generator_of(text, box)
    dim = len(box)
    start = InitialLaw.normal([1.1] * dim, [0.2] * dim).cell_masses(generator.grid.edges)
    start /= start.sum()
    times = np.geomspace(1e-3, 20, 25)
    snapshots, _ = evolve(generator, start, times.tolist())
    entropies, squares = [], []
    for snapshot in snapshots:
        assert abs(snapshot.masses.sum() - 1) <= 1e-12
        assert snapshot.masses.min() >= 0
        assert snapshot.negative <= 1e-12
        data = (snapshot.masses, generator.log_gibbs, snapshot.excess)
        entropies.append(relative_entropy(*data))
        squares.append(chi_square(*data))
    assert np.all(np.diff(entropies) <= 1e-12)
    assert np.all(np.diff(squares) <= 1e-10 * np.array(squares[:-1]))


def test_rates_are_those_of_the_matrix_exponential():
    from scipy.linalg import expm

    generator = generator_of("4*(x**2-1)**2", [(-2.5, 2.5)])
    n = generator.grid.shape[0]
    matrix = np.stack([generator.apply(row) for row in np.eye(n)], axis=1)
    start = InitialLaw.normal(0.3, 0.2).cell_masses(generator.grid.edges)
    start /= start.sum()
    snapshots, _ = evolve(generator, start, [0.02, 0.3])
    for snapshot, time in zip(snapshots, (0.02, 0.3), strict=True):
        assert np.abs(snapshot.masses - expm(time * matrix) @ start).sum() < 1e-10


def test_rates_in_the_plane_are_those_of_the_matrix_exponential():
    from scipy.sparse.linalg import LinearOperator, expm_multiply

    energy = parse_potential("2*(x**2-1)**2 + (y-x)**2/2")
    generator = build_generator(energy, Grid.uniform([(-2.2, 2.4), (-6.0, 6.0)], [24, 30]))
    shape = generator.grid.shape
    near = InitialLaw.normal([1.0, 1.0], [0.3, 0.3])
    far = InitialLaw.normal([2.1, -5.0], [0.1, 0.3])  # carried in before it is symmetrised
    operator = LinearOperator(
        (720, 720),
        matvec=lambda p: generator.apply(p.reshape(shape)).ravel(),
        dtype=float,
        rmatvec=lambda p: p,
    )
    for start in (near, far):
        masses = start.cell_masses(generator.grid.edges)
        masses /= masses.sum()
        snapshots, _ = evolve(generator, masses, [0.02, 0.3])
        for snapshot, time in zip(snapshots, (0.02, 0.3), strict=True):
            exact = expm_multiply(
                operator * time, masses.ravel(), traceA=-time * generator.exit_rates.sum()
            )
            assert np.abs(snapshot.masses.ravel() - exact).sum() < 1e-9


def test_clean_up_keeps_mass_and_enters_the_width():
    energy = parse_potential("x**2/2")
    path = solve_fokker_planck(energy, InitialLaw.normal(0.0, 0.1), [0.01], cells=256)
    clean = path.relative_entropy()[1]
    from dataclasses import replace

    levels = list(path.levels)
    dirty = replace(levels[-1].snapshots[0], negative=1e-3)
    levels[-1] = replace(levels[-1], snapshots=(dirty,))
    assert replace(path, levels=tuple(levels)).relative_entropy()[1][0] > clean[0] + 1e-3


def test_negative_masses_are_cleaned_at_constant_mass():
    from solvers.densities.semigroup import _Stepper

    generator = generator_of("x**2/2", [(-8.0, 8.0)])
    stepper = _Stepper(generator, InitialLaw.normal(0.3, 0.5).cell_masses(generator.grid.edges))
    excess = np.zeros(200)
    excess[90:94] = (-3e-2, 1e-2, 3e-2, -1e-2)
    stepper._excess, stepper._time = excess / generator.root_gibbs, 0.1
    snapshot = stepper.snapshot()
    assert snapshot.negative > 1e-3
    assert snapshot.masses.min() == 0
    assert abs(snapshot.masses.sum() - 1) < 1e-14
    assert np.abs(snapshot.masses - generator.gibbs - snapshot.excess).max() < 1e-15


def test_starting_from_masses_continues_the_flow():
    energy = parse_potential("(x**2-1)**2 + 0.3*x")
    grid = Grid.uniform([(-3.2, 3.2)], 256)
    masses = InitialLaw.normal(0.5, 0.3).cell_masses(grid.edges)
    density = GridDensity(grid=grid, masses=masses)
    whole = solve_fokker_planck(energy, density, [0.2, 0.5])
    first = advance_masses(energy, density, 0.2)
    rest = solve_fokker_planck(energy, first, [0.3])
    assert np.abs(whole.masses[1] - rest.masses[0]).sum() < 1e-11


def test_far_starts_below_the_range_of_exp():
    """U at the start lies 2,000 units above its minimum: the Gibbs mass there is zero."""
    energy = parse_potential("x**2/2")
    start = InitialLaw.normal(65.0, 0.5)
    times = np.array([1.0, 4.0])
    path = solve_fokker_planck(energy, start, times)
    value, width = path.relative_entropy()
    mean, variance = 65 * np.exp(-times), 1 + (0.25 - 1) * np.exp(-2 * times)
    exact = (variance - 1 - np.log(variance) + mean**2) / 2
    assert np.all(np.abs(value - exact) <= width)
    assert np.all(np.abs(value - exact) <= 1e-4 * exact)


def test_overlays():
    energy = parse_potential("x**2/2 + y**2")
    path = solve_fokker_planck(energy, InitialLaw.normal([0.5, 0.0], [0.5, 0.5]), [0.4], cells=64)
    marginal = path.marginal(0)
    assert marginal.shape == (1, 64)
    assert abs(marginal.sum() - 1) < 1e-12
    centre = path.density(np.array([[0.4, 0.0], [50.0, 0.0]]))
    assert centre[0] > 0.2
    assert centre[1] == 0.0


ENERGY = parse_potential("x**2/2")
START = InitialLaw.normal(0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [0.2, 0.1]}, "increasing"),
        ({"times": [-1.0]}, ">= 0"),
        ({"times": [np.nan]}, "finite"),
        ({"times": []}, "non-empty"),
        ({"cells": 30}, "multiples of 8"),
        ({"cells": 2**25}, "limit"),
        ({"box": [(1.0, 0.0)]}, "low < high"),
        ({"start": InitialLaw.normal([0.0, 0.0], 1.0)}, "dimension 2"),
        ({"energy": parse_potential("x0**2+x1**2+x2**2+x3**2")}, "dimension 1 to 3"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(arguments, message):
    full = {"energy": ENERGY, "start": START, "times": [1.0]} | arguments
    energy, start, times = (full.pop(k) for k in ("energy", "start", "times"))
    with pytest.raises(ArgumentError, match=message):
        solve_fokker_planck(energy, start, times, **full)


def test_tails_beyond_any_box_are_named():
    funnel = parse_potential("x**2/18 + y**2*exp(-x)/2 + x/2")
    with pytest.raises(AssumptionError, match="grid witness"):
        solve_fokker_planck(funnel, InitialLaw.normal([0.0, 0.0], [1.0, 1.0]), [1.0])


def test_a_box_on_which_u_is_infinite_is_refused():
    energy = parse_potential("x**2/2 + 1/x**2")
    with pytest.raises(ArgumentError, match="not finite"):
        build_generator(energy, Grid.uniform([(-1e-160, 1e-160)], 64))


def test_non_finite_results_raise_with_the_last_state():
    generator = generator_of("4*(x**2-1)**2", [(-3.0, 3.0)])
    broken = generator.log_conductance[0].copy()
    broken[100] = np.nan
    from dataclasses import replace

    start = np.full(200, 1 / 200)
    with pytest.raises(SolverError) as caught:
        evolve(replace(generator, log_conductance=(broken,)), start, [1.0])
    assert np.all(np.isfinite(caught.value.last_state))
