"""An energy without latents, trained by persistent contrastive divergence.

    theta <- optimiser step along (1/M) sum_j grad_theta U(xb_j) - (1/B) sum_i grad_theta U(x_i)
    xb_j  <- xb_j - h grad U(xb_j) + sqrt(2h) xi          inner_steps times, from a persistent pool

Each update moves one batch of the pool and uses it. The energy is a perceptron plus a confining
quadratic with capped spectral norms, so that it is normalisable throughout.

Source: Tieleman 2008; Du and Mordatch 2019 for Langevin pools.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.neural_energy import NeuralEnergy

from ...noise import Noise
from ..conditional import ConditionalSampling, fill_in
from ..likelihood.bracket import Bracket
from ..likelihood.density import LogDensity, log_density
from ..tensor_energy import FastEnergy, potential_and_gradient
from .fitting import Budget, FitRecord, batches, checked_data, one_thread, rate_at

FloatArray = npt.NDArray[np.float64]


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
        Persistent particles.
    batch : int
        Of the data, and of the pool in each update.
    inner_steps : int
    step_size : float
        h.
    rate : float
        Adam's learning rate at its height.
    project_every : int
        Updates between projections on the caps of the spectral norms.
    """

    hidden: tuple[int, ...] = (64, 64)
    confinement: float = 0.1
    pool: int = 2048
    batch: int = 256
    inner_steps: int = 10
    step_size: float = 0.01
    rate: float = 2e-3
    project_every: int = 20

    def __post_init__(self) -> None:
        counts = (self.pool, self.batch, self.inner_steps, self.project_every)
        reals = (self.confinement, self.step_size, self.rate)
        if min(counts) < 1 or not min(reals) > 0 or self.pool < self.batch:
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
        how = settings or ConditionalSampling(chains=draws, steps=200, step_size=0.02)
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
    updates: int = 2000,
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

    how = settings or ContrastiveSettings()
    checked = checked_data(data)
    x = torch.as_tensor(checked, dtype=torch.float32)
    budget = Budget(updates, seconds)
    generator = torch.Generator().manual_seed(seed)
    energy = NeuralEnergy(dim=x.shape[1], widths=how.hidden, confinement=how.confinement, seed=seed)
    theta = torch.tensor(energy.parameter_vector(), dtype=torch.float32, requires_grad=True)
    pool = torch.randn(how.pool, x.shape[1], generator=generator)
    optimiser = torch.optim.Adam([theta], lr=how.rate, betas=(0.5, 0.999))
    positive, negative = (
        batches(len(x), how.batch, generator),
        batches(how.pool, how.batch, generator),
    )
    for update in budget.steps():
        index = next(negative)
        fake = _moved(energy, theta.detach(), pool[index], how, generator)
        pool[index] = fake
        real = x[next(positive)]
        optimiser.param_groups[0]["lr"] = rate_at(update, updates, how.rate)
        gap = energy.on_tensors(real, theta).mean() - energy.on_tensors(fake, theta).mean()
        optimiser.zero_grad(set_to_none=True)
        gap.backward()
        optimiser.step()
        if (update + 1) % how.project_every == 0 or update + 1 == updates:
            _project(energy, theta)
        budget.note(float(gap.detach()))
        if update % 200 == 0 and not bool(torch.isfinite(pool).all()):
            raise SolverError("the pool left the finite numbers: smaller step needed", step=update)
    _project(energy, theta)
    return ContrastiveModel(
        energy=energy.with_parameter_vector(theta.detach().double().numpy()),
        pool=pool.double().numpy(),
        record=budget.record(energy.network.size),
    )


def _moved(
    energy: NeuralEnergy, theta: Any, x: Any, how: ContrastiveSettings, generator: Any
) -> Any:
    import torch

    spread = math.sqrt(2 * how.step_size)
    with torch.no_grad():
        for _ in range(how.inner_steps):
            _, slope = potential_and_gradient(energy, theta, x)
            x = x - how.step_size * slope
            x += spread * torch.randn(x.shape, generator=generator)
    return x


def _project(energy: NeuralEnergy, theta: Any) -> None:
    """theta to within the caps, in place."""
    import torch

    with torch.no_grad():
        inside = energy.projected(theta.double().numpy())
        theta.copy_(torch.as_tensor(inside, dtype=theta.dtype))
