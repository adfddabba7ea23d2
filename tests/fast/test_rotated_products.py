"""Products in turned and shifted coordinates: short formulas, the constants of the lines; 12 s."""

import math

import numpy as np
import pytest
import sympy

from lvebm_theory.certified.combination import plain
from lvebm_theory.certified.rotation import separating_rotation
from lvebm_theory.certified.subject import potential_of
from lvebm_theory.constants import constants_of
from lvebm_theory.parse import parse_potential

WELL, OTHER = "1.64*({u}**2-1)**2+0.476*{u}", "0.2*{v}**8+0.15*{v}**5-0.3*{v}**2+0.588*{v}"


def turned(angle, shift, scale, sign=1):
    x, y = (f"((x-({shift}))/{scale})", f"((y-({shift}))/{scale})")
    u = f"(cos({angle})*{x}+sin({angle})*{y})"
    v = f"(cos({angle})*{y}-sin({sign * angle})*{x})"
    return WELL.replace("{u}", u) + "+" + OTHER.replace("{v}", v)


def test_cos_and_sin_of_one_number_are_known_to_lie_on_a_circle():
    c, s = sympy.cos(sympy.Rational(99, 50)), sympy.sin(sympy.Rational(99, 50))
    assert plain((c**2 + s**2) ** 5) == 1
    assert plain(c * s - s * c) == 0
    assert plain(s**3 * c + s * c**3) == s * c
    assert plain(c**2 + s**3) != 1


@pytest.mark.parametrize(("angle", "shift", "scale"), [(1.98, 101.0, 124.0), (2.84, -404.0, 1.0)])
def test_constants_are_those_of_the_lines(angle, shift, scale):
    energy = parse_potential(turned(angle, shift, scale))
    found = separating_rotation(potential_of(energy))
    assert found is not None
    assert found.expression.count_ops() < 60  # 4,000 and more without the circle
    lines = [
        constants_of(parse_potential(t.replace(a, "x"))) for t, a in ((WELL, "{u}"), (OTHER, "{v}"))
    ]
    ours = constants_of(energy)
    for name in ("gap", "log_sobolev", "convexity"):
        least = min((getattr(c, name) for c in lines), key=lambda c: c.value)
        own = getattr(ours, name)
        assert own.value * scale**2 == pytest.approx(least.value, rel=1e-3)
        assert own.how is least.how


def test_what_does_not_split_is_not_split():
    skew = turned(1.98, 0.0, 1.0, sign=-1)  # u and v are not orthogonal
    assert separating_rotation(potential_of(parse_potential(skew))) is None


def test_dissipativity_is_about_its_own_centre():
    ours = constants_of(parse_potential(turned(1.98, 3.0, 1.0)))
    rate, offset = ours.dissipativity, ours.dissipativity_offset
    centre = np.array(ours.dissipativity_centre)
    points = centre + np.random.default_rng(0).uniform(-6, 6, (40_000, 2))
    slope = ours.energy.gradient(points)
    radial = points - centre
    slack = (slope * radial).sum(axis=1) - rate.lower * (radial**2).sum(axis=1) + offset
    assert slack.min() >= -1e-9 * offset
    # an origin that moved with the rotation would give another offset
    assert slack.min() <= 0.05 * offset or math.isclose(offset, 0.0)
