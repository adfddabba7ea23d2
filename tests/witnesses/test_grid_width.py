"""The numerical half-width of a grid result covers its true error, and not by much.

One hundred random one-dimensional cases (energy, start, time) and sixteen in two dimensions,
against spectral references that share nothing with the grid, or a closed form.
"""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import solve_fokker_planck

from .line_reference import KinkReference, LineReference, start_fits

FORMULAS = (
    "a*x**2/2",
    "a*(x**2-1)**2",
    "a*(x**2-1)**2 + b*x",
    "x**4/4 - x**2 + b*x",
    "x**2/2 + b*cos(3*x) + a*x/9",
    "a*log(cosh(x)) + x**2/10 + b*x/9",
    "a*abs(x-b)",
    "x**6/20 + a*x**2/2 + b*x",
)


def random_case(rng: np.random.Generator, formula: str):
    energy = parse_potential(
        formula, parameters={"a": rng.uniform(0.5, 2.5), "b": rng.uniform(-0.6, 0.6)}
    )
    while True:  # until the reference can expand the start
        start = InitialLaw.normal(rng.uniform(-1.5, 1.5), np.exp(rng.uniform(np.log(0.05), 0.0)))
        if not energy.smooth or start_fits(energy, start):
            break
    time = float(np.exp(rng.uniform(np.log(0.02), np.log(4.0))))
    return energy, start, time


def reference(energy, start: InitialLaw, time: float) -> tuple[float, float]:
    """Relative entropy and chi-square, by sinc collocation or, with a kink, in closed form."""
    if energy.smooth:
        flow = LineReference(energy, start)
    else:
        flow = KinkReference(energy.parameters["a"], energy.parameters["b"], start)
    return flow.relative_entropy(time), flow.chi_square(time)


def check(ratios: np.ndarray) -> None:
    assert ratios.min() >= 1.0
    assert np.median(ratios) <= 5.0
    assert np.quantile(ratios, 0.95) <= 30.0


@pytest.mark.slow
def test_half_width_covers_the_error_on_a_hundred_random_lines():
    rng = np.random.default_rng(20)
    ratios = []
    for number in range(100):
        energy, start, time = random_case(rng, FORMULAS[number % len(FORMULAS)])
        path = solve_fokker_planck(energy, start, [time])
        entropy, chi_square = reference(energy, start, time)
        for (value, width), exact in (
            (path.relative_entropy(), entropy),
            (path.chi_square(), chi_square),
        ):
            error = abs(value[0] - exact)
            ratios.append(width[0] / error)
            if exact >= 1e-8:
                assert error <= 1e-4 * exact
    check(np.array(ratios))


def gaussian_relative_entropy(mean, covariance, precision) -> float:
    quadratic = np.trace(precision @ covariance) + mean @ precision @ mean - len(mean)
    logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(precision)[1]
    return float((quadratic - logs) / 2)


@pytest.mark.slow
def test_half_width_covers_the_error_on_rotated_gaussians():
    from scipy.linalg import expm

    rng = np.random.default_rng(21)
    ratios = []
    for _ in range(8):
        angle = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        precision = turn @ np.diag([rng.uniform(0.4, 1.5), rng.uniform(1, 3)]) @ turn.T
        energy = parse_potential(
            "a*x**2/2 + b*x*y + c*y**2/2",
            parameters={"a": precision[0, 0], "b": precision[0, 1], "c": precision[1, 1]},
        )
        mean, sd = rng.uniform(-2, 2, 2), np.exp(rng.uniform(np.log(0.15), 0.0, 2))
        time = float(np.exp(rng.uniform(np.log(0.02), np.log(4.0))))
        path = solve_fokker_planck(energy, InitialLaw.normal(mean, sd), [time])
        decay, stationary = expm(-precision * time), np.linalg.inv(precision)
        covariance = stationary + decay @ (np.diag(sd**2) - stationary) @ decay.T
        exact = gaussian_relative_entropy(decay @ mean, covariance, precision)
        value, width = path.relative_entropy()
        ratios.append(width[0] / abs(value[0] - exact))
        assert abs(value[0] - exact) <= 1e-4 * exact
    check(np.array(ratios))


@pytest.mark.slow
def test_half_width_covers_the_error_on_products_of_lines():
    rng = np.random.default_rng(22)
    ratios = []
    for number in range(8):
        formula = FORMULAS[number % len(FORMULAS)]
        a, b, c = rng.uniform(0.5, 2.5), rng.uniform(-0.6, 0.6), rng.uniform(0.5, 2.0)
        energy = parse_potential(f"{formula} + c*y**2/2", parameters={"a": a, "b": b, "c": c})
        line = parse_potential(formula, parameters={"a": a, "b": b})
        while True:
            mean, sd = rng.uniform(-1.5, 1.5, 2), np.exp(rng.uniform(np.log(0.1), 0.0, 2))
            if not line.smooth or start_fits(line, InitialLaw.normal(mean[0], sd[0])):
                break
        time = float(np.exp(rng.uniform(np.log(0.02), np.log(4.0))))
        exact = 0.0
        for axis, (text, values) in enumerate(
            ((formula, {"a": a, "b": b}), ("c*x**2/2", {"c": c}))
        ):
            line = parse_potential(text, parameters=values)
            exact += reference(line, InitialLaw.normal(mean[axis], sd[axis]), time)[0]
        path = solve_fokker_planck(energy, InitialLaw.normal(mean, sd), [time])
        value, width = path.relative_entropy()
        ratios.append(width[0] / abs(value[0] - exact))
        assert abs(value[0] - exact) <= 1e-4 * exact
    check(np.array(ratios))
