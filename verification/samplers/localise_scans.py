"""Guesses for kernels without a step size: sweeps over coordinates, read back on Gaussians."""

from __future__ import annotations

import math

import numpy as np

from .subject import FloatArray, Subject
from .targets.exact_target import ExactTarget

CHAINS = 16_384
TOGETHER = 0.95
SEEN = 0.06
Guess = tuple[str, str, list[str]]


def guess(subject: Subject, ratio: float) -> Guess:
    """First and second guess; ``ratio`` is drift over noise of the whole kernel."""
    gaussians = [t for t in subject.targets if t.gaussian and t.dim > 1]
    if not gaussians:
        return "noise scale", "drift", [f"drift over noise {ratio:.3f}"]
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
