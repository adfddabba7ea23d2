"""One face for every method: fit, sample, reconstruct, log-likelihood."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lvebm_theory.arrays import FloatArray
from solvers.learning.baselines.fitting import FitRecord
from solvers.learning.conditional import ConditionalSampling
from solvers.learning.likelihood.bracket import Bracket

#: module and settings of each method; latent models also have conditional sampling by chains
_WHERE = {
    "latent_energy": ("verification.experiments.latent_energy", "LatentEnergySettings"),
    "contrastive": ("solvers.learning.baselines.contrastive", "ContrastiveSettings"),
    "variational": ("solvers.learning.baselines.variational", "VariationalSettings"),
    "particles": ("solvers.learning.baselines.particle_gradient_descent", "ParticleSettings"),
}
BY_CHAINS = ("latent_energy", "contrastive")
TITLES = {
    "latent_energy": "LV-EBM, neural energy",
    "contrastive": "EBM without latents, PCD",
    "variational": "VAE, Gaussian encoder",
    "particles": "latent model, PGD",
}
#: chains for reconstruction: exchange, because what is missing may have several modes
CHAINS = ConditionalSampling(
    steps=160, step_size=0.02, inverse_temperatures=(1.0, 0.5, 0.2), exchange_every=2
)


class Fitted(Protocol):
    """What every method hands back."""

    @property
    def record(self) -> FitRecord:
        """What the fit did."""

    def sample(self, n: int, seed: int) -> FloatArray:
        """Draws (n, dim)."""

    def log_likelihood(self, x: FloatArray, *, alpha: float, seed: int) -> Bracket:
        """The bracket of mean_i log p(x_i)."""


def fitted(
    method: str,
    data: FloatArray,
    options: Mapping[str, Any],
    *,
    seed: int,
    updates: int,
    seconds: float | None,
) -> Fitted:
    """The model that a method learns from data (n, d)."""
    module = importlib.import_module(_WHERE[method][0])
    settings = getattr(module, _WHERE[method][1])(**options)
    model: Fitted = module.fit(data, settings, seed=seed, updates=updates, seconds=seconds)
    return model


def reconstructed(
    method: str, model: Any, x: FloatArray, observed: tuple[bool, ...], *, draws: int, seed: int
) -> tuple[FloatArray, dict[str, Any]]:
    """Draws (n, draws, dim) of x given its observed coordinates, and what was done."""
    further = {"settings": CHAINS} if method in BY_CHAINS else {}
    found: tuple[FloatArray, dict[str, Any]] = model.reconstruct(
        x, observed, draws=draws, seed=seed, **further
    )
    return found


def log_density_at(method: str, model: Any, x: FloatArray) -> FloatArray:
    """log p at x (n, d), shape (n,), for pictures."""
    if method in BY_CHAINS:
        return np.asarray(model.log_density(x, tolerance=1e-3).values)
    return np.asarray(model.log_density(x, nodes=160)[0])
