"""Step sizes of a neural energy that follow the pool's Metropolis acceptance."""

import numpy as np
import pytest

from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
from lvebm_theory.errors import ArgumentError
from lvebm_theory.neural import NeuralJointEnergy
from solvers.learning.checkpoint import load, save
from solvers.learning.rates import Constant
from solvers.learning.settings import LearningSettings
from solvers.learning.train import train
from solvers.noise import Noise

pytest.importorskip("torch")

STIFF, STEP, WANTED = 60.0, 0.02, 0.9
SETTINGS = {
    "latents": 1,
    "pool": 600,
    "latent_step": STEP,
    "pool_step": STEP,
    "rate": Constant(1e-9),
}
DATA = np.random.default_rng(0).normal(size=(50, 1)) / np.sqrt(STIFF)


def learned(updates, *, stiff=STIFF, start=None, backend="numba", **changed):
    # a network that is nearly nothing beside the quadratic, whose law is known
    energy = NeuralJointEnergy(
        dim_x=1, dim_z=1, widths=(3,), confinement=stiff, spectral_caps=(0.1, 0.1)
    )
    how = LearningSettings(**{**SETTINGS, "acceptance": WANTED, **changed})
    return train(
        energy, DATA, how, noise=Noise(3), updates=updates, start=start, dtype="float64",
        threads=1, backend=backend,
    )  # fmt: skip


def acceptance_of_gaussian(step, count=200_000):
    """E min(1, e^A) of one Langevin proposal in two coordinates of N(0, 1/STIFF), by its formula:
    for U = L |x|^2/2, A = h L^2 (|x|^2 - |y|^2)/4."""
    rng = np.random.default_rng(1)
    # where the unadjusted chain stands: variance 1/(L (1 - h L/2))
    x = rng.normal(size=(count, 2)) / np.sqrt(STIFF * (1 - step * STIFF / 2))
    y = (1 - step * STIFF) * x + np.sqrt(2 * step) * rng.normal(size=(count, 2))
    a = step * STIFF**2 * (np.square(x).sum(1) - np.square(y).sum(1)) / 4
    return float(np.minimum(1, np.exp(a)).mean())


def test_steps_shrink_to_the_acceptance_that_is_wanted():
    assert acceptance_of_gaussian(STEP) < WANTED - 0.05
    scale = learned(400).final.step_scale
    assert scale < 1
    # 600 particles in each of many measurements: a few thousandths
    assert abs(acceptance_of_gaussian(STEP * scale) - WANTED) < 0.02
    # a step that is short already stays; one that may not adapt does too
    assert learned(30, stiff=0.1).final.step_scale == 1
    assert learned(30, acceptance=None).final.step_scale == 1


def test_both_back_ends_adapt_alike():
    ours, theirs = (learned(40, backend=b).final for b in ("numba", "torch"))
    assert ours.step_scale < 1
    assert np.isclose(ours.step_scale, theirs.step_scale, rtol=1e-9)
    assert np.allclose(ours.pool, theirs.pool, atol=1e-9)
    assert np.allclose(ours.latents, theirs.latents, atol=1e-9)


def test_a_stored_run_goes_on_with_its_steps(tmp_path):
    whole, half = learned(40), learned(25)
    how = LearningSettings(**SETTINGS, acceptance=WANTED)
    energy = NeuralJointEnergy(
        dim_x=1, dim_z=1, widths=(3,), confinement=STIFF, spectral_caps=(0.1, 0.1)
    )
    save(tmp_path / "c", half.final, energy, how, Noise(3), data=DATA)
    kept = load(tmp_path / "c", energy, how, Noise(3), data=DATA)
    assert kept.step_scale == half.final.step_scale < 1
    rest = learned(15, start=kept)
    assert rest.final.step_scale == whole.final.step_scale
    assert np.array_equal(rest.final.pool, whole.final.pool)


def test_what_cannot_adapt_is_refused():
    with pytest.raises(ArgumentError, match=r"acceptance needs to lie between 0 and 1.*got 1"):
        LearningSettings(**SETTINGS, acceptance=1.0)
    how = LearningSettings(**SETTINGS, acceptance=0.9)
    with pytest.raises(ArgumentError, match="neural energies only"):
        train(linear_gaussian_undirected(a=1.5, b=0.5), DATA, how, noise=Noise(3), updates=1)
