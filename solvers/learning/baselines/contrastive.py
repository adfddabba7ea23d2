"""An energy without latents, trained by persistent contrastive divergence.

    theta <- optimiser step along (1/M) sum_j grad_theta U(xb_j) - (1/B) sum_i grad_theta U(x_i)
    xb_j  <- xb_j - h grad U(xb_j) + sqrt(2h) xi          inner_steps times, from a persistent pool

The whole pool moves in every update. The energy is a perceptron plus a confining quadratic with
capped spectral norms, so that it is normalisable throughout.

Source: Tieleman 2008; Du and Mordatch 2019 for Langevin pools.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.neural_energy import NeuralEnergy

from ...noise import Noise
from ..conditional import ConditionalSampling, fill_in
from ..likelihood.bracket import Bracket
from ..likelihood.density import LogDensity, log_density
from ..tensor_energy import FastEnergy
from .fitting import Adam, Budget, FitRecord, batches, checked_data, one_thread, rate_at


@dataclass(frozen=True, kw_only=True)
class ContrastiveSettings:
    """Size and training.

    Parameters
    ----------
    hidden : tuple of int
        Hidden widths.
    confinement : float
        D of the confining quadratic D |x|^2 / 2.
    pool : int
        M, persistent particles.
    batch : int
        Of the data.
    inner_steps : int
    step_size : float
        h.
    rate : float
        Adam's learning rate at its height.
    caps : tuple of float
        Of the spectral norms, layer by layer and of the readout; the energy's own by default.
    averaging : float
        Share of the updates, at the end, over which theta is averaged.
    betas : pair of float
        Adam's memories.
    """

    hidden: tuple[int, ...] = (64, 64)
    confinement: float = 0.1
    pool: int = 2000
    batch: int = 2000
    inner_steps: int = 10
    step_size: float = 0.01
    rate: float = 2e-3
    caps: tuple[float, ...] | None = None
    averaging: float = 0.2
    betas: tuple[float, float] = (0.5, 0.999)

    def __post_init__(self) -> None:
        counts = (self.pool, self.batch, self.inner_steps)
        reals = (self.confinement, self.step_size, self.rate)
        if min(counts) < 1 or not min(reals) > 0 or not 0 <= self.averaging < 1:
            raise ArgumentError(f"unusable settings of contrastive divergence: {self}")


@dataclass(frozen=True, kw_only=True)
class ContrastiveModel:
    """The learned energy with its pool.

    Parameters
    ----------
    energy : NeuralEnergy
    pool : array (M, dim)
        Persistent particles at the end: where sampling starts.
    record : FitRecord
    """

    energy: NeuralEnergy
    pool: FloatArray
    record: FitRecord
    name: str = "contrastive divergence"

    @property
    def dim(self) -> int:
        """Dimension of the data."""
        return int(self.energy.dim)

    def sample(self, n: int, seed: int, *, steps: int = 200) -> FloatArray:
        """n draws (n, dim) by MALA from the pool; independent of each other given the pool.

        The law is the model's as far as chains of this length mix.
        """
        how = ConditionalSampling(chains=1, steps=steps, step_size=0.02)
        noise = Noise(seed, "sample")
        free = np.zeros(self.dim, dtype=bool)
        found = fill_in(
            FastEnergy(self.energy),
            np.zeros((n, self.dim)),
            free,
            settings=how,
            noise=noise,
            start=self.pool,
        )
        return found.points[:, 0]

    def log_density(self, x: npt.ArrayLike, **options: Any) -> LogDensity:
        """log p by quadrature of Z, up to three dimensions."""
        return log_density(FastEnergy(self.energy), x, **options)

    def log_likelihood(self, x: npt.ArrayLike, *, alpha: float, seed: int) -> Bracket:
        """The bracket of mean_i log p(x_i)."""
        return self.log_density(x).mean

    def reconstruct(
        self,
        x: npt.ArrayLike,
        observed: npt.ArrayLike,
        *,
        draws: int,
        seed: int,
        settings: ConditionalSampling | None = None,
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Draws (n, draws, dim) of x given its observed coordinates, and what was done."""
        how = replace(settings or ConditionalSampling(steps=200, step_size=0.02), chains=draws)
        found = fill_in(
            FastEnergy(self.energy),
            x,
            observed,
            settings=how,
            noise=Noise(seed, "reconstruct"),
            start=self.pool,
        )
        return found.points, found.info


@one_thread()
def fit(
    data: npt.ArrayLike,
    settings: ContrastiveSettings | None = None,
    *,
    seed: int,
    updates: int = 1500,
    seconds: float | None = None,
) -> ContrastiveModel:
    """Trains on data (n, d); the same seed and updates give the same model.

    Raises
    ------
    ArgumentError
        Unusable data, settings or budget.
    SolverError
        The pool left the finite numbers.
    """
    import torch

    from ..neural_particles import NeuralParticles, Task

    how = settings or ContrastiveSettings()
    x = checked_data(data)
    dim = x.shape[1]
    budget = Budget(updates, seconds)
    generator = torch.Generator().manual_seed(seed)
    noise = Noise(seed, "contrastive divergence")
    energy = NeuralEnergy(
        dim=dim,
        widths=how.hidden,
        confinement=how.confinement,
        spectral_caps=how.caps,
        seed=seed,
    )
    theta = torch.tensor(energy.parameter_vector())
    optimiser = Adam([theta], betas=how.betas)
    particles = NeuralParticles(energy, threads=1)
    pool = particles.cloud(
        noise.derive("start").normals(how.pool, 0, dim),
        step_size=how.step_size,
        noise=noise.derive("pool"),
    )
    pieces = batches(len(x), how.batch, generator)
    mean, counted = theta.numpy().copy(), 0
    for update in budget.steps():
        particles.change_parameters(theta.numpy())
        real = particles.cloud(x[next(pieces).numpy()], step_size=how.step_size, noise=noise)
        steps = Task(
            cloud=pool,
            first=update * how.inner_steps,
            steps=how.inner_steps,
            averaging="after",
        )
        positive, negative = particles.work([Task(cloud=real, averaging="before"), steps])
        assert positive is not None
        assert negative is not None
        slope = positive - negative
        if not np.all(np.isfinite(slope)):
            raise SolverError("the pool left the finite numbers: smaller step needed", step=update)
        theta.grad = torch.as_tensor(slope)
        optimiser.step(rate_at(update, updates, how.rate))
        theta.copy_(torch.as_tensor(energy.projected(theta.numpy())))
        if update >= (1 - how.averaging) * updates:
            counted += 1
            mean += (theta.numpy() - mean) / counted
        budget.note(float(np.linalg.norm(slope)))
    particles.close()
    return ContrastiveModel(
        energy=energy.with_parameter_vector(mean if counted else theta.numpy().copy()),
        pool=np.asarray(particles.positions(pool), dtype=float),
        record=budget.record(energy.network.size),
    )
