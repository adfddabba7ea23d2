"""The latent-variable energy-based model with a neural energy, as one method among the others."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.neural import NeuralJointEnergy
from solvers.learning.baselines.fitting import FitRecord, checked_budget, checked_data
from solvers.learning.conditional import ConditionalSampling, fill_in
from solvers.learning.likelihood.bracket import Bracket
from solvers.learning.likelihood.density import LogDensity, log_marginal_density
from solvers.learning.tensor_energy import FastEnergy
from solvers.noise import Noise

_PIECES = 20


@dataclass(frozen=True, kw_only=True)
class LatentEnergySettings:
    """Size and training of the latent-variable energy.

    Parameters
    ----------
    dim_z : int
    hidden : tuple of int
    confinement : float
        D of the confining quadratic.
    latents, pool, batch, inner_steps : int
        K, M, data per update, K_in.
    latent_step, pool_step : float
        h_q, h_p.
    rate, halvings : float
        Adam's learning rate at the start, and how many times it is halved over the run.
    caps : tuple of float
        Of the spectral norms, layer by layer and of the readout.
    averaging : float
        Share of the updates, at the end, over which theta is averaged.
    betas : pair of float
        Adam's memories.
    acceptance : float, optional
        What both step sizes follow, see ``LearningSettings``; None keeps them.
    """

    dim_z: int = 1
    hidden: tuple[int, ...] = (64, 64)
    confinement: float = 1.0
    latents: int = 1
    pool: int = 2000
    batch: int = 500
    inner_steps: int = 10
    latent_step: float = 0.01
    pool_step: float = 0.01
    rate: float = 3e-3
    halvings: float = 5.0
    caps: tuple[float, ...] = (12.0, 16.0, 6.0)
    averaging: float = 0.2
    betas: tuple[float, float] = (0.5, 0.999)
    acceptance: float | None = 0.95

    def __post_init__(self) -> None:
        counts = (self.dim_z, self.latents, self.pool, self.batch, self.inner_steps)
        reals = (self.rate, self.halvings, self.confinement, self.latent_step, self.pool_step)
        if min(counts) < 1 or not min(reals) > 0 or not 0 <= self.averaging < 1:
            raise ArgumentError(f"unusable settings of a latent energy: {self}")


@dataclass(frozen=True, kw_only=True)
class LatentEnergyModel:
    """The learned joint energy with its pool.

    Parameters
    ----------
    energy : NeuralJointEnergy
    pool : array (M, dim_x + dim_z)
    record : FitRecord
    """

    energy: NeuralJointEnergy
    pool: FloatArray
    record: FitRecord
    name: str = "latent energy"

    @property
    def dim(self) -> int:
        """Dimension of the data."""
        return int(self.energy.dim_x)

    def sample(self, n: int, seed: int, *, steps: int = 200) -> FloatArray:
        """n draws (n, dim) of x by MALA on (x, z) from the pool."""
        found = fill_in(
            FastEnergy(self.energy.joint()),
            np.zeros((n, self.pool.shape[1])),
            np.zeros(self.pool.shape[1], dtype=bool),
            settings=ConditionalSampling(chains=1, steps=steps, step_size=0.02),
            noise=Noise(seed, "sample"),
            start=self.pool,
        )
        return found.points[:, 0, : self.dim]

    def log_density(self, x: npt.ArrayLike, **options: Any) -> LogDensity:
        """log p by quadrature over latents and of Z; up to three and two dimensions."""
        return log_marginal_density(_Rows(self.energy), x, **options)

    def log_likelihood(self, x: npt.ArrayLike, *, alpha: float, seed: int) -> Bracket:
        """The bracket of mean_i log p(x_i)."""
        if self.dim < 3:
            return self.log_density(x, tolerance=1e-4).mean
        # a lattice in four dimensions: its width is no longer below what is printed
        return self.log_density(x, tolerance=0.1, most_points=16_000_000).mean

    def reconstruct(
        self,
        x: npt.ArrayLike,
        observed: npt.ArrayLike,
        *,
        draws: int,
        seed: int,
        settings: ConditionalSampling,
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Draws (n, draws, dim) of x given its observed coordinates, and what was done."""
        data, mask = np.asarray(x, dtype=float), np.asarray(observed, dtype=bool)
        hidden = self.pool.shape[1] - self.dim
        found = fill_in(
            FastEnergy(self.energy.joint()),
            np.hstack([data, np.zeros((len(data), hidden))]),
            np.concatenate([mask, np.zeros(hidden, dtype=bool)]),
            settings=replace(settings, chains=draws),
            noise=Noise(seed, "reconstruct"),
            start=self.pool,
        )
        return found.points[:, :, : self.dim], found.info


class _Rows:
    """E at pairs (x, z) in single precision: an error of 1e-6 E where widths are 1e-4 and more."""

    def __init__(self, energy: NeuralJointEnergy) -> None:
        import torch

        self.dim_x, self.dim_z = int(energy.dim_x), int(energy.dim_z)
        self._joint = energy.joint()
        self._theta = torch.as_tensor(energy.parameter_vector(), dtype=torch.float32)

    def potential(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """E at x (n, dim_x), z (n, dim_z), shape (n,)."""
        import torch

        with torch.no_grad():
            w = torch.as_tensor(np.hstack([x, z]), dtype=torch.float32)
            return np.asarray(self._joint.on_tensors(w, self._theta).numpy(), dtype=np.float64)


def fit(
    data: npt.ArrayLike,
    settings: LatentEnergySettings | None = None,
    *,
    seed: int,
    updates: int = 2000,
    seconds: float | None = None,
) -> LatentEnergyModel:
    """Trains on data (n, d) by the particle algorithm, at a learning rate that is halved in turn.

    Raises
    ------
    ArgumentError
        Unusable data, settings or budget.
    SolverError
        Theta or particles ran away.
    """
    from solvers.learning.rates import TorchOptimizer
    from solvers.learning.settings import LearningSettings
    from solvers.learning.train import train

    how = settings or LatentEnergySettings()
    x = checked_data(data)
    checked_budget(updates, seconds)
    begun, processor = time.perf_counter(), time.process_time()
    energy = NeuralJointEnergy(
        dim_x=x.shape[1],
        dim_z=how.dim_z,
        widths=how.hidden,
        confinement=how.confinement,
        spectral_caps=how.caps,
        seed=seed,
    )
    learning = LearningSettings(
        latents=how.latents,
        pool=how.pool,
        batch=min(how.batch, len(x)),
        inner_steps=how.inner_steps,
        latent_step=how.latent_step,
        pool_step=how.pool_step,
        rate=TorchOptimizer(
            "Adam", {"lr": how.rate, "betas": how.betas}, halving=updates / how.halvings
        ),
        averaging_after=round((1 - how.averaging) * updates),
        acceptance=how.acceptance,
    )
    state, objective = None, []
    done = 0
    # in pieces, between which the time limit is looked at
    for until in np.linspace(0, updates, _PIECES + 1).astype(int)[1:]:
        if until == done or (seconds is not None and time.process_time() - processor > seconds):
            continue
        run = train(
            energy,
            x,
            learning,
            noise=Noise(seed, "latent energy"),
            updates=int(until) - done,
            start=state,
            record_every=max(1, updates // 400),
            observe_every=updates,
            dtype="float32",
            threads=1,
        )
        state, done = run.final, int(until)
        objective += list(run.records["joint_energy"] - run.records["conditional_energy"])
    assert state is not None
    return LatentEnergyModel(
        energy=energy.with_parameter_vector(state.learned),
        pool=np.asarray(state.pool, dtype=float),
        record=FitRecord(
            updates=done,
            seconds=time.perf_counter() - begun,
            processor_seconds=time.process_time() - processor,
            objective=np.array(objective),
            parameters=energy.network.size,
        ),
    )
