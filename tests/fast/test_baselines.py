"""Baselines: what they learn on Gaussian data, and the decoder's lattice against closed forms."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.neural_energy import NeuralEnergy
from solvers.learning.baselines import contrastive, particle_gradient_descent, variational
from solvers.learning.baselines.decoder_model import DecoderModel
from solvers.learning.baselines.fitting import FitRecord, rate_at
from solvers.learning.baselines.networks import parameter_count
from solvers.learning.tensor_energy import FastEnergy
from verification.experiments import latent_energy
from verification.experiments.methods import BY_CHAINS, CHAINS

RNG = np.random.default_rng(0)
# x = A z + 0.5 xi with one latent: an exact member of the decoder models' family
A = np.array([[1.0], [-0.7]])
NOISE = np.array([0.5, 0.5])
LAW = Gaussian(np.zeros(2), A @ A.T + 0.25 * np.eye(2))
DATA = LAW.push_normals(RNG.normal(size=(1500, 2)))
HELD_OUT = LAW.push_normals(RNG.normal(size=(400, 2)))
ENTROPY = -float(LAW.log_density(HELD_OUT).mean())

METHODS = {
    "latent_energy": (
        latent_energy.fit,
        latent_energy.LatentEnergySettings(
            hidden=(16,),
            batch=200,
            pool=400,
            inner_steps=4,
            latent_step=0.05,
            pool_step=0.05,
            rate=2e-2,
            caps=(8.0, 6.0),
        ),
        150,
    ),
    "contrastive": (
        contrastive.fit,
        contrastive.ContrastiveSettings(
            hidden=(16,), batch=200, pool=400, inner_steps=4, step_size=0.05, rate=1e-2
        ),
        150,
    ),
    "variational": (
        variational.fit,
        variational.VariationalSettings(dim_z=1, hidden=(16,), batch=200, rate=1e-2),
        400,
    ),
    "particles": (
        particle_gradient_descent.fit,
        particle_gradient_descent.ParticleSettings(
            dim_z=1, hidden=(16,), batch=300, rate=1e-2, inner_steps=2
        ),
        400,
    ),
}
method = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@method
def test_gaussian_data_are_learned(name) -> None:
    fit, settings, updates = METHODS[name]
    model = fit(DATA, settings, seed=1, updates=updates)
    found = model.log_likelihood(HELD_OUT, alpha=0.01, seed=0)
    assert found.kind == "exact by quadrature"
    loss = -ENTROPY - found.ends[0]
    # never better than the law itself by more than 400 data allow, and close to it
    assert -0.02 < loss < 0.12
    draws = model.sample(2000, seed=2)
    assert np.allclose(np.cov(draws.T), LAW.covariance, atol=0.3)
    assert model.record.updates == updates
    assert model.record.parameters > 0
    how = {"settings": CHAINS} if name in BY_CHAINS else {}
    filled, info = model.reconstruct(HELD_OUT, [True, False], draws=8, seed=3, **how)
    assert np.all(filled[:, :, 0] == HELD_OUT[:, :1])
    exact = Gaussian(LAW.mean, LAW.covariance).conditional([0], [0.0])
    slope = LAW.covariance[1, 0] / LAW.covariance[0, 0]
    residual = filled[:, :, 1] - slope * HELD_OUT[:, :1]
    assert residual.std() == pytest.approx(math.sqrt(exact.covariance[0, 0]), rel=0.25)
    assert "scheme" in info


@method
def test_a_seed_is_a_run(name) -> None:
    fit, settings, _ = METHODS[name]
    first, again, other = (
        fit(DATA[:300], settings, seed=s, updates=3).sample(5, seed=4) for s in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@method
def test_unusable_data_and_budgets_are_refused(name) -> None:
    fit, settings, _ = METHODS[name]
    holes = DATA.copy()
    holes[3, 1] = np.nan
    for data, updates, text in (
        (holes, 3, "1 bad"),
        (DATA[:1], 3, "n >= 2"),
        (DATA[:, 0], 3, "shape"),
        (DATA, 0, "updates"),
    ):
        with pytest.raises(ArgumentError, match=text):
            fit(data, settings, seed=0, updates=updates)
    with pytest.raises(ArgumentError, match="unusable settings"):
        dataclasses.replace(settings, batch=0)


def _linear_model(dim_z: int) -> DecoderModel:
    decoder = torch.nn.Linear(dim_z, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor([[1.0, 0.3], [-0.7, 0.8]])[:, :dim_z])
    record = FitRecord(
        updates=0, seconds=0.0, processor_seconds=0.0, objective=np.zeros(0), parameters=2
    )
    return DecoderModel(
        name="linear", dim=2, dim_z=dim_z, decoder=decoder, noise=NOISE, record=record
    )


def _linear_law(model: DecoderModel) -> Gaussian:
    w = model.decoder.weight.detach().numpy()
    return Gaussian(np.zeros(2), w @ w.T + np.diag(NOISE**2))


@pytest.mark.parametrize("dim_z", [1, 2])
def test_the_lattice_of_latents_is_exact_within_its_width(dim_z) -> None:
    model = _linear_model(dim_z)
    law = _linear_law(model)
    some = HELD_OUT[:100]
    values, widths = model.log_density(some)
    assert np.all(np.abs(values - law.log_density(some)) <= widths)
    assert widths.max() < 1e-6
    filled, _ = model.reconstruct(some, [False, True], draws=40, seed=1)
    slope = law.covariance[0, 1] / law.covariance[1, 1]
    spread = math.sqrt(law.conditional([1], [0.0]).covariance[0, 0])
    residual = (filled[:, :, 0] - slope * some[:, 1:]) / spread
    assert kstest(residual.ravel(), norm.cdf).pvalue > 1e-6
    assert kstest(residual.ravel() / 1.2, norm.cdf).pvalue < 1e-6


def test_a_decoder_too_sharp_for_the_lattice_says_so() -> None:
    model = _linear_model(2)
    with torch.no_grad():
        model.decoder.weight.mul_(400)
    far = HELD_OUT[:20] * 300
    values, widths = model.log_density(far)
    error = np.abs(values - _linear_law(model).log_density(far))
    assert error.max() > 0.1
    assert np.all(widths[error > 0.1] > 0.05)


def test_importance_weights_bound_from_below_and_are_unbiased() -> None:
    model = _linear_model(2)
    some = HELD_OUT[:100]
    exact, _ = model.log_density(some)
    few = model.importance_weighted(some, draws=2, alpha=0.01, seed=1)
    many = model.importance_weighted(some, draws=400, alpha=0.01, seed=1)
    assert few.kind == many.kind == "lower bound in expectation"
    assert few.lower.estimate < many.lower.estimate < exact.mean() + 0.02
    assert exact.mean() - many.lower.estimate < 0.05
    assert many.ends[0] <= exact.mean()
    # as many importance weights as there are data, at one point: their mean is p(x)
    at = np.tile(HELD_OUT[:1], (4000, 1))

    def encoder(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(x), 2), 0.3), np.full((len(x), 2), 0.7)

    guided = dataclasses.replace(model, propose=encoder)
    weights = np.exp(guided.log_estimates(at, draws=1, seed=2) - exact[0])
    assert abs(weights.mean() - 1) < 5 * weights.std() / math.sqrt(len(weights))
    assert weights.std() < 3


@pytest.mark.parametrize("activation", ["silu", "tanh", "softplus"])
def test_the_fast_energy_is_the_neural_energy(activation) -> None:
    energy = NeuralEnergy(dim=3, widths=(9, 7), activation=activation, centre=0.2, seed=3)
    x = RNG.normal(size=(40, 3))
    fast = FastEnergy(energy)
    u, g = fast.potential_gradient(x)
    assert np.allclose(u, energy.potential(x), atol=1e-12)
    assert np.allclose(fast.potential(x), u, atol=1e-12)
    assert np.allclose(g, energy.gradient(x), atol=1e-12)
    assert fast.facts.smoothness == energy.facts.smoothness


def test_sizes_are_counted_and_comparable() -> None:
    assert parameter_count(2, (64, 64), 1) == 2 * 64 + 64 + 64 * 64 + 64 + 64 + 1
    energy = NeuralEnergy(dim=2).network.size
    coder = variational.VariationalSettings().parameters(2)
    cloud = particle_gradient_descent.ParticleSettings().parameters(2)
    assert max(energy, coder, cloud) < 1.05 * min(energy, coder, cloud)
    with pytest.raises(ArgumentError, match="hidden"):
        parameter_count(2, (), 1)
    assert rate_at(0, 100, 1.0) < rate_at(10, 100, 1.0) > rate_at(99, 100, 1.0) > 0


def test_a_decoder_with_many_latents_has_one_side_only() -> None:
    settings = variational.VariationalSettings(dim_z=3, hidden=(8,), batch=200)
    model = variational.fit(DATA[:400], settings, seed=0, updates=20)
    found = model.log_likelihood(HELD_OUT[:50], alpha=0.01, seed=1)
    assert found.kind == "lower bound in expectation"
    with pytest.raises(ArgumentError, match="up to 2"):
        model.log_density(HELD_OUT)
