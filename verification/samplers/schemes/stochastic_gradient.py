r"""SGLD: the drift is read from a few terms of a sum, so the noise is Gaussian plus minibatch
noise.

    x' = x - h (N/b) sum_{i in B} grad U_i(x) + sqrt(2h) xi,   B drawn anew for every chain.

Given x the law is a finite mixture of Gaussians, one per minibatch, and its noise is read back by
the Rosenblatt transform: coordinate by coordinate the conditional distribution function of the
mixture, turned into a normal. Mean x - h grad U(x), covariance 2h I + h^2 Cov(minibatch gradient).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtri_exp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..portable import SummedEnergy
from ..targets.exact_target import ExactTarget
from .scheme import Innovations, LinearLaw, no_exact

MOST_MINIBATCHES = 256


@dataclass(frozen=True)
class StochasticGradient:
    """SGLD with minibatches of one size, with or without replacement."""

    batch: int = 1
    replace: bool = True
    name: str = "sgld"
    momenta: bool = False
    weak_order: int | None = 1
    equivariant: tuple[str, ...] = ()
    terms: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ArgumentError(f"a minibatch has at least one term, got {self.batch}")

    @property
    def statement(self) -> str:
        """One step, in a line."""
        how = "with" if self.replace else "without"
        return (
            f"x' = x - h (N/b) sum of grad U_i over {self.batch} terms drawn {how} replacement, "
            "anew for every chain, + sqrt(2h) xi"
        )

    def _minibatches(self, terms: int) -> list[tuple[int, ...]]:
        if self.replace:
            return list(itertools.product(range(terms), repeat=self.batch))
        return list(itertools.combinations(range(terms), self.batch))

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known on sums whose minibatches can be listed."""
        energy = target.for_step
        if not isinstance(energy, SummedEnergy):
            return "SGLD needs a target that is a sum of terms"
        count = energy.terms**self.batch if self.replace else math.comb(energy.terms, self.batch)
        if not 0 < count <= MOST_MINIBATCHES:
            return f"{count} minibatches; at most {MOST_MINIBATCHES} are listed"
        return ""

    def _means(self, target: ExactTarget, x: FloatArray, h: float) -> FloatArray:
        """Means of x' for every minibatch, shape (minibatches, n, d)."""
        energy = target.for_step
        if not isinstance(energy, SummedEnergy):
            raise ArgumentError(self.reason(target, h))
        single = np.stack(
            [
                energy.term_gradient(x, np.full(len(x), i, dtype=np.int64))
                for i in range(energy.terms)
            ]
        )
        batches = np.array(self._minibatches(energy.terms))
        gradients = single[batches].mean(axis=1) * energy.terms
        return np.asarray(x - h * gradients)

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """Rosenblatt transform of x' given x, as normals (n, d)."""
        z = (after - self._means(target, before, step_size)) / np.sqrt(2 * step_size)
        # log weights of the minibatches given the coordinates before
        weights = np.full(z.shape[:2], -math.log(len(z)))
        normal = np.empty_like(after)
        for j in range(after.shape[1]):
            # from whichever tail is nearer, so that neither loses digits
            low = logsumexp(weights + log_ndtr(z[:, :, j]), axis=0)
            high = logsumexp(weights + log_ndtr(-z[:, :, j]), axis=0)
            normal[:, j] = np.where(
                low < high, ndtri_exp(np.minimum(low, 0.0)), -ndtri_exp(np.minimum(high, 0.0))
            )
            weights = weights - z[:, :, j] ** 2 / 2
            weights -= logsumexp(weights, axis=0)
        return Innovations(normal=normal, exact=no_exact(len(before)))

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h)."""
        return float(np.sqrt(2 * step_size))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """None: the noise is not Gaussian."""
        return None


@dataclass(frozen=True)
class NoisyGradient:
    """x' = x - h (grad U(x) + s xi') + sqrt(2h) xi: gradient noise of known size s, Gaussian."""

    deviation: float = 1.0
    name: str = "noisy-gradient"
    momenta: bool = False
    weak_order: int | None = 1
    equivariant: tuple[str, ...] = ("translation", "rotation")
    terms: bool = False

    def __post_init__(self) -> None:
        if not self.deviation >= 0:
            raise ArgumentError(f"gradient noise has a deviation >= 0, got {self.deviation}")

    @property
    def statement(self) -> str:
        """One step, in a line."""
        return f"x' = x - h (grad U(x) + {self.deviation:g} xi') + sqrt(2h) xi"

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known everywhere."""
        return ""

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """Both noises together, standardised, shape (n, d)."""
        drift = step_size * target.for_step.gradient(before)
        size = self.noise_size(target, step_size)
        return Innovations(normal=(after - before + drift) / size, exact=no_exact(len(before)))

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h + h^2 s^2)."""
        return math.sqrt(2 * step_size + (step_size * self.deviation) ** 2)

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """A = I - hP, Q = (2h + h^2 s^2) I."""
        if target.precision is None or target.mean is None:
            return None
        one = np.eye(target.dim)
        return LinearLaw(
            mean=target.mean,
            factor=one - step_size * target.precision,
            covariance=self.noise_size(target, step_size) ** 2 * one,
        )
