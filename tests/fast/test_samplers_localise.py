"""What interventions on draws and energies read, on kernels that are right and on faulty ones."""

import numpy as np
import pytest

from verification.samplers.kernel import Kernel
from verification.samplers.localise_acceptance import of_acceptance
from verification.samplers.localise_momenta import of_late_gradients
from verification.samplers.localise_trace import Hands, TracedEnergy, TracingGenerator
from verification.samplers.subject import Place, Subject
from verification.samplers.targets.gaussians import gaussian
from verification.samplers.zoo import entries

TARGET = gaussian([[1.5, 0.7], [0.7, 1.0]], [0.5, -1.0], name="normal in the plane")
ZOO = entries()


def taken(name, step_size=0.4):
    kernel = Kernel(ZOO[name].make(), vectorised=True)
    kernel.examine(TARGET, step_size)
    place = Place(target=TARGET, step_size=step_size)
    subject = Subject(kernel=kernel, kind="adjusted", places=[place])
    hands = Hands(subject=subject, target=TARGET, step_size=step_size)
    return hands, TARGET.draw(np.random.default_rng(1), 64)


def test_a_tracing_generator_draws_what_a_plain_one_draws():
    plain, traced = np.random.Generator(np.random.PCG64(3)), TracingGenerator(3)
    assert np.array_equal(plain.standard_normal((4, 2)), traced.standard_normal((4, 2)))
    assert np.array_equal(plain.random(5), traced.random(5))
    assert np.array_equal(plain.normal(1.0, 2.0, 3), traced.normal(1.0, 2.0, 3))
    assert [draw.sort for draw in traced.draws] == ["normal", "uniform", "normal"]


def test_a_draw_is_replaced():
    rng = TracingGenerator(3, {1: np.full(5, 0.25)})
    rng.standard_normal(2)
    assert np.all(rng.uniform(-1.0, 1.0, 5) == -0.5)


def test_potential_and_gradient_are_changed_apart():
    x = np.ones((3, 2))
    bent = TracedEnergy(TARGET.energy, lift=lambda z: z.sum(axis=1))
    assert np.allclose(bent.potential(x), TARGET.energy.potential(x) + 2)
    assert np.array_equal(bent.gradient(x), TARGET.energy.gradient(x))


@pytest.mark.parametrize("name", ["mala", "random-walk", "hmc", "hmc-with-mass"])
def test_the_ratio_of_a_right_kernel_is_what_its_proposals_call_for(name):
    found = of_acceptance(*taken(name, 0.6))
    assert found.read.sum() >= 5
    assert np.abs((found.ratio - found.right)[found.read]).max() < 1e-8
    assert np.all(found.right[~found.read] > -1e-8)
    assert abs(found.weight - 1) < 1e-8
    assert found.returns == 1.0


@pytest.mark.parametrize(
    ("name", "weight", "slope"),
    [
        ("mala-no-proposal-correction", 1, 0),
        ("mala-correction-inverted", 1, -1),
        ("mala-target-inverted", -1, 1),
        ("hmc-kinetic-energy-twice", 1, 2),
        ("hmc-momentum-too-large", 1, 1.21),
    ],
)
def test_the_parts_of_a_wrong_ratio_are_read(name, weight, slope):
    found = of_acceptance(*taken(name, 0.6))
    rest = (found.ratio - weight * found.potential - slope * found.proposal)[found.read]
    assert abs(found.weight - weight) < 1e-8
    assert np.abs(rest).max() < 1e-8
    assert np.abs((found.ratio - found.right)[found.read]).max() > 0.01


def test_a_gradient_of_the_start_is_seen_to_act_too_long():
    assert of_late_gradients(*taken("generalised-hmc")) is None
    guess = of_late_gradients(*taken("generalised-hmc-gradient-of-the-start"))
    assert guess is not None
    assert guess[0] == "stale gradient"
