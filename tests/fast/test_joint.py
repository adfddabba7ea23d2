"""Joint energies: both views, run-time data, parameter gradients."""

import numpy as np
import pytest

from lvebm_theory.energies.linear_gaussian import linear_gaussian
from lvebm_theory.errors import ArgumentError
from lvebm_theory.joint import joint_energy
from lvebm_theory.protocols import Energy, JointEnergy


@joint_energy(dim_x=2, dim_z=1, positive=("a",), a=1.5, c=(0.3, -0.4))
def model(x, z, a, c):
    """E(x, z) = a |x|^4/4 + (z - c.x)^2/2."""
    return a * (x @ x) ** 2 / 4 + (z[0] - c @ x) ** 2 / 2


RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((6, 2)), RNG.standard_normal((6, 1))


def test_views_agree_with_the_whole():
    whole = model(a=2.0)
    assert isinstance(whole, JointEnergy)
    joint = whole.joint()
    assert isinstance(joint, Energy)
    assert joint.variables == ("x0", "x1", "z")
    expected = 2.0 * (X**2).sum(1) ** 2 / 4 + (Z[:, 0] - X @ [0.3, -0.4]) ** 2 / 2
    np.testing.assert_allclose(joint.potential(np.hstack([X, Z])), expected)
    np.testing.assert_allclose(whole.potential(X, Z), expected)
    for x, z, value in zip(X, Z, expected, strict=True):
        conditional = whole.conditional(x)
        assert conditional.dim == 1
        assert conditional.potential(z[None])[0] == pytest.approx(value)
        full = joint.gradient(np.hstack([x, z])[None])[0]
        assert conditional.gradient(z[None])[0, 0] == pytest.approx(full[2])


def test_parameter_gradient_by_differences():
    whole, h = model(), 1e-6
    gradient = whole.parameter_gradient(X, Z)
    assert gradient.shape == (6, 3)
    for i, (name, value) in enumerate(whole.parameters.items()):
        up = whole.with_parameters(**{name: value + h}).potential(X, Z)
        down = whole.with_parameters(**{name: value - h}).potential(X, Z)
        np.testing.assert_allclose(gradient[:, i], (up - down) / (2 * h), atol=1e-7)


def test_one_source_serves_every_datum_and_theta():
    first = model().conditional([0.5, 1.0])
    second = model(a=9.0).conditional([-0.5, 3.0])
    assert first.formula is second.formula
    assert first.source("numba") == second.source("numba")
    np.testing.assert_array_equal(second.parameter_vector(), [9, 0.3, -0.4, -0.5, 3])


def test_views_take_new_parameters_and_data():
    view = model().conditional([0.5, 1.0]).with_parameters(x1=2.0, a=4.0)
    assert dict(view.parameters) == {"a": 4, "c_0": 0.3, "c_1": -0.4, "x0": 0.5, "x1": 2}
    assert model().joint().with_parameters(c_1=1.0).parameters["c_1"] == 1


def test_facts_follow_the_datum():
    facts = linear_gaussian().conditional([2.0]).facts
    precision = np.array([[1.5, -0.6], [-0.6, 1.2]])
    np.testing.assert_allclose(facts.mean, -np.linalg.solve(precision, [0.4, -0.3]) * 2)
    np.testing.assert_allclose(facts.covariance, np.linalg.inv(precision))


def test_dimensions_of_the_linear_gaussian_family():
    matrix = np.diag([1.0, 2.0, 3.0, 4.0])
    whole = linear_gaussian(dim_x=2, dim_z=2, precision=matrix)
    np.testing.assert_allclose(whole.conditional([1.0, 1.0]).gradient(np.ones((1, 2))), [[3, 4]])


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: model(b=1.0), "has parameters"),
        (lambda: model(a=-1.0), "> 0"),
        (lambda: model(a=float("nan")), "finite"),
        (lambda: model(dim_x=3), "exists in dimensions"),
        (lambda: model().conditional([1.0]), "2 finite data"),
        (lambda: model().conditional([1.0, np.nan]), "2 finite data"),
        (lambda: model().potential(X, Z[:3]), "equally many"),
        (lambda: model().potential(X[:, :1], Z), r"\(n, 2\)"),
        (lambda: linear_gaussian(precision=np.eye(2)), "symmetric"),
        (lambda: linear_gaussian(precision=-np.eye(3)), "positive definite"),
        (lambda: joint_energy(0, 1), "1, 2, 3"),
        (lambda: joint_energy(1, 1, a=1.0)(lambda x, z: x[0]), "its decorator names"),
    ],
)
def test_bad_calls_are_refused(call, reason):
    with pytest.raises(ArgumentError, match=reason):
        call()
