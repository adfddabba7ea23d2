"""Proved enclosures against floating-point routes that share no code with them."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize

from lvebm_theory.certified import (
    certified_expectation,
    certified_gap_1d,
    certified_integral,
    dissipativity,
    hessian_bounds,
    truncation_box,
)
from lvebm_theory.constants.spectral import spectrum
from lvebm_theory.parse import parse_potential

LINE = [
    "x**4/4-x**2+0.3*x",
    "2*(x**2-1)**2+0.6*x",
    "x**2/2+3*cos(5*x)",
    "x**6/6-x**2+0.2*x**3",
    "cosh(x)-2*x",
    "-log(0.3*exp(-(x-2)**2/2)+0.7*exp(-2*(x+1)**2))",
    "x**2*log(1+x**2)-x",
    "3*sqrt(1+x**2)-2*exp(-x**2)",
]
MONOMIALS = (None, lambda x: x, lambda x: x**2)
PLANE = [
    "(x**2-1)**2+(y-x)**2/2",
    "x**4+y**4-3*x*y+x",
    "(x**2+y**2)/2+2*cos(3*x)*cos(2*y)+0.5*x",
    "x**2/2+y**2/2+0.7*sin(x+y)*cos(x)",
    "(x**2+y**2-4)**2+x*y",
]


@pytest.mark.parametrize("text", LINE)
def test_the_gap_holds_the_spectral_one(text):
    energy = parse_potential(text)
    found = certified_gap_1d(energy, 1e-7)
    computed = spectrum(energy, 1)
    error = float(computed.error[0])
    assert found.lower - error <= computed.eigenvalues[0] <= found.upper + error
    assert found.upper - found.lower <= 1.2e-7 * found.value


@pytest.mark.slow
@pytest.mark.parametrize("text", ["x**4/4-x**2+0.3*x", "6*(x**2-1)**2", "x**2/2+3*cos(5*x)"])
def test_the_gap_to_ten_digits(text):
    found = certified_gap_1d(parse_potential(text), 1e-10)
    assert found.upper - found.lower <= 1.1e-10 * found.value


@pytest.mark.parametrize("text", LINE)
def test_normalisers_and_moments_hold_adaptive_quadrature(text):
    energy = parse_potential(text)
    ((low, high),) = truncation_box(energy, 1e-15)

    def weight(x, power):
        return x**power * np.exp(-energy.potential(np.array([[x]]))[0])

    pieces = np.linspace(low, high, 41)
    moments = [
        sum(quad(weight, a, b, args=(n,), epsabs=0)[0] for a, b in itertools.pairwise(pieces))
        for n in (0, 1, 2)
    ]
    size = moments[0] + moments[2]
    for n in (0, 1, 2):
        found = certified_integral(energy, MONOMIALS[n])
        assert found.lower - 1e-11 * size <= moments[n] <= found.upper + 1e-11 * size
        assert found.upper - found.lower <= 1e-8 * size
    variance = certified_expectation(energy, lambda x: x**2)
    assert variance.value == pytest.approx(moments[2] / moments[0], rel=1e-9)


@pytest.mark.parametrize("text", LINE + PLANE)
def test_hessian_bounds_hold_local_searches_and_are_reached(text):
    energy = parse_potential(text)
    convexity, smoothness = hessian_bounds(energy)

    def smallest(x):
        return float(np.linalg.eigvalsh(energy.hessian(np.asarray(x)[None, :]))[0, 0])

    rng = np.random.default_rng(5)
    found = min(
        minimize(smallest, rng.normal(size=energy.dim) * 1.5, method="Nelder-Mead").fun
        for _ in range(30)
    )
    scale = 1 + abs(found)
    assert convexity.lower <= found + 1e-9 * scale
    assert found - 2e-6 * scale <= convexity.upper <= found + 1e-6 * scale
    points = rng.normal(size=(5000, energy.dim)) * 4
    largest = np.abs(np.linalg.eigvalsh(energy.hessian(points))).max()
    assert largest <= smoothness.upper * (1 + 1e-12)


@pytest.mark.parametrize("text", PLANE)
def test_the_plane_box_holds_the_mass(text):
    energy = parse_potential(text)
    box = truncation_box(energy, 1e-9)
    wide = [np.linspace(a - (b - a), b + (b - a), 1201) for a, b in box]
    x, y = np.meshgrid(*wide, indexing="ij")
    u = energy.on_coordinates("potential", [x, y])
    mass = np.exp(-(u - u.min()))
    inside = (x > box[0][0]) & (x < box[0][1]) & (y > box[1][0]) & (y < box[1][1])
    assert mass[~inside].sum() <= 1e-9 * mass.sum()


@pytest.mark.parametrize("text", PLANE)
def test_dissipativity_offset_is_the_least_one(text):
    energy = parse_potential(text)
    rate, offset = dissipativity(energy)

    def slack(x):
        x = np.asarray(x)[None, :]
        return float((energy.gradient(x) * x).sum() - rate.value * (x**2).sum())

    rng = np.random.default_rng(6)
    least = min(
        minimize(slack, rng.normal(size=2) * 2, method="Nelder-Mead").fun for _ in range(30)
    )
    assert -offset <= least + 1e-9
    assert least <= -offset + 1e-4 * (1 + offset)
