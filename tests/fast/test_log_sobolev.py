"""Lower bounds of the log-Sobolev constant: tables, equality cases, and never above the truth."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lvebm_theory import How, parse_potential
from lvebm_theory.constants import constants_of, spectrum
from lvebm_theory.constants.half_line_criteria import _median, half_line_constants
from lvebm_theory.constants.holley_stroock import best_split, certified_oscillation
from lvebm_theory.constants.lobatto import lobatto
from lvebm_theory.constants.parts import exact_potential
from lvebm_theory.constants.shear import sheared_bound


def candidates(text):
    return {c.name: c for c in constants_of(parse_potential(text)).candidates}


# b: (optimal parabola glued at |x| = r, Muckenhoupt [1/4B, 1/B]) as tabulated in theory
WELLS = {
    0.5: (0.333844, 0.320442, 1.281768),
    1: (0.226551, 0.262756, 1.051023),
    2: (0.089879, 0.142255, 0.569021),
    4: (0.012742, 0.032566, 0.130264),
    6: (0.001755, 0.006414, 0.025658),
}


@pytest.mark.parametrize("b", WELLS)
def test_holley_stroock_table(b):
    found = candidates(f"{b}*(x**2-1)**2")["holley-stroock"]
    u = (1 + math.sqrt(1 + 2 / b)) / 2
    glued = 4 * b * (u - 1) * math.exp(-b * u**2)
    assert glued == pytest.approx(WELLS[b][0], abs=6e-7)
    # the envelope contains the glued parabola, and for this family it is the best there is
    assert found.how is How.CERTIFIED
    assert glued * (1 - 2e-5) <= found.lower <= glued * (1 + 1e-6)


def test_a_split_that_is_not_one_is_refused():
    well = parse_potential("(x**2-1)**2")
    potential = exact_potential(well)
    good = best_split(constants_of(well))
    proved = certified_oscillation(potential, good)
    assert good.oscillation - 1e-4 <= proved <= good.oscillation + 1e-4
    for intervals in (
        (),  # U is not convex
        ((-1.0, 1.0),),  # the slope of U - m x^2/2 at 1 is negative: W would be concave there
        ((-1.4, 0.9),),
        ((-0.5, 0.5),),  # U'' < m at 0.55
    ):
        assert certified_oscillation(potential, replace(good, intervals=intervals)) is None
    # a longer secant is a legitimate split, only a worse one
    wide = certified_oscillation(potential, replace(good, intervals=((-2.5, 2.5),)))
    assert wide > proved + 0.1
    # more curvature than U has outside
    assert certified_oscillation(potential, replace(good, curvature=20.0)) is None


@pytest.mark.parametrize("b", WELLS)
def test_muckenhoupt_table(b):
    found = half_line_constants(spectrum(parse_potential(f"{b}*(x**2-1)**2"), 2).elements)
    assert 1 / (4 * found.muckenhoupt) == pytest.approx(WELLS[b][1], abs=1.5e-6)
    assert 1 / found.muckenhoupt == pytest.approx(WELLS[b][2], abs=3e-6)


@pytest.mark.parametrize(
    ("text", "value"),
    [("(x**2-1)**2", 0.1673), ("2*(x**2-1)**2", 0.0958), ("x**4/4", 0.3355)],
)
def test_barthe_roberto_values(text, value):
    found = candidates(text)["barthe-roberto"]
    assert found.how is How.COMPUTED
    assert found.lower == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("seed", range(20))
def test_a_median_at_the_end_of_a_panel_is_found_whatever_rounding_did(seed):
    # the law of a symmetric energy has its median there, and sums differ by processor
    order = lobatto(12)
    density = np.random.default_rng(seed).uniform(0.5, 2.0, 13)
    total = float(density @ order.weights)
    for missed in (0.0, 1e-16, -1e-16, 1e-12, -1e-12):
        assert _median(order, density, missed) == pytest.approx(-1.0, abs=1e-11)
        assert _median(order, density, total + missed) == pytest.approx(1.0, abs=1e-11)


def test_half_line_constants_of_an_asymmetric_law():
    """One-sided exponential in closed form: pi = e^-x on x > 0, where B = sup e^-x (e^x - 2) = 1.

    The steep wall 60 |x| - 60 x stands in for the boundary at 0.
    """
    found = half_line_constants(spectrum(parse_potential("exp(-40*x) + x"), 1).elements)
    mirrored = half_line_constants(spectrum(parse_potential("exp(40*x) - x"), 1).elements)
    assert found.muckenhoupt == pytest.approx(1.0, abs=0.02)
    assert mirrored.muckenhoupt == pytest.approx(found.muckenhoupt, rel=1e-6)


def entropy_ratio(elements, log_density):
    """FI / (2 KL) of mu ~ exp(g) pi, g at the nodes: an upper bound of rho."""
    f = np.exp(log_density - log_density.max())
    f = f / (elements.masses @ f)
    entropy = elements.masses @ (f * np.log(np.maximum(f, 1e-300)))
    # FI = 4 int |grad sqrt f|^2 d pi
    information = 4 * (elements.slopes(np.sqrt(f)[:, None]) ** 2).sum()
    return information / (2 * entropy)


@pytest.mark.parametrize(
    "text",
    [
        "(x**2-1)**2",
        "x**4/4-x**2+0.3*x",
        "x**2/2+0.3*cos(3*x)",
        "x**4/4",
        "x**2/2+abs(x)",
        "2*(x**2-1)**2+(y-x)**2/2",
        "(y-sin(x))**2+x**4",
        "(x**2-1)**2+(y**2-1)**2+x*y/2",
        "x**2/2+y**2/2+cos(2*x+y)",
    ],
)
def test_bounds_stay_below_trial_densities(text):
    energy = parse_potential(text)
    found = constants_of(energy)
    elements = spectrum(energy, 2).elements
    x = elements.points - elements.masses @ elements.points
    phi = spectrum(energy, 2).functions[:, 0]
    trials = [s * phi for s in (-1.0, -0.3, 1e-3, 0.3, 1.0)]
    trials += [s * x[:, i] for s in (-1.0, 0.5, 2.0) for i in range(energy.dim)]
    least = min(entropy_ratio(elements, g) for g in trials)
    assert least <= found.gap.upper * (1 + 1e-3)
    for candidate in found.candidates:
        assert 0 < candidate.lower <= least
    rho = found.log_sobolev
    assert rho.lower == found.candidates[0].lower
    assert rho.upper == found.gap.upper


def test_equality_for_gaussians():
    gaussian = constants_of(parse_potential("x**2 + (y-0.7*x)**2/2"))
    exact = np.linalg.eigvalsh([[2 + 0.49, -0.7], [-0.7, 1.0]])[0]
    found = {c.name: c for c in gaussian.candidates}
    assert found["bakry-emery"].lower == pytest.approx(exact, rel=1e-9)
    assert found["shear"].lower == pytest.approx(exact, rel=1e-9)
    assert gaussian.log_sobolev.how is How.EXACT


def test_shear_of_a_nonlinear_valley():
    found = candidates("(y-sin(x))**2 + x**4")["shear"]
    base = candidates("x**4")["holley-stroock"].lower
    assert found.how is How.CERTIFIED
    assert found.lower == pytest.approx(sheared_bound(base, 2.0, 1.0), rel=1e-6)
    # an unbounded slope carries no bound
    assert "shear" not in candidates("(y-x**2)**2 + x**2")


def test_sheared_bound_is_an_eigenvalue():
    for x, y, k in ((0.3, 2.0, 1.7), (1e-9, 1.0, 0.4), (5.0, 0.1, 0.0)):
        matrix = [[x + k**2 * y, -k * y], [-k * y, y]]
        assert sheared_bound(x, y, k) == pytest.approx(np.linalg.eigvalsh(matrix)[0], rel=1e-6)


def test_bounded_perturbation_of_a_quadratic():
    found = candidates("x**2/2 + y**2/2 + 0.4*sin(x+y)*cos(x)")["bounded-perturbation"]
    # sin(x+y) cos(x) = (sin(2x+y) + sin(y))/2 has range [-1, 1]
    assert found.lower == pytest.approx(math.exp(-0.8), rel=1e-3)
    assert found.how is How.CERTIFIED


def test_products_take_the_smaller():
    product = constants_of(parse_potential("(x**2-1)**2 + 3*y**2"))
    well = constants_of(parse_potential("(x**2-1)**2"))
    assert product.log_sobolev.lower == pytest.approx(well.log_sobolev.lower, rel=1e-6)
    assert product.log_sobolev.how is How.CERTIFIED
    assert product.gap.lower == pytest.approx(well.gap.lower, rel=1e-12)


@pytest.mark.parametrize("text", ["abs(x)", "abs(x)**1.5", "2*log(1+x**2)", "sqrt(1+x**2+y**2)"])
def test_no_inequality_without_gaussian_moments(text):
    found = constants_of(parse_potential(text))
    assert (found.log_sobolev.lower, found.log_sobolev.upper) == (0.0, 0.0)
    assert found.candidates == ()


def test_an_unproved_argument_does_not_outrank_a_proof():
    # Barthe-Roberto is larger at b = 4, but only computed
    found = constants_of(parse_potential("4*(x**2-1)**2"))
    named = {c.name: c for c in found.candidates}
    assert named["barthe-roberto"].lower > named["holley-stroock"].lower
    assert found.log_sobolev.how is How.CERTIFIED
    assert found.log_sobolev.lower == named["holley-stroock"].lower
