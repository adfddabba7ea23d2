"""Densities see wells and barriers that even grids step over, on the line and in the plane."""

import math

import numpy as np
import pytest

from lvebm_theory import parse_potential
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from solvers.densities import Grid, resolution, solve_fokker_planck
from solvers.densities.hidden import hidden_places

from .wide_box import reference

TIMES = (0.05, 0.5, 2.0)


def drawn(seed):
    """x^2/2 with a narrow well or barrier on the way of a start at 3."""
    rng = np.random.default_rng(seed)
    depth = rng.choice([-1, 1]) * rng.uniform(3, 20)
    length = 10.0 ** -int(rng.integers(2, 5))
    return float(f"{depth:.3g}"), float(f"{rng.uniform(0.5, 2):.4g}"), length


def bump(depth, place, length):
    return parse_potential(f"x**2/2+({depth!r})*exp(-((x-{place!r})/{length!r})**2)")


def measured(law):
    path = solve_fokker_planck(bump(*law), InitialLaw.normal(3.0, 0.1), TIMES)
    mean, entropy = path.expectation(lambda x: x), path.relative_entropy()
    return np.array([mean[0], entropy[0]]), np.array([mean[1], entropy[1]])


def truth(law):
    depth, place, length = law
    values, error = reference(
        lambda x: x**2 / 2 + depth * np.exp(-(((x - place) / length) ** 2)),
        *(3.0, 0.1, TIMES, (-10.0, 12.0)),
        cells=6000,
        narrow=[(place, length)],
    )
    return values[:, [0, 2]].T, error[:, [0, 2]].T


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_well_or_barrier_on_the_way(seed):
    (values, widths), (right, error) = measured(drawn(seed)), truth(drawn(seed))
    assert np.all(widths < 1e-2 * (1 + np.abs(values)))
    assert np.all(np.abs(values - right) <= widths + 3 * error + 1e-7)


def test_without_looking_these_are_missed(monkeypatch):
    nothing = (np.empty((0, 1)),) * 3
    monkeypatch.setattr(resolution, "hidden_places", lambda *_: nothing)
    missed = 0
    for seed in range(5):
        (values, widths), (right, error) = measured(drawn(seed)), truth(drawn(seed))
        missed += bool(np.any(np.abs(values - right) > widths + 3 * error + 1e-7))
    assert missed >= 2


def test_a_narrow_mode_in_the_plane_is_in_the_normaliser():
    # int exp(-|w|^2/2) + 1e4 exp(-5e5 |w - c|^2) = 2 pi + 1e4 pi/5e5
    energy = parse_potential("-log(exp(-(x**2+y**2)/2)+1e4*exp(-5e5*((x-1.4)**2+(y+0.9)**2)))")
    path = solve_fokker_planck(energy, InitialLaw.normal([1.0, 1.0], [0.3, 0.3]), (0.1,))
    value, width = path.log_normaliser
    assert abs(value - math.log(2 * math.pi + 1e4 * math.pi / 5e5)) <= width < 1e-4


def test_a_given_grid_that_cannot_see_is_refused():
    with pytest.raises(AssumptionError, match=r"near \(1\.19"):
        solve_fokker_planck(
            bump(-8.0, 1.2, 1e-3), InitialLaw.normal(3.0, 0.1), TIMES, cells=64, box=[(-10, 12)]
        )


@pytest.mark.parametrize(
    "text",
    [
        "x**4/4-x**2",
        "exp(x**2/4)",
        "2*(1e4*x**2-1)**2",
        "log(1+exp(-30*x))+x**2/50",
        "x**2/2+cos(9*x)",
    ],
)
def test_nothing_is_hidden_in_what_a_grid_resolves(text):
    energy, start = parse_potential(text), InitialLaw.normal(0.0, 0.3)
    if "1e4" in text:
        start = InitialLaw.normal(0.0, 0.003)
    grid = solve_fokker_planck(energy, start, (1e-3,)).grid
    assert not hidden_places(energy, start, grid)[0].size
    # the same grid, with a well between two of its nodes
    at, between = float(np.median(grid.nodes[0])), float(grid.widths[0].min())
    spoiled = parse_potential(f"{text}-9*exp(-((x-{at + between / 4!r})/{between / 40!r})**2)")
    places, lengths, sides = hidden_places(spoiled, start, Grid(nodes=grid.nodes))
    assert abs(places[0, 0] - at) < grid.widths[0].max()
    assert np.all(lengths[:1] < sides[:1] / 2)
