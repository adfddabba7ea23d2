"""The proved bound of U'' and of its averages lies below the truth, and near it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lvebm_theory.certified.line_curvature import curvature_bound
from lvebm_theory.errors import AssumptionError
from lvebm_theory.parse import parse_potential

POTENTIALS = (
    "((x-m)/s)**4 - 3*((x-m)/s)**2 + t*(x-m)/s",
    "((x-m)/s)**2/2 + cos(2*(x-m)/s)*t",
    "((x-m)/s)**6/6 - ((x-m)/s)**4 + t*(x-m)/s",
    "((x-m)/s)**2/2 + log(1+exp(4*(x-m)/s)) + log(1+exp(t-3*(x-m)/s))",
    "-log(exp(-((x-m)/s-2)**2/2) + exp(t-((x-m)/s+2)**2/2))",
)


def least_average(energy, radii, middle, half_width):
    """kappa by differences of the gradient over many midpoints: above the infimum."""
    m = middle + np.linspace(-half_width, half_width, 4001)
    slopes = [
        (energy.gradient((m + r / 2)[:, None]) - energy.gradient((m - r / 2)[:, None]))[:, 0] / r
        for r in radii
    ]
    return np.array([s.min() for s in slopes])


@given(
    text=st.sampled_from(POTENTIALS),
    tilt=st.floats(-1.5, 1.5),
    scale=st.sampled_from((1e-4, 0.3, 1.0, 40.0, 1e4)),
    shift=st.sampled_from((0.0, -3.0, 200.0)),
)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_averages_of_the_curvature(text, tilt, scale, shift):
    energy = parse_potential(text, parameters={"t": tilt, "s": scale, "m": shift * scale})
    bound = curvature_bound(energy)
    radii = scale * np.array([0.01, 0.3, 1.0, 2.5, 6.0])
    truth = least_average(energy, radii, shift * scale, 12 * scale)
    found = bound.averages(radii)
    size = np.abs(truth[:4]).max()
    assert (found <= truth + 1e-7 * size).all()
    # an interval that leaves the cells is bounded by the one number that holds beyond them
    assert (truth - found)[:4].max() < 0.03 * size
    wrong = 0.04 * size
    raised = dataclasses.replace(bound, inner=bound.inner + wrong, outer=bound.outer + wrong)
    assert (raised.averages(radii[:2]) > truth[:2]).any()


def test_beyond_its_radius_the_profile_stays_positive():
    bound = curvature_bound(parse_potential("(x**2-1)**2"))
    far = bound.radius * np.geomspace(1, 1e3, 40)
    assert (bound.averages(far) >= 0.75 * bound.outer - 1e-9).all()
    assert (far**2 * bound.averages(far) >= 96).all()


@pytest.mark.parametrize("text", ["sqrt(1+x**2)", "x**2/(1+log(1+x**2))", "abs(x)", "x**2 + y**2"])
def test_what_is_not_convex_far_out_or_not_on_the_line_is_refused(text):
    with pytest.raises(AssumptionError):
        curvature_bound(parse_potential(text))
