"""Constants of an energy: grades, bounds that hold, and what the command line prints."""

import json
import math

import numpy as np
import pytest

from lvebm_theory import How, catalogue, parse_potential
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.constants import constants_of

NAMES = ["gap", "log_sobolev", "smoothness", "convexity", "dissipativity"]


def found(text, **options):
    return constants_of(parse_potential(text), **options)


def test_json_has_the_fixed_keys():
    printed = found("(x**2-1)**2").as_json()
    assert list(printed) == NAMES
    for constant in printed.values():
        assert list(constant) == ["value", "lower", "upper", "how", "source"]
        assert constant["how"] in {how.value for how in How}
        assert constant["source"]
    # strict JSON: infinite smoothness is null, not Infinity
    assert printed["smoothness"]["value"] is None
    assert printed["smoothness"]["lower"] is None
    json.dumps(printed, allow_nan=False)
    assert "offset c" in printed["dissipativity"]["source"]


def test_same_question_same_object():
    assert found("x**4/4") is found("x**4/4")
    assert found("x**4/4") is not found("x**4/4", relative_width=1e-4)
    assert found("x**4/4") is not found("x**4/4", certify=False)
    family = parse_potential("a*x**4", parameters={"a": 1.0})
    other = family.with_parameters(a=16.0)
    # x -> 2x: the gap is multiplied by four
    assert constants_of(other).gap.value == pytest.approx(4 * constants_of(family).gap.value)


def test_double_well():
    well = found("2*(x**2-1)**2")
    assert well.gap.how is How.CERTIFIED
    assert well.gap.lower < 0.45454660 < well.gap.upper
    assert well.gap.upper - well.gap.lower < 1e-3 * well.gap.value
    assert well.gap.value == pytest.approx(0.4545466020, rel=1e-9)
    assert well.convexity.value == pytest.approx(-8.0, rel=1e-6)
    assert math.isinf(well.smoothness.lower)
    assert well.normalisable.proved


def test_a_quick_look_proves_nothing_but_agrees():
    quick, slow = found("2*(x**2-1)**2", certify=False), found("2*(x**2-1)**2")
    assert quick.gap.how is How.ESTIMATED
    assert slow.gap.lower <= quick.gap.lower <= quick.gap.upper <= slow.gap.upper
    assert quick.log_sobolev.how is How.ESTIMATED
    assert quick.convexity.how is How.ESTIMATED
    assert quick.convexity.lower == -math.inf


def test_quadratics_are_exact_in_any_dimension():
    gaussian = found("x**2 + y**2/2 + z**2 + x*y/2 + y*z/3")
    hessian = np.array([[2, 0.5, 0], [0.5, 1, 1 / 3], [0, 1 / 3, 2]])
    eigenvalues = np.linalg.eigvalsh(hessian)
    for name, value in (
        ("gap", eigenvalues[0]),
        ("log_sobolev", eigenvalues[0]),
        ("convexity", eigenvalues[0]),
        ("smoothness", eigenvalues[-1]),
    ):
        constant = getattr(gaussian, name)
        assert constant.value == pytest.approx(value, rel=1e-9)
        assert constant.lower <= value * (1 + 1e-12)
        assert constant.upper >= value * (1 - 1e-12)
    assert gaussian.gap.how is How.EXACT
    assert gaussian.log_sobolev.how is How.EXACT


def test_products_in_three_dimensions():
    product = found("(x**2-1)**2 + y**2 + z**4/4 + z**2")
    assert product.gap.how is How.CERTIFIED
    assert product.gap.value == pytest.approx(0.74868167, rel=1e-7)
    assert product.gap.upper < 0.7496
    assert product.log_sobolev.lower == pytest.approx(0.226551, abs=1e-6)
    assert product.log_sobolev.how is How.CERTIFIED


def test_beyond_two_coupled_coordinates_only_proofs_speak():
    convex = found("x**4 + y**4 + z**4 + x**2 + y**2 + z**2 + 0.1*x*y*z")
    assert convex.gap.how is How.ESTIMATED
    assert (convex.gap.lower, convex.gap.upper) == (0.0, math.inf)
    assert "dimension 3" in convex.gap.source


def test_kinks():
    laplace = found("abs(x)")
    assert laplace.gap.value == pytest.approx(0.25, rel=1e-9)
    assert laplace.smoothness.value == math.inf
    assert laplace.smoothness.how is How.ESTIMATED
    # a concave kink leaves no lower bound of the Hessian
    assert found("abs(abs(x)-1) + x**2").convexity.value == -math.inf


@pytest.mark.parametrize("text", ["2*log(1+x**2)", "1.5*log(1+x**2+y**2)"])
def test_heavy_tails_have_no_gap(text):
    heavy = found(text)
    assert (heavy.gap.lower, heavy.gap.value, heavy.gap.upper) == (0.0, 0.0, 0.0)
    assert heavy.gap.how is How.CERTIFIED
    assert heavy.log_sobolev.upper == 0.0


def test_energies_without_a_formula():
    well = CallableEnergy(
        name="well", dim=1, smooth=True, potential_function=lambda x: 2 * (x[:, 0] ** 2 - 1) ** 2
    )
    constants = constants_of(well)
    # values of U at points tell neither of its tails nor of a well between them
    assert constants.gap.how is How.ESTIMATED
    assert constants.gap.value == pytest.approx(0.4545466020, rel=1e-6)
    assert constants.convexity.how is How.ESTIMATED
    assert constants.log_sobolev.how is How.ESTIMATED
    assert constants.dissipativity.how is How.ESTIMATED
    assert not constants.normalisable.proved


def test_facts_come_first():
    # the family knows its own constants; a parsed copy has to find them
    family, parsed = constants_of(catalogue()["log_cosh"](a=3.0)), found("3*log(cosh(x))")
    assert family.gap.how is How.EXACT
    assert family.gap.value == pytest.approx(parsed.gap.value, rel=1e-6)
    assert parsed.gap.how in (How.CERTIFIED, How.COMPUTED)


@pytest.mark.parametrize(
    "text",
    [
        "(x**2-1)**2",
        "x**2/2+0.3*cos(3*x)",
        "x**4/4-x**2+0.3*x",
        "2*(x**2-1)**2+(y-x)**2/2",
        "sqrt(1+x**2)",
    ],
)
def test_dissipativity_holds_on_samples(text):
    energy = parse_potential(text)
    constants = constants_of(energy)
    rate, offset = constants.dissipativity.lower, constants.dissipativity_offset
    rng = np.random.default_rng(1)
    x = rng.standard_normal((20000, energy.dim)) * np.repeat([0.3, 1, 3, 30], 5000)[:, None]
    inner = (energy.gradient(x) * x).sum(axis=1)
    square = (x**2).sum(axis=1)
    assert np.all(inner >= rate * square - offset - 1e-9 * (1 + square))


@pytest.mark.parametrize("name", ["double_well", "quartic", "cosine_perturbed", "bottleneck"])
def test_hessian_bounds_hold_on_samples(name):
    energy = catalogue()[name]()
    energy = energy.joint() if hasattr(energy, "joint") else energy
    constants = constants_of(energy)
    x = np.random.default_rng(2).uniform(-3, 3, (20000, energy.dim))
    eigenvalues = np.linalg.eigvalsh(energy.hessian(x))
    assert eigenvalues.min() >= constants.convexity.lower - 1e-9
    assert np.abs(eigenvalues).max() <= constants.smoothness.upper
    # and the bound is attained up to the density of the samples
    assert eigenvalues.min() <= constants.convexity.upper + 0.05 * (1 + abs(eigenvalues.min()))
