"""Parts of the mean-field solver: moving rates, data nodes, starts and projections."""

import numpy as np
import pytest

from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from lvebm_theory.energies.location_family import location_family
from lvebm_theory.errors import ArgumentError
from solvers.learning.data_nodes import DataNodes
from solvers.learning.learned_parameters import as_function, learned_places, learned_start
from solvers.learning.moving_rates import Rates, poisson_weights
from solvers.learning.plane_fields import PlaneFields
from solvers.learning.projections import AboveSquare, Box

X = np.linspace(-3, 3, 24)[:, None]
Z = np.linspace(-2.5, 2.5, 20)[None]
SPACINGS = (float(X[1, 0] - X[0, 0]), float(Z[0, 1] - Z[0, 0]))
POTENTIAL = X**4 / 4 - X**2 + (Z - 0.5 * X) ** 2 + 0.3 * Z
SLOPE = np.sin(X) * Z - 0.2 * X


def _masses(rows):
    p = np.exp(-((X - 0.5) ** 2) - 2 * (Z + 0.3) ** 2)
    return p / (p.sum(axis=1, keepdims=True) if rows else p.sum())


def _rates(potential, rows):
    return Rates.of(potential, _masses(rows), SPACINGS, rows=rows)


@pytest.mark.parametrize("rows", [False, True])
def test_the_gibbs_state_rests_and_mass_stays(rows):
    rates = _rates(POTENTIAL, rows)
    gibbs = np.exp(-POTENTIAL)
    gibbs /= gibbs.sum(axis=1, keepdims=True) if rows else gibbs.sum()
    np.testing.assert_allclose(rates.forward(gibbs, 0.7), gibbs, rtol=1e-12)
    after = rates.forward(_masses(rows), 0.3)
    assert after.min() >= 0
    totals = after.sum(axis=1) if rows else after.sum()
    np.testing.assert_allclose(totals, 1.0, atol=1e-14)
    again = rates.forward(rates.forward(_masses(rows), 0.1), 0.2)
    np.testing.assert_allclose(again, after, rtol=1e-11, atol=1e-20)


@pytest.mark.parametrize("rows", [False, True])
def test_backward_is_the_transpose_of_forward(rows):
    rates, f = _rates(POTENTIAL, rows), np.cos(X) + Z**2 * X
    forward = (rates.forward(_masses(rows), 0.4) * f).sum()
    assert forward == pytest.approx((_masses(rows) * rates.backward(f, 0.4)).sum(), rel=1e-12)
    np.testing.assert_allclose(rates.backward(np.ones_like(f), 2.0), 1.0, atol=1e-13)


@pytest.mark.parametrize("rows", [False, True])
def test_response_is_the_derivative_of_the_generator(rows):
    f, masses = np.cos(X) + Z**2 * X, _masses(rows)
    weights = np.linspace(0.5, 2, X.size) if rows else np.ones(X.size)
    h = 1e-5

    def rate(shift):
        moved = _rates(POTENTIAL + shift * SLOPE, rows)
        total = np.zeros_like(f)
        total[:, :-1] += moved.up_1 * np.diff(f, axis=1)
        total[:, 1:] -= moved.down_1 * np.diff(f, axis=1)
        if not rows:
            total[:-1] += moved.up_0 * np.diff(f, axis=0)
            total[1:] -= moved.down_0 * np.diff(f, axis=0)
        return (weights[:, None] * masses * total).sum()

    expected = (rate(h) - rate(-h)) / (2 * h)
    got = _rates(POTENTIAL, rows).response(SLOPE, masses, f, weights)
    assert got == pytest.approx(expected, rel=1e-7)


def test_rates_come_from_exact_fluxes_of_linear_potentials():
    # for U = c x the continuous stationary flux through a cell edge is exact
    line = np.arange(6.0)[None]
    rates = Rates.of(3.0 * line, np.ones((1, 6)) / 6, (0.0, 1.0), rows=True)
    np.testing.assert_allclose(rates.up_1, 3 / np.expm1(3.0))
    np.testing.assert_allclose(rates.down_1, -3 / np.expm1(-3.0))


def test_empty_nodes_far_up_take_no_part():
    steep = 400 * Z**4 + 0 * X
    rates = Rates.of(steep, np.exp(-steep) / np.exp(-steep).sum(), SPACINGS, rows=False)
    assert rates.most < 400 * 4 * 2.5**3 / SPACINGS[1] / 4


@pytest.mark.parametrize("mean", [0.0, 1e-6, 0.3, 7.0, 400.0])
def test_poisson_weights(mean):
    weights, first = poisson_weights(mean)
    k = first + np.arange(weights.size)
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)
    assert weights @ k == pytest.approx(mean, rel=1e-12, abs=1e-15)
    assert weights @ (k - mean) ** 2 == pytest.approx(mean, rel=1e-10, abs=1e-15)


def test_equal_data_share_a_node():
    nodes = DataNodes.of(np.array([[1.0], [0.5], [1.0], [1.0]]), 40)
    assert nodes.exact
    np.testing.assert_array_equal(nodes.x, [0.5, 1.0])
    np.testing.assert_allclose(nodes.weights, [0.25, 0.75])


def test_chebyshev_nodes_average_smooth_functions():
    data = np.random.default_rng(0).standard_normal((500, 1))
    nodes = DataNodes.of(data, 30)
    assert not nodes.exact
    assert nodes.x.size == 30
    assert nodes.weights.sum() == pytest.approx(1.0, abs=1e-13)
    for f in (lambda x: x**5, lambda x: np.exp(x / 2), lambda x: 1 / (1 + x**2 / 4)):
        assert nodes.weights @ f(nodes.x) == pytest.approx(f(data).mean(), abs=1e-6)
    # a datum on a node has no 0/0
    on_node = DataNodes.of(np.vstack([data, nodes.x[3:4, None]]), 30)
    assert np.all(np.isfinite(on_node.weights))


def test_fields_are_those_of_the_formula():
    energy = linear_gaussian_undirected(a=1.4, b=0.6)
    fields = PlaneFields.of(energy, ("b",))
    assert fields.linear
    theta = np.array([0.9])
    w = np.stack([a.ravel() for a in np.broadcast_arrays(X, Z)], axis=1)
    same = energy.with_parameters(b=0.9).joint()
    np.testing.assert_allclose(fields.potential(X, Z, theta).ravel(), same.potential(w))
    np.testing.assert_allclose(
        fields.slopes(X, Z, theta)[0].ravel(), same.parameter_gradient(w)[:, 1]
    )
    bent = PlaneFields.of(location_family(), ("theta_2", "theta_1"))
    assert bent.names == ("theta_1", "theta_2")
    assert not bent.linear
    theta, h = np.array([0.1, -0.3]), 1e-5
    curvatures = bent.curvatures(X, Z, theta)
    for k in range(2):
        step = h * np.eye(2)[k]
        slope = (bent.slopes(X, Z, theta + step) - bent.slopes(X, Z, theta - step)) / (2 * h)
        np.testing.assert_allclose(curvatures[k], slope, atol=1e-8)


def test_learned_parameters_by_name_entry_and_start():
    energy = linear_gaussian_undirected(a=1.4, b=0.6)
    np.testing.assert_array_equal(learned_places(energy, ("b",)), [1])
    np.testing.assert_array_equal(learned_start(energy, np.array([1]), None), [0.6])
    np.testing.assert_array_equal(learned_start(energy, np.array([1]), [0.2]), [0.2])
    np.testing.assert_array_equal(learned_start(energy, np.array([1]), [1.4, 0.2]), [0.2])
    with pytest.raises(ArgumentError, match="not learned"):
        learned_start(energy, np.array([1]), [1.5, 0.2])
    with pytest.raises(ArgumentError, match="1 finite values"):
        learned_start(energy, np.array([1]), [1.5, 0.2, 0.1])


def test_projections_of_all_parameters_act_on_the_learned_ones():
    energy = linear_gaussian_undirected(a=1.4, b=0.6)
    places = np.array([0, 1])
    above = as_function(energy, places, AboveSquare(margin=0.1))
    moved = above(np.array([0.2, 0.9]))
    assert moved[0] - moved[1] ** 2 == pytest.approx(0.1)
    clipped = as_function(energy, np.array([1]), Box(upper={"b": 0.5}))
    np.testing.assert_allclose(clipped(np.array([0.8])), [0.5])
    own = as_function(energy, places, np.abs)
    np.testing.assert_array_equal(own(np.array([-1.0, 2.0])), [1, 2])
    assert as_function(energy, places, None) is None
