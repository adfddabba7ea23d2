"""The settings of one learner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lvebm_theory.errors import ArgumentError

from .projections import Projection
from .rates import Rate, TorchOptimizer

Order = Literal["sequential", "simultaneous"]


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Numbers of particles, step sizes and the order of an update; see the package's formulas.

    Parameters
    ----------
    latents : int
        K >= 1 latent particles per datum.
    pool : int
        M >= 1 joint particles, persistent.
    latent_step, pool_step : float
        h_q, h_p > 0.
    inner_steps : int
        K_in >= 1 Langevin steps of both phases per update.
    rate : Constant, RobbinsMonro, TorchOptimizer, or any Rate
        a_k.
    order : {"sequential", "simultaneous"}
        Particles first, or g_k at the old particles.
    batch : int, optional
        Data per update; None takes all. Batches are consecutive pieces of a shuffled pass: every
        datum is as likely as any other, none comes twice in a pass, and the n mod batch data at
        the end of a pass are left to later passes. Latents outside the batch stand still.
    projection : Projection, optional
        Applied to theta after every update.
    temperature : float
        T > 0: both phases sample exp(-E/T).
    gradient_noise : float
        tau >= 0.
    learned : tuple of str, optional
        Names of the parameters that move, arrays by entry (``precision_0_1``) or whole
        (``precision``); None means every one.
    averaging_after : int, optional
        The state's ``average`` is the mean of theta over the recorded updates u > averaging_after
        (Polyak and Juditsky, SIAM J. Control Optim. 30 (1992) 838); particles go on at theta
        itself. None: no average. Every projection here is onto a convex set, so the average is in
        the family too.
    acceptance : float, optional
        In (0, 1), neural energies only: both step sizes are multiplied by the state's
        ``step_scale`` <= 1, which follows the pool's Metropolis acceptance to this value
        (``acceptance``). None keeps h_q and h_p.
    """

    latents: int
    pool: int
    latent_step: float
    pool_step: float
    rate: Rate | TorchOptimizer
    inner_steps: int = 1
    order: Order = "sequential"
    batch: int | None = None
    projection: Projection | None = None
    temperature: float = 1.0
    gradient_noise: float = 0.0
    learned: tuple[str, ...] | None = None
    averaging_after: int | None = None
    acceptance: float | None = None

    def __post_init__(self) -> None:
        _count("latents (K)", self.latents)
        _count("pool (M)", self.pool)
        _count("inner_steps (K_in)", self.inner_steps)
        if self.batch is not None:
            _count("batch", self.batch)
        if self.averaging_after is not None and not _whole(self.averaging_after, 0):
            raise ArgumentError(
                f"averaging_after needs to be a whole number >= 0, got {self.averaging_after!r}"
            )
        if self.acceptance is not None and not (_real(self.acceptance) and 0 < self.acceptance < 1):
            raise ArgumentError(
                f"acceptance needs to lie between 0 and 1, or None, got {self.acceptance!r}"
            )
        for name, value in (
            ("latent_step (h_q)", self.latent_step),
            ("pool_step (h_p)", self.pool_step),
            ("temperature", self.temperature),
        ):
            if not (_real(value) and value > 0):
                raise ArgumentError(f"{name} needs to be positive and finite, got {value!r}")
        if not (_real(self.gradient_noise) and self.gradient_noise >= 0):
            raise ArgumentError(
                f"gradient_noise needs to be finite and >= 0, got {self.gradient_noise!r}"
            )
        if self.order not in ("sequential", "simultaneous"):
            raise ArgumentError(f"the order is sequential or simultaneous, got {self.order!r}")
        if not isinstance(self.rate, Rate | TorchOptimizer):
            raise ArgumentError(
                "the rate is Constant(a), RobbinsMonro(a, offset, power) or "
                f"TorchOptimizer(name, options), got {self.rate!r}"
            )
        if self.learned is not None and not (
            isinstance(self.learned, tuple) and self.learned and all(map(_text, self.learned))
        ):
            raise ArgumentError(
                f"learned is a tuple of parameter names, or None, got {self.learned!r}"
            )

    @property
    def time_per_update(self) -> float:
        """h_p K_in, the continuous time of one update."""
        return self.pool_step * self.inner_steps


def _real(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _count(name: str, value: object) -> None:
    if not _whole(value, 1):
        raise ArgumentError(f"{name} needs to be a whole number >= 1, got {value!r}")
