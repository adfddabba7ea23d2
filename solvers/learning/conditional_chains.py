"""Langevin chains on the free entries of many rows at once, with exchange between temperatures.

The schemes and the exchange are those of ``conditional``, which has the public functions.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import BoolArray, FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

from ..noise import Noise
from .chains_agree import Agreement
from .likelihood.annealed import Field
from .step_noise import StepNoise

_TARGET_ACCEPTANCE = 0.6


@dataclass(frozen=True, kw_only=True)
class ConditionalSampling:
    """How conditional laws are sampled.

    Parameters
    ----------
    chains : int
        Per datum; the last state of each is a draw.
    steps : int
        Per chain; the first half is burn-in, in which MALA also tunes its step size towards an
        acceptance of 0.6, the same for all rows at a temperature.
    step_size : float
        h at inverse temperature 1; divided by b on the ladder. For MALA where tuning begins.
    scheme : {"mala", "ula"}
    inverse_temperatures : tuple of float
        From 1 downwards; (1.0,) is no tempering.
    exchange_every : int
        Steps between exchanges.
    """

    chains: int = 16
    steps: int = 400
    step_size: float = 0.05
    scheme: Literal["mala", "ula"] = "mala"
    inverse_temperatures: tuple[float, ...] = (1.0,)
    exchange_every: int = 5

    def __post_init__(self) -> None:
        if self.chains < 1 or self.steps < 4 or self.exchange_every < 1:
            raise ArgumentError(
                "conditional sampling needs chains >= 1, steps >= 4 and exchange_every >= 1, got "
                f"{self.chains}, {self.steps}, {self.exchange_every}"
            )
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise ArgumentError(f"a step size must be finite and > 0, got {self.step_size}")
        ladder = self.inverse_temperatures
        falling = all(a > b for a, b in itertools.pairwise(ladder))
        if not ladder or ladder[0] != 1.0 or not falling or ladder[-1] <= 0:
            raise ArgumentError(f"inverse temperatures fall from 1 and stay above 0, got {ladder}")
        if self.scheme not in ("mala", "ula"):
            raise ArgumentError(f"a scheme is mala or ula, got {self.scheme!r}")
        if self.scheme == "ula" and len(ladder) > 1:
            raise ArgumentError("exchange leaves the law invariant with MALA, not with ULA")


@dataclass(frozen=True, kw_only=True)
class ConditionalDraws:
    """Draws of whole vectors w, observed entries repeated.

    Attributes
    ----------
    points : array (n, K, d)
    info : dict
        ``scheme``, ``steps``, ``step_sizes`` and ``acceptance`` per temperature,
        ``inverse_temperatures``, ``exchanged`` (share of tries, per neighbouring pair),
        ``disagreement`` (median and largest split R-hat over data and free coordinates).
    """

    points: FloatArray
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> FloatArray:
        """Mean over the draws, shape (n, d)."""
        return np.asarray(self.points.mean(1))


class Ensemble:
    """All chains of all data at all temperatures: rows in the order (temperature, datum, chain).

    Parameters
    ----------
    target : Field
        U and grad U at rows (m, d).
    begin : array (n, K, d)
    free : bool array (n, d)
    how : ConditionalSampling
    noise : Noise
    """

    def __init__(
        self,
        target: Field,
        begin: FloatArray,
        free: BoolArray,
        how: ConditionalSampling,
        noise: Noise,
    ) -> None:
        self.target, self.how = target, how
        self.shape = begin.shape
        n, chains, dim = begin.shape
        self.levels = len(how.inverse_temperatures)
        self.per_level = n * chains
        self.beta = np.repeat(how.inverse_temperatures, self.per_level)
        self.free = np.tile(np.repeat(free, chains, 0), (self.levels, 1))
        self.x = np.tile(begin.reshape(-1, dim), (self.levels, 1))
        self.noise = StepNoise(noise.derive("steps"), len(self.x), dim, how.steps)
        self.swaps = StepNoise(noise.derive("exchange"), len(self.x), 1, how.steps)
        self.u, self.g = self._at(self.x)
        self.log_h = math.log(how.step_size) - np.log(np.array(how.inverse_temperatures))
        self.accepted = np.zeros(self.levels)
        self.exchanged = np.zeros((2, max(self.levels - 1, 0)))
        self.agreement = Agreement(self.shape, how.steps - how.steps // 2)

    def _at(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        u, g = self.target(x)
        return u, np.where(self.free, g, 0.0)

    def run(self) -> ConditionalDraws:
        """All steps; the last states are the draws."""
        burn_in = self.how.steps // 2
        for step in range(self.how.steps):
            share = self._step(step)
            if step < burn_in and self.how.scheme == "mala":
                self.log_h += (share - _TARGET_ACCEPTANCE) / math.sqrt(1 + step / 4)
            if step >= burn_in:
                self.accepted += share / (self.how.steps - burn_in)
                self.agreement.add(self.x[: self.per_level].reshape(self.shape))
            if self.levels > 1 and step % self.how.exchange_every == 0:
                self._exchange(step)
        return ConditionalDraws(
            points=self.x[: self.per_level].reshape(self.shape), info=self._info()
        )

    def _step(self, step: int) -> FloatArray:
        """One step of every row; the share accepted per temperature."""
        h = np.repeat(np.exp(self.log_h), self.per_level)[:, None]
        beta = self.beta[:, None]
        normal = np.where(self.free, self.noise.normals(step), 0.0)
        moved = self.x - h * beta * self.g + np.sqrt(2 * h) * normal
        v, k = self._at(moved)
        if self.how.scheme == "ula":
            if not np.all(np.isfinite(moved)):
                raise SolverError(
                    "an unadjusted chain left the finite numbers",
                    step=step,
                    last_state=self.x[: self.per_level].reshape(self.shape),
                )
            self.x, self.u, self.g = moved, v, k
            return np.ones(self.levels)
        slopes = 0.5 * ((moved - self.x) * (self.g + k)).sum(1)
        squares = h[:, 0] * self.beta**2 / 4 * ((self.g**2).sum(1) - (k**2).sum(1))
        log_ratio = self.beta * (self.u - v + slopes) + squares
        # what has no finite potential is refused
        log_ratio = np.nan_to_num(log_ratio, nan=-np.inf)
        taken = np.log(self.noise.uniforms(step)) < log_ratio
        self._take(taken, moved, v, k)
        return np.asarray(taken.reshape(self.levels, -1).mean(1))

    def _take(self, taken: BoolArray, x: FloatArray, u: FloatArray, g: FloatArray) -> None:
        self.x = np.where(taken[:, None], x, self.x)
        self.u = np.where(taken, u, self.u)
        self.g = np.where(taken[:, None], g, self.g)

    def _exchange(self, step: int) -> None:
        """Neighbouring temperatures, even pairs and odd pairs in turn."""
        uniform = self.swaps.uniforms(step)
        for low in range(step // self.how.exchange_every % 2, self.levels - 1, 2):
            a = np.arange(low * self.per_level, (low + 1) * self.per_level)
            b = a + self.per_level
            log_ratio = (self.beta[a] - self.beta[b]) * (self.u[a] - self.u[b])
            taken = np.log(uniform[a]) < log_ratio
            a, b = a[taken], b[taken]
            for name in ("x", "u", "g"):
                values = getattr(self, name)
                values[np.concatenate([a, b])] = values[np.concatenate([b, a])]
            self.exchanged[:, low] += [taken.mean(), 1]

    def _info(self) -> dict[str, Any]:
        free = self.free[: self.per_level].reshape(self.shape)[:, 0]
        tried = np.maximum(self.exchanged[1], 1)
        return {
            "scheme": self.how.scheme,
            "chains": self.how.chains,
            "steps": self.how.steps,
            "inverse_temperatures": list(self.how.inverse_temperatures),
            "step_sizes": np.exp(self.log_h).tolist(),
            "acceptance": self.accepted.tolist(),
            "exchanged": (self.exchanged[0] / tried).tolist(),
            "disagreement": self.agreement.disagreement(free),
        }
