"""Chains that share their noise in pairs, which averages over all chains do not show."""

from __future__ import annotations

import numpy as np

from .schemes.scheme import Scheme
from .shapes import tame
from .subject import Place, Subject, child

CHAINS = 48
CALLS = 48
MANY = 2048
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


def repeated(subject: Subject, place: Place, scheme: Scheme) -> bool:
    """Whether the noises of one call are few numbers that come again and again."""
    rng = np.random.default_rng((subject.seed, 94))
    x = subject.draw(place, rng, MANY)
    after = subject.advance(place, x, child(rng))
    with np.errstate(all="ignore"):
        noise = scheme.innovations(place.target, x, np.nan_to_num(after), place.step_size).normal
    # signs are left out: halves may be negated
    found = np.round(np.abs(noise[:, 0]), 6)
    return bool(len(np.unique(found)) < len(found) / 2 and float(np.std(found)) > 0.1)
