"""Hessian bounds: sharp on sums of ridge functions, the same wherever and however U is written."""

import math

import numpy as np
import pytest
import sympy
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from lvebm_theory.certified import centre, dissipativity, hessian_bounds, shares
from lvebm_theory.certified.eigenvalue import least_eigenvalue_above, least_eigenvalue_below
from lvebm_theory.certified.profile import profile
from lvebm_theory.certified.subject import Potential
from lvebm_theory.constants import constants_of
from lvebm_theory.formula.nodes import LogSumExp
from lvebm_theory.parse import parse_potential

FEW = settings(max_examples=6, deadline=None, derandomize=True, database=None)
ROWS = st.lists(
    st.tuples(*[st.integers(-20, 20)] * 3).filter(lambda r: any(r[:2])), min_size=1, max_size=4
)


def posterior(rows, prior=1.0):
    """prior |x|^2/2 + sum log(1 + exp(<a, x> + b)) over rows (a, b) of tenths."""
    x, y = sympy.symbols("x y", real=True)
    terms = [LogSumExp(0, (sympy.Integer(a) * x + b * y + c) / 10) for a, b, c in rows]
    return Potential(sympy.Rational(prior) * (x**2 + y**2) / 2 + sympy.Add(*terms), (x, y))


def test_symbols_are_known_by_their_names_not_as_objects():
    """SymPy's caches may hand back an equal symbol that is another object."""
    x, twin = sympy.Symbol("x", real=True), sympy.Symbol.__xnew__(sympy.Symbol, "x", real=True)
    assert twin is not x
    convexity, _ = hessian_bounds(Potential(twin**4 - twin**2, (x,)))
    assert convexity.lower == pytest.approx(-2.0)


def hessians(rows, points, prior=1.0):
    """The same Hessian by hand, (n, 2, 2)."""
    rows = np.array(rows) / 10
    half = np.minimum(np.abs(points @ rows[:, :2].T + rows[:, 2]) / 2, 300.0)
    weight = 0.25 / np.cosh(half) ** 2
    return prior * np.eye(2) + np.einsum("nr,ri,rj->nij", weight, rows[:, :2], rows[:, :2])


def bounds(text):
    return hessian_bounds(parse_potential(text))


def meet(one, other):
    """Whether two constants overlap, neither twice as wide as the other beyond rounding."""
    slack = 2e-6 * max(1.0, abs(one.value)) if math.isfinite(one.value) else 0.0
    if math.isinf(one.lower) or math.isinf(other.lower):
        return one.lower == other.lower
    widths = sorted([one.upper - one.lower, other.upper - other.lower])
    overlap = one.lower <= other.upper + slack and other.lower <= one.upper + slack
    return overlap and widths[1] <= 2 * widths[0] + slack


EXACT = [
    # softplus along one direction: a curvature of 1 less between 0 and 1/2
    ("((x-.5)**2+(y-.5)**2)/2-log(1+exp(-(x+y)))", 0.5, 1.0),
    # all rows at their steepest in the origin, all flat at infinity
    (
        "(x**2+y**2)/2+log(1+exp(-(0.8*x-0.4*y)))+log(1+exp(0.5*x+0.9*y))"
        "+log(1+exp(-(1.2*x+0.3*y)))+log(1+exp(-0.6*x+1.4*y))",
        1.0,
        1
        + np.linalg.eigvalsh(
            sum(np.outer(r, r) for r in [(0.8, -0.4), (0.5, 0.9), (1.2, 0.3), (-0.6, 1.4)])
        )[1]
        / 4,
    ),
    # two equal Gaussians: 1 less the variance of the means where they weigh the same
    ("-log(exp(-(x**2+y**2)/2)+exp(-((x-3)**2+y**2)/2))", 1 - 9 / 4, 9 / 4 - 1),
    ("x**2/2+y**2/2+z**2/2+log(1+exp(x+y+z))", 1.0, 1.75),
]


@pytest.mark.parametrize(("text", "least", "largest"), EXACT)
def test_bounds_that_are_attained_are_exact(text, least, largest):
    convexity, smoothness = bounds(text)
    for found, true in ((convexity, least), (smoothness, largest)):
        assert found.lower - 1e-12 <= true <= found.upper + 1e-12
        assert found.upper - found.lower <= 1e-6


@FEW
@given(rows=ROWS)
def test_posteriors_are_bounded_within_a_per_cent(rows):
    convexity, smoothness = hessian_bounds(posterior(rows))
    grid = np.stack(np.meshgrid(*[np.linspace(-12, 12, 241)] * 2), -1).reshape(-1, 2)
    far = 1e6 * np.array([[np.cos(t), np.sin(t)] for t in (0.1, 1.3, 2.9)])
    eigenvalues = np.linalg.eigvalsh(hessians(rows, np.concatenate([grid, far])))
    least, largest = eigenvalues.min(), eigenvalues.max()
    assert convexity.lower <= least + 1e-9
    assert convexity.lower >= 0.99 * least
    assert largest - 1e-9 <= smoothness.upper <= 1.01 * largest


def test_a_table_for_many_rows_says_what_single_programs_say(monkeypatch):
    rng = np.random.default_rng(2)
    rows = [tuple(int(v) for v in r) for r in rng.integers(-15, 15, (shares.FEWEST_SHARED + 2, 3))]
    together = hessian_bounds(posterior(rows))
    monkeypatch.setattr(shares, "FEWEST_SHARED", 10**9)
    alone = hessian_bounds(posterior(rows, prior=1.0 + 2.0**-50))
    for one, other in zip(together, alone, strict=True):
        assert one.lower <= other.upper + 1e-9
        assert other.lower <= one.upper + 1e-9
        assert one.upper - one.lower <= 1e-4 * one.value


def test_a_table_encloses_its_function():
    t = sympy.Symbol("t", real=True)
    table = profile(sympy.tanh(t) ** 2 - 1, t)
    ends = np.sort(np.random.default_rng(0).normal(size=(2, 400)) * 6, axis=0)
    low, high = table.ranges(*ends)
    value, error, slope, slope_error = table.near(ends[0])
    inside = ends[0] + np.linspace(0, 1, 3001)[:, None] * (ends[1] - ends[0])
    true = np.tanh(inside) ** 2 - 1
    assert np.all(low <= true.min(0) + 1e-15)
    assert np.all(true.max(0) <= high + 1e-15)
    assert np.all(high - low <= true.max(0) - true.min(0) + 0.02)
    assert np.all(np.abs(value - true[0]) <= error + 1e-15)
    assert np.all(error[np.abs(ends[0]) < 20] < 1e-6)
    derivative = 2 * np.tanh(ends[0]) / np.cosh(ends[0]) ** 2
    assert np.all(np.abs(slope - derivative) <= slope_error + 1e-14)
    assert profile(t**2, t) is None


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_least_eigenvalues_are_enclosed(size):
    rng = np.random.default_rng(size)
    for _ in range(5):
        matrix = rng.normal(size=(size, size))
        matrix = matrix + matrix.T
        balls = [arb(matrix[i, j], 1e-9) for i in range(size) for j in range(i, size)]
        true = np.linalg.eigvalsh(matrix)[0]
        below, above = least_eigenvalue_below(balls, size), least_eigenvalue_above(balls, size)
        assert true - 1e-7 <= below <= true - 0.9e-9
        assert true + 0.9e-9 * (size == 1) <= above <= true + 1e-7


SPELLINGS = [
    (
        "x**2/2-3*log(1+exp(x+0.3))",
        "x**2/2-3*log_sum_exp(0,x+0.3)",
        "x**2/2-3*((x+0.3)/2+log_cosh((x+0.3)/2)+log(2))",
    ),
    ("(x**2-1)**2+0.3*x", "x**4-2*x**2+1+0.3*x"),
    ("(x-1)**2*(x+2)**2", "((x-1)*(x+2))**2", "x**4+2*x**3-3*x**2-4*x+4"),
    (
        "-log(exp(-x**2/2)+2*exp(-(x-3)**2/2))",
        "-log_sum_exp(-x**2/2,log(2)-(x-3)**2/2)",
        "x**2/2-log(1+2*exp(3*x-4.5))",
    ),
    ("(x**2+y**2)/2+2*cos(x)*cos(2*y)", "(x**2+y**2)/2+cos(x+2*y)+cos(x-2*y)"),
]


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_other_spellings_give_intervals_that_meet(spellings):
    first, *others = [bounds(text) for text in spellings]
    for other in others:
        assert all(meet(a, b) for a, b in zip(first, other, strict=True))
    wrong = bounds(spellings[0] + "+x**2/50" + "+y**2/50" * ("y" in spellings[0]))
    assert not all(meet(a, b) for a, b in zip(first, wrong, strict=True))


WELLS = st.sampled_from(
    [
        "{x}**4/4-{x}**2+0.2*{x}",
        "{x}**2/2-3*log(1+exp({x}))",
        "-log(exp(-{x}**2/2)+0.5*exp(-({x}-3)**2/2))",
        "{x}**2/2+2*cos(2*{x})",
    ]
)


@FEW
@given(
    well=WELLS, shift=st.sampled_from([0.0, -7.0, 1e3, 1e6]), power=st.sampled_from([-12, 0, 11])
)
def test_shift_scale_and_constants_only_rescale_the_bounds(well, shift, power):
    scale = 2.0**power
    moved = well.replace("{x}", f"(({scale!r})*x-({shift * scale!r}))")
    before = bounds(well.replace("{x}", "x"))
    after = bounds(f"{moved}+17")
    for one, other in zip(before, after, strict=True):
        assert meet(one, other.over(scale**2))


@pytest.mark.parametrize("angle", [(0.8, 0.6), (0.28, -0.96)])
def test_rotated_products_have_the_constants_of_the_product(angle):
    a, b = angle
    u, v = f"({a}*x+({b})*y)", f"({a}*y-({b})*x)"
    for turned in (f"2*({u}**2-1)**2+{v}**2", expanded(f"2*({u}**2-1)**2+{v}**2")):
        found = constants_of(parse_potential(turned))
        straight = constants_of(parse_potential("2*(x**2-1)**2+y**2"))
        assert len(found.parts) == 2
        assert found.convexity.lower == pytest.approx(-8.0, abs=1e-5)
        assert found.convexity.upper == pytest.approx(-8.0, abs=1e-5)
        assert found.smoothness.lower == math.inf
        assert found.dissipativity.value == straight.dissipativity.value
        assert found.dissipativity_offset == pytest.approx(straight.dissipativity_offset, rel=1e-6)


def expanded(text):
    x, y = sympy.symbols("x y")
    polynomial = sympy.expand(sympy.sympify(text, rational=True, locals={"x": x, "y": y}))
    return str(polynomial)


def test_a_bent_product_is_not_split():
    assert len(constants_of(parse_potential("(x**2-1)**2+(x-y)**2")).parts) == 1


@pytest.mark.parametrize("z", [50.0, 1e6])
def test_dissipativity_is_about_a_centre_that_is_named(z):
    there = parse_potential(f"(x-{z!r})**4/4-(x-{z!r})**2")
    here = constants_of(parse_potential("x**4/4-x**2"))
    found = constants_of(there)
    assert found.dissipativity_centre == centre(there) == (z,)
    assert here.dissipativity_centre == (0.0,)
    assert f"about ({z:.9g})" in found.dissipativity.source
    assert "about the origin" in here.dissipativity.source
    assert found.dissipativity.value == here.dissipativity.value
    assert found.dissipativity_offset == pytest.approx(here.dissipativity_offset, rel=1e-6)
    assert found.convexity.value == pytest.approx(-2.0, abs=1e-6)
    # the pair holds about z, and its offset is no use about the origin
    x = z + np.linspace(-9, 9, 4001)[:, None]
    slope = (x[:, 0] - z) ** 3 - 2 * (x[:, 0] - z)
    rate, offset = dissipativity(there, (z,))
    y = x[:, 0] - z
    assert np.all(slope * y >= rate.lower * y**2 - offset - 1e-9)
    assert not np.all(slope * x[:, 0] >= rate.lower * x[:, 0] ** 2 - offset)


def test_smoothness_counts_concave_stretches():
    convexity, smoothness = bounds("x**2/2-5*log_cosh(x)+0.001*x**2")
    assert convexity.lower == pytest.approx(-3.998, abs=1e-6)
    assert smoothness.upper == pytest.approx(3.998, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "-log(0.3*exp(-(x-2)**2/2)+0.7*exp(-2*(x+1)**2))",
        # the narrowest component has twice the curvature that the mixture reaches anywhere
        "-log(0.23*exp(-0.47*(x+0.24)**2)+0.28*exp(-0.83*(x+1.5)**2)+0.49*exp(-0.25*(x-1.5)**2))",
    ],
)
def test_mixtures_of_unlike_widths_are_bounded(text):
    energy = parse_potential(text)
    convexity, smoothness = hessian_bounds(energy)
    second = energy.hessian(np.linspace(-30, 30, 600_001)[:, None])[:, 0, 0]
    assert convexity.lower <= second.min() + 1e-9
    assert second.min() - convexity.lower <= 0.01 * abs(second.min())
    assert np.abs(second).max() - 1e-9 <= smoothness.upper <= 1.01 * np.abs(second).max()


def test_a_ridge_along_a_direction_without_rational_slope():
    # with u along and v across: U_uu = 4.56 u^4 + 1.92 u, least at u^3 = -1.92/18.24; U_vv = 2.88
    along, across = "(cos(1.28)*x+sin(1.28)*y)", "(cos(1.28)*y-sin(1.28)*x)"
    text = f"0.152*{along}**6+0.32*{along}**3+2.88*{across}**2/2"
    u = -((1.92 / 18.24) ** (1 / 3))
    found = constants_of(parse_potential(text)).convexity
    assert found.lower == pytest.approx(4.56 * u**4 + 1.92 * u, rel=1e-6)
    assert found.upper == pytest.approx(found.lower, rel=1e-4)
