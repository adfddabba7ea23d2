"""Annealed importance sampling with Langevin kernels: unbiased weights, forward and in reverse.

Between a Gaussian U_0 and the target U_K, with U_k = (1 - l_k) U_0 + l_k U_K, particles move by one
kernel per step and carry A, with A_0 = 0.

ULA kernel (Jarzynski's equality for the discretised dynamics):

    X_{k+1} = X_k - h grad U_k(X_k) + sqrt(2h) xi
    A_{k+1} = A_k + a_k(X_k, X_{k+1}) - a_{k+1}(X_{k+1}, X_k)
    a_k(x, y) = U_k(x) + (y - x) . grad U_k(x) / 2 + h |grad U_k(x)|^2 / 4

The increment is the logarithm of e^{-U_{k+1}(y)} M_{k+1}(y, x) / ( e^{-U_k(x)} M_k(x, y) ), M_k the
density of the step, so that the products telescope: E e^A = Z_K / Z_0 for every h > 0. Read
backwards, X_K ~ pi_K and X_k ~ M_{k+1}(X_{k+1}, .) make E e^{-A} = Z_0 / Z_K: the reverse side,
which needs X_K exactly in law.

MALA kernel (annealed importance sampling, Neal 2001): X_{k+1} by a step that leaves pi_{k+1}
invariant, A_{k+1} = A_k + U_k(X_k) - U_{k+1}(X_k).

Source: Carbone, Hua, Coste and Vanden-Eijnden 2023, section 3; Neal 2001; Grosse, Ghahramani and
Adams 2015 for the two sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian

from ...noise import Noise
from ..step_noise import StepNoise
from .bracket import effective_sample_size

#: U (n,) and grad U (n, d) at the rows of (n, d)
Field = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


class Differentiable(Protocol):
    """What chains on arrays need of an energy; ``potential_gradient`` is used if there."""

    @property
    def dim(self) -> int:
        """Dimension d."""

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d), shape (n,)."""

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U at x (n, d), shape (n, d)."""


def rows(energy: Differentiable) -> Field:
    """U and its gradient together, in one pass where the energy offers ``potential_gradient``."""
    both = getattr(energy, "potential_gradient", None)
    if both is not None:
        return lambda x: both(x)
    return lambda x: (energy.potential(x), energy.gradient(x))


@dataclass(frozen=True, kw_only=True)
class Annealing:
    """How to anneal.

    Parameters
    ----------
    steps : int
        K; l_k = s^2 (3 - 2 s) at s = k / K.
    step_size : float
        h, in the coordinates in which the base is N(0, I).
    kernel : {"mala", "ula"}
    """

    steps: int = 300
    step_size: float = 0.1
    kernel: Literal["mala", "ula"] = "mala"

    def __post_init__(self) -> None:
        if self.steps < 1 or not (math.isfinite(self.step_size) and self.step_size > 0):
            raise ArgumentError(
                f"annealing needs steps >= 1 and a step size > 0, got {self.steps} and "
                f"{self.step_size}"
            )
        if self.kernel not in ("mala", "ula"):
            raise ArgumentError(f"a kernel is mala or ula, got {self.kernel!r}")

    @property
    def schedule(self) -> FloatArray:
        """l_0 = 0, ..., l_K = 1."""
        s = np.arange(self.steps + 1) / self.steps
        return np.asarray(s**2 * (3 - 2 * s))


@dataclass(frozen=True, kw_only=True)
class Base:
    """Gaussians N(m_i, R R') from which row i starts; log Z_0 = d log(2 pi) / 2 + log det R.

    Parameters
    ----------
    means : array (n, d)
    root : array (d, d)
    """

    means: FloatArray
    root: FloatArray

    @classmethod
    def of(cls, law: Gaussian, count: int) -> Base:
        """The same Gaussian for all rows."""
        return cls(means=np.tile(law.mean, (count, 1)), root=law.root)

    @property
    def log_normaliser(self) -> float:
        """log of int exp(-|R^{-1}(x - m)|^2 / 2) dx."""
        sign, log_det = np.linalg.slogdet(self.root)
        if sign == 0:
            raise ArgumentError("the base of annealing has a singular covariance")
        return float(0.5 * len(self.root) * math.log(2 * math.pi) + log_det)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Log-weights of one direction, with log Z_0 taken in.

    Attributes
    ----------
    log_weights : array (n,)
        Forward: E e^a = Z. Reverse: E e^a = 1 / Z.
    points : array (n, d)
        Where the chains ended: forward near the target, weighted by e^a.
    acceptance : float
        Mean over the path; 1 for ULA.
    """

    log_weights: FloatArray
    points: FloatArray
    acceptance: float

    @property
    def effective(self) -> float:
        """Effective sample size."""
        return effective_sample_size(self.log_weights)


def forward(target: Field, base: Base, annealing: Annealing, noise: Noise) -> Weights:
    """From exact draws of the base to the target; row i of the field may be a target of its own.

    Raises
    ------
    SolverError
        Every weight vanished or left the finite numbers: the step size is too large.
    """
    path = _Path(target, base, annealing)
    y = noise.derive("start").normals(len(base.means), 0, path.dim)
    state = path.at(y)
    draws = StepNoise(noise, len(y), path.dim, annealing.steps + 1)
    work, accepted = np.zeros(len(y)), 0.0
    for k in range(annealing.steps):
        state, gained, share = path.advance(state, k, draws)
        work += gained
        accepted += share / annealing.steps
    return Weights(
        log_weights=_usable(work, "forward") + base.log_normaliser,
        points=path.outside(state.y),
        acceptance=accepted,
    )


def reverse(
    target: Field, base: Base, annealing: Annealing, noise: Noise, exact: FloatArray
) -> Weights:
    """From exact draws of the target (n, d) to the base; the log-weights have E e^a = 1 / Z."""
    path = _Path(target, base, annealing)
    state = path.at(path.inside(exact))
    draws = StepNoise(noise, len(exact), path.dim, annealing.steps + 1)
    work, accepted = np.zeros(len(exact)), 0.0
    for k in reversed(range(annealing.steps)):
        state, gained, share = path.retreat(state, k, draws)
        work += gained
        accepted += share / annealing.steps
    return Weights(
        log_weights=_usable(-work, "reverse") - base.log_normaliser,
        points=path.outside(state.y),
        acceptance=accepted,
    )


@dataclass(frozen=True)
class _State:
    """Position in the base's coordinates, target potential and its gradient there."""

    y: FloatArray
    u: FloatArray
    g: FloatArray

    def mixed(self, share: float) -> tuple[FloatArray, FloatArray]:
        """U_k and its gradient for l_k = share."""
        u = share * self.u + (1 - share) * 0.5 * (self.y**2).sum(1)
        return u, share * self.g + (1 - share) * self.y

    def where(self, taken: npt.NDArray[np.bool_], other: _State) -> _State:
        return _State(
            np.where(taken[:, None], other.y, self.y),
            np.where(taken, other.u, self.u),
            np.where(taken[:, None], other.g, self.g),
        )


class _Path:
    """The annealing path in the coordinates y = R^{-1} (x - m) of the base."""

    def __init__(self, target: Field, base: Base, annealing: Annealing) -> None:
        self.target, self.base = target, base
        self.dim = base.means.shape[1]
        self.shares = annealing.schedule
        self.h = annealing.step_size
        self.adjusted = annealing.kernel == "mala"

    def outside(self, y: FloatArray) -> FloatArray:
        return np.asarray(self.base.means + y @ self.base.root.T)

    def inside(self, x: FloatArray) -> FloatArray:
        if x.shape != self.base.means.shape:
            raise ArgumentError(f"need exact draws {self.base.means.shape}, got {x.shape}")
        return np.asarray(np.linalg.solve(self.base.root, (x - self.base.means).T).T)

    def at(self, y: FloatArray) -> _State:
        u, g = self.target(self.outside(y))
        return _State(y, u, g @ self.base.root)

    def advance(self, state: _State, k: int, draws: StepNoise) -> tuple[_State, FloatArray, float]:
        """One step forward from k to k + 1: new state, gain of A, share accepted."""
        if self.adjusted:
            gain = state.mixed(self.shares[k])[0] - state.mixed(self.shares[k + 1])[0]
            moved, share = self._mala(state, k + 1, draws)
            return moved, gain, share
        moved = self._ula(state, k, k, draws)
        return moved, self._increment(state, moved, k), 1.0

    def retreat(self, state: _State, k: int, draws: StepNoise) -> tuple[_State, FloatArray, float]:
        """One step back from k + 1 to k: new state, the same gain of A, share accepted."""
        if self.adjusted:
            moved, share = self._mala(state, k + 1, draws)
            gain = moved.mixed(self.shares[k])[0] - moved.mixed(self.shares[k + 1])[0]
            return moved, gain, share
        moved = self._ula(state, k + 1, k, draws)
        return moved, self._increment(moved, state, k), 1.0

    def _ula(self, state: _State, level: int, step: int, draws: StepNoise) -> _State:
        _, g = state.mixed(self.shares[level])
        normal = draws.normals(step)
        return self.at(state.y - self.h * g + math.sqrt(2 * self.h) * normal)

    def _increment(self, low: _State, high: _State, k: int) -> FloatArray:
        """a_k(x, y) - a_{k+1}(y, x), x at level k and y at level k + 1."""
        u, g = low.mixed(self.shares[k])
        v, f = high.mixed(self.shares[k + 1])
        way = high.y - low.y
        slopes = 0.5 * (way * (g + f)).sum(1)
        return np.asarray(u - v + slopes + self.h / 4 * ((g**2).sum(1) - (f**2).sum(1)))

    def _mala(self, state: _State, level: int, draws: StepNoise) -> tuple[_State, float]:
        share = self.shares[level]
        u, g = state.mixed(share)
        normal = draws.normals(level)
        moved = self.at(state.y - self.h * g + math.sqrt(2 * self.h) * normal)
        v, f = moved.mixed(share)
        way = moved.y - state.y
        log_ratio = u - v + 0.5 * (way * (g + f)).sum(1)
        log_ratio += self.h / 4 * ((g**2).sum(1) - (f**2).sum(1))
        uniform = draws.uniforms(level)
        # a proposal without a finite potential is refused, not carried along
        taken = np.asarray(np.log(uniform) < np.nan_to_num(log_ratio, nan=-np.inf))
        return state.where(taken, moved), float(taken.mean())


def _usable(log_weights: FloatArray, direction: str) -> FloatArray:
    finite = np.where(np.isnan(log_weights), -np.inf, log_weights)
    if np.any(finite == np.inf) or not np.any(np.isfinite(finite)):
        raise SolverError(f"{direction} annealing left the finite numbers: smaller step needed")
    return finite
