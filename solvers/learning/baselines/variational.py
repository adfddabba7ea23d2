"""A variational autoencoder with Gaussian encoder and decoder.

    ELBO = E_q log N(x; g(z), s^2) - KL(q(z | x) || N(0, I)),   q = N(m(x), diag v(x))

Maximised by Adam over encoder, decoder and the noise s with one reparametrised draw per datum.

Source: Kingma and Welling 2014, section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .decoder_model import DecoderModel
from .fitting import Adam, Budget, batches, checked_data, one_thread, rate_at
from .networks import parameter_count, perceptron


@dataclass(frozen=True, kw_only=True)
class VariationalSettings:
    """Size and training of the autoencoder.

    Parameters
    ----------
    dim_z : int
        Latents.
    hidden : tuple of int
        Hidden widths of encoder and of decoder, each.
    rate : float
        Adam's learning rate at its height.
    batch : int
    least_noise : float
        Lower bound of s.
    first_noise : float
        s at the start. From 1 the posterior may never leave the prior.
    """

    dim_z: int = 2
    hidden: tuple[int, ...] = (44, 44)
    rate: float = 3e-3
    batch: int = 256
    least_noise: float = 0.01
    first_noise: float = 0.3

    def __post_init__(self) -> None:
        if (
            self.dim_z < 1
            or self.batch < 1
            or not self.rate > 0
            or not self.least_noise > 0
            or not self.first_noise > 0
        ):
            raise ArgumentError(f"unusable settings of a variational autoencoder: {self}")

    def parameters(self, dim: int) -> int:
        """Number of learned parameters for data in ``dim`` coordinates."""
        encoder = parameter_count(dim, self.hidden, 2 * self.dim_z)
        return encoder + parameter_count(self.dim_z, self.hidden, dim) + dim


@one_thread()
def fit(
    data: npt.ArrayLike,
    settings: VariationalSettings | None = None,
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

    how = settings or VariationalSettings()
    x = torch.as_tensor(checked_data(data), dtype=torch.float32)
    budget = Budget(updates, seconds)
    generator = torch.Generator().manual_seed(seed)
    encoder = perceptron(x.shape[1], how.hidden, 2 * how.dim_z, generator)
    decoder = perceptron(how.dim_z, how.hidden, x.shape[1], generator)
    log_noise = torch.full((x.shape[1],), math.log(how.first_noise), requires_grad=True)
    learned = [*encoder.parameters(), *decoder.parameters(), log_noise]
    optimiser = Adam(learned)
    pieces = batches(len(x), how.batch, generator)
    for update in budget.steps():
        some = x[next(pieces)]
        loss = -_elbo(some, encoder, decoder, log_noise, how, generator)
        optimiser.clear()
        loss.backward()
        optimiser.step(rate_at(update, updates, how.rate))
        budget.note(-float(loss.detach()))
    return DecoderModel(
        name="variational autoencoder",
        dim=x.shape[1],
        dim_z=how.dim_z,
        decoder=decoder.double(),
        noise=_noise(log_noise, how).detach().double().numpy(),
        record=budget.record(how.parameters(x.shape[1])),
        propose=_Encoder(encoder.double()),
    )


def _noise(log_noise: Any, how: VariationalSettings) -> Any:
    return how.least_noise + log_noise.exp()


def _elbo(
    x: Any, encoder: Any, decoder: Any, log_noise: Any, how: VariationalSettings, generator: Any
) -> Any:
    import torch

    mean, log_variance = encoder(x).chunk(2, dim=1)
    normal = torch.randn(mean.shape, generator=generator)
    z = mean + (0.5 * log_variance).exp() * normal
    noise = _noise(log_noise, how)
    residual = (x - decoder(z)) / noise
    fit_term = -0.5 * (residual**2).sum(1) - noise.log().sum()
    relative = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
    return (fit_term - relative).mean() - 0.5 * x.shape[1] * math.log(2 * math.pi)


@dataclass(frozen=True)
class _Encoder:
    """x -> means and standard deviations of q(z | x)."""

    network: Any

    def __call__(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        import torch

        with torch.no_grad():
            mean, log_variance = self.network(torch.as_tensor(x)).chunk(2, dim=1)
        return mean.numpy(), (0.5 * log_variance).exp().numpy()
