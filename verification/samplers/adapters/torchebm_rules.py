"""The update rules that torchebm documents for its Langevin integrators, as one-step laws.

Euler-Maruyama is "ula". Here are the implicit rule, whose drift is taken at the end of the step,
noise included, and Heun's, whose noise is added after the corrected drift. Both fix the noise on
every target, so that the one-step law tests them exactly.

Source: docstrings of ``torchebm.integrators`` 0.8.9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..schemes.scheme import Innovations, LinearLaw, no_exact
from ..targets.exact_target import ExactTarget


@dataclass(frozen=True)
class BackwardEulerMaruyama:
    """x' + h grad U(x') = x + sqrt(2h) xi."""

    name: str = "backward-euler-maruyama"
    statement: str = "x' = x - h grad U(x') + sqrt(2h) xi"
    momenta: bool = False
    weak_order: int | None = 1
    equivariant: tuple[str, ...] = ("translation", "rotation", "scaling")
    terms: bool = False

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known wherever the rule has one solution."""
        return "" if target.lipschitz else "the rule may have several solutions"

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """xi, shape (n, d)."""
        drift = step_size * target.for_step.gradient(after)
        return Innovations(
            normal=(after - before + drift) / np.sqrt(2 * step_size), exact=no_exact(len(before))
        )

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h)."""
        return float(np.sqrt(2 * step_size))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """A = (I + hP)^{-1}, Q = 2h A A'."""
        if target.precision is None or target.mean is None:
            return None
        implicit = np.eye(target.dim) + step_size * target.precision
        factor = np.asarray(np.linalg.inv(implicit), dtype=np.float64)
        return LinearLaw(
            mean=target.mean, factor=factor, covariance=2 * step_size * factor @ factor.T
        )


@dataclass(frozen=True)
class HeunThenNoise:
    """y = x - h g(x), x' = x - (h/2) (g(x) + g(y)) + sqrt(2h) xi, g = grad U."""

    name: str = "heun-then-noise"
    statement: str = "y = x - h g(x), x' = x - h (g(x) + g(y))/2 + sqrt(2h) xi, g = grad U"
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
        slope = target.for_step.gradient
        first = slope(before)
        drift = step_size * (first + slope(before - step_size * first)) / 2
        return Innovations(
            normal=(after - before + drift) / np.sqrt(2 * step_size), exact=no_exact(len(before))
        )

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h)."""
        return float(np.sqrt(2 * step_size))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """A = I - hP + (hP)^2/2, Q = 2h I."""
        if target.precision is None or target.mean is None:
            return None
        one, scaled = np.eye(target.dim), step_size * target.precision
        return LinearLaw(
            mean=target.mean,
            factor=one - scaled + scaled @ scaled / 2,
            covariance=2 * step_size * one,
        )
