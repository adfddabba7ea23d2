"""Planar Holley-Stroock with a proof, against convex hulls of points; 10 s of processor time."""

import math
import re

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.parse import parse_potential

RING = "((x**2+y**2)-4)**2/4+0.1*x"
WELLS = "(x**2+y**2)/4-3*exp(-(x-1)**2-y**2)-2*exp(-(x+1)**2-2*(y-1)**2)"
COUPLED = "x**4/4-x**2/2+y**4/4-y**2/2+sin(x*y)/5"


def numbers(constant):
    """(curvature, oscillation) that the source names."""
    found = re.search(r"of curvature ([\d.e-]+) and oscillation ([\d.e-]+)", constant.source)
    return tuple(map(float, found.groups()))


def hull_oscillation(text, curvature, low, high, nodes):
    """max of V minus the lower convex hull of its graph: Qhull, nothing of ours but U."""
    x, y = np.meshgrid(np.linspace(low, high, nodes), np.linspace(low, high, nodes))
    points = np.stack([x.ravel(), y.ravel()])
    v = parse_potential(text).potential(points.T) - curvature * (points**2).sum(axis=0) / 2
    facets = ConvexHull(np.column_stack([points.T, v])).equations
    facets = facets[facets[:, 2] < -1e-12]
    gap = np.full(points.shape[1], np.inf)
    for a, b, c, d in np.unique(np.round(facets, 12), axis=0):
        gap = np.minimum(gap, v + (a * points[0] + b * points[1] + d) / c)
    return float(gap.max())


@pytest.mark.parametrize(("text", "reach"), [(RING, 3.4), (WELLS, 6.0)])
def test_the_proved_oscillation_is_that_of_the_convex_hull(text, reach):
    (rho,) = (
        c for c in constants_of(parse_potential(text)).candidates if c.name == "plane-envelope"
    )
    assert rho.how is How.CERTIFIED
    curvature, oscillation = numbers(rho)
    # a hull of points lies above the envelope, little here
    hull = hull_oscillation(text, curvature, -reach, reach, 91)
    assert hull - 1e-9 <= oscillation <= 1.05 * hull + 0.05
    assert rho.lower == pytest.approx(curvature * math.exp(-oscillation), rel=1e-4)


def test_a_well_between_the_nodes_is_seen():
    # its centre lies off every grid, and its width is a thousandth of the cells
    hidden = f"{RING}-6*exp(-1e9*((x-0.4142)**2+(y-0.3173)**2))"
    rho = constants_of(parse_potential(hidden)).candidates
    proved = [c for c in rho if c.how in (How.EXACT, How.CERTIFIED)]
    assert all(c.lower < 0.45 * math.exp(-6) for c in proved)


def test_without_convexity_far_out_it_is_an_estimate():
    # along the axes U'' across them stays at -1 + sin, however far out
    for candidate in constants_of(parse_potential(COUPLED)).candidates:
        assert candidate.name != "plane-envelope" or candidate.how is How.ESTIMATED
