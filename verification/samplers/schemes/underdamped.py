r"""Underdamped splittings with unit mass and friction g: BAOAB, OBABO and the Euler-type rule.

With c = exp(-g h), s = sqrt(1 - c^2) (half steps of O: c = exp(-g h/2)), B: p -= (h/2) grad U(q),
A: q += (h/2) p, O: p = c p + s xi. The position after a step of BAOAB is affine in its only noise,
and the momentum is then fixed by the positions; OBABO uses two noises, one read from the position
and one from the momentum. So both laws are known on every target.

Source: Leimkuhler and Matthews, Applied Mathematics Research eXpress 2013, 34.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..targets.exact_target import ExactTarget
from .scheme import Innovations, LinearLaw, no_exact


def _split(state: FloatArray) -> tuple[FloatArray, FloatArray]:
    d = state.shape[1] // 2
    return state[:, :d], state[:, d:]


@dataclass(frozen=True)
class Underdamped:
    """A splitting of underdamped Langevin dynamics, state (q, p)."""

    rule: str = "baoab"
    friction: float = 1.0
    momenta: bool = True
    weak_order: int | None = 2
    equivariant: tuple[str, ...] = ("translation", "rotation")
    terms: bool = False

    def __post_init__(self) -> None:
        if self.rule not in ("baoab", "obabo"):
            raise ArgumentError(f"an underdamped rule is baoab or obabo, got {self.rule!r}")
        if not self.friction > 0:
            raise ArgumentError(f"a friction must be > 0, got {self.friction}")

    @property
    def name(self) -> str:
        """The order of its parts."""
        return self.rule

    @property
    def statement(self) -> str:
        """One step, in a line."""
        return f"{self.rule.upper()} with friction {self.friction:g} and unit mass"

    def reason(self, target: ExactTarget, step_size: float) -> str:
        """Known everywhere; needs momenta."""
        return "" if target.base is not None else f"{self.name} needs a step with momenta v"

    def innovations(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, step_size: float
    ) -> Innovations:
        """The noise of O, and for BAOAB what ties the momentum to the positions."""
        read = self._baoab if self.rule == "baoab" else self._obabo
        return read(target, before, after, step_size)

    def _baoab(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, h: float
    ) -> Innovations:
        (q, p), (q1, p1) = _split(before), _split(after)
        slope = target.for_step.gradient
        c = math.exp(-self.friction * h)
        kicked = p - h / 2 * slope(q)
        middle = q + h / 2 * kicked
        refreshed = 2 * (q1 - middle) / h
        normal = (refreshed - c * kicked) / math.sqrt(1 - c * c)
        force = h / 2 * slope(q1)
        size = np.abs(refreshed) + np.abs(force) + (np.abs(q1) + np.abs(middle)) * 2 / h
        return Innovations(normal=normal, exact=(p1 - (refreshed - force)) / (size + 1e-300))

    def _obabo(
        self, target: ExactTarget, before: FloatArray, after: FloatArray, h: float
    ) -> Innovations:
        (q, p), (q1, p1) = _split(before), _split(after)
        slope = target.for_step.gradient
        c = math.exp(-self.friction * h / 2)
        s = math.sqrt(1 - c * c)
        drifting = (q1 - q) / h
        first = (drifting + h / 2 * slope(q) - c * p) / s
        second = (p1 - c * (drifting - h / 2 * slope(q1))) / s
        return Innovations(normal=np.concatenate([first, second], axis=1), exact=no_exact(len(q)))

    def noise_size(self, target: ExactTarget, step_size: float) -> float:
        """(h/2) s for BAOAB, h s for OBABO."""
        h = step_size
        if self.rule == "baoab":
            return h / 2 * math.sqrt(1 - math.exp(-2 * self.friction * h))
        return h * math.sqrt(1 - math.exp(-self.friction * h))

    def linear(self, target: ExactTarget, step_size: float) -> LinearLaw | None:
        """The product of the parts."""
        if target.precision is None or target.mean is None:
            return None
        d = target.dim // 2
        h, one, zero = step_size, np.eye(d), np.zeros((d, d))
        kick = np.block([[one, zero], [-h / 2 * target.precision[:d, :d], one]])
        length = h / 2 if self.rule == "baoab" else h
        move = np.block([[one, length * one], [zero, one]])
        c = math.exp(-self.friction * (h if self.rule == "baoab" else h / 2))
        fade = np.block([[one, zero], [zero, c * one]])
        noise = np.block([[zero, zero], [zero, (1 - c * c) * one]])
        if self.rule == "baoab":
            parts = [(kick, 0), (move, 0), (fade, 1), (move, 0), (kick, 0)]
        else:
            parts = [(fade, 1), (kick, 0), (move, 0), (kick, 0), (fade, 1)]
        factor, covariance = np.eye(2 * d), np.zeros((2 * d, 2 * d))
        for matrix, noisy in parts:
            factor = matrix @ factor
            covariance = matrix @ covariance @ matrix.T + noisy * noise
        return LinearLaw(mean=target.mean, factor=factor, covariance=covariance)
