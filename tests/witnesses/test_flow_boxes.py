"""Grids hold every place that the flow visits, and half-widths hold the truth.

Wells that pi hardly knows, starts wider than pi, tails that rise faster or slower than a parabola;
values from wide-box finite volumes that share nothing with the library, or from closed forms.
"""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.errors import AssumptionError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import solve_fokker_planck
from solvers.densities.box import find_box
from solvers.densities.fokker_planck import watched
from solvers.densities.reach import flow_box
from verification.curves import Curve

from .wide_box import reference


def within(curve, times_of, exact, error=0.0) -> None:
    values, widths = curve
    assert np.all(np.isfinite(widths[times_of]))
    assert np.all(np.abs(values[times_of] - exact) <= widths[times_of] + error)


def test_a_well_beyond_the_box_of_pi_and_the_start_is_held():
    energy = parse_potential("200*(x**4/4-x**2/2+0.1*x)")
    start, times = InitialLaw.normal(0.3, 0.01), [0.005, 0.015]
    path = solve_fokker_planck(energy, start, times)
    exact, error = reference(
        lambda x: 200 * (x**4 / 4 - x**2 / 2 + 0.1 * x), 0.3, 0.01, times, (-1.7, 1.7)
    )
    assert exact[:, 0] == pytest.approx([0.523411, 0.876567], abs=2e-6)
    within(path.expectation(lambda x: x), slice(None), exact[:, 0], error[:, 0])
    within(path.expectation(lambda x: x**2), slice(None), exact[:, 1], error[:, 1])
    within(path.relative_entropy(), slice(None), exact[:, 2], error[:, 2])
    assert path.escaped <= 1e-14


def test_values_of_a_tilted_double_well_from_its_ridge():
    energy = parse_potential("30*(x**2-1)**2+20*x")
    path = solve_fokker_planck(energy, InitialLaw.normal(0.3, 0.02), [0.002, 0.01, 0.1])
    square, entropy = path.expectation(lambda x: x**2), path.relative_entropy()
    assert square[0][1:] == pytest.approx([0.252615, 0.838951], abs=2e-6)
    assert entropy[0][1:] == pytest.approx([45.9057, 34.8624], abs=2e-4)


@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("200*(x**4/4-x**2/2+0.1*x)", InitialLaw.normal(0.3, 0.01)),
        (
            "30*(((x+y)/sqrt(2))**2-1)**2+20*(x+y)/sqrt(2)+5*(x-y)**2",
            InitialLaw.normal([0.2, 0.2], 0.05),
        ),
        ("30*(x**2-1)**2+20*x+y**2/2+z**2/2", InitialLaw.normal([0.3, 0.0, 0.0], [0.05, 0.3, 0.3])),
    ],
)
def test_a_box_cut_at_the_start_is_noticed(formula, start):
    energy = parse_potential(formula)
    cut, whole = find_box(energy, start), flow_box(energy, start, 0.05)
    assert whole[0][1] > 1.0 > cut[0][1]
    cells = {1: 256, 2: 64, 3: 32}[energy.dim]
    with pytest.raises(SolverError, match="does not hold the flow"):
        solve_fokker_planck(energy, start, [0.05], cells=cells, box=cut)
    path = solve_fokker_planck(energy, start, [0.05], cells=cells, box=whole)
    assert watched(path, start)[1].total == path.escaped <= 1e-6


def test_the_outflow_bounds_the_law_of_the_maximum():
    """Brownian motion on a slope: P(X leaves [-b, b] before T) in closed form, for one wall."""
    from scipy.special import ndtr

    slope, wall, time = 2.0, 3.0, 1.0
    energy = parse_potential("2*sqrt(x**2+1e-12)")
    path = solve_fokker_planck(
        energy, InitialLaw.normal(0.0, 1e-3), [time], cells=512, box=[(-wall, wall)], tail_mass=1.0
    )
    # |X| is reflected Brownian motion with drift -slope; unreflected it reaches less
    s = np.sqrt(2 * time)
    least = ndtr((-wall - slope * time) / s) + np.exp(-slope * wall) * ndtr(
        (-wall + slope * time) / s
    )
    assert 2 * least <= path.escaped <= 100 * least


def test_walls_that_rise_like_exp_of_a_square_take_no_time():
    energy = parse_potential("exp(x**2/4)")
    path = solve_fokker_planck(energy, InitialLaw.normal(0.0, 1.2), [0.0, 0.1])
    log_z = path.log_normaliser[0]
    exact = 1 / np.sqrt(1 - 1.44 / 2) - np.log(2 * np.pi * np.e * 1.44) / 2 + log_z
    within(path.relative_entropy(), slice(0, 1), exact)
    wide = solve_fokker_planck(energy, InitialLaw.normal(0.0, 1.6), [0.0, 0.1])
    assert np.isinf(wide.relative_entropy()[0][0])
    exact, error = reference(lambda x: np.exp(x**2 / 4), 0.0, 1.6, [0.1], (-12.4, 12.4), 3000)
    within(wide.expectation(lambda x: x**2), slice(1, 2), exact[:, 1], error[:, 1])
    within(wide.relative_entropy(), slice(1, 2), exact[:, 2], error[:, 2])


def test_chi_square_of_a_start_wider_than_pi_is_infinite_until_it_is_not():
    path = solve_fokker_planck(parse_potential("x**2/2"), InitialLaw.normal(0.0, 30.0), [0, 3, 5])
    values, widths = path.chi_square()
    assert np.all(np.isinf(values[:2]))
    assert np.all(widths >= 0)
    variance = 1 + 899 * np.exp(-10)
    assert abs(values[2] - (1 / np.sqrt(variance * (2 - variance)) - 1)) <= widths[2] < 1e-3
    curve = Curve(quantity="chi2", times=path.times, values=values, numerical=widths)
    with pytest.raises(AssumptionError, match="chi2 at time 3 is finite"):
        curve.at(3.0)


def test_chi_square_that_stands_beyond_the_box_is_not_claimed():
    path = solve_fokker_planck(parse_potential("x**2/2"), InitialLaw.normal(10.0, 1.0), [0, 3])
    values, widths = path.chi_square()
    assert np.isinf(widths[0])  # e^100, from where the start has mass e^-50
    shift = 100 * np.exp(-6.0)
    assert abs(values[1] - np.expm1(shift)) <= widths[1] < 1e-4


@pytest.mark.slow
def test_a_front_that_no_grid_resolves_is_within_its_widths():
    """A start far out where U is steep travels as a narrow front: X' = -U'(X) to first order."""
    from scipy.integrate import solve_ivp

    energy = parse_potential("x**2/(1+log(1+x**2/1000))")
    path = solve_fokker_planck(energy, InitialLaw.normal(3000.0, 1.0), [0.1, 1.0], cells=4096)
    assert not path.resolved
    drift = lambda t, x: -energy.gradient(np.array([x]))[0]  # noqa: E731
    exact = solve_ivp(drift, (0, 1), [3000.0], t_eval=[0.1, 1.0], rtol=1e-10, atol=1e-8).y[0]
    within(path.expectation(lambda x: x), slice(None), exact, 1e-3)


FAMILIES = ("a*x**4+b*x**2+c*x", "a*x**6+b*x**4+c*x", "k*(x**2-1)**2+b*k*x/8", "softplus", "slow")


def drawn(rng: np.random.Generator, family: str):
    """Formula in X, the same as a numpy function, and a box far beyond the flow."""
    a, b, c, k = rng.uniform(0.3, 2), rng.uniform(-4, 1), rng.uniform(-3, 3), rng.uniform(5, 50)
    if family == "softplus":
        text = f"{a}*X**2/4+{k / 10}*log(1+exp({c}-2*X))+log(1+exp(3*X-{k / 5}))"
        return (
            text,
            lambda x: (
                a * x**2 / 4 + k / 10 * np.logaddexp(0, c - 2 * x) + np.logaddexp(0, 3 * x - k / 5)
            ),
            (-25.0, 25.0),
        )
    if family == "slow":
        return (
            f"{k / 10}*X**2/(1+log(1+X**2))",
            lambda x: k / 10 * x**2 / (1 + np.log(1 + x**2)),
            (-35.0, 35.0),
        )
    text = family
    for name, value in (("a", a), ("b", b), ("c", c), ("k", k)):
        text = text.replace(name, f"({value!r})")
    return (
        text.replace("x", "X"),
        lambda x: eval_polynomial(family, a, b, c, k, x),
        (-5.0, 5.0),
    )


def eval_polynomial(family, a, b, c, k, x):
    if family.startswith("k"):
        return k * (x**2 - 1) ** 2 + b * k * x / 8
    power = 6 if "6" in family else 4
    return a * x**power + b * x ** (power - 2) + c * x


@pytest.mark.slow
def test_no_value_lies_outside_its_width_on_drawn_energies_starts_and_scales():
    rng = np.random.default_rng(31)
    for number in range(10):
        text, potential, box = drawn(rng, FAMILIES[number % len(FAMILIES)])
        mean, sd = rng.uniform(-1.6, 1.6), float(np.exp(rng.uniform(np.log(0.02), np.log(0.5))))
        time = float(np.exp(rng.uniform(np.log(0.01), np.log(2.0))))
        scale = 10.0 ** int(rng.integers(-4, 5))
        shift = float(rng.choice([0.0, 100.0 * scale]))
        energy = parse_potential(text.replace("X", f"((x-{shift!r})/{scale!r})"))
        start = InitialLaw.normal(shift + scale * mean, scale * sd)
        path = solve_fokker_planck(energy, start, [scale**2 * time / 5, scale**2 * time])
        exact, error = reference(potential, mean, sd, [time / 5, time], box)
        found = [
            [part / scale for part in path.expectation(lambda x, by=shift: x - by)],
            [part / scale**2 for part in path.expectation(lambda x, by=shift: (x - by) ** 2)],
            path.relative_entropy(),
            path.chi_square(),
        ]
        for column, (value, width) in enumerate(found):
            true = exact[:, column]
            slack = error[:, column] + 1e-7 * (1 + np.abs(true))  # of the reference, in time
            outside = np.abs(value - true) > width + slack
            assert not outside.any(), (text, mean, sd, time, scale, shift, column)
