"""Neural energies: hand-written derivatives, the joint energy's views, bad input."""

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from lvebm_theory.neural import NeuralEnergy, NeuralJointEnergy
from lvebm_theory.neural_activations import ACTIVATIONS
from lvebm_theory.protocols import Energy, JointEnergy

torch = pytest.importorskip("torch")

each_activation = pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
each_depth = pytest.mark.parametrize("widths", [(5,), (6, 4), (4, 3, 5)], ids=str)


def energy_of(activation="silu", widths=(6, 4), dim=3):
    return NeuralEnergy(
        dim=dim, widths=widths, activation=activation, confinement=(0.3, 0.5, 0.7)[:dim], centre=0.2
    )


def points(n=7, dim=3):
    return np.random.default_rng(1).normal(size=(n, dim)) * 1.5


@each_activation
@each_depth
def test_derivatives_agree_with_automatic_differentiation(activation, widths):
    energy, x = energy_of(activation, widths), points()
    theta = torch.tensor(energy.parameter_vector(), requires_grad=True)

    def potential(w):
        return energy.on_tensors(w, theta)

    rows = [torch.tensor(row, requires_grad=True) for row in x]
    assert np.allclose(energy.potential(x), [potential(r).item() for r in rows], atol=1e-13)
    slopes = [torch.autograd.grad(potential(r), r)[0].numpy() for r in rows]
    assert np.allclose(energy.gradient(x), slopes, atol=1e-12)
    hessians = [torch.autograd.functional.hessian(potential, r).numpy() for r in rows]
    assert np.allclose(energy.hessian(x), hessians, atol=1e-12)
    assert np.allclose(energy.laplacian(x), [np.trace(h) for h in hessians], atol=1e-11)
    sensitivities = [torch.autograd.grad(potential(r), theta)[0].numpy() for r in rows]
    assert np.allclose(energy.parameter_gradient(x), sensitivities, atol=1e-12)
    assert np.allclose(energy.mean_parameter_gradient(x), np.mean(sensitivities, 0), atol=1e-12)


@each_activation
def test_activations_and_their_bounds(activation):
    phi, a = ACTIVATIONS[activation], np.linspace(-30, 30, 20001)
    tensor = torch.tensor(a, requires_grad=True)
    value = phi.on_tensor(tensor)
    slope = torch.autograd.grad(value.sum(), tensor)[0].numpy()
    assert np.allclose(phi.value(a), value.detach().numpy(), atol=1e-14)
    assert np.allclose(phi.slope(a), slope, atol=1e-13)
    differences = np.gradient(phi.slope(a), a)
    assert np.allclose(phi.curvature(a), differences, atol=1e-4)
    # the bounds hold, and are attained but for the last decimals
    for values, greatest in (
        (phi.slope(a), phi.greatest_slope),
        (phi.curvature(a), phi.greatest_curvature),
    ):
        assert greatest * (1 - 1e-5) < np.abs(values).max() <= greatest


def test_both_protocols_are_met():
    joint = NeuralJointEnergy(dim_x=2, dim_z=1, widths=(5,))
    assert isinstance(joint, JointEnergy)
    assert isinstance(joint.joint(), Energy)
    assert isinstance(joint.conditional([0.1, 0.2]), Energy)
    assert joint.joint().source("numba") is None
    assert joint.smooth
    assert joint.joint().smooth
    assert len(joint.parameters) == len(joint.parameter_vector()) == joint.network.size


def test_the_views_are_the_joint_energy():
    joint = NeuralJointEnergy(
        dim_x=2, dim_z=2, widths=(5, 4), confinement=(0.2, 0.3, 0.4, 0.5), centre=(0.1, 0, -0.2, 1)
    )
    w = points(6, 4)
    x, z = w[:, :2], w[:, 2:]
    assert np.array_equal(joint.potential(x, z), joint.joint().potential(w))
    for i in range(len(w)):
        view = joint.conditional(x[i])
        assert np.allclose(view.potential(z[i : i + 1]), joint.potential(x, z)[i], atol=1e-13)
        slope = joint.joint().gradient(w[i : i + 1])[:, 2:]
        assert np.allclose(view.gradient(z[i : i + 1]), slope, atol=1e-13)
    assert np.array_equal(joint.parameter_gradient(x, z), joint.joint().parameter_gradient(w))
    mean = joint.parameter_gradient(x, z).mean(0)
    assert np.allclose(joint.mean_parameter_gradient(x, z), mean, atol=1e-13)


def test_fields_on_a_grid_of_coordinates():
    energy = energy_of(dim=2)
    a, b = np.linspace(-1, 1, 4)[:, None], np.linspace(-2, 2, 3)
    flat = np.stack([g.ravel() for g in np.broadcast_arrays(a, b)], 1)
    shapes = {"potential": (), "gradient": (2,), "hessian": (2, 2), "laplacian": ()}
    for name, shape in shapes.items():
        field = energy.on_coordinates(name, (a, b))
        assert field.shape == (*shape, 4, 3)
        direct = np.moveaxis(getattr(energy, name)(flat), 0, -1)
        assert np.array_equal(field.reshape(*shape, 12), direct)


def test_parameters_are_replaced_by_name_and_as_a_vector():
    joint = NeuralJointEnergy(dim_x=1, dim_z=1, widths=(3,), seed=5)
    moved = joint.with_parameters(readout=(1.0, 2.0, 3.0), bias_1_2=0.5, weight_1_0_1=-1.0)
    assert moved.parameters["readout_1"] == 2.0
    assert moved.parameters["bias_1_2"] == 0.5
    assert moved.parameters["weight_1_0_1"] == -1.0
    assert moved.parameters["weight_1_0_0"] == joint.parameters["weight_1_0_0"]
    assert moved.key != joint.key
    back = moved.with_parameter_vector(joint.parameter_vector())
    assert back.key == joint.key == NeuralJointEnergy(dim_x=1, dim_z=1, widths=(3,), seed=5).key
    assert joint.with_parameters().key == joint.key
    with pytest.raises(ValueError, match="read-only"):
        joint.theta[0] = 1.0


def test_bad_arguments_are_named():
    with pytest.raises(ArgumentError, match="widths"):
        NeuralEnergy(dim=2, widths=())
    with pytest.raises(ArgumentError, match="silu"):
        NeuralEnergy(dim=2, activation="relu")
    with pytest.raises(ArgumentError, match="dimension"):
        NeuralEnergy(dim=0)
    with pytest.raises(ArgumentError, match="confinement must be > 0"):
        NeuralEnergy(dim=2, confinement=(0.1, 0.0))
    with pytest.raises(ArgumentError, match="centre needs 2"):
        NeuralEnergy(dim=2, centre=(0.1, 0.0, 0.0))
    with pytest.raises(ArgumentError, match="3 positive numbers"):
        NeuralEnergy(dim=2, spectral_caps=(1.0, 1.0))
    with pytest.raises(ArgumentError, match="theta needs"):
        NeuralEnergy(dim=2, theta=np.zeros(3))
    with pytest.raises(ArgumentError, match="finite"):
        NeuralEnergy(dim=1, widths=(1,), theta=(1.0, np.nan, 1.0))
    with pytest.raises(ArgumentError, match="shape"):
        energy_of().potential(np.zeros((3, 2)))
    with pytest.raises(ArgumentError, match="coordinates"):
        energy_of().on_coordinates("potential", [np.zeros(2)])
    joint = NeuralJointEnergy(dim_x=2, dim_z=1, widths=(3,))
    with pytest.raises(ArgumentError, match="2 finite data values"):
        joint.conditional([1.0])
    with pytest.raises(ArgumentError, match="equally many"):
        joint.potential(np.zeros((2, 2)), np.zeros((3, 1)))
    with pytest.raises(ArgumentError, match="readout needs shape"):
        joint.with_parameters(readout=(1.0,))
    with pytest.raises(ArgumentError, match=r"weight_9"):
        joint.with_parameters(weight_9=1.0)
    with pytest.raises(ArgumentError, match="dim_z"):
        NeuralJointEnergy(dim_x=2, dim_z=0)
