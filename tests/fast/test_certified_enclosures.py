"""Enclosures enclose: intervals, growth at infinity and Taylor models against point values."""

import math
import random

import numpy as np
import pytest
from flint import arb, ctx

from lvebm_theory.certified.infimum import Field
from lvebm_theory.certified.integral import certified_expectation, certified_integral
from lvebm_theory.certified.interval import Interval
from lvebm_theory.certified.subject import potential_of
from lvebm_theory.certified.tail import Directions
from lvebm_theory.errors import AssumptionError
from lvebm_theory.parse import parse_potential

FORMULAS = [
    "x**4/(1+x**2)-3*x",
    "sqrt(1+x**2)-abs(x)",
    "log(cosh(x))+sin(3*x)*x",
    "x**2*exp(-x**2/50)+tanh(x)",
    "-log(exp(-(x-2)**2/2)+0.3*exp(-(x+2)**2/8))",
    "(1+x**2)**0.3*cos(x)",
    "atan(x)*x-log(2+x**2)",
    "x*log(3+x**2)-erf(x)*x**2",
    "cosh(x)/(1+x**2)-sinh(x/2)",
    "abs(x)**1.5+max(x,-2*x,1)",
    "exp(-abs(x))*x**3",
]


@pytest.fixture(autouse=True)
def _precision():
    with ctx.workprec(80):
        yield


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("radius", [4, 64])
def test_growth_encloses_the_function_on_the_whole_ray(text, radius):
    potential = potential_of(parse_potential(text))
    at = potential.on_intervals()
    for sign in (1, -1):
        directions = Directions(axis=0, sign=sign, others=())
        (growth,) = potential.on_rays(arb(radius))(directions.coordinates(arb(radius), (0.0,)))
        assert growth.defined
        span, below = growth.range(), growth.lower_term()
        for factor in (1.0, 1.01, 1.7, 3.0, 11.0, 40.0):
            r = arb(radius * factor)
            (value,) = at([Interval.point(sign * r)])
            assert span.low <= value.high
            assert value.low <= span.high
            if below is not None:
                scale = below[1].logarithm_at(r)
                assert (below[0] * scale.low.exp()).lower() <= value.high


def test_growth_on_a_box_of_directions_encloses_every_direction():
    potential = potential_of(parse_potential("x**2*y**2-3*x*y**2+cosh(x/8)+y**2/(1+x**2)"))
    at = potential.on_intervals()
    random.seed(1)
    box = Directions(axis=1, sign=-1, others=((-0.3, 0.2),))
    (growth,) = potential.on_rays(arb(4))(box.coordinates(arb(4), (0.0, 0.0)))
    span = growth.range()
    for _ in range(200):
        r, u = 4 * math.exp(random.expovariate(1.0)), random.uniform(-0.3, 0.2)
        (value,) = at([Interval.point(u * r), Interval.point(-r)])
        assert span.low <= value.high
        assert value.low <= span.high


@pytest.mark.parametrize("text", FORMULAS)
def test_intervals_and_balls_enclose_point_values(text):
    potential = potential_of(parse_potential(text))
    ranges, points = potential.on_intervals(), potential.on_floats()
    random.seed(2)
    for _ in range(60):
        a = random.uniform(-5, 5)
        b = a + random.expovariate(2.0)
        (span,) = ranges([Interval.between(a, b)])
        values = points([np.linspace(a, b, 7)])[0]
        slack = 1e-12 * (1 + np.abs(values).max())
        assert float(span.low) <= values.min() + slack
        assert values.max() - slack <= float(span.high)


def test_intervals_know_what_is_undefined():
    sqrt = potential_of(parse_potential("sqrt(x)")).on_intervals()
    assert not sqrt([Interval.between(-1, 1)])[0].defined
    hidden = potential_of(parse_potential("sin(1/x)")).on_intervals()
    assert not hidden([Interval.between(-1, 1)])[0].defined


def test_even_powers_are_never_negative():
    (square,) = potential_of(parse_potential("(x-1)**2")).on_intervals()([Interval.between(0, 3)])
    assert square.low == 0
    assert square.high == 4


def test_a_jump_is_not_smoothed_over():
    # the infimum .49 - 5 lies at the jump, x -> .7+; a mean value form from the left misses it
    potential = potential_of(parse_potential("x**2-5*sign(x-0.7)"))
    bracket = Field(potential.symbols, potential.expression).inside(4.0, 1e-6, 10.0)
    assert 0.49 - 5 - 1e-4 <= bracket.lower <= 0.49 - 5


@pytest.mark.parametrize(
    ("text", "f", "exact"),
    [
        ("x**2/2", None, math.sqrt(2 * math.pi)),
        ("x**2/2", lambda x: x**4, 3 * math.sqrt(2 * math.pi)),
        ("abs(x)", None, 2.0),
        ("abs(x)**1.5", None, 2 * math.gamma(5 / 3)),
        ("2*log(1+x**2)", None, math.pi / 2),
        ("(x-1000)**2/2", lambda x: x, 1000 * math.sqrt(2 * math.pi)),
    ],
)
def test_integrals_enclose_closed_forms_tightly(text, f, exact):
    found = certified_integral(parse_potential(text), f)
    assert found.lower <= exact * (1 + 1e-15)
    assert exact * (1 - 1e-15) <= found.upper
    assert found.upper - found.lower <= 1e-9 * exact


def test_expectations_divide_by_the_normaliser():
    found = certified_expectation(parse_potential("(x-3)**2/8"), lambda x: x**2)
    assert found.lower <= 13 <= found.upper
    assert found.upper - found.lower < 1e-8


def test_an_infinite_moment_is_refused():
    with pytest.raises(AssumptionError, match="tail"):
        certified_integral(parse_potential("2*log(1+x**2)"), lambda x: x**4)
