r"""SK-ROCK on Gaussians: one step is A(P) and B(P), polynomials of the precision.

With w0 = 1 + eta/s^2, w1 = T_s(w0)/T_s'(w0), p = -h l for an eigenvalue l of the precision,

    A(p) = T_s(w0 + w1 p)/T_s(w0),   B(p) = U_{s-1}(w0 + w1 p)/U_{s-1}(w0) (1 + w1 p/2)
    x' - m = A (x - m) + sqrt(2h) B xi.

B has zeros: near them noise cannot be read back, and such step sizes are left out.

Source: Abdulle, Almuslimani and Vilmart, SIAM/ASA J. Uncertainty Quantification 6 (2018) 937.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import eval_chebyt, eval_chebyu

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..targets.exact_target import ExactTarget
from .scheme import Innovations, LinearLaw, no_exact

SMALLEST_NOISE = 0.05


@dataclass(frozen=True)
class StabilisedChebyshev:
    """SK-ROCK with s stages and damping eta."""

    stages: int = 5
    eta: float = 0.05
    name: str = "sk-rock"
    momenta: bool = False
    weak_order: int | None = 1
    equivariant: tuple[str, ...] = ("translation", "rotation", "scaling")
    terms: bool = False

    def __post_init__(self) -> None:
        if self.stages < 1 or not self.eta > 0:
            raise ArgumentError(
                f"SK-ROCK needs stages >= 1 and eta > 0, got {self.stages} and {self.eta}"
            )

    @property
    def statement(self) -> str:
        """One step, in a line."""
        return f"SK-ROCK, {self.stages} stages, eta = {self.eta:g}: x' - m = A (x - m) + B noise"

    def polynomials(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A(p) and B(p), in the shape of p."""
        s = self.stages
        w0 = 1 + self.eta / s**2
        w1 = eval_chebyt(s, w0) / (s * eval_chebyu(s - 1, w0))
        a = eval_chebyt(s, w0 + w1 * p) / eval_chebyt(s, w0)
        b = eval_chebyu(s - 1, w0 + w1 * p) / eval_chebyu(s - 1, w0) * (1 + w1 * p / 2)
        return np.asarray(a), np.asarray(b)

    def _parts(
        self, target: ExactTarget, h: float
    ) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        if target.precision is None:
            return None
        values, vectors = np.linalg.eigh(target.precision)
        a, b = self.polynomials(-h * values)
        return a, b, np.asarray(vectors)

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known on Gaussians, where B is not close to zero."""
        parts = self._parts(target, step_size)
        if parts is None:
            return "the one-step law of SK-ROCK is known on Gaussian targets"
        if np.abs(parts[1]).min() < SMALLEST_NOISE:
            return "SK-ROCK has next to no noise in some direction at this step size"
        return ""

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """xi in the eigenbasis of the precision, shape (n, d)."""
        parts = self._parts(target, step_size)
        if parts is None or target.mean is None:
            raise ArgumentError(self.reason(target, step_size))
        a, b, vectors = parts
        x, y = (before - target.mean) @ vectors, (after - target.mean) @ vectors
        return Innovations(
            normal=(y - a * x) / (np.sqrt(2 * step_size) * b), exact=no_exact(len(before))
        )

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """sqrt(2h) times the smallest |B|."""
        parts = self._parts(target, step_size)
        return float(np.sqrt(2 * step_size) * (1.0 if parts is None else np.abs(parts[1]).min()))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """A(P) and 2h B(P)^2."""
        parts = self._parts(target, step_size)
        if parts is None or target.mean is None:
            return None
        a, b, vectors = parts
        return LinearLaw(
            mean=target.mean,
            factor=(vectors * a) @ vectors.T,
            covariance=2 * step_size * (vectors * b**2) @ vectors.T,
        )
