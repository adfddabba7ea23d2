"""Log-Sobolev bounds of Gaussian mixtures of one covariance, against convex hulls; 3 s."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.constants.mixture_bound import best_curvature, mixture_bound, oscillation
from lvebm_theory.parse import parse_potential


def hull_oscillation(centres, weights, m, reach=14.0, nodes=1501):
    """max of V minus its convex hull on the line, by Qhull."""
    z = np.linspace(-reach, reach, nodes)
    exponents = np.log(weights)[:, None] - (z - np.array(centres)[:, None]) ** 2 / 2
    top = exponents.max(axis=0)
    v = -top - np.log(np.exp(exponents - top).sum(axis=0)) - m * z**2 / 2
    facets = ConvexHull(np.column_stack([z, v])).equations
    a, b, c = facets[facets[:, 1] < -1e-9].T
    return float((v - (-(a[:, None] * z + c[:, None]) / b[:, None]).max(axis=0)).max())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 1.0)), min_size=2, max_size=5),
    st.floats(0.05, 0.7),
)
def test_the_oscillation_bounds_that_of_the_hull(parts, m):
    centres, weights = zip(*parts, strict=True)
    radius = (max(centres) - min(centres)) / 2
    assert hull_oscillation(centres, weights, m) <= oscillation(m, radius) + 1e-6


@pytest.mark.parametrize("m", [0.1, 0.4])
def test_two_far_modes_nearly_reach_it(m):
    hull = hull_oscillation((-4.0, 4.0), (1.0, 1.0), m)
    # at the middle both modes count, which the bound does not know
    assert hull == pytest.approx(oscillation(m, 4.0) - math.log(2), rel=1e-3)


@pytest.mark.parametrize("radius", [0.1, 1.0, 5.0])
def test_the_curvature_is_the_best_one(radius):
    def value(m):
        return m * math.exp(-oscillation(m, radius))

    m = best_curvature(radius)
    assert value(m) >= max(value(0.999 * m), value(m + 0.001 * (1 - m)))


TURNED = "-log(exp(-(x-1)**2-(y-{a})**2-x*y)+2*exp(-(x+1)**2-y**2-x*y)+exp(-x**2-(y+1)**2-x*y))"


def test_planar_and_spatial_mixtures_are_proved():
    found = mixture_bound(constants_of(parse_potential(TURNED.replace("{a}", "0.5"))))
    assert found.how is How.CERTIFIED
    assert 0.05 < found.lower < 1.0  # the least eigenvalue of P
    space = "-log(exp(-x**2-y**2-z**2)+exp(-(x-2)**2-y**2-z**2)+exp(-x**2-(y-2)**2-(z-1)**2))"
    assert mixture_bound(constants_of(parse_potential(space))).how is How.CERTIFIED


@pytest.mark.parametrize(
    "text",
    [
        "-log(exp(-x**2-y**2)+exp(-2*(x-1)**2-y**2))",
        "-log(exp(-x**2-y**2)+exp(-(x-1)**2-y**2))+cos(x)",
        "2*x**2+2*y**2+2*log(exp(-x**2-y**2)+exp(-(x-1)**2-y**2))",
        "x**2+y**2+log(exp(x)+exp(y)+exp(x-y))",
    ],
)
def test_other_energies_are_left_alone(text):
    assert mixture_bound(constants_of(parse_potential(text))) is None
