"""Which one-line potentials are proved normalisable, and the boxes that hold their mass."""

import math

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from lvebm_theory.certified import certify_normalisable, certify_tail, truncation_box
from lvebm_theory.certified.subject import potential_of
from lvebm_theory.certified.unconfined import unconfined
from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.energies import catalogue
from lvebm_theory.errors import AssumptionError
from lvebm_theory.parse import parse_potential
from solvers.densities.box import find_box

ACCEPTED = """
x**2
1e-3*x**2
(x-1000)**2/2
x**4/4-x**2+0.3*x
x**20-x**3
abs(x)
abs(x)**1.5
abs(x)**0.5
log(cosh(x))
sqrt(1+x**2)
x**2/2+3*cos(5*x)
x**2/2+sin(x)*x
cosh(x)
exp(x)+exp(-x)
exp(x)-x
exp(x**2)
exp(exp(x))+x**2
x**2*(2+sin(x))
x**2*log(1+x**2)
2*log(1+x**2)
x**4/(1+x**2)
-log(exp(-(x-1)**2/2)+exp(-(x+1)**2/2))
-log(0.3*exp(-(x-1)**2/2)+0.7*exp(-(x+100)**2/8))
(x**2-1)**2+(y-x)**2/2
20*(x**2-1)**2+(y-3.7*x)**2/2
x**4+y**4-3*x*y
x**2+x*y+y**2
(x**2+y**2-4)**2
(sqrt(x**2+y**2)-3)**2
sqrt(1+x**2+y**2)
abs(x)+abs(y)
cosh(x)+y**2
log(cosh(x+y))+log(cosh(x-y))
3*log(1+(x**2+y**2)/4)
x**2*y**2+x**2+y**2
x**2+y**2+3*sin(x*y)
100*(y-x**2)**2+(1-x)**2
(y-x**2)**4+x**2
x**2/18+y**2*exp(-x)/2+x/2
x**2*(1+y**2)**2
-log(0.3*exp(-((x-1)**2+y**2)/2)+0.7*exp(-((x+2)**2+(y-1)**2)/8))
(x**2-1)**2+(y**2-1)**2+(z**2-1)**2+0.1*x*y*z
""".strip().splitlines()

REFUSED = """
-x**2
x
x**3
x*y
x**2-y**2
x**2-2*x*y+y**2
x**2+y
log(1+x**2)/2
log(1+x**2+y**2)
sin(x)
cos(x)+cos(y)
exp(x)
exp(-x**2)
-log(exp(-x**2)+1)
tanh(x)
abs(x)-x
x**2*y**2
x**2*(1+y**2)
(x+y)**2+cos(x)
x**2*sin(x)**2
x**2+2*log(abs(x))
1/x+x**2
sqrt(x)
log(x)+x**2
""".strip().splitlines()


@pytest.mark.parametrize("text", ACCEPTED)
def test_confining_potentials_are_proved_normalisable(text):
    verdict = certify_normalisable(parse_potential(text))
    assert verdict.proved, verdict.reason
    assert verdict.how


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_confine_is_refused_with_a_reason(text):
    verdict = certify_normalisable(parse_potential(text))
    assert not verdict.proved
    assert len(verdict.reason) > 20


@pytest.mark.parametrize(("text", "variables"), [("0", ["x"]), ("1", ["x"]), ("x**2", ["x", "y"])])
def test_a_coordinate_that_does_not_occur_is_named(text, variables):
    verdict = certify_normalisable(parse_potential(text, variables=variables))
    assert not verdict.proved
    assert verdict.how == "refuted"
    assert variables[-1] in verdict.reason


WAVES = st.sampled_from(["cos({0})", "2.5*sin({0}+0.3)", "exp(sin({0}))", "300*cos({0})**2"])
FORMS = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).filter(any)


@given(wave=WAVES, form=FORMS, held=FORMS, power=st.sampled_from([2, 4]), spread=st.booleans())
@settings(max_examples=30, deadline=None)
def test_what_repeats_itself_in_some_direction_has_no_law(wave, form, held, power, spread):
    along, across = (f"({a}*x+{b}*y)" for a, b in (form, held))
    confined = f"{across}**{power}/2"
    if spread:
        confined = str(sympy.expand(sympy.sympify(confined)))
    energy = parse_potential(f"{wave.format(along)}+{confined}", variables=["x", "y"])
    verdict = certify_normalisable(energy)
    assert verdict.how == "refuted"
    assert "not integrable" in verdict.reason
    constant = constants_of(energy)
    assert constant.gap.how is constant.log_sobolev.how is How.ESTIMATED
    assert constant.gap.lower == constant.log_sobolev.lower == 0
    with pytest.raises(AssumptionError, match="not integrable"):
        find_box(energy)
    # the same wave on a slope that rises along it too
    held_too = parse_potential(f"{wave.format(along)}+{confined}+(x**2+y**2)/8")
    assert unconfined(potential_of(held_too)) == ""


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("cos(x)", "6.28319"),
        ("cos(x+y)+y**2/2", "(6.28319, 0)"),
        ("cos(x+y)+(x-y)**2/2", "(3.14159, 3.14159)"),
        ("cos(2*x)+sin(3*x)*y**2+y**4", "(6.28319, 0)"),
        ("cos(x/2)+cos(x/3)", "37.6991"),
    ],
)
def test_the_step_after_which_it_repeats_itself_is_named(text, step):
    assert f"the same after a step of {step}:" in certify_normalisable(parse_potential(text)).reason


@pytest.mark.parametrize(
    "text", ["cos(x)+x**2/8", "cos(x+y)+(x+y)**2/8+(x-y)**2", "cos(x*y)+x**2+y**2", "x**2+sin(x)*x"]
)
def test_waves_on_what_confines_are_accepted(text):
    energy = parse_potential(text)
    assert certify_normalisable(energy).proved
    assert find_box(energy)


def test_the_border_of_algebraic_tails_is_the_dimension():
    # exp(-U) = (1 + r^2)^(-p) is integrable on R^d iff 2 p > d
    for radius_squared, border in (("x**2", 0.5), ("x**2+y**2", 1.0)):
        for power, expected in ((border, False), (1.02 * border, True)):
            verdict = certify_normalisable(parse_potential(f"{power}*log(1+{radius_squared})"))
            assert verdict.proved is expected, verdict.reason


def test_every_catalogue_member_is_normalisable():
    for name, family in catalogue().items():
        member = family()
        energies = [member] if hasattr(member, "dim") else [member.joint()]
        for energy in energies:
            if getattr(energy, "formula", None) is not None:
                assert certify_normalisable(energy).proved, name


def test_the_tail_bound_lies_below_the_potential():
    energy = parse_potential("x**4/4-x**2+0.3*x+3*cos(5*x)")
    tail = certify_tail(energy)
    for leaf in tail.leaves:
        for factor in (1.0, 1.3, 2.0, 10.0):
            x = leaf.directions.sign * tail.radius * factor
            bound = float(leaf.amplitude) * factor ** float(leaf.exponent)
            assert energy.potential([[x]])[0] >= bound


def test_a_bent_valley_has_no_tail_along_rays():
    with pytest.raises(AssumptionError, match="direction"):
        certify_tail(parse_potential("100*(y-x**2)**2+(1-x)**2"))


@pytest.mark.parametrize(
    ("text", "sd"), [("x**2/2", 1.0), ("x**2/8", 2.0), ("cosh(x)*0+x**2/2+y**2/2", 1.0)]
)
def test_gaussian_boxes_are_sharp(text, sd):
    box = truncation_box(parse_potential(text), 1e-16)
    for low, high in box:
        assert 8.2 * sd < high < 9.3 * sd
        assert low == pytest.approx(-high)


@pytest.mark.parametrize("tail_mass", [1e-6, 1e-16])
@pytest.mark.parametrize("text", ["abs(x)", "x**2/2+3*cos(5*x)", "exp(x)-x", "(x**2-1)**2"])
def test_mass_outside_the_box_is_small_and_the_box_is_not_wasteful(text, tail_mass):
    import numpy as np
    from scipy.integrate import quad

    energy = parse_potential(text)
    ((low, high),) = truncation_box(energy, tail_mass)

    def density(x):
        return math.exp(-energy.potential(np.array([[x]]))[0])

    total = quad(density, low, high, limit=500)[0]
    outside = (
        quad(density, high, high + 60, limit=500, epsabs=0)[0]
        + quad(density, low - 60, low, limit=500, epsabs=0)[0]
    )
    assert outside <= tail_mass * total
    shrunk = (high - low) / 10
    inside = quad(density, high - shrunk, high, epsabs=0)[0] + quad(density, low, low + shrunk)[0]
    assert inside > tail_mass * total / 10


@pytest.mark.parametrize("text", ["2*log(1+x**2)", "x**2/18+y**2*exp(-x)/2+x/2"])
def test_heavy_tails_get_no_box(text):
    assert truncation_box(parse_potential(text)) is None


def test_no_box_without_a_proof():
    with pytest.raises(AssumptionError, match="not integrable"):
        truncation_box(parse_potential("x**3"))


def test_a_sheared_box_covers_the_bent_valley():
    (x_low, x_high), (y_low, y_high) = truncation_box(parse_potential("100*(y-x**2)**2+(1-x)**2"))
    assert x_low < -5 < 7 < x_high
    assert y_low < 0
    assert y_high > 7**2
