"""Targets of the laws for samplers: draws follow exp(-U), in every array library."""

import numpy as np
import pytest

from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.student_t import student_t
from lvebm_theory.errors import ArgumentError, AssumptionError
from verification.samplers.portable import arrays
from verification.samplers.targets import (
    default_targets,
    gaussian,
    half_normal,
    mixture,
    moved,
    on_the_line,
    product,
    subsampled_targets,
    with_momenta,
)

DRAWS = 40_000
# exp(-x^2/2) beyond this is below 1e-6 for the largest of some hundred means
FAR = 6.5


def targets():
    base = {t.name: t for t in default_targets()}
    return [
        *base.values(),
        *subsampled_targets(),
        with_momenta(base["correlated normal"]),
        moved(base["two modes"], shift=[1.0, 2.0], scale=3.0, constant=5.0),
    ]


each = pytest.mark.parametrize("target", targets(), ids=lambda t: t.name)


def clear_of_zero(values):
    error = values.std(axis=0) / np.sqrt(len(values))
    return np.all(np.abs(values.mean(axis=0)) <= FAR * error)


@each
def test_the_score_has_mean_zero_and_the_virial_mean_d(target):
    x = target.draw(np.random.default_rng(1), DRAWS)
    g = target.energy.gradient(x)
    assert clear_of_zero(g)
    # bounded by tanh, so that heavy tails have a standard error: E[t'(x) - t(x) U'(x)] = 0
    centre, spread, _, _ = target.scale
    t = np.tanh((x - centre) / spread)
    assert clear_of_zero((1 - t * t) / spread - t * g)


def test_another_law_does_not_pass_for_the_target():
    target = gaussian(1.0)
    x = 1.02 * target.draw(np.random.default_rng(1), DRAWS * 4)
    t = np.tanh(x)
    assert not clear_of_zero((1 - t * t) - t * target.energy.gradient(x))


@each
def test_the_gradient_is_that_of_the_potential(target):
    x = target.draw(np.random.default_rng(2), 20)
    step = 1e-6 * target.length
    for i in range(target.dim):
        above, below = x.copy(), x.copy()
        above[:, i] += step
        below[:, i] -= step
        slope = (target.energy.potential(above) - target.energy.potential(below)) / (2 * step)
        assert np.allclose(slope, target.energy.gradient(x)[:, i], rtol=1e-4, atol=1e-4)


@each
def test_torch_evaluates_the_same_formulas(target):
    torch = pytest.importorskip("torch")
    if target.handed is None and not hasattr(target.energy, "formula"):
        pytest.skip("numpy only")
    energy = target.for_step
    x = target.draw(np.random.default_rng(3), 10)[:, : energy.dim]
    y = torch.tensor(x, requires_grad=True)
    xp = arrays("torch")
    u = energy.formula(xp, y)
    (g,) = torch.autograd.grad(u.sum(), y)
    assert np.allclose(u.detach().numpy(), energy.potential(x), rtol=1e-12)
    assert np.allclose(g.numpy(), energy.gradient(x), rtol=1e-9, atol=1e-9)
    assert np.allclose(energy.slope(xp, y).detach().numpy(), energy.gradient(x), rtol=1e-12)


def test_moments_of_gaussian_images_are_known():
    inner = product([gaussian([[2.0, 0.5], [0.5, 1.0]], [1.0, -1.0]), gaussian(4.0)])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    target = moved(inner, shift=[1.0, 2.0, 3.0], scale=0.5, rotation=turn)
    x = target.draw(np.random.default_rng(4), DRAWS)
    assert clear_of_zero(x - target.mean)
    z = (x - target.mean) @ np.linalg.cholesky(target.precision)
    assert clear_of_zero(z[:, :, None] * z[:, None, :] - np.eye(3))
    assert np.allclose(target.energy.hessian(x[:2]), target.precision)


def test_the_line_is_drawn_below_a_certified_envelope():
    target = on_the_line(double_well(b=2.0), length=0.25, lipschitz=False)
    assert 0 <= target.error < 1e-13
    x = target.draw(np.random.default_rng(5), DRAWS)
    assert clear_of_zero(target.energy.gradient(x))
    assert clear_of_zero(x)


def test_a_tail_too_heavy_to_cut_is_refused():
    with pytest.raises(AssumptionError, match="too heavy"):
        on_the_line(student_t(nu=3.0), length=1.0, lipschitz=True)
    with pytest.raises(ArgumentError, match="dimension 1"):
        on_the_line(student_t(dim=2), length=1.0, lipschitz=True)


def test_the_wall_is_infinite_and_never_crossed():
    target = half_normal()
    assert np.all(target.draw(np.random.default_rng(0), 100) >= 0)
    assert np.isinf(target.energy.potential(np.array([[-1e-9]])))[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: gaussian([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (lambda: gaussian([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (lambda: gaussian(1.0, [0.0, 1.0]), "a mean of 1"),
        (lambda: mixture([[0.0]], -1.0), "sd > 0"),
        (lambda: mixture([[0.0], [1.0]], 1.0, [1.0]), "as many positive weights"),
        (lambda: moved(gaussian(1.0), scale=0.0), "scale must be > 0"),
        (lambda: moved(gaussian(1.0), rotation=[[2.0]]), "orthogonal"),
        (lambda: product([]), "at least one"),
    ],
)
def test_unusable_arguments_are_told(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()
