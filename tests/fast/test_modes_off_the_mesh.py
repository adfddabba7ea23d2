"""A gap in the plane is COMPUTED only where a slow mode off the mesh is excluded by proof."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvebm_theory import parse_potential
from lvebm_theory.certified.array_intervals import ARRAY_INTERVALS, array_hull, array_meet
from lvebm_theory.certified.drift import Drift, prove_drift
from lvebm_theory.certified.drift_outward import Outward
from lvebm_theory.certified.evaluation import bind
from lvebm_theory.certified.jets import JetAlgebra
from lvebm_theory.certified.ridges import ridge_tangents
from lvebm_theory.certified.subject import as_written
from lvebm_theory.constants import constants_of

FAR = "-log(exp(-(x**2+y**2)/2)+exp(-50*((x-17.4)**2+(y+9.9)**2)))"
FORMULAS = (
    "(x**2+y**2-2)**2 + x*y",
    "-log(exp(-(x-1)**2-y**2)+2*exp(-(x+1)**2/3-(y-2)**2)+exp(-(x+y)**2-y**2))",
    "x**2/2+y**2+log(1+exp(x-2*y))+2*log(cosh(x+y))",
    "-3*exp(-(x-1)**2-4*y**2)+exp(0.3*x**2+0.1*x*y+0.2*y**2)",
    "x**4/(1+y**2)+sin(x*y)+cos(2*x-y)+sqrt(1+x**2+y**2)+atan(x)+tanh(y)",
)


@pytest.mark.parametrize("text", FORMULAS)
@settings(max_examples=20, deadline=None)
@given(x=st.floats(-6, 6), y=st.floats(-6, 6), width=st.sampled_from([0.0, 1e-6, 1e-2, 1.0, 20.0]))
def test_jets_over_boxes_hold_what_points_give(text, x, y, width):
    energy = parse_potential(text)
    potential = as_written(energy)
    jets = JetAlgebra(ARRAY_INTERVALS, hull=array_hull, meet=array_meet)
    sides = [(np.array([v]), np.array([v + width])) for v in (x, y)]
    with np.errstate(all="ignore"):
        (jet,) = bind(potential.program(potential.expression), jets)(jets.coordinates(*sides))
    for s, t in itertools.product((0.0, 0.37, 1.0), repeat=2):
        point = np.array([[x + s * width, y + t * width]])
        gradient, hessian = energy.gradient(point)[0], energy.hessian(point)[0]
        truth = [energy.potential(point)[0], *gradient, *hessian[np.triu_indices(2)]]
        for (low, high), value in zip(jet, truth, strict=True):
            slack = 1e-9 * (1 + abs(value))
            assert np.max(low) - slack <= value <= np.min(high) + slack


def test_enclosures_are_close_on_small_boxes():
    # an algebra that always said "anything" would pass the test above
    for text in FORMULAS:
        potential = as_written(parse_potential(text))
        jets = JetAlgebra(ARRAY_INTERVALS, hull=array_hull, meet=array_meet)
        sides = [(np.array([v]), np.array([v + 1e-7])) for v in (0.3, -0.8)]
        (jet,) = bind(potential.program(potential.expression), jets)(jets.coordinates(*sides))
        assert all(np.max(high) - np.min(low) < 1e-4 for low, high in jet)


def gaussian_drift(**changes):
    """U = (x^2 + y^2)/2: V = r^2/4 - 1, and V - r^2/16 >= 1 for r^2 >= 32/3, height 16/3."""
    settings = {
        "rate": 1.0,
        "minimum": 0.0,
        "inner": 6.0,
        "outer": 20.0,
        "ramp": 2.0,
        "shares": np.full(4, 0.25),
        "steepest": 40.0,
    }
    return Drift(**{**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "size", "proved"),
    [
        ({}, 8.0, True),
        ({"rate": 1.5}, 8.0, False),  # V - r^2/16 = 1.25 at height 6
        ({"shares": np.full(4, 0.4)}, 8.0, False),
        ({"steepest": 10.0}, 8.0, False),
        ({"inner": 3.0}, 8.0, False),
        ({}, 5.0, False),  # the mesh ends below the outer height
    ],
)
def test_the_drift_of_a_gaussian(changes, size, proved):
    def covered(low, high):
        return (np.abs(low).max(axis=1) <= size) & (np.abs(high).max(axis=1) <= size)

    potential = as_written(parse_potential("(x**2+y**2)/2"))
    outcome = prove_drift(potential, gaussian_drift(**changes), covered, 9.0)
    assert outcome.proved == proved, outcome.reason


@pytest.mark.parametrize(
    ("floor", "rate", "proved"),
    [
        ("(x**2+y**2)/2", 2.0, True),
        ("sqrt(1+x**2+y**2)", 0.3, False),  # V tends to 1/4 along the valley
    ],
)
def test_the_floor_of_a_slanted_valley_has_its_own_drift(floor, rate, proved):
    potential = as_written(parse_potential(f"{floor}+(x-0.3*y+0.7)**4/10"))
    assert ridge_tangents(potential) == [(3, 10)]
    outward = Outward(potential)
    assert outward.proved(power=0.5, rate=rate, value=5.0, radius=256.0) == proved


def test_a_narrow_mode_far_out_breaks_the_drift():
    def covered(low, high):
        return (np.abs(low).max(axis=1) <= 8) & (np.abs(high).max(axis=1) <= 8)

    outcome = prove_drift(as_written(parse_potential(FAR)), gaussian_drift(), covered, 20.0)
    assert not outcome.proved
    assert np.hypot(*(outcome.places - [17.4, -9.9]).T).min() < 8


def test_a_narrow_mode_far_out_closes_the_gap():
    found = constants_of(parse_potential(FAR)).gap
    assert found.lower == 0
    assert found.upper < 1e-9
