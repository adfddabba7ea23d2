"""Constants of planar energies: equal to references by other routes, and moving as they must.

With U'(z) = U(R (z - c)/s) + const all five constants but dissipativity are those of U over s^2.
About 35 s of processor time together.
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.linalg import cho_factor, cho_solve

from lvebm_theory.constants import constants_of
from lvebm_theory.parse import parse_potential

NAMES = ("gap", "log_sobolev", "convexity", "smoothness")
# planar eigenvalues are asked for to this; narrower intervals are as good as equal
RESOLVED = 1e-6

tenths = st.integers(-20, 20).map(lambda n: n / 10)
positive = st.integers(5, 20).map(lambda n: n / 10)


@st.composite
def polynomial_wells(draw):
    """Quartic in u, quadratic in v, coupled and tilted."""
    a, b, c = draw(positive), draw(tenths), draw(tenths)
    return f"{{u}}**4/4-{a}*{{u}}**2/2+({{v}}-({b / 4})*{{u}})**2+({c / 4})*{{u}}"


@st.composite
def softplus_sums(draw):
    """Two rows of a logistic posterior."""
    rows = [(draw(positive), draw(tenths), draw(tenths)) for _ in range(2)]
    terms = "".join(f"+log(1+exp({a}*{{u}}+({b})*{{v}}+({c})))" for a, b, c in rows)
    return "({u}**2+{v}**2)/2" + terms


@st.composite
def mixtures(draw):
    """Two or three round components of one width."""
    width = draw(positive)
    parts = [
        f"exp(-{width}*(({{u}}-({draw(tenths)}))**2+({{v}}-({draw(tenths)}))**2))"
        for _ in range(draw(st.integers(2, 3)))
    ]
    return f"-log({'+'.join(parts)})"


@st.composite
def products(draw):
    """A double well times a tilted log cosh with a quadratic."""
    a, b = draw(positive), draw(tenths)
    return f"{a}*({{u}}**2-1)**2+{{v}}**2+log(cosh({{v}}-({b})))"


SHAPES = st.one_of(polynomial_wells(), softplus_sums(), mixtures(), products())
TURNS = st.sampled_from([(1.0, 0.0), (0.6, 0.8), (0.96, -0.28), (0.0, 1.0), (-0.8, 0.6)])
SHIFTS = st.sampled_from([0.0, 0.3, -17.5, 1e3, -1e6])
SCALES = st.sampled_from([1e-4, 0.03, 1.0, 250.0, 1e4])
CONSTANTS = st.sampled_from(["", "+12345.678"])


def moved(shape, turn, shift, scale, constant):
    x, y = (f"((x-({shift[0]!r}))/{scale!r})", f"((y-({shift[1]!r}))/{scale!r})")
    u = f"({turn[0]!r}*{x}+({turn[1]!r})*{y})"
    v = f"({turn[0]!r}*{y}-({turn[1]!r})*{x})"
    return shape.replace("{u}", u).replace("{v}", v) + constant


def same(first, second, factor):
    """Whether an interval times ``factor`` meets another, of a width like its own."""
    if math.isinf(first.value):
        return first.value == second.value
    size = abs(first.value)
    low, high = second.lower * factor, second.upper * factor
    slack = RESOLVED * size
    if not (low <= first.upper + slack and first.lower <= high + slack):
        return False
    widths = sorted([first.upper - first.lower, high - low])
    return widths[1] <= 2 * widths[0] + slack


def differences(shape, turn, shift, scale, constant):
    """What of the constants does not move as it must; reasons for weaker grades are allowed."""
    own = constants_of(parse_potential(shape.replace("{u}", "x").replace("{v}", "y")))
    other = constants_of(parse_potential(moved(shape, turn, shift, scale, constant)))
    found = []
    for name in NAMES:
        first, second = getattr(own, name), getattr(other, name)
        if name == "log_sobolev":
            # bounds found by a search over comparison energies on a grid of each one's own
            if second.lower * scale**2 == pytest.approx(first.lower, rel=0.02):
                continue
        elif not same(first, second, scale**2):
            found.append((name, first, second))
        if first.how is not second.how:
            found.append((f"grade of {name}", first, second))
    return found


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(SHAPES, TURNS, st.tuples(SHIFTS, SHIFTS), SCALES, CONSTANTS)
def test_constants_move_with_the_energy(shape, turn, shift, scale, constant):
    assert not differences(shape, turn, shift, scale, constant)


def sinc_gap(schroedinger, low, high, spacing):
    """The second eigenvalue of -Laplacian + V on a sinc grid, V = |grad U|^2/4 - Lap U/2."""
    axes = [np.arange(a, b, spacing) for a, b in zip(low, high, strict=True)]
    kinetic = []
    for axis in axes:
        k = np.arange(len(axis))
        difference = k[:, None] - k
        with np.errstate(divide="ignore"):
            t = 2.0 * (-1.0) ** difference / difference**2 / spacing**2
        np.fill_diagonal(t, np.pi**2 / 3 / spacing**2)
        kinetic.append(t)
    x, y = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    v = schroedinger(x, y)
    kept = np.flatnonzero(v < 1e4)  # waves decay by e^-100 per unit of length beyond
    i, j = kept // len(axes[1]), kept % len(axes[1])
    matrix = kinetic[0][np.ix_(i, i)] * (j[:, None] == j) + kinetic[1][np.ix_(j, j)] * (
        i[:, None] == i
    )
    matrix[np.diag_indices(len(kept))] += v[kept] + 1.0
    factor = cho_factor(matrix, overwrite_a=True)
    vectors = np.random.default_rng(0).standard_normal((len(kept), 12))
    for _ in range(30):  # subspace iteration: errors fall by (lambda_12 / lambda_1)^-2 per step
        vectors = np.linalg.qr(cho_solve(factor, vectors))[0]
    small = vectors.T @ cho_solve(factor, vectors)
    return float(1 / np.linalg.eigvalsh(small)[-2] - 1.0)


def mixture_potential(weights, centres, precisions):
    """V of -log sum_k w_k exp(-p_k |z - m_k|^2 / 2)."""

    def v(x, y):
        moved = np.stack([x, y])[None] - np.array(centres)[:, :, None]
        p = np.array(precisions)[:, None]
        logs = np.log(weights)[:, None] - p * (moved**2).sum(axis=1) / 2
        shares = np.exp(logs - logs.max(axis=0))
        shares /= shares.sum(axis=0)
        slope = (shares[:, None] * p[:, None] * moved).sum(axis=0)
        mean_square = (shares * p**2 * (moved**2).sum(axis=1)).sum(axis=0)
        laplacian = (shares * 2 * p).sum(axis=0) - mean_square + (slope**2).sum(axis=0)
        return (slope**2).sum(axis=0) / 4 - laplacian / 2

    return v


def mixture_text(weights, centres, precisions):
    parts = (
        f"{w}*exp(-{p}*((x-({a}))**2+(y-({b}))**2)/2)"
        for w, (a, b), p in zip(weights, centres, precisions, strict=True)
    )
    return f"-log({'+'.join(parts)})"


CIRCLE = (
    [1.0] * 8,
    [(round(4 * np.cos(k * np.pi / 4), 9), round(4 * np.sin(k * np.pi / 4), 9)) for k in range(8)],
    [1 / 0.7] * 8,
)
SCATTERED = (
    [1.0, 2.0, 1.0, 0.5, 1.5, 1.0, 0.7, 1.0],
    [(0, 0), (2, 1), (-2, 1), (1, -2), (-1.5, -2), (3.5, -1), (-3.5, -1), (0.5, 3)],
    [1.0, 1.5, 2.0, 1.0, 2.5, 1.5, 1.0, 2.0],
)
MUELLER_BROWN = (
    (-200, -1, 0, -10, 1, 0),
    (-100, -1, 0, -10, 0, 0.5),
    (-170, -6.5, 11, -6.5, -0.5, 1.5),
    (15, 0.7, 0.6, 0.7, -1, 1),
)


def mueller_brown_potential(x, y):
    """V of 0.02 times the surface."""
    slope, laplacian = np.zeros((2, len(x))), np.zeros(len(x))
    with np.errstate(over="ignore", invalid="ignore"):
        for height, a, b, c, x0, y0 in MUELLER_BROWN:
            dx, dy = x - x0, y - y0
            term = 0.02 * height * np.exp(a * dx**2 + b * dx * dy + c * dy**2)
            first = np.stack([2 * a * dx + b * dy, b * dx + 2 * c * dy])
            slope += term * first
            laplacian += term * ((first**2).sum(axis=0) + 2 * a + 2 * c)
        v = (slope**2).sum(axis=0) / 4 - laplacian / 2
    return np.where(np.isfinite(v), v, np.inf)


def mueller_brown_text():
    return (
        "0.02*("
        + "+".join(
            f"({h})*exp(({a})*(x-({x0}))**2+({b})*(x-({x0}))*(y-({y0}))+({c})*(y-({y0}))**2)"
            for h, a, b, c, x0, y0 in MUELLER_BROWN
        )
        + ")"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "potential", "low", "high", "spacings"),
    [
        (
            mixture_text(*CIRCLE),
            mixture_potential(*CIRCLE),
            (-9.5, -9.5),
            (9.5, 9.5),
            (0.4, 0.36),
        ),
        (
            mixture_text(*SCATTERED),
            mixture_potential(*SCATTERED),
            (-10.0, -9.5),
            (10.0, 10.0),
            (0.4, 0.36),
        ),
        (
            mueller_brown_text(),
            mueller_brown_potential,
            (-3.5, -2.5),
            (2.7, 4.0),
            (0.1, 0.08),
        ),
    ],
    ids=["circle of eight", "eight scattered", "Mueller-Brown"],
)
def test_gaps_of_planar_energies_equal_those_of_a_sinc_grid(text, potential, low, high, spacings):
    coarse, fine = (sinc_gap(potential, low, high, h) for h in spacings)
    error = abs(coarse - fine)  # of the coarse grid: more than that of the fine one
    gap = constants_of(parse_potential(text)).gap
    assert error <= 2e-4 * fine
    assert gap.lower - error <= fine <= gap.upper + error
    assert gap.upper - gap.lower <= 1e-4 * gap.value
    # the reference tells a gap that is off by a thousandth
    assert not gap.lower - error <= 1.001 * fine <= gap.upper + error
