"""The spectral basis against eigenvalues in closed form, and its own promises."""

import numpy as np
import pytest

from lvebm_theory import ArgumentError, InitialLaw, SolverError, parse_potential
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.constants import spectrum
from lvebm_theory.constants.tails import schroedinger_potential


def gap(text):
    return float(spectrum(parse_potential(text), 2).eigenvalues[0])


# Hermite; Laplace law and one-sided exponential (the threshold slope^2/4); a log cosh is
# Poeschl-Teller (a - 1 for a > 2, else a^2/4); polynomial and stretched tails have no gap
EXACT = [
    ("x**2/2", 1.0),
    ("100*x**2", 200.0),
    ("0.001*x**2", 0.002),
    ("(x-1000)**2/2", 1.0),
    ("50*(x+2e4)**2", 100.0),
    ("abs(x)", 0.25),
    ("3*abs(x-0.37)", 2.25),
    ("3*log(cosh(x))", 2.0),
    ("2.5*log(cosh(x))", 1.5),
    ("log(cosh(x))", 0.25),
    ("exp(x)-x", 0.25),
    ("2*log(1+x**2)", 0.0),
    ("abs(x)**0.7", 0.0),
]


@pytest.mark.parametrize(("text", "value"), EXACT)
def test_gap_in_closed_form(text, value):
    found = spectrum(parse_potential(text), 1)
    assert abs(found.eigenvalues[0] - value) <= found.error[0] + 1e-10 * value
    assert abs(found.eigenvalues[0] - value) <= 1e-8 * value


def test_exponential_tails_are_reported():
    found = spectrum(parse_potential("abs(x)"), 3)
    assert found.essential_bottom == pytest.approx(0.25, rel=1e-12)
    assert "0.25" in found.essential_source
    assert np.all(found.eigenvalues == 0.25)
    # one bound state under the threshold, created by a barrier
    barrier = spectrum(parse_potential("abs(abs(x)-2)"), 2)
    assert barrier.eigenvalues[0] < 0.1 < barrier.eigenvalues[1] == barrier.essential_bottom


def test_threshold_from_below_is_not_called_exact():
    # V = U'^2/4 - U''/2 = 1/4 - 1/(4 (1 + x^2)) - ...: box and tail bracket the threshold
    found = spectrum(parse_potential("sqrt(1+x**2)"), 1)
    ((_, upper),) = found.domain
    assert found.eigenvalues[0] == pytest.approx(0.25, rel=1e-9)
    assert found.error[0] >= 1 / (4 * (1 + 4 * upper**2))
    x = np.array([0.5, 1.0])
    v = schroedinger_potential(parse_potential("x**4"), x)
    np.testing.assert_allclose(v, (4 * x**3) ** 2 / 4 - 12 * x**2 / 2)


def test_barrier_between_exponential_tails():
    """U = ||x| - a|: the odd mode under the threshold solves a transcendental equation.

    On (0, a) U' = -1, beyond U' = 1. With r = sqrt(1 - 4 lam)/2, the odd eigenfunction is
    e^{-x/2} sinh(r x) inside and A e^{(1/2 - r) x} outside; matching u'/u at a gives
    r coth(r a) - 1/2 = 1/2 - r.
    """
    from scipy.optimize import brentq

    a = 2.0
    r = brentq(lambda r: r / np.tanh(r * a) - 1 + r, 1e-6, 0.5 - 1e-9)
    found = spectrum(parse_potential("abs(abs(x)-2)"), 1)
    assert found.eigenvalues[0] == pytest.approx((1 - 4 * r**2) / 4, rel=1e-7)


# table of theory: eight digits by spectral collocation; b = 20 has a gap at the noise of floats
DOUBLE_WELL = {
    0.5: 0.84588929,
    1: 0.74868167,
    2: 0.45454660,
    4: 0.11911837,
    6: 0.02484647,
}


@pytest.mark.parametrize("b", DOUBLE_WELL)
def test_double_well_table(b):
    assert gap(f"{b}*(x**2-1)**2") == pytest.approx(DOUBLE_WELL[b], abs=6e-9)


def test_tiny_gaps_keep_their_digits():
    """lam = 1 / sup over f of the inverse form: an integral formula that suffers no cancellation.

    1/lam is the largest eigenvalue of the covariance-like kernel; for a deep symmetric well the
    sign function is within e^{-b} of the eigenfunction, and one inverse step gives
    <f, L^{-1} f> / <f, f> = 2 int_0^inf T^2 / pi dx, T(x) = pi([x, inf)), correct to O(lam / 8b).
    """
    for b in (12.0, 20.0):
        x = np.linspace(0, 2.2, 200001)
        p = np.exp(-b * (x**2 - 1) ** 2)
        h = x[1] - x[0]
        tail = np.concatenate([np.cumsum(((p[1:] + p[:-1]) / 2 * h)[::-1])[::-1], [0.0]])
        inverse = np.sum(np.where(p > 1e-200, tail**2 / np.maximum(p, 1e-200), 0)) * h / tail[0]
        inverse -= 0.5 * h * tail[0]
        value = gap(f"{b}*(x**2-1)**2")
        assert value == pytest.approx(1 / inverse, rel=3e-4)


def test_kinks_converge_exponentially():
    # u = sign(x) (x^2 + 2|x|) solves -u'' + (x + sign x) u' = 2 u and is C^1 at 0
    assert gap("x**2/2 + abs(x)") == pytest.approx(2.0, rel=1e-10)
    # translating a kink off every dyadic point must not matter
    assert gap("abs(x-1/3)**1.5") == pytest.approx(gap("abs(x)**1.5"), rel=1e-10)


@pytest.mark.parametrize("text", ["x**8", "x**20", "cosh(x)", "x**2/2+0.3*cos(50*x)"])
def test_error_is_small_where_u_is_smooth(text):
    found = spectrum(parse_potential(text), 3)
    assert np.all(found.error <= 1e-9 * found.eigenvalues)


def test_scaling_and_sign_of_the_potential():
    assert gap("(2*x)**4/4 - (2*x)**2") == pytest.approx(4 * gap("x**4/4 - x**2"), rel=1e-11)
    for text in ("-x**2", "x", "x**3"):
        with pytest.raises(ArgumentError, match="no law pi"):
            spectrum(parse_potential(text), 1)


def test_expectations_and_eigenfunctions():
    found = spectrum(parse_potential("(x-3)**2/2"), 4)
    assert found.log_normaliser == pytest.approx(0.5 * np.log(2 * np.pi), abs=1e-12)
    assert found.expectation(lambda x: x[:, 0] ** 2) == pytest.approx(10.0, rel=1e-12)
    x = np.linspace(0, 6, 7)
    z = x - 3
    np.testing.assert_allclose(found.eigenfunction(0)(x), 1.0)
    np.testing.assert_allclose(found.eigenfunction(1)(x), z, atol=1e-9)
    np.testing.assert_allclose(found.eigenfunction(2)(x[:, None]), (z**2 - 1) / 2**0.5, atol=1e-9)
    np.testing.assert_allclose(found.eigenfunction(2)(x, derivative=1), 2**0.5 * z, atol=1e-8)
    modes = [found.eigenfunction(k) for k in range(5)]
    gram = [[found.expectation(lambda p, f=f, g=g: f(p) * g(p)) for f in modes] for g in modes]
    np.testing.assert_allclose(gram, np.eye(5), atol=1e-10)


def test_eigenfunctions_keep_their_digits_in_the_tails():
    found = spectrum(parse_potential("x**2/2"), 4)
    # pi(12) = e^-72: the scaled eigenvector has no digits there
    for k, polynomial in ((1, lambda z: z), (3, lambda z: (z**3 - 3 * z) / 6**0.5)):
        z = np.array([-12.0, -9.0, 9.0, 12.0])
        np.testing.assert_allclose(found.eigenfunction(k)(z), polynomial(z), rtol=1e-6)
    # in one dimension the first eigenfunction is monotone, out to U = 110
    quartic = spectrum(parse_potential("x**4/4"), 2)
    ((lower, upper),) = quartic.domain
    phi = quartic.eigenfunction(1)(np.linspace(lower, upper, 2001))
    assert np.all(np.diff(phi) > 0)
    assert np.abs(phi).max() < 3


def test_overlaps_with_a_start():
    # E_{N(m, 1)} He_k / sqrt(k!) = m^k / sqrt(k!)
    found = spectrum(parse_potential("x**2/2"), 3)
    np.testing.assert_allclose(
        found.overlaps(InitialLaw.normal(0.5, 1.0)), [0.5, 0.25 / 2**0.5, 0.125 / 6**0.5], atol=1e-8
    )


@pytest.mark.parametrize(("mean", "sd"), [(1.2, 0.25), (0.0, 1.5), (1.5, 2.5), (3.0, 0.1)])
def test_flow_against_the_ornstein_uhlenbeck_process(mean, sd):
    found = spectrum(parse_potential("x**2/2"), 1)
    times = np.array([0.0, 0.01, 0.3, 1.0, 3.0])
    start = InitialLaw.normal(mean, sd)
    m, v = mean * np.exp(-times), 1 + (sd**2 - 1) * np.exp(-2 * times)
    exact = (v + m**2 - 1 - np.log(v)) / 2
    np.testing.assert_allclose(found.relative_entropy_curve(start, times), exact, rtol=1e-7)
    moments = found.evolve_expectation(start, lambda x: x[:, 0] ** 2, times)
    np.testing.assert_allclose(moments, v + m**2, rtol=1e-8)


def test_planar_gaussian_and_products():
    found = spectrum(parse_potential("(x-5)**2 + (y+3)**2/2 + (x-5)*(y+3)/2"), 2)
    exact = np.linalg.eigvalsh([[2.0, 0.5], [0.5, 1.0]])[0]
    assert abs(found.eigenvalues[0] - exact) <= found.error[0] <= 1e-6
    product = spectrum(parse_potential("(x**2-1)**2 + y**2"), 3)
    well = gap("(x**2-1)**2")
    np.testing.assert_allclose(product.eigenvalues, [well, 2.0, 2.0 + well], rtol=1e-9)
    assert product.expectation(lambda p: p[:, 1] ** 2) == pytest.approx(0.5, rel=1e-8)


@pytest.mark.slow
def test_kinks_off_the_axes_lie_on_element_edges():
    # in u = (x-y)/sqrt 2 and v = (x+y)/sqrt 2: sqrt 2 |u| + u^2 + v^2, gap 2 from v
    found = spectrum(parse_potential("abs(x-y) + x**2 + y**2"), 1)
    assert found.eigenvalues[0] == pytest.approx(2.0, rel=1e-9)
    assert found.error[0] < 1e-8


def test_planar_error_covers_what_crossing_kinks_cost():
    # 2 max(|x|, |y|): the ridges on the diagonals bind a state at 1 - 1/2 below the tails' 1
    found = spectrum(parse_potential("abs(x-y) + abs(x+y)"), 1)
    assert abs(found.eigenvalues[0] - 0.5) <= found.error[0] < 0.1


def test_modes_of_the_box_are_left_out():
    # three wells: the third mode is inside one of them, not in a corner of the mesh
    text = "-log(exp(-(x-2)**2/2-y**2/2) + exp(-(x+2)**2/2-y**2/2) + exp(-x**2/2-(y-3)**2/2))"
    found = spectrum(parse_potential(text), 3)
    np.testing.assert_allclose(found.eigenvalues, [0.17087826, 0.22044691, 1.07309346], rtol=1e-6)


def test_planar_flow_against_the_ornstein_uhlenbeck_process():
    found = spectrum(parse_potential("x**2/2 + y**2"), 1)
    times = np.array([0.2, 1.0])
    start = InitialLaw.normal([0.5, -0.4], [0.8, 0.5])
    exact = np.zeros(2)
    for rate, mean, sd in ((1.0, 0.5, 0.8), (2.0, -0.4, 0.5)):
        m = mean * np.exp(-rate * times)
        v = 1 / rate + (sd**2 - 1 / rate) * np.exp(-2 * rate * times)
        exact += (rate * (v + m**2) - 1 - np.log(rate * v)) / 2
    np.testing.assert_allclose(found.relative_entropy_curve(start, times), exact, rtol=1e-6)


def test_bad_requests():
    with pytest.raises(ArgumentError, match="count"):
        spectrum(parse_potential("x**2"), 0)
    with pytest.raises(ArgumentError, match="dimensions 1 and 2"):
        spectrum(parse_potential("x**2+y**2+z**2"), 1)
    with pytest.raises(ArgumentError, match="bounded below"):
        spectrum(parse_potential("x*y"), 1)
    with pytest.raises(SolverError, match="tends to 0"):
        spectrum(parse_potential("2*log(1+x**2+y**2)"), 1)
    found = spectrum(parse_potential("x**2"), 1)
    with pytest.raises(ArgumentError, match="0 <= k <= 1"):
        found.eigenfunction(2)
    with pytest.raises(ArgumentError, match="times"):
        found.relative_entropy_curve(InitialLaw.normal(0, 1), [-1.0])


def test_energies_without_a_formula():
    well = CallableEnergy(
        name="well", dim=1, smooth=True, potential_function=lambda x: 2 * (x[:, 0] ** 2 - 1) ** 2
    )
    assert spectrum(well, 1).eigenvalues[0] == pytest.approx(gap("2*(x**2-1)**2"), rel=1e-9)


def test_planar_products_take_their_modes_from_the_lines():
    found = spectrum(parse_potential("x**2/2 + y**2/2 + x**4/8"), 3)
    for k in (1, 2, 3):
        for j in range(k + 1):
            one, other = found.eigenfunction(k), found.eigenfunction(j)
            inner = found.expectation(lambda x, f=one, g=other: f(x) * g(x))
            assert inner == pytest.approx(float(k == j), abs=1e-7)
    # the slowest is y itself
    points = np.array([[0.3, 1.0], [-2.0, -1.5]])
    np.testing.assert_allclose(found.eigenfunction(1)(points), points[:, 1], rtol=1e-9)


def test_modes_are_continued_beyond_the_mesh():
    found = spectrum(parse_potential("50*x**2 - 3*x"), 2)
    start = InitialLaw.normal(1.0, 0.3)  # ten standard deviations of pi away, and wide
    exact = [(1.0 - 0.03) / 0.1, ((0.97**2 + 0.3**2) / 0.01 - 1) / np.sqrt(2)]
    np.testing.assert_allclose(found.overlaps(start), exact, rtol=1e-9)
    far = np.array([-4.0, 4.0])
    np.testing.assert_allclose(found.eigenfunction(1)(far), (far - 0.03) / 0.1, rtol=1e-8)
