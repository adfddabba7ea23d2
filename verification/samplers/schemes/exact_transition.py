"""The diffusion itself: x' ~ P_h(x, .), known on Gaussians (Ornstein-Uhlenbeck)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..targets.exact_target import ExactTarget
from .scheme import Innovations, LinearLaw, no_exact


@dataclass(frozen=True)
class ExactTransition:
    """x' - m = e^{-hP} (x - m) + N(0, (I - e^{-2hP}) P^{-1})."""

    name: str = "exact"
    statement: str = "x' - m = exp(-hP) (x - m) + N(0, (I - exp(-2hP)) P^-1) on N(m, P^-1)"
    momenta: bool = False
    weak_order: int | None = None
    equivariant: tuple[str, ...] = ("translation", "rotation", "scaling")
    terms: bool = False

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known on Gaussians."""
        if target.gaussian:
            return ""
        return "the transition law of the diffusion is known on Gaussian targets"

    def _parts(
        self, target: ExactTarget, h: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        if target.precision is None or target.mean is None:
            raise ArgumentError(self.reason(target, h))
        values, vectors = np.linalg.eigh(target.precision)
        variance = -np.expm1(-2 * h * values) / values
        return target.mean, np.exp(-h * values), variance, np.asarray(vectors)

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """The noise in the eigenbasis of the precision, shape (n, d)."""
        mean, fade, variance, vectors = self._parts(target, step_size)
        x, y = (before - mean) @ vectors, (after - mean) @ vectors
        return Innovations(normal=(y - fade * x) / np.sqrt(variance), exact=no_exact(len(x)))

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """The smallest standard deviation."""
        return float(np.sqrt(self._parts(target, step_size)[2].min()))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """The Ornstein-Uhlenbeck step."""
        if not target.gaussian:
            return None
        mean, fade, variance, vectors = self._parts(target, step_size)
        return LinearLaw(
            mean=mean,
            factor=(vectors * fade) @ vectors.T,
            covariance=(vectors * variance) @ vectors.T,
        )
