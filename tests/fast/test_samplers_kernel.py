"""A user's step behind one face: arrays, layouts, noise, errors."""

import numpy as np
import pytest

from lvebm_theory.energies.double_well import double_well
from lvebm_theory.errors import ArgumentError
from verification.samplers.kernel import Kernel, StepError
from verification.samplers.targets import gaussian, mixture, on_the_line

TARGET = mixture([[-1.0, 0.0], [1.0, 0.5]], 0.7)
H = 0.1


def whole(x, energy, step_size, rng):
    noise = rng.standard_normal(x.shape)
    return x - step_size * energy.gradient(x) + (2 * step_size) ** 0.5 * noise


def one(x, energy, step_size, rng):
    y = x + step_size**0.5 * rng.standard_normal(energy.dim)
    accepted = np.log(rng.random()) < energy.potential(x) - energy.potential(y)
    return (y if accepted else x), {"accepted": accepted}


def one_that_broadcasts(x, energy, step_size, rng):
    return x + step_size**0.5 * rng.standard_normal(energy.dim)


def with_functions(x, gradient, potential, step_size, rng):
    assert np.ndim(potential(x)) == x.ndim - 1
    return x - step_size * gradient(x) + (2 * step_size) ** 0.5 * rng.standard_normal(x.shape)


def noisy(x, energy, step_size, xi, u):
    y = x + step_size**0.5 * xi
    accepted = np.log(u) < energy.potential(x) - energy.potential(y)
    return np.where(accepted[:, None], y, x)


def global_noise(x, energy, step_size):
    return x + step_size**0.5 * np.random.standard_normal(x.shape)  # noqa: NPY002


def phase(x, v, energy, step_size, rng):
    v = v - step_size / 2 * energy.gradient(x)
    return x + step_size * v, v, {"any": "thing"}


def examined(step, target=TARGET, **options):
    kernel = Kernel(step, **options)
    kernel.examine(target, H)
    return kernel


@pytest.mark.parametrize(
    ("step", "layout"),
    [
        (whole, "whole"),
        (one, "one"),
        (one_that_broadcasts, "one"),
        (with_functions, "whole"),
        (noisy, "whole"),
        (global_noise, "whole"),
        (phase, "whole"),
    ],
    ids=lambda p: getattr(p, "__name__", p),
)
def test_layouts_are_found_out(step, layout):
    kernel = examined(step)
    assert (kernel.caller.backend, kernel.caller.layout) == ("numpy", layout)
    target = kernel.state_target(TARGET)
    before = kernel.calls
    x = target.draw(np.random.default_rng(0), 11)
    after = kernel.advance(x, target, H, np.random.default_rng(1), steps=3)
    assert after.shape == x.shape
    assert after.dtype == np.float64
    assert kernel.calls == before + 33


def test_a_step_that_would_share_its_noise_is_taken_for_one_chain_unless_told():
    assert "one chain" in examined(one_that_broadcasts).note
    assert examined(one_that_broadcasts, vectorised=True).caller.layout == "whole"


def test_equal_seeds_give_equal_steps_even_for_global_generators():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    for step in (whole, one, noisy, global_noise):
        kernel = examined(step)
        x = TARGET.draw(np.random.default_rng(0), 5)
        runs = [kernel.advance(x, TARGET, H, np.random.default_rng(s)) for s in (1, 1, 2)]
        assert np.array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0], runs[2])
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_noise_as_argument_is_handed_over():
    kernel = examined(noisy)
    x = TARGET.draw(np.random.default_rng(0), 4)
    xi = np.ones_like(x)
    after = kernel.with_noise(x, TARGET, H, {"xi": xi, "u": np.full(4, 1e-300)})
    assert np.allclose(after, x + H**0.5)


def test_torch_steps_differentiate_the_energy():
    torch = pytest.importorskip("torch")

    def step(x, energy, step_size, rng):
        y = x.clone().requires_grad_(True)
        (g,) = torch.autograd.grad(energy.potential(y).sum(), y)
        noise = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        return (x - step_size * g + (2 * step_size) ** 0.5 * noise).detach()

    x = TARGET.draw(np.random.default_rng(0), 6)
    kernel = examined(step)
    assert kernel.caller.backend == "torch"
    rng = np.random.default_rng(3)
    seed = int(np.random.default_rng(3).integers(2**63))
    noise = torch.randn((6, 2), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    wanted = x - H * TARGET.energy.gradient(x) + (2 * H) ** 0.5 * noise.numpy()
    assert np.allclose(kernel.advance(x, TARGET, H, rng), wanted)


def test_torch_differentiates_an_energy_that_is_known_to_numpy_only():
    torch = pytest.importorskip("torch")
    line = on_the_line(double_well(b=1.0), length=0.3, lipschitz=False)

    def step(x, energy, step_size, rng):
        y = x.clone().requires_grad_(True)
        (g,) = torch.autograd.grad(energy.potential(y).sum(), y)
        assert torch.allclose(g, energy.gradient(x))
        return (x - step_size * g + torch.randn(x.shape, generator=rng)).detach()

    assert examined(step, line).caller.backend == "torch"


def test_single_precision_is_noticed():
    def step(x, energy, step_size, rng):
        return whole(x, energy, step_size, rng).astype(np.float32)

    assert examined(whole).rounding < 1e-15
    assert examined(step).rounding > 1e-8
    assert examined(whole).in_single_precision().rounding > 1e-8


def test_walkers_come_in_ensembles():
    seen = []

    def step(x, energy, step_size, rng):
        seen.append(len(x))
        return x + rng.standard_normal(x.shape)

    kernel = examined(step, walkers=4)
    kernel.advance(TARGET.draw(np.random.default_rng(0), 12), TARGET, H, np.random.default_rng(0))
    assert set(seen) == {4}
    with pytest.raises(ArgumentError, match="no ensembles of 4"):
        kernel.advance(np.zeros((6, 2)), TARGET, H, np.random.default_rng(0))


def broken(x, energy, step_size, rng):
    return x - enregy.gradient(x)  # noqa: F821


def late(x, energy, step_size, rng):
    if step_size > 1:
        raise ZeroDivisionError("a fault of the step")
    return whole(x, energy, step_size, rng)


def test_a_step_that_runs_nowhere_is_told_with_its_own_traceback():
    with pytest.raises(ArgumentError) as caught:
        examined(broken)
    assert "enregy" in str(caught.value)
    assert "in broken" in str(caught.value)
    assert isinstance(caught.value.__cause__, NameError)


def test_a_later_fault_is_told_with_its_own_traceback():
    kernel = examined(late)
    with pytest.raises(StepError, match="a fault of the step") as caught:
        kernel.advance(np.zeros((3, 2)), TARGET, 2.0, np.random.default_rng(0))
    assert "in late" in str(caught.value)
    assert "verification/samplers" not in str(caught.value)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (3, "callable"),
        (lambda z: z, "asks for 'z'"),
        (lambda energy, x: x, "position x first"),
        (lambda x, energy, step_size, rng, friction: x, "asks for 'friction'"),
    ],
)
def test_arguments_without_a_meaning_are_told(step, said):
    with pytest.raises(ArgumentError, match=said):
        Kernel(step)


def test_a_wrong_shape_is_told():
    with pytest.raises(ArgumentError, match="returned"):
        examined(lambda x, energy: x[:1])
    with pytest.raises(ArgumentError, match="returns"):
        examined(lambda x, v, energy: x)


def test_an_unknown_back_end_is_told():
    with pytest.raises(ArgumentError, match="one of numpy, torch, jax"):
        Kernel(whole, backend="fortran")


def test_a_one_dimensional_chain_may_return_a_number():
    line = gaussian(1.0)

    def step(x, energy, step_size, rng):
        return float(x[0]) + rng.standard_normal()

    assert examined(step, line).caller.layout == "one"
