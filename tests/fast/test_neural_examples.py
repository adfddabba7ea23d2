"""The examples' settings, and that a neural energy learns a small law."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

from lvebm_theory.errors import ArgumentError
from solvers.learning.examples import Example, example_named, examples, fresh_samples
from solvers.learning.systems import systems
from solvers.learning.train import train
from solvers.noise import Noise
from solvers.transport.one_dimensional import w2_samples

pytest.importorskip("torch")


def test_every_system_has_an_example():
    assert examples().keys() == systems().keys()
    assert example_named("van-der-pol").source.name == "van_der_pol"
    with pytest.raises(ArgumentError, match="lorenz"):
        example_named("henon")


@pytest.mark.parametrize("name", sorted(systems()))
def test_examples_can_be_begun(name):
    example = example_named(name)
    energy = example.energy(seed=1)
    assert energy.dim_x == example.source.dim
    assert energy.dim_z == example.dim_z
    settings = example.settings()
    assert settings.batch <= example.data
    assert settings.rate.options["lr"] == example.learning_rate
    # within the certified stability limit of the first weights
    assert settings.pool_step < 2 / energy.facts.smoothness.upper


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Skewed(Example):
    """A gamma law on the line in place of a system: one mode, so that short chains mix."""

    @property
    def source(self):
        return dataclasses.replace(
            systems()["ring_mixture"], dim=1, coordinates=("x",), centre=(0.0,), scale=(1.0,),
            observation_noise=(0.0,), log_density_of_data=None,
            draw=lambda g, n: (g.gamma(4.0, size=(n, 1)) - 4.0) / 2.0,
        )  # fmt: skip


def test_a_small_law_is_learned():
    example = _Skewed(
        system="skewed", data=3000, widths=(16,), spectral_caps=(12.0, 6.0), pool=1000, batch=500,
        inner_steps=10, latent_step=0.05, pool_step=0.02, learning_rate=0.05, halving=100.0,
        updates=400, fresh_steps=1500,
    )  # fmt: skip
    data, held_out = (example.source.sample(example.data, seed) for seed in (0, 1))
    energy = example.energy(seed=3)
    run = train(
        energy, data, example.settings(), noise=Noise(2), updates=example.updates,
        dtype=example.dtype, record_every=10,
    )  # fmt: skip

    def distance(theta):
        at = energy.with_parameter_vector(theta)
        fresh = fresh_samples(example, at, example.data, seed=4)
        return w2_samples(fresh[:, 0], held_out[:, 0])

    # what moments alone can learn: the normal law of the data's mean and variance
    normal = norm.ppf((np.arange(example.data) + 0.5) / example.data, data.mean(), data.std())
    bar = w2_samples(normal, held_out[:, 0])
    assert distance(energy.theta) > 5 * bar
    assert run.final.averaged == 8
    assert distance(run.final.learned) < 0.8 * bar
