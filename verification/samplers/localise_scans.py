"""Guesses for kernels without a step size: sweeps over coordinates, read back on Gaussians."""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from .subject import Subject
from .targets.exact_target import ExactTarget

CHAINS = 16_384
TOGETHER = 0.95
SEEN = 0.06
CLEAR = 6.0  # standard errors
ROUGH = 1e-5
Guess = tuple[str, str, list[str]]


def guess(subject: Subject, ratio: float) -> Guess:
    """First and second guess; ``ratio`` is drift over noise of the whole kernel."""
    gaussians = [t for t in subject.targets if t.gaussian and t.dim > 1]
    if not gaussians:
        return "noise scale", "drift", [f"drift over noise {ratio:.3f}"]
    swept = _sweep(subject, gaussians[0])
    if swept is not None:
        return swept
    found = [_read(subject, target) for target in gaussians]
    shared = max(f[0] for f in found)
    stale, drift, noise = (max(f[i] for f in found) for i in (1, 2, 3))
    if shared > TOGETHER:
        return "shared randomness", "noise scale", [f"normals of a sweep correlate ({shared:.2f})"]
    if stale > max(SEEN, 0.5 * drift):
        return "stale gradient", "drift", ["coordinates are updated from old values of the others"]
    if drift > max(SEEN, noise):
        return "drift", "noise scale", [f"the others enter {drift:.2f} too much or too little"]
    if noise > SEEN:
        return "noise scale", "drift", [f"a coordinate's variance is off by {noise:.2f}"]
    return "drift", "noise scale", ["nothing is seen in single sweeps"]


def _sweep(subject: Subject, target: ExactTarget) -> Guess | None:
    """A sweep in order, compared with (D + w L) x' = (a D - w U) x + sqrt(1 - a^2) D^{1/2} xi.

    P = L + D + U, a is the share of its old value that a coordinate keeps, w = 1 - a. The answer to
    a change of x is read with one seed, the noise from equal starts. None where the answer differs
    from chain to chain, as in random scans.
    """
    precision, d = target.precision, target.dim
    assert precision is not None
    place = subject.middle_place(target)
    start = np.repeat(subject.draw(place, np.random.default_rng((subject.seed, 35)), 1), CHAINS, 0)
    plain = subject.advance(place, start, np.random.default_rng(36))
    size = 1 / np.sqrt(np.diag(precision))
    answers = np.empty((d, d))
    for j in range(d):
        moved = start.copy()
        moved[:, j] += size[j]
        change = (subject.advance(place, moved, np.random.default_rng(36)) - plain) / size
        answers[:, j] = change.mean(axis=0)
        if not np.all(np.abs(change - answers[:, j]) < ROUGH):
            return None
    # in units of the conditional deviations D is one
    scaled = precision * np.outer(size, size)
    kept = float(answers[0, 0])
    lower, upper, one = np.tril(scaled, -1), np.triu(scaled, 1), np.eye(d)
    both = one + (1 - kept) * lower
    wanted = np.linalg.solve(both, kept * one - (1 - kept) * upper)
    at_once = kept * one - (1 - kept) * (lower + upper)
    off, stale = (float(np.abs(answers - m).max()) for m in (wanted, at_once))
    said = [f"the answer to a change of the start is off by {off:.2g}"]
    if stale < ROUGH < off:
        said = [*said, "coordinates are updated from old values of the others"]
        return "stale gradient", "drift", said
    noise = both @ np.cov((plain / size).T) @ both.T / max(1 - kept**2, 1e-12)
    spread = np.sqrt(np.diag(noise))
    together = np.abs(noise / np.outer(spread, spread) - one).max()
    wide = float(np.abs(spread - 1).max())
    said = [*said, f"the noise by {wide:.2g}"]
    assert target.mean is not None
    miss = (plain - target.mean).mean(axis=0) / size - wanted @ ((start[0] - target.mean) / size)
    shift = float(np.abs(both @ miss).max()) * math.sqrt(CHAINS)
    if together > TOGETHER:
        return "shared randomness", "noise scale", [*said, "one normal serves a sweep"]
    if off > ROUGH:
        return "drift", "stale gradient", said
    if shift > CLEAR and wide * math.sqrt(2 * CHAINS) < CLEAR:
        return "drift", "noise scale", [*said, f"the mean by {shift:.0f} se"]
    return "noise scale", "drift", said


def _read(subject: Subject, target: ExactTarget) -> tuple[float, float, float, float]:
    """Correlation of two normals, errors on old and on new values, error of the variance.

    If coordinates are drawn in order given the others, r_i = P_ii^{1/2} (x_i' - m_i + sum_j P_ij
    z_j/P_ii), with z new for j < i and old for j > i, are independent standard normals.
    """
    precision, mean = target.precision, target.mean
    assert precision is not None
    assert mean is not None
    place = subject.middle_place(target)
    x = subject.draw(place, np.random.default_rng((subject.seed, 35)), CHAINS)
    after = subject.advance(place, x, np.random.default_rng((subject.seed, 36)))
    old, new = x - mean, after - mean
    d = target.dim
    noises: list[FloatArray] = []
    stale, drift, noise = 0.0, 0.0, 0.0
    for i in range(d):
        p = float(precision[i, i])
        before, later = new[:, :i], old[:, i + 1 :]
        pull = before @ precision[i, :i] + later @ precision[i, i + 1 :]
        r = (p * new[:, i] + pull) / math.sqrt(p)
        noises.append(r)
        # how a stale value would show: the change of those that came before
        change = (new[:, :i] - old[:, :i]) @ precision[i, :i] / math.sqrt(p)
        design = np.stack([change, pull / math.sqrt(p), np.ones(len(r))], axis=1)
        slopes, *_ = np.linalg.lstsq(design, r, rcond=1e-9)
        rest = r - design @ slopes
        stale = max(stale, abs(float(slopes[0])))
        drift = max(drift, abs(float(slopes[1])))
        noise = max(noise, abs(float(rest.std()) - 1))
    shared = np.abs(np.corrcoef(np.array(noises)) - np.eye(d)).max()
    return float(np.nan_to_num(shared)), stale, drift, noise
