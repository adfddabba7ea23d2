"""Guesses for learners, from the noise and the rule of theta read back over some updates."""

from __future__ import annotations

import numpy as np

from .laws.learner import DATA, RATE, models, start
from .learner import Reading, read
from .localise import Localisation
from .shapes import tame
from .subject import LearnerSubject, child

UPDATES = 600
CLEAR = 6.0
_EXACT = 1e-9


def guess(subject: LearnerSubject) -> Localisation:
    """First and second guess."""
    learner = subject.learner
    model, h = models()[2], 0.3
    rng = np.random.default_rng((subject.seed, 41))
    generator = child(rng)
    readings: dict[str, list[Reading]] = {"sequential": [], "simultaneous": []}
    state = start(model, rng)
    for k in range(UPDATES):
        if k % 3 == 0:
            state = start(model, rng)
        after = learner.advance(state, DATA, model, h, RATE, generator)
        for order, found in readings.items():
            found.append(read(state, after, DATA, model, h, RATE, order))
        state = after
    first, second, why = _ranked(readings, subject.order)
    return Localisation(first=first, second=second, evidence=[why])


def _ranked(readings: dict[str, list[Reading]], order: str) -> tuple[str, str, str]:
    found = readings[order]
    other = readings["simultaneous" if order == "sequential" else "sequential"]
    r = np.clip(tame(np.array([f.noise for f in found])), -20, 20)
    force = np.array([f.force for f in found])
    n = r.size
    means = r.mean(axis=1)
    if float(np.var(means)) * r.shape[1] / max(float(r.var()), 1e-12) > 2.0:
        return "shared randomness", "noise scale", "particles share their noise"
    again = float(np.corrcoef(r[:-1].ravel(), r[1:].ravel())[0, 1]) * np.sqrt(n)
    if abs(again) > CLEAR:
        return "shared randomness", "stale gradient", "noise is used again"
    broken = np.array([f.tie for f in found])
    push = np.array([f.push for f in found])
    tied = bool(np.all(np.abs(broken) <= _EXACT * (1 + np.abs(push))))
    drift = float(np.corrcoef(r.ravel(), force.ravel())[0, 1]) * np.sqrt(n)
    loud = (float(np.mean(r**2)) - 1) / np.sqrt(2 / n)
    if max(abs(drift), abs(loud)) > CLEAR:
        if abs(drift) > 0.3 * abs(loud):
            return "drift", "noise scale", f"the gradient enters the noise ({drift:.0f} se)"
        return "noise scale", "drift", f"noise variance {np.mean(r**2):.3f}"
    if not tied:
        if all(np.all(np.abs(f.tie) <= _EXACT * (1 + np.abs(f.push))) for f in other):
            return "stale gradient", "drift", "theta moves with the other particles of the update"
        ratio = (push + broken) / np.where(np.abs(push) > 1e-12, push, np.nan)
        spread = np.nanquantile(ratio, 0.9) - np.nanquantile(ratio, 0.1)
        if spread < 1e-6 and np.nanmedian(ratio) > 0:
            return "schedule", "drift", f"theta moves {np.nanmedian(ratio):.3f} times its rule"
        within = np.nanmax(np.abs(np.nanstd(ratio, axis=1)))
        if within < 1e-6 and np.nanmedian(ratio) > 0:
            return "schedule", "drift", "the rate changes from update to update"
        return "drift", "schedule", "theta does not follow its rule"
    return "schedule", "noise scale", "nothing is seen in single updates"
