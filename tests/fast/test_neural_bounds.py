"""Certified constants of neural energies against what sampling finds, and what breaks them."""

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from lvebm_theory.constant import How
from lvebm_theory.neural import NeuralEnergy, NeuralJointEnergy
from lvebm_theory.neural_activations import ACTIVATIONS
from lvebm_theory.neural_bounds import bounds_at, bounds_within, spectral_norm_bound

each_activation = pytest.mark.parametrize("activation", sorted(ACTIVATIONS))


def wild(activation, seed=0, dim=3):
    """Weights near their caps, as after a training that pushes against them."""
    energy = NeuralEnergy(
        dim=dim, widths=(8, 6), activation=activation, confinement=0.2, centre=0.5,
        spectral_caps=(4.0, 3.0, 2.0),
    )  # fmt: skip
    theta = 10 * np.random.default_rng(seed).normal(size=energy.network.size)
    return energy.with_parameter_vector(energy.projected(theta))


def hessian_norms(energy, x):
    return np.linalg.norm(energy.hessian(x), 2, axis=(1, 2))


@each_activation
def test_sampled_derivatives_stay_within_the_certificates(activation):
    energy = wild(activation)
    x = np.random.default_rng(1).normal(size=(4000, 3)) * np.array([[0.3], [3.0]]).repeat(2000, 0)
    bowl = 0.2 * (x - 0.5)
    slopes = np.linalg.norm(energy.gradient(x) - bowl, axis=1)
    for bounds, facts in (
        (bounds_at(energy.network, energy.theta), energy.facts),
        (bounds_within(energy.network, energy.spectral_caps), energy.facts_within_caps),
    ):
        assert slopes.max() <= bounds.gradient
        assert hessian_norms(energy, x).max() <= facts.smoothness.lower + bounds.curvature
        assert hessian_norms(energy, x).max() <= facts.smoothness.upper
        assert np.linalg.eigvalsh(energy.hessian(x)).min() >= facts.convexity.lower
        inward = (energy.gradient(x) * x).sum(1)
        rate, offset = facts.dissipativity.lower, facts.dissipativity_offset
        assert np.all(inward >= rate * (x * x).sum(1) - offset)
        assert {c.how for c in facts.constants().values()} == {How.CERTIFIED}
        assert all("neural_bounds" in c.source for c in facts.constants().values())
    # the bound that looks at the weights is the sharper one
    assert energy.facts.smoothness.upper <= energy.facts_within_caps.smoothness.upper


@pytest.mark.parametrize("activation", ["silu", "softplus"])
def test_the_certificates_are_attained_by_one_neuron(activation):
    phi = ACTIVATIONS[activation]
    energy = NeuralEnergy(
        dim=2, widths=(1,), activation=activation, confinement=0.3, spectral_caps=(2.0, 1.5),
        theta=(2.0 * 0.6, 2.0 * 0.8, 0.0, 1.5),
    )  # fmt: skip
    steepest = np.linspace(-5, 40, 5001)[:, None] * np.array([[0.6, 0.8]]) / 2
    slope = np.linalg.norm(energy.gradient(steepest) - 0.3 * steepest, axis=1).max()
    bounds = bounds_within(energy.network, energy.spectral_caps)
    assert 0.999 * bounds.gradient < slope <= bounds.gradient
    # phi'' is largest at 0: the origin attains D + H exactly
    assert phi.curvature(np.zeros(1))[0] == phi.greatest_curvature
    at_zero = hessian_norms(energy, np.zeros((1, 2)))[0]
    smoothness = energy.facts_within_caps.smoothness.upper
    assert at_zero == pytest.approx(smoothness, rel=1e-12)
    assert at_zero <= smoothness
    # a weight that was not projected breaks the claim; projected, it keeps it
    loose = energy.with_parameters(weight_1=((2.2 * 0.6, 2.2 * 0.8),))
    assert hessian_norms(loose, np.zeros((1, 2)))[0] > smoothness
    assert hessian_norms(loose, np.zeros((1, 2)))[0] <= loose.facts.smoothness.upper
    kept = loose.with_parameter_vector(loose.projected(loose.parameter_vector()))
    assert hessian_norms(kept, np.zeros((1, 2)))[0] <= smoothness


def largest_singular_value(matrix):
    """In ball arithmetic, by the largest eigenvalue of W'W."""
    old, ctx.prec = ctx.prec, 200
    try:
        w = arb_mat([[arb(float(v)) for v in row] for row in matrix])
        gram = w.transpose() * w
        return max(value.real.sqrt() for value in gram.eig(multiple=True))
    finally:
        ctx.prec = old


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 7), (12, 12)], ids=str)
def test_the_spectral_norm_bound_is_a_bound_and_sharp(shape):
    generator = np.random.default_rng(3)
    for scale in (1e-6, 1.0, 1e6):
        matrix = scale * generator.normal(size=shape)
        bound = spectral_norm_bound(matrix)
        truth = largest_singular_value(matrix)
        assert bool(arb(bound) >= truth)
        assert bool(arb(bound) <= truth * arb(1 + 1e-9))
        # the floating-point norm alone is no bound: it falls below about as often as not
    below = [
        float(np.linalg.norm(m, 2)) < largest_singular_value(m)
        for m in generator.normal(size=(12, 4, 4))
    ]
    assert any(map(bool, below))


def test_the_projection_is_the_nearest_point_within_the_caps():
    energy = wild("silu")
    network, caps = energy.network, energy.spectral_caps
    inside = energy.projected(energy.parameter_vector())
    assert np.array_equal(inside, energy.projected(inside))
    away = inside + np.random.default_rng(2).normal(size=network.size)
    near = energy.projected(away)
    layers = network.layers(near)
    for matrix, cap in zip([*layers.weights, layers.readout], caps, strict=True):
        assert spectral_norm_bound(matrix) <= cap
    # biases are free, and no drawn point within the caps is nearer
    assert np.array_equal(network.layers(near).biases[0], network.layers(away).biases[0])
    generator = np.random.default_rng(4)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(30):
            other = energy.projected(near + size * generator.normal(size=network.size))
            assert np.linalg.norm(near - away) <= np.linalg.norm(other - away) + 1e-8


def test_the_initial_weights_are_within_the_caps_and_follow_the_seed():
    joint = NeuralJointEnergy(dim_x=3, dim_z=1, spectral_caps=(1.0, 1.0, 0.5), seed=3)
    again = NeuralJointEnergy(dim_x=3, dim_z=1, spectral_caps=(1.0, 1.0, 0.5), seed=3)
    assert np.array_equal(joint.theta, again.theta)
    layers = joint.network.layers(joint.theta)
    for matrix, cap in zip([*layers.weights, layers.readout], joint.spectral_caps, strict=True):
        assert spectral_norm_bound(matrix) <= cap
