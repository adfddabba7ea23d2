"""ULA, plain and tamed: Gaussian increments around a known mean, on every target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..targets.exact_target import ExactTarget
from .scheme import Innovations, LinearLaw, no_exact


@dataclass(frozen=True)
class EulerMaruyama:
    """x' = x - h grad U(x) + sqrt(2h) xi."""

    name: str = "ula"
    statement: str = "x' = x - h grad U(x) + sqrt(2h) xi"
    momenta: bool = False
    weak_order: int | None = 1
    equivariant: tuple[str, ...] = ("translation", "rotation", "scaling")
    terms: bool = False

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known everywhere."""
        return ""

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """xi, shape (n, d)."""
        drift = step_size * target.for_step.gradient(before)
        return Innovations(
            normal=(after - before + drift) / np.sqrt(2 * step_size), exact=no_exact(len(before))
        )

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h)."""
        return float(np.sqrt(2 * step_size))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """A = I - hP, Q = 2h I."""
        if target.precision is None or target.mean is None:
            return None
        one = np.eye(target.dim)
        return LinearLaw(
            mean=target.mean,
            factor=one - step_size * target.precision,
            covariance=2 * step_size * one,
        )


@dataclass(frozen=True)
class TamedEulerMaruyama:
    """x' = x - h g/(1 + h|g|) + sqrt(2h) xi, g = grad U(x): stable for superlinear gradients."""

    name: str = "tamed-ula"
    statement: str = "x' = x - h g/(1 + h|g|) + sqrt(2h) xi, g = grad U(x)"
    momenta: bool = False
    weak_order: int | None = 1
    # |g| scales like 1/s and h like s^2, so h|g| does not stay put
    equivariant: tuple[str, ...] = ("translation", "rotation")
    terms: bool = False

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known everywhere."""
        return ""

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """xi, shape (n, d)."""
        g = target.for_step.gradient(before)
        size = np.sqrt((g * g).sum(axis=1, keepdims=True))
        drift = step_size * g / (1 + step_size * size)
        return Innovations(
            normal=(after - before + drift) / np.sqrt(2 * step_size), exact=no_exact(len(before))
        )

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h)."""
        return float(np.sqrt(2 * step_size))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """None: taming is not linear."""
        return None
