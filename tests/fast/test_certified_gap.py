"""The gap between two proved numbers: published values, closed forms, and proofs that must fail."""

import math

import numpy as np
import pytest
from flint import arb, arb_poly

from lvebm_theory.certified import certified_gap_1d
from lvebm_theory.certified.algebras import DomainError
from lvebm_theory.certified.riccati import (
    BITS,
    ORDER,
    Derivatives,
    Side,
    residual_bound,
    series_context,
    solution,
)
from lvebm_theory.certified.subject import potential_of
from lvebm_theory.constant import How
from lvebm_theory.errors import AssumptionError
from lvebm_theory.parse import parse_potential

# spectral collocation, eight digits
DOUBLE_WELL = {
    0.5: 0.84588929,
    1.0: 0.74868167,
    2.0: 0.45454660,
    4.0: 0.11911837,
    6.0: 0.02484647,
}
# beta (x^4/4 - x^2/2)
BETA = {1.0: 0.792088, 3.0: 0.81265, 6.0: 0.597298, 10.0: 0.335453}


@pytest.mark.parametrize("b", DOUBLE_WELL)
def test_double_wells(b):
    found = certified_gap_1d(parse_potential("b*(x**2-1)**2", parameters={"b": b}), 1e-6)
    assert found.how is How.CERTIFIED
    assert found.upper - found.lower <= 1.1e-6 * found.value
    assert found.value == pytest.approx(DOUBLE_WELL[b], abs=6e-9)


@pytest.mark.parametrize("beta", BETA)
def test_scaled_quartics(beta):
    energy = parse_potential("beta*(x**4/4-x**2/2)", parameters={"beta": beta})
    assert certified_gap_1d(energy).value == pytest.approx(BETA[beta], abs=2e-6)


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(
    ("text", "exact"),
    [("x**2/2", 1.0), ("3*(x-7)**2/2", 3.0), ("3*log(cosh(x))", 2.0)],
)
def test_closed_forms_at_any_width(text, exact, width):
    # U = a log cosh x is a Poeschl-Teller well: gap a - 1 for 2 < a
    found = certified_gap_1d(parse_potential(text), width)
    assert found.lower <= exact <= found.upper
    assert found.upper - found.lower <= 1.1 * width * exact


@pytest.mark.parametrize("text", ["log(cosh(x))", "exp(x)-x", "log(1+exp(x))+log(1+exp(-x))"])
def test_exponential_tails_end_at_the_essential_spectrum(text):
    found = certified_gap_1d(parse_potential(text), 1e-4)
    assert found.lower <= 0.25 <= found.upper
    assert found.upper - found.lower <= 1e-4


@pytest.mark.parametrize(
    "text",
    [
        "x**2/2+3*exp(-(5*x)**2)",
        "x**20-x**3",
        "20*(x**2-1)**2",
        "-log(0.3*exp(-(x-3)**2/2)+0.7*exp(-2*(x+1)**2))",
        "(x**2-1)**2*(x-3)**2+x/5",
        "cosh(x)",
        "1e4*(x**2-1e-2)**2",
    ],
)
def test_narrow_steep_and_deep_wells_close(text):
    found = certified_gap_1d(parse_potential(text))
    assert 0 < found.lower < found.upper
    assert found.upper - found.lower <= 1.1e-6 * found.value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abs(x)", "smooth"),
        ("2*log(1+x**2)", "heavy"),
        ("x**2+y**2", "one dimension"),
        ("x**2*(2+sin(x))", "proved|below"),
        ("x**4+30*sin(20*x)", "blew up|below"),
    ],
)
def test_what_cannot_be_enclosed_says_why(text, reason):
    with pytest.raises(AssumptionError, match=reason):
        certified_gap_1d(parse_potential(text))


def test_a_residual_is_not_believed_but_proved():
    # a coarse pilot leaves a large residual; the proof must measure it, then split the panels
    potential = potential_of(parse_potential("x**2/2+3*exp(-(5*x)**2)"))
    with series_context(2 * ORDER, BITS):
        side = Side(Derivatives(potential), -8.0, 0.0)
        start = arb(-4)
        side.pilot(start, 0.3, 1e2)
        _, coarse = side.proof(start, arb(0.3), 1e2, lambda ball: ball.lower())
        _, fine = side.proof(start, arb(0.3), 1e-6, lambda ball: ball.lower())
        assert coarse > 1e-4
        assert fine < 1e-6


@pytest.mark.parametrize("ansatz", [0, 1])
def test_the_residual_bound_covers_the_residual(ansatz):
    # over this panel U hides a bump that its Taylor polynomial at the start does not see
    energy = parse_potential("x**2/2+3*exp(-(5*x)**2)")
    start, end, rate = -3.0, -0.1, 0.3
    with series_context(2 * ORDER, BITS):
        derivatives = Derivatives(potential_of(energy))
        u = derivatives.at(arb(start))
        s = [ansatz * c for c in solution(u, arb(-1), arb(rate), ORDER)]
        panel = derivatives.at(arb(start).union(arb(end)))
        bound = residual_bound(u, panel, s, arb(rate), arb(end) - arb(start))
        p = arb_poly(s)
        for x in np.linspace(start, end, 50):
            value, slope = p(arb(x) - start), p.derivative()(arb(x) - start)
            first = energy.gradient(np.array([[x]]))[0, 0]
            second = energy.hessian(np.array([[x]]))[0, 0, 0]
            residual = second - slope - value**2 + first * value - rate
            assert abs(float(residual)) <= float(bound) * (1 + 1e-9) + 1e-9


def test_no_supersolution_above_the_gap_and_no_subsolution_below():
    from lvebm_theory.certified import gap

    potential = potential_of(parse_potential("(x**2-1)**2"))
    true = DOUBLE_WELL[1.0]
    box = (-3.0, 3.0)
    with series_context(2 * ORDER, BITS):
        derivatives = Derivatives(potential)
        starts, ends = gap._tails_below(potential, box, true * 1.02, 0.0)
        sides = tuple(Side(derivatives, end, 0.0) for end in ends)
        for side, start in zip(sides, starts, strict=True):
            side.pilot(start, true, 1e-8)
        assert gap._proof_below(sides, starts, true * (1 - 1e-4), 1e-5) < true
        with pytest.raises((gap._Unproved, DomainError)):
            gap._proof_below(sides, starts, true * (1 + 1e-4), 1e-5)
        assert gap._proof_above(potential, derivatives, box, 0.0, true, 1e-4) > true
        with pytest.raises((gap._Unproved, DomainError)):
            gap._proof_above(potential, derivatives, box, 0.0, true * (1 - 1e-3), 1e-4)


def test_the_gap_scales_like_a_rate():
    # y = s x turns lam into lam / s^2
    narrow = certified_gap_1d(parse_potential("(4*x**2-1)**2"))
    assert narrow.value / 4 == pytest.approx(DOUBLE_WELL[1.0], abs=1e-8)
    assert math.isfinite(narrow.upper)
