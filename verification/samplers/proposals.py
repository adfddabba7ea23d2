r"""The proposal of an adjusted kernel, read apart from its acceptance.

At a small step, with equal seeds and two starts, chains that both moved differ by

    (x' - x) - (y' - y) = -b (grad U(x) - grad U(y)) + O(h^2),

whatever the noise and whoever was refused: b is the drift of the proposal. From equal starts the
spread of the moves is that of its noise, 2V. Refusals fall like V^{1/2} where the acceptance
leans on the gradient, like V where an error of second order decides, and like V^{3/2} in a right
Langevin or leapfrog step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from .shapes import tame
from .subject import Place, Subject

CHAINS = 4096
STARTS = 4
SMALL = 0.01  # of length^2
SEED = 81
FEWEST = 64


@dataclass(frozen=True, kw_only=True)
class ProposalFeatures:
    """Of an adjusted kernel at a small step.

    Parameters
    ----------
    step_size : float
    drift, noise : float
        b and V.
    drift_error : float
        Standard error of b.
    flat : float
        Smallest over largest eigenvalue of the covariance of moves from one start; 1 on the line.
    square : float
        How far moves from one start are from isotropic once they are whitened, in standard errors.
    decides : bool
        Equal arguments gave equal moves, but not to the same chains: the acceptance remembers.
    deaf : bool
        Another seed brought the same moves, though not to the same chains.
    """

    step_size: float
    drift: float
    noise: float
    drift_error: float
    flat: float
    square: float
    decides: bool
    deaf: bool

    @property
    def ratio(self) -> float:
        """b/V; 1 where drift and noise fit, 0 for a random walk."""
        return self.drift / max(self.noise, 1e-300)


def of_proposals(subject: Subject, place: Place) -> ProposalFeatures:
    """Moves at a small step size on one target."""
    target, d = place.target, place.target.for_step.dim
    h = SMALL * target.length**2 if "step_size" in subject.kernel.names else place.step_size
    small = Place(target=target, step_size=h)
    rng = np.random.default_rng((subject.seed, 80))
    x, y = (subject.draw(small, rng, CHAINS) for _ in range(2))
    y[:, d:] = x[:, d:]  # momenta alike: only the gradient differs
    first, second = (_moves(subject, small, z, SEED)[:, :d] for z in (x, y))
    again, other = (_moves(subject, small, x, s)[:, :d] for s in (SEED, SEED - 1))
    both = np.all(first != 0, axis=1) & np.all(second != 0, axis=1)
    slope = target.for_step.gradient
    force = (slope(x[:, :d]) - slope(y[:, :d]))[both].ravel()
    off = (first - second)[both].ravel()
    size = float(force @ force) + 1e-300
    drift = -float(off @ force) / size
    error = float(np.std(off + drift * force)) / math.sqrt(size)
    stayed = np.all(first == 0, axis=1), np.all(again == 0, axis=1)
    agree = np.all(first == again, axis=1)[~stayed[0] & ~stayed[1]]
    unheard = np.all(first == other, axis=1)[~stayed[0] & ~np.all(other == 0, axis=1)]
    spread, flat, square = _of_noise(subject, small, rng, d)
    return ProposalFeatures(
        step_size=h,
        drift=drift,
        noise=spread,
        drift_error=error,
        flat=flat,
        square=square,
        decides=bool(np.any(stayed[0] != stayed[1]) and agree.all()),
        deaf=bool(unheard.size and unheard.all()),
    )


def _moves(subject: Subject, place: Place, x: FloatArray, seed: int) -> FloatArray:
    return tame(subject.advance(place, x, np.random.default_rng(seed)) - x)


def _of_noise(
    subject: Subject, place: Place, rng: np.random.Generator, d: int
) -> tuple[float, float, float]:
    """V, flatness and squareness of moves from equal starts."""
    spreads, flats, angles = [0.0], [1.0], [np.zeros(0)]
    for k in range(STARTS):
        x = np.repeat(subject.draw(place, rng, subject.kernel.walkers or 1), CHAINS, axis=0)
        moves = _moves(subject, place, x[:CHAINS], SEED + 1 + k)[:, :d]
        moves = moves[np.all(moves != 0, axis=1)]
        if len(moves) < FEWEST:
            continue
        spreads.append(float(moves.var(axis=0).mean()) / 2)
        if d < 2:
            continue
        values, vectors = np.linalg.eigh(np.cov(moves.T))
        flats.append(float(values[0] / max(values[-1], 1e-300)))
        if flats[-1] > 1e-6:
            root = vectors @ np.diag(values**-0.5) @ vectors.T
            white = (moves - moves.mean(axis=0)) @ root
            angles.append(np.arctan2(white[:, 1], white[:, 0]))
    turned = np.cos(4 * np.concatenate(angles))
    square = abs(float(turned.sum())) / math.sqrt(len(turned) / 2) if len(turned) else 0.0
    return float(np.mean(spreads[1:] or [0.0])), float(np.min(flats)), square
