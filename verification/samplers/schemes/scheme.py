"""What a documented one-step law says: how to read the noise back from a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..targets.exact_target import ExactTarget


@dataclass(frozen=True, kw_only=True)
class Innovations:
    """The noise that a step must have used, if the law is right.

    Parameters
    ----------
    normal : array (n, k)
        Independent standard normals given the state before the step.
    exact : array (n, q)
        Combinations that the law fixes, in units of their rounding error scale; zero under it.
    """

    normal: FloatArray
    exact: FloatArray


@dataclass(frozen=True, kw_only=True)
class LinearLaw:
    """On a Gaussian: y' - m = A (y - m) + N(0, Q) for states y.

    Parameters
    ----------
    mean : array (k,)
    factor, covariance : arrays (k, k), A and Q
    """

    mean: FloatArray
    factor: FloatArray
    covariance: FloatArray

    @property
    def radius(self) -> float:
        """Spectral radius of A; the law has a stationary one when it is below 1."""
        return float(np.max(np.abs(np.linalg.eigvals(self.factor))))

    def stationary(self) -> FloatArray:
        """S = A S A' + Q, shape (k, k).

        Raises
        ------
        ArgumentError
            For an unstable step.
        """
        if not self.radius < 1:
            raise ArgumentError(f"no stationary law: spectral radius {self.radius:.6g}")
        s = solve_discrete_lyapunov(self.factor, self.covariance)
        return np.asarray((s + s.T) / 2)

    def after(self, steps: int) -> LinearLaw:
        """The law of several steps."""
        power, q = np.eye(len(self.mean)), np.zeros_like(self.covariance)
        for _ in range(steps):
            q = self.factor @ q @ self.factor.T + self.covariance
            power = self.factor @ power
        return LinearLaw(mean=self.mean, factor=power, covariance=q)


@runtime_checkable
class Scheme(Protocol):
    """A discretisation whose one-step law is documented."""

    @property
    def name(self) -> str:
        """As a user asks for it."""

    @property
    def statement(self) -> str:
        """One step, in a line."""

    @property
    def momenta(self) -> bool:
        """Whether the state has momenta."""

    @property
    def weak_order(self) -> int | None:
        """Order of the bias of stationary averages; None where there is no bias."""

    @property
    def equivariant(self) -> tuple[str, ...]:
        """Which of translation, rotation and scaling the step commutes with."""

    @property
    def terms(self) -> bool:
        """Whether the step looks at single terms of a sum."""

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Why the law is not known here; empty when it is."""

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """The noise of a step from ``before`` to ``after``, states (n, k)."""

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """How far one unit of noise moves a position: rounding is measured against it."""

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """The law on a Gaussian target; None where the step is not linear."""


def no_exact(n: int) -> FloatArray:
    """For laws that fix nothing exactly, shape (n, 0)."""
    return np.zeros((n, 0))
