"""Chains that share their noise in pairs, which averages over all chains do not show."""

from __future__ import annotations

import numpy as np

from .shapes import tame
from .subject import Place, Subject, child

CHAINS = 48
CALLS = 48
ALIKE = 0.9
FAINT = 1e-9


def paired(subject: Subject, place: Place) -> bool:
    """Whether two chains of one call always move alike, or always against one another."""
    if subject.kernel.walkers:
        return False
    rng = np.random.default_rng((subject.seed, 95))
    start = np.repeat(subject.draw(place, rng, 1), CHAINS, axis=0)
    moves = []
    for _ in range(CALLS):
        moves.append(tame(subject.advance(place, start, child(rng)) - start))
    found = np.array(moves)
    # what has no noise of its own moves alike by right
    found = found[:, :, found.std(axis=(0, 1)) > FAINT * np.abs(start[0]).max()]
    if not found.size:
        return False
    found = (found - found.mean(axis=(0, 1))).transpose(1, 0, 2).reshape(CHAINS, -1)
    size = np.sqrt((found * found).sum(axis=1))
    if not size.min() > 0:
        return False
    alike = (found @ found.T) / np.outer(size, size) - np.eye(CHAINS)
    return bool(np.abs(alike).max() > ALIKE)
