"""Constants of the line against a sinc-DVR of the Schroedinger operator, and under moves of U.

-L is -d^2/dx^2 + U'^2/4 - U''/2;  on a uniform grid of spacing h the kinetic part is
T_jj = pi^2/(3 h^2),  T_jk = 2 (-1)^(j-k) / (h^2 (j-k)^2)   (Colbert and Miller 1992).
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.parse import parse_potential


def sinc_gap(slope, curvature, low, high, nodes=600):
    x, h = np.linspace(low, high, nodes, retstep=True)
    k = np.arange(nodes)
    difference = k[:, None] - k
    with np.errstate(divide="ignore"):
        kinetic = 2.0 * (-1.0) ** difference / (h * difference) ** 2
    np.fill_diagonal(kinetic, math.pi**2 / (3 * h**2))
    potential = slope(x) ** 2 / 4 - curvature(x) / 2
    return float(np.linalg.eigvalsh(kinetic + np.diag(potential))[1])


def polynomial_well(rng):
    degree = int(rng.choice([4, 6, 8]))
    # top coefficient, lower ones, and a tilt
    c = np.zeros(degree + 1)
    c[degree] = rng.uniform(0.2, 1.0)
    c[2] = rng.uniform(-1.5, 1.0)
    c[3:degree] = rng.uniform(-0.3, 0.3, degree - 3)
    c[1] = rng.uniform(-0.5, 0.5)
    text = "+".join(f"({a!r})*x**{n}" for n, a in enumerate(c.tolist()) if n)
    p = np.polynomial.Polynomial(c)
    return text, p.deriv(), p.deriv(2), 4.5 if degree == 4 else 3.0


def logistic_sum(rng):
    a, b = rng.uniform(-3, 3, 4), rng.uniform(-2, 2, 4)
    text = "x**2/2" + "".join(
        f"+log(1+exp({s!r}*x+{t!r}))" for s, t in zip(a.tolist(), b.tolist(), strict=True)
    )

    def weight(x):
        return 1 / (1 + np.exp(-(np.outer(x, a) + b)))

    return (
        text,
        lambda x: x + weight(x) @ a,
        lambda x: 1 + (weight(x) * (1 - weight(x))) @ a**2,
        14.0,
    )


def mixture(rng):
    m, s = rng.uniform(-2, 2, 2), rng.uniform(0.5, 1.0, 2)
    text = "-log({})".format(
        "+".join(
            f"exp(-(x-({c!r}))**2/(2*{d!r}**2))"
            for c, d in zip(m.tolist(), s.tolist(), strict=True)
        )
    )

    def parts(x):
        z = (x[:, None] - m) / s
        logs = -(z**2) / 2
        w = np.exp(logs - logs.max(axis=1, keepdims=True))
        return w / w.sum(axis=1, keepdims=True), z / s

    def slope(x):
        w, g = parts(x)
        return (w * g).sum(axis=1)

    def curvature(x):
        w, g = parts(x)
        return (w / s**2).sum(axis=1) - (w * g**2).sum(axis=1) + slope(x) ** 2

    return text, slope, curvature, 11.0


FAMILIES = (polynomial_well, logistic_sum, mixture)


@pytest.mark.parametrize("seed", range(6))
def test_gap_and_log_sobolev_of_drawn_energies(seed):
    rng = np.random.default_rng(seed)
    text, slope, curvature, reach = FAMILIES[seed % 3](rng)
    constants = constants_of(parse_potential(text))
    reference = sinc_gap(slope, curvature, -reach, reach)
    gap, rho = constants.gap, constants.log_sobolev
    assert gap.how in (How.CERTIFIED, How.COMPUTED)
    assert gap.lower <= reference * (1 + 1e-7)
    assert gap.upper >= reference * (1 - 1e-7)
    assert gap.value == pytest.approx(reference, rel=1e-6)
    # a tenth off is outside: the interval says something
    assert not gap.lower <= 1.1 * reference <= gap.upper
    assert 0 < rho.lower <= reference


SHAPES = (
    "{y}**4/4 - {y}**2",
    "{y}**2/2 + log(1+exp(2*{y}))",
    "-log(exp(-{y}**2/2)+exp(-2*({y}-3)**2))",
)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SHAPES),
    st.sampled_from([0.0, 0.3, -17.5, 1e3, -1e6]),
    st.sampled_from([1e-4, 0.03, 1.0, 250.0, 1e4]),
    st.sampled_from([1, -1]),
    st.sampled_from(["", "+12345.678"]),
)
def test_constants_move_with_the_energy(shape, shift, scale, sign, constant):
    own = constants_of(parse_potential(shape.format(y="x")))
    moved = constants_of(
        parse_potential(shape.format(y=f"({sign}*(x-({shift!r}))/{scale!r})") + constant)
    )
    for name in ("gap", "log_sobolev"):
        first, second = getattr(own, name), getattr(moved, name)
        lower, upper = second.lower * scale**2, second.upper * scale**2
        assert second.how is first.how
        assert lower == pytest.approx(first.lower, rel=2e-3)
        assert upper == pytest.approx(first.upper, rel=2e-3)


@pytest.mark.parametrize(
    "spellings",
    [
        (
            "x**2/2+log(1+exp(2*x-1))",
            "x**2/2+log_sum_exp(0,2*x-1)",
            "x**2/2+x-1/2+log_cosh(x-1/2)+log(2)",
        ),
        ("(x**2-1)**2+x/4", "x**4-2*x**2+1+0.25*x"),
        ("-log(exp(-(x-3)**2)+exp(-x**2/2))", "-log_sum_exp(6*x-x**2-9,-x**2/2)"),
    ],
)
def test_spellings_of_one_energy_agree(spellings):
    found = [constants_of(parse_potential(text)) for text in spellings]
    for name in ("gap", "log_sobolev"):
        intervals = [(getattr(c, name).lower, getattr(c, name).upper) for c in found]
        assert max(low for low, _ in intervals) <= min(high for _, high in intervals)
        widths = [high - low for low, high in intervals]
        assert max(widths) <= 2 * min(widths)
