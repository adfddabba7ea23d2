"""Particle gradient descent for a latent model with a learned decoder.

    theta  <- optimiser step along (1 / (B N)) sum_bn grad_theta log p_theta(x_b, Z_bn)
    Z_bn   <- Z_bn + h grad_z log p_theta(x_b, Z_bn) + sqrt(2h) xi

with N persistent particles per datum, simultaneously (both at the old theta and particles), and no
noise on theta. p_theta(x, z) = N(z; 0, I) N(x; g(z), s^2). The curvature in z is about
1 + |dg/dz|^2 / s^2 and grows as the decoder sharpens, so h is latent_step over that, with the 0.9
quantile of |dg/dz|^2 (Frobenius) over the batch.

Source: Kuntz, Lim and Johansen 2023, algorithm 1 (PGD), with minibatches as in their section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from .decoder_model import DecoderModel
from .fitting import Adam, Budget, batches, checked_data, one_thread, rate_at
from .networks import parameter_count, perceptron

_REFRESH = 20  # updates between looks at the curvature
_DIFFERENCE = 1e-2


@dataclass(frozen=True, kw_only=True)
class ParticleSettings:
    """Size and training.

    Parameters
    ----------
    dim_z : int
        Latents.
    hidden : tuple of int
        Hidden widths of the decoder.
    particles : int
        N, per datum.
    latent_step : float
        h times the curvature in z; below 2.
    inner_steps : int
        Moves of the particles of a batch per update of theta.
    rate : float
        Adam's learning rate at its height.
    batch : int
    least_noise : float
        Lower bound of s.
    first_noise : float
        s at the start.
    noise_held : float
        Share of the updates in which s stays there. Learned at once it would rise to the spread of
        the data, before the particles have found which part of the decoder is theirs.
    """

    dim_z: int = 2
    hidden: tuple[int, ...] = (64, 64)
    particles: int = 2
    latent_step: float = 0.3
    inner_steps: int = 5
    rate: float = 3e-3
    batch: int = 256
    least_noise: float = 0.01
    first_noise: float = 0.3
    noise_held: float = 0.3

    def __post_init__(self) -> None:
        counts = (self.dim_z, self.particles, self.inner_steps, self.batch)
        reals = (self.latent_step, self.rate, self.least_noise, self.first_noise)
        bounded = self.latent_step < 2 and 0 <= self.noise_held <= 1
        if min(counts) < 1 or not min(reals) > 0 or not bounded:
            raise ArgumentError(f"unusable settings of particle gradient descent: {self}")

    def parameters(self, dim: int) -> int:
        """Number of learned parameters for data in ``dim`` coordinates."""
        return parameter_count(self.dim_z, self.hidden, dim) + dim


@one_thread()
def fit(
    data: npt.ArrayLike,
    settings: ParticleSettings | None = None,
    *,
    seed: int,
    updates: int = 4000,
    seconds: float | None = None,
) -> DecoderModel:
    """Trains on data (n, d); the same seed and updates give the same model.

    Raises
    ------
    ArgumentError
        Unusable data, settings or budget.
    """
    import torch

    how = settings or ParticleSettings()
    x = torch.as_tensor(checked_data(data), dtype=torch.float32)
    n, dim = x.shape
    budget = Budget(updates, seconds)
    generator = torch.Generator().manual_seed(seed)
    decoder = perceptron(how.dim_z, how.hidden, dim, generator)
    log_noise = torch.full((dim,), math.log(how.first_noise), requires_grad=True)
    cloud = torch.randn(n, how.particles, how.dim_z, generator=generator)
    optimiser = Adam([*decoder.parameters(), log_noise])
    pieces = batches(n, how.batch, generator)
    for update in budget.steps():
        index = next(pieces)
        some = x[index][:, None]
        z = cloud[index]
        if update % _REFRESH == 0:
            noise = how.least_noise + log_noise.detach().exp()
            step = how.latent_step / _curvature(z, decoder, noise)
        for inner in range(how.inner_steps):
            z = z.detach().requires_grad_()
            energy = _energy(some, z, decoder, how.least_noise + log_noise.exp())
            if inner == 0:
                optimiser.clear()
                energy.mean().backward()
                # z.grad is of the mean over the batch's particles
                slope = z.grad * energy.numel()
                objective = -float(energy.mean().detach())
            else:
                (slope,) = torch.autograd.grad(energy.sum(), z)
            normal = torch.randn(z.shape, generator=generator)
            z = z.detach() - step * slope + (2 * step) ** 0.5 * normal
        if update < how.noise_held * updates:
            log_noise.grad = None
        # theta moves after every use of its old value
        optimiser.step(rate_at(update, updates, how.rate))
        cloud[index] = z
        budget.note(objective)
    return DecoderModel(
        name="particle gradient descent",
        dim=dim,
        dim_z=how.dim_z,
        decoder=decoder.double(),
        noise=(how.least_noise + log_noise.exp()).detach().double().numpy(),
        record=budget.record(how.parameters(dim)),
    )


def _curvature(z: Any, decoder: Any, noise: Any) -> float:
    """1 + the 0.9 quantile of |dg/dz / s|^2 over particles (B, N), by differences along axes."""
    import torch

    with torch.no_grad():
        here, squares = decoder(z), torch.zeros(z.shape[:-1])
        for axis in range(z.shape[-1]):
            moved = z.clone()
            moved[..., axis] += _DIFFERENCE
            squares += (((decoder(moved) - here) / (_DIFFERENCE * noise)) ** 2).sum(-1)
        return 1 + float(squares.quantile(0.9))


def _energy(x: Any, z: Any, decoder: Any, noise: Any) -> Any:
    """-log p(x, z) without constants, (B, N)."""
    residual = (x - decoder(z)) / noise
    return 0.5 * (residual**2).sum(2) + noise.log().sum() + 0.5 * (z**2).sum(2)
