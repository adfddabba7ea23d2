"""Bounds of the Hessian and dissipativity: known values, and inequalities at random points."""

import math

import numpy as np
import pytest

from lvebm_theory.certified import dissipativity, hessian_bounds
from lvebm_theory.constant import How
from lvebm_theory.energies import catalogue
from lvebm_theory.errors import AssumptionError
from lvebm_theory.parse import parse_potential

GOLDEN = (math.sqrt(5) - 1) / 2

HESSIANS = [
    ("x**2/2", 1.0, 1.0),
    ("(x**2-1)**2", -4.0, math.inf),
    ("x**4", 0.0, math.inf),
    ("cosh(x)", 1.0, math.inf),
    ("x**2/2+3*cos(5*x)", -74.0, 76.0),
    ("log(cosh(x))", 0.0, 1.0),
    ("sqrt(1+x**2)", 0.0, 1.0),
    ("2*log(1+x**2)", -0.5, 4.0),
    ("x**4/(1+x**2)", 0.0, 2.5),
    ("-log(exp(-(x-2)**2/2)+exp(-(x+2)**2/2))", -3.0, 3.0),
    ("(x**2-1)**2+(y-x)**2/2", -1 - math.sqrt(5), math.inf),
    ("x**4+y**4-3*x*y", -3.0, math.inf),
    ("x**2+x*y+y**2", 1.0, 3.0),
    ("(x**2+y**2-4)**2", -16.0, math.inf),
    ("(x**2+y**2)/2+2*cos(3*x)*cos(2*y)", -17.0, 19.0),
    ("x**2/2+y**2+sin(x+y)", -GOLDEN, 3 + GOLDEN),
    ("log(cosh(x))+log(cosh(y))+(x-y)**2", 0.0, 5.0),
    ("x**2/2+(y**2-1)**2+z**2", -4.0, math.inf),
]


def test_dissipativity_of_many_gaussians_is_that_of_their_quadratics():
    """Eight means on a circle of radius r, variance v: c = (r/v)^2/(4 (1/v - a)) in closed form."""
    radius, variance = 4.0, 0.7
    angles = np.pi / 4 * np.arange(8)
    means = [(float(radius * np.cos(t)), float(radius * np.sin(t))) for t in angles]
    terms = [f"exp(-((x-({a!r}))**2+(y-({b!r}))**2)/(2*{variance}))" for a, b in means]
    energy = parse_potential("-log(" + "+".join(terms) + ")")
    rate, offset = dissipativity(energy, (0.0, 0.0))
    assert rate.how is How.CERTIFIED
    assert offset == pytest.approx((radius / variance) ** 2 / 4 / (1 / variance - rate.lower))
    points = np.random.default_rng(5).normal(scale=4.0, size=(4000, 2))
    product = (energy.gradient(points) * points).sum(axis=1)
    margin = product - rate.lower * (points**2).sum(axis=1) + offset
    assert margin.min() >= -1e-9 * offset
    # in the direction of a mean the bound is nearly attained: a third of the offset is too little
    assert (margin - 2 * offset / 3).min() < 0


@pytest.mark.parametrize(("text", "convexity", "smoothness"), HESSIANS)
def test_hessian_bounds_enclose_known_values_tightly(text, convexity, smoothness):
    low, high = hessian_bounds(parse_potential(text))
    for found, exact in ((low, convexity), (high, smoothness)):
        slip = 4e-16 * abs(exact) if math.isfinite(exact) else 0.0
        assert found.lower <= exact + slip
        assert exact - slip <= found.upper
        if math.isfinite(exact):
            assert found.upper - found.lower <= 1e-6 * max(1.0, abs(exact))


@pytest.mark.parametrize(
    "name", ["gaussian_mixture", "location_family", "ring", "cosine_perturbed"]
)
def test_hessian_bounds_hold_at_random_points(name):
    member = catalogue()[name]()
    energy = member if hasattr(member, "dim") else member.joint()
    convexity, smoothness = hessian_bounds(energy)
    points = np.random.default_rng(3).normal(size=(2000, energy.dim)) * 3
    eigenvalues = np.linalg.eigvalsh(energy.hessian(points))
    assert convexity.lower <= eigenvalues.min() + 1e-9
    assert np.abs(eigenvalues).max() <= smoothness.upper + 1e-9
    assert convexity.how in (How.EXACT, How.CERTIFIED)


def test_a_hessian_without_bounds_says_so():
    convexity, smoothness = hessian_bounds(parse_potential("x**2/2+sin(x)*x"))
    assert convexity.lower == -math.inf
    assert smoothness.upper == math.inf
    assert smoothness.lower > 100


def test_kinks_have_no_hessian_bounds():
    with pytest.raises(AssumptionError, match="smooth"):
        hessian_bounds(parse_potential("abs(x)"))


@pytest.mark.parametrize("m", [0.5, 1.0, 4.0])
def test_dissipativity_of_a_centred_quadratic_is_an_equality(m):
    rate, offset = dissipativity(parse_potential("m*x**2/2", parameters={"m": m}))
    assert (rate.value, offset) == (m, 0.0)
    assert rate.how is How.EXACT


def test_dissipativity_minimises_the_moment_bound():
    # U = b (x^2 - 1)^2: c(a) = (a + 4b)^2 / (16 b), least (c + 1)/a at a^2 = 16 b (b + 1)
    for b in (1.0, 3.0):
        rate, offset = dissipativity(parse_potential("b*(x**2-1)**2", parameters={"b": b}))
        best = 4 * math.sqrt(b * (b + 1))
        least = ((best + 4 * b) ** 2 / (16 * b) + 1) / best
        assert (offset + 1) / rate.value == pytest.approx(least, rel=2e-3)
        assert offset >= (rate.value + 4 * b) ** 2 / (16 * b)


@pytest.mark.parametrize(
    "text",
    [
        "x**4/4-x**2+0.3*x",
        "(x-1)**2/2",
        "x**2/2+3*cos(5*x)",
        "x**2/2+log(cosh(x))",
        "x**2/2+abs(x-1)",
        "(x**2-1)**2+(y-x)**2/2",
        "(x-1)**2+x*y+y**2",
        "(x**2+y**2-4)**2",
        "(x**2-1)**2+(y**2-1)**2+z**2",
        "x**2/2+y**2/2+tanh(x*y)",
    ],
)
def test_dissipativity_holds_at_random_points(text):
    energy = parse_potential(text)
    rate, offset = dissipativity(energy)
    rng = np.random.default_rng(4)
    for scale in (0.5, 3.0, 100.0):
        x = rng.normal(size=(4000, energy.dim)) * scale
        inner = (energy.gradient(x) * x).sum(1)
        slack = 1e-12 * (1 + np.abs(inner))
        assert np.all(inner >= rate.lower * (x**2).sum(1) - offset - slack)


@pytest.mark.parametrize(
    "text", ["abs(x)", "log(cosh(x))", "exp(x)-x", "2*log(1+x**2)", "100*(y-x**2)**2+(1-x)**2"]
)
def test_what_is_not_dissipative_is_refused(text):
    with pytest.raises(AssumptionError, match="dissipativity"):
        dissipativity(parse_potential(text))
