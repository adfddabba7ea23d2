r"""Small steps of an adjusted kernel: what the proposal does, and what acceptance does.

    D = -E[<x' - x, grad U>] / E|grad U|^2,      V = E|x' - x|^2 / (2 d)

at small step sizes from exact draws. Every kernel that keeps pi has D = V in the limit (the
relation of Einstein). A proposal with drift D_0 that is accepted with probability min(1, exp(-k <y
- x, grad U>)) rejects a share R = k sqrt(2V) E|grad U| / sqrt(2 pi) and has D = D_0 + k V: so R
tells what acceptance contributes (k = 1 for a random walk, 0 for Langevin with its correction),
and D - k V what the proposal does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from .shapes import tame
from .subject import Place, Subject, child

FACTORS = (0.01, 0.03, 0.08)  # of length^2
MOST = 200_000
CALLS = 24


@dataclass(frozen=True, kw_only=True)
class MoveFeatures:
    """Of an adjusted kernel at small step sizes.

    Parameters
    ----------
    step_sizes, moved, drift, noise, drift_errors : arrays
        Step sizes, shares of moves, D, V and the standard errors of D.
    gradient : float
        E|grad U|.
    mean_score : float
        The mean displacement in standard errors, largest coordinate.
    spread_score : float
        Correlation of the squared displacement with the energy.
    shared, shared_moves : float
        How much displacements, and decisions to move, vary together in one call; 1 if chains are
        independent.
    kept : float
        Of kernels with momenta: correlation of the momentum before and after, where the position
        stayed; not-a-number otherwise.
    """

    step_sizes: FloatArray
    moved: FloatArray
    drift: FloatArray
    noise: FloatArray
    drift_errors: FloatArray
    gradient: float
    mean_score: float
    spread_score: float
    shared: float
    shared_moves: float
    kept: float

    @property
    def growth(self) -> float:
        """How V grows with h: 1 for Langevin proposals, 2 for trajectories, 0 if h is ignored."""
        if len(self.noise) < 2 or not self.noise.min() > 0:
            return 0.0
        return float(
            math.log(self.noise[-1] / self.noise[0])
            / math.log(self.step_sizes[-1] / self.step_sizes[0])
        )

    @property
    def tilt(self) -> float:
        """|k|: how much acceptance leans on the gradient, from the smallest step size."""
        size = math.sqrt(2 * max(self.noise[0], 1e-300)) * self.gradient
        return float((1 - self.moved[0]) * math.sqrt(2 * math.pi) / max(size, 1e-300))


def of_moves(subject: Subject, place: Place) -> MoveFeatures:
    """Runs exact draws of one target for one step at small step sizes."""
    target = place.target
    d = target.for_step.dim
    sizes = [f * target.length**2 for f in FACTORS]
    if "step_size" not in subject.kernel.names:
        sizes = [place.step_size]
    rows = [_at(subject, Place(target=target, step_size=h), d) for h in sizes]
    shared, shared_moves = _together(subject, place)
    table = np.array(rows)
    return MoveFeatures(
        step_sizes=np.array(sizes),
        moved=table[:, 0],
        drift=table[:, 1],
        noise=table[:, 2],
        drift_errors=table[:, 3],
        gradient=float(table[0, 4]),
        mean_score=float(table[-1, 5]),
        spread_score=float(table[0, 6]),
        shared=shared,
        shared_moves=shared_moves,
        kept=_kept(subject, place, d),
    )


def _at(subject: Subject, place: Place, d: int) -> list[float]:
    target = place.target
    n = min(MOST, 256 * subject.first)
    rng = np.random.default_rng((subject.seed, 32))
    x = subject.draw(place, rng, n)
    step = tame(subject.advance(place, x, child(rng)) - x)[:, :d]
    g = target.for_step.gradient(x[:, :d])
    squares = (step * step).sum(axis=1)
    products = (step * g).sum(axis=1)
    size = float(np.mean((g * g).sum(axis=1)))
    deviation = step.std(axis=0) / math.sqrt(n) + 1e-300
    energy = np.tanh(tame(target.energy.potential(x) - target.scale[2]))
    moved = squares > 0
    spread = 0.0
    if moved.sum() > 2 and np.std(squares[moved]) > 0:
        spread = float(np.corrcoef(np.log(squares[moved]), energy[moved])[0, 1])
    return [
        float(np.mean(moved)),
        -float(np.mean(products)) / size,
        float(np.mean(squares)) / (2 * d),
        float(np.std(products)) / math.sqrt(n) / size,
        float(np.mean(np.sqrt((g * g).sum(axis=1)))),
        float(np.abs(step.mean(axis=0) / deviation).max()),
        spread,
    ]


def _together(subject: Subject, place: Place) -> tuple[float, float]:
    rng = np.random.default_rng((subject.seed, 33))
    means, decisions, spread, doubt = [], [], 0.0, 0.0
    n = min(512, subject.first)
    for _ in range(CALLS):
        x = subject.draw(place, rng, n)
        step = np.tanh(tame(subject.advance(place, x, child(rng)) - x))
        move = np.any(step != 0, axis=1)
        means.append(step.mean(axis=0))
        decisions.append(float(move.mean()))
        spread += float(np.var(step, axis=0).mean()) / CALLS
        doubt += float(np.var(move)) / CALLS
    shared = n * float(np.var(means, axis=0).mean()) / max(spread, 1e-12)
    return shared, n * float(np.var(decisions)) / max(doubt, 1.0 / n)


def _kept(subject: Subject, place: Place, d: int) -> float:
    if not subject.kernel.with_momenta:
        return math.nan
    here = min(
        (p for p in subject.places if p.target is place.target), key=lambda p: abs(p.moved - 0.5)
    )
    rng = np.random.default_rng((subject.seed, 34))
    found: list[float] = []
    for factor in (1.0, 2.0, 4.0):
        tried = Place(target=here.target, step_size=factor * here.step_size)
        x = subject.draw(tried, rng, 8 * subject.first)
        after = tame(subject.advance(tried, x, child(rng)))
        stayed = np.all(after[:, :d] == x[:, :d], axis=1)
        if stayed.sum() > 50:
            v, w = x[stayed, d:], after[stayed, d:]
            found.append(float((v * w).sum() / np.sqrt((v * v).sum() * (w * w).sum() + 1e-300)))
    return found[0] if found else math.nan
