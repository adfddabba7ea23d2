"""Holley-Stroock for functions of one direction each; 6 s of processor time."""

import math

import numpy as np
import pytest

from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.constants.plane_envelope import plane_envelope
from lvebm_theory.constants.ridge_envelope import ridge_envelope
from lvebm_theory.parse import parse_potential

STRIPS = "(x**4+y**4)/4-(x**2+y**2)/2+0.3*x*y"
TILTED = "{u}**4/4-1.3*{u}**2/2+({v}-0.4*{u})**2+0.3*{u}"


def ridges(text):
    return ridge_envelope(constants_of(parse_potential(text)))


def turned(shape, c, s):
    return shape.replace("{u}", f"({c}*x+({s})*y)").replace("{v}", f"({c}*y-({s})*x)")


def test_strips_across_which_u_is_concave_for_ever():
    found, estimate = ridges(STRIPS), plane_envelope(constants_of(parse_potential(STRIPS)))
    assert found.how is How.CERTIFIED
    # the planar envelope is found without any structure, and only estimated here
    assert estimate.how is How.ESTIMATED
    assert found.lower == pytest.approx(estimate.lower, rel=0.02)


def test_one_direction_is_the_bound_of_the_line():
    # u and v are independent after y -> y - 0.4 x, which the argument does not know
    direct = {
        c.name: c for c in constants_of(parse_potential("x**4/4-1.3*x**2/2+0.3*x")).candidates
    }
    found = ridges(turned(TILTED, 1.0, 0.0))
    assert found.how is How.CERTIFIED
    assert found.lower <= direct["holley-stroock"].lower


@pytest.mark.parametrize(("c", "s"), [(0.6, 0.8), (0.96, -0.28)])
def test_it_turns_with_the_energy(c, s):
    straight, other = (ridges(turned(TILTED, *t)) for t in ((1.0, 0.0), (c, s)))
    assert other.lower == pytest.approx(straight.lower, rel=2e-3)


def test_it_serves_three_coordinates():
    text = "x**4/4-x**2/2+(y-x)**2+(z+y)**2+z**2/2+2*log(1+exp(y+z))"
    found = ridges(text)
    assert found.how is How.CERTIFIED
    assert found.lower > 0.05


def test_a_narrow_well_is_counted():
    # between the nodes of the search, which must not know it: its depth is in the oscillation
    well = f"{STRIPS}-4*exp(-1e8*(x+y-0.31416)**2)"
    found = ridges(well)
    assert found is None or found.lower <= 1.3 * math.exp(-4)


def test_no_more_than_a_trial_function_allows():
    # Var f <= E |grad f|^2 / rho with f = tanh, by a plain sum over a grid
    x = np.linspace(-6, 6, 601)
    u = parse_potential(STRIPS).potential(np.stack([g.ravel() for g in np.meshgrid(x, x)], axis=1))
    p = np.exp(u.min() - u)
    p /= p.sum()
    first = np.meshgrid(x, x)[0].ravel()
    f, slope = np.tanh(2 * first), 2 / np.cosh(2 * first) ** 2
    ratio = (p @ slope**2) / (p @ f**2 - (p @ f) ** 2)
    assert ridges(STRIPS).lower < ratio < 30 * ridges(STRIPS).lower
