"""Targets whose exact draws are known, so that a chain can start in stationarity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], FloatArray]

_PILOT = 200_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactTarget:
    """pi proportional to exp(-U) with exact draws.

    Parameters
    ----------
    name : str
    energy : Energy
    draw : callable (rng, n) -> (n, d), independent draws from pi
    precision : array (d, d), optional
        For Gaussian targets.
    length : float
        The smallest length scale of pi: step sizes are proposed in its units.
    """

    name: str
    energy: Energy
    draw: Draw
    precision: FloatArray | None = None
    mean: FloatArray | None = None
    length: float = 1.0

    @property
    def dim(self) -> int:
        """d."""
        return self.energy.dim

    @cached_property
    def scale(self) -> tuple[FloatArray, FloatArray, float, float]:
        """Mean (d,), sd (d,), mean and sd of U, from a pilot sample of fixed seed: they only scale
        test functions, so their error costs power and no validity."""
        x = self.draw(np.random.default_rng(20_240_917), _PILOT)
        u = self.energy.potential(x)
        # quartiles: heavy tails have no standard deviation
        low, mid, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
        u_low, u_mid, u_high = np.quantile(u, [0.25, 0.5, 0.75])
        return (
            np.asarray(mid),
            np.asarray((high - low) / 1.349),
            float(u_mid),
            float(u_high - u_low) / 1.349,
        )


def gaussian(
    precision: npt.ArrayLike, mean: npt.ArrayLike | None = None, name: str | None = None
) -> ExactTarget:
    """N(mean, precision^{-1})."""
    matrix = np.atleast_2d(np.asarray(precision, dtype=float))
    d = len(matrix)
    centre = np.zeros(d) if mean is None else np.asarray(mean, dtype=float)
    energy = quadratic(dim=d, precision=matrix, mean=centre)
    root = np.linalg.cholesky(np.linalg.inv(matrix))

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        return np.asarray(centre + rng.standard_normal((n, d)) @ root.T)

    return ExactTarget(
        name=name or f"gaussian-{d}d",
        energy=energy,
        draw=draw,
        precision=matrix,
        mean=centre,
        length=1.0 / math.sqrt(float(np.linalg.eigvalsh(matrix)[-1])),
    )


def mixture(
    means: npt.ArrayLike, sd: float, weights: npt.ArrayLike | None = None, name: str | None = None
) -> ExactTarget:
    """sum_k w_k N(m_k, sd^2 I)."""
    m = np.atleast_2d(np.asarray(means, dtype=float))
    w = np.full(len(m), 1.0 / len(m)) if weights is None else np.asarray(weights, dtype=float)
    if len(w) != len(m) or not np.all(w > 0):
        raise ArgumentError(f"a mixture of {len(m)} needs as many positive weights, got {w}")
    w = w / w.sum()

    def logits(x: FloatArray) -> FloatArray:
        squares = ((x[:, None, :] - m) ** 2).sum(axis=2)
        return np.asarray(np.log(w) - squares / (2 * sd * sd))

    def potential(x: FloatArray) -> FloatArray:
        return -np.logaddexp.reduce(logits(x), axis=1)

    def gradient(x: FloatArray) -> FloatArray:
        rows = logits(x)
        share = np.exp(rows - np.logaddexp.reduce(rows, axis=1, keepdims=True))
        return np.asarray((x - share @ m) / (sd * sd))

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        which = rng.choice(len(w), size=n, p=w)
        return np.asarray(m[which] + sd * rng.standard_normal((n, m.shape[1])))

    energy = CallableEnergy(
        name=name or f"mixture-{m.shape[1]}d",
        dim=m.shape[1],
        potential_function=potential,
        gradient_function=gradient,
    )
    return ExactTarget(name=energy.name, energy=energy, draw=draw, length=sd)


def on_the_line(energy: Energy, low: float, high: float, length: float) -> ExactTarget:
    """A one-dimensional target by rejection from a piecewise constant envelope on [low, high].

    Exact up to the mass outside, which the caller declares negligible, and rounding: the envelope
    is checked at every draw, and a draw above it is an error.
    """
    if energy.dim != 1:
        raise ArgumentError(f"a target on the line has dimension 1, got {energy.dim}")
    cells = 4096
    edges = np.linspace(low, high, cells + 1)
    inside = np.linspace(0.0, 1.0, 9)
    width = (high - low) / cells
    u = energy.potential((edges[:-1, None] + width * inside).reshape(-1, 1)).reshape(cells, -1)
    slope = np.abs(np.diff(u, axis=1)).max(axis=1) if cells else u[:, 0]
    lowest = u.min(axis=1) - slope - 1e-9
    base = float(lowest.min())
    heights = np.exp(base - lowest)
    table = np.cumsum(heights)
    table /= table[-1]

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        kept: list[FloatArray] = []
        have = 0
        while have < n:
            need = int(1.15 * (n - have)) + 16
            cell = np.minimum(np.searchsorted(table, rng.random(need), side="right"), cells - 1)
            x = edges[cell] + width * rng.random(need)
            ratio = np.exp(lowest[cell] - energy.potential(x[:, None]))
            if ratio.max() > 1.0 + 1e-9:
                raise ArgumentError(f"{energy.name} varies too fast for its envelope")
            good = x[rng.random(need) < ratio]
            kept.append(good)
            have += len(good)
        return np.concatenate(kept)[:n, None]

    return ExactTarget(name=energy.name, energy=energy, draw=draw, length=length)
