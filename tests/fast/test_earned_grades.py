"""COMPUTED is earned: tails and unseen modes are proved, or the number is ESTIMATED."""

import math

import numpy as np
import pytest

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.certified.resolution import unseen_places
from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of, spectrum
from lvebm_theory.constants.parts import exact_potential
from lvebm_theory.errors import ArgumentError
from lvebm_theory.parse import parse_potential


@pytest.mark.parametrize(
    "text",
    [
        "x**2/(1+10*log(1+x**2/1e4))",
        "x**2/(1+log(1+x**2))",
        "x**2/log(2+x**2)",
        "x**2/sqrt(log(2+x**2))",
        "abs(x)**1.99",
        "x**2/(1+0.01*log(1+x**2))",
        "max(x,0)**2+log(1+exp(-x))",
        "-log(exp(-x**2/2)+0.01*exp(-abs(x)))",
        "(x-1e6)**2/(1+log(1+(x-1e6)**2))",
    ],
)
def test_tails_slower_than_quadratic_have_no_log_sobolev_constant(text):
    rho = constants_of(parse_potential(text)).log_sobolev
    assert (rho.lower, rho.value, rho.upper) == (0.0, 0.0, 0.0)
    assert rho.how is How.CERTIFIED
    assert "no LSI" in rho.source


@pytest.mark.parametrize(
    "text",
    [
        "x**2/log(log(10+x**2))",
        "x**2*(pi/2-atan(x))",
        "x**2/(1+1e-3*log(1+x**2))**0.1",
    ],
)
def test_tails_of_which_nothing_is_proved_give_no_computed_constant(text):
    rho = constants_of(parse_potential(text)).log_sobolev
    assert rho.how is How.ESTIMATED or rho.lower == 0


@pytest.mark.parametrize(
    "text", ["x**2/2+log(1+x**2)", "max(x**2/2, x**2/log(3+x**2))", "x**2/2+abs(x)", "abs(x)**2.01"]
)
def test_tails_that_are_proved_keep_their_constant(text):
    constants = constants_of(parse_potential(text))
    assert constants.log_sobolev.lower > 0
    assert constants.log_sobolev.how in (How.CERTIFIED, How.COMPUTED)
    assert constants.log_sobolev.lower <= constants.gap.upper
    assert constants.gap.how in (How.CERTIFIED, How.COMPUTED)


def test_what_was_only_sampled_is_estimated():
    def potential(x):
        return 2 * (x[:, 0] ** 2 - 1) ** 2

    well = CallableEnergy(name="well", dim=1, smooth=True, potential_function=potential)
    assert constants_of(well).gap.how is How.ESTIMATED
    assert constants_of(well).log_sobolev.how is How.ESTIMATED


def test_a_well_between_the_nodes_is_seen():
    # a well of width 1e-5 and depth 2.3 on the flank of a Gaussian, and the Gaussian alone
    hidden = parse_potential("-log(exp(-x**2/2)+1e-10*exp(-5e9*(x-7.123)**2))")
    plain = spectrum(parse_potential("x**2/2"), 1).elements
    unseen = unseen_places(exact_potential(hidden), plain.edges, plain.polynomial)
    assert unseen.size > 0
    assert np.all(np.abs(unseen - 7.123) < 1e-3)
    own = spectrum(hidden, 1).elements
    assert unseen_places(exact_potential(hidden), own.edges, own.polynomial).size == 0
    assert np.abs(own.points[:, 0] - 7.123).min() < 1e-5


def test_a_far_mode_of_small_mass_is_not_outside_the_box():
    # mass 1e-60 at 20; its exit rate by Kramers' integrals in 40 digits
    from mpmath import mp, mpf, quad

    with mp.workdps(40):

        def u(x):
            return -mp.log(mp.exp(-(x**2) / 2) + mpf(10) ** -60 * mp.exp(-50 * (x - 20) ** 2))

        well = quad(lambda x: mp.exp(138 - u(x)), [19.2, 19.7, 20, 20.3, 20.8])
        barrier = quad(lambda x: mp.exp(u(x) - 182), [18, 18.6, 19, 19.06, 19.2, 19.6])
        rate = float(1 / (well * barrier) * mp.exp(138 - 182))
    gap = constants_of(parse_potential("-log(exp(-x**2/2)+1e-60*exp(-50*(x-20)**2))")).gap
    assert gap.value == pytest.approx(rate, rel=1e-3)
    assert gap.lower <= rate * 1.001
    assert gap.upper >= rate * 0.999


def test_a_gap_below_the_smallest_double_is_bounded_from_above(capfd):
    gap = constants_of(parse_potential("-log(exp(-x**2/2)+exp(-50*(x-300)**2))")).gap
    assert (gap.lower, gap.value) == (0.0, 0.0)
    assert 0 < gap.upper < 1e-300
    assert gap.how is How.CERTIFIED
    assert "e-16" in gap.source  # 1e-16138 or so: int e^U over the barrier of height 37,000
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""  # LAPACK has nothing to complain about


@pytest.mark.parametrize("text", ["cos(x)", "sin(3*x)/2+cos(x)", "tanh(x)", "exp(-x**2)"])
def test_a_coordinate_along_which_u_does_not_grow_has_no_gap_to_report(text):
    constants = constants_of(parse_potential(text))
    for constant in (constants.gap, constants.log_sobolev):
        assert (constant.lower, constant.upper) == (0.0, math.inf)
        assert constant.how is How.ESTIMATED
        assert "not integrable" in constant.source
    with pytest.raises(ArgumentError, match="not integrable"):
        spectrum(parse_potential(text), 1)
