r"""What is measured once something is violated: numbers that tell components apart.

Nothing here is a test and no error probability is spent: the violation is proved already, and these
numbers only guess at its place. Chains run for many calls in a row; the noise that a documented
scheme must have used (for an adjusted kernel, the displacement in units of its size) is regressed
on the gradients at the start and at the call before, on the momentum and on the noise before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from .schemes.scheme import Scheme
from .shapes import tame
from .subject import Place, Subject, child
from .targets.exact_target import ExactTarget

CALLS = 24
ALIKE = 1e6
CHAINS = 16_384


@dataclass(frozen=True, kw_only=True)
class SequenceFeatures:
    """Of the noise that a documented scheme must have used, over calls in a row.

    Parameters
    ----------
    shared : float
        Variance of the chains' mean from call to call, times the number of chains; 1 if chains
        are independent.
    variance : float
        Mean square of the noise; 1 under the law.
    variance_score, tail_score, time_score, mean_score : float
        How many standard errors the variance, the fourth moment given the variance, the change of
        the variance from call to call, and the mean are from what the law says.
    scores, slopes : dict
        For each regressor: t statistic and standardised coefficient.
    ties : float
        Share of chains that break what the law fixes exactly.
    drift : float
        Factor on the gradient at the start that would explain its coefficient; 1 under the law.
    rhythm : float
        Largest correlation of the chains' mean with itself some calls later.
    """

    shared: float
    variance: float
    variance_score: float
    tail_score: float
    time_score: float
    mean_score: float
    scores: dict[str, float]
    slopes: dict[str, float]
    ties: float
    drift: float
    rhythm: float


def of_sequence(subject: Subject, place: Place, scheme: Scheme | None) -> SequenceFeatures:
    """Runs chains for many calls at one place and reads their noise back."""
    target, h = place.target, place.step_size
    rng = np.random.default_rng((subject.seed, 31))
    x = subject.draw(place, rng, CHAINS if subject.first > 256 else 4096)
    d = target.for_step.dim
    generator = child(rng)
    starts, noises = [x], []
    broken = 0.0
    for _ in range(CALLS):
        after = np.nan_to_num(subject.advance(place, x, generator), nan=0.0, posinf=0, neginf=0)
        if scheme is None:
            noises.append(tame(after - x)[:, :d])
        else:
            with np.errstate(all="ignore"):
                found = scheme.innovations(target, x, after, h)
            noises.append(np.clip(tame(found.normal), -20, 20))
            broken = max(broken, float(np.mean(np.any(np.abs(found.exact) > 1e-6, axis=1))))
        x = after
        starts.append(x)
    r = np.array(noises)
    unit = 1.0 if scheme is not None else float(np.sqrt(np.mean(r**2))) + 1e-300
    return _features(r / unit, np.array(starts), target, broken, unit, scheme, h)


def _features(
    r: FloatArray,
    starts: FloatArray,
    target: ExactTarget,
    broken: float,
    unit: float,
    scheme: Scheme | None,
    h: float,
) -> SequenceFeatures:
    n, d = r.shape[1], target.for_step.dim
    gradients = np.array([target.for_step.gradient(s[:, :d]) for s in starts])
    g = gradients[1:-1]
    size = np.sqrt((g * g).sum(axis=2, keepdims=True)) / np.sqrt(np.mean(g * g) + 1e-300)
    columns = {"gradient": g, "last gradient": gradients[:-2]}
    columns["curved gradient"] = g * np.minimum(size, 4.0)
    if starts.shape[2] > d:
        columns["momentum"] = starts[1:-1, :, d:]
    groups = [slice(0, d)] if r.shape[2] == d else [slice(0, d), slice(r.shape[2] - d, None)]
    fits = []
    for i, group in enumerate(groups):
        own = {**columns, "last noise": r[:-1, :, group]}
        if i == 1:  # where the position went is known before the second noise is used
            own["next gradient"] = gradients[2:]
        fits.append(_regressed(r[1:, :, group], own))
    scores, slopes, raw = max(fits, key=lambda fit: max(abs(t) for t in fit[0].values()))
    variance = float(np.mean(r**2))
    per_call = (r**2).mean(axis=(1, 2))
    spread = float(np.std(r**2)) / np.sqrt(r[0].size) + 1e-300
    means = r.mean(axis=1)
    fourth = float(np.mean((r / np.sqrt(variance + 1e-300)) ** 4))
    scale = unit / h if scheme is None else scheme.noise_size(target, h) / h
    return SequenceFeatures(
        shared=float(n * np.mean(np.var(means, axis=0)) / max(variance, 1e-300)),
        variance=variance,
        variance_score=(variance - 1) / np.sqrt(2 / r.size),
        tail_score=(fourth - 3) / np.sqrt(24 / r.size),
        time_score=float(np.sum(((per_call - per_call.mean()) / spread) ** 2) - CALLS + 1)
        / np.sqrt(2.0 * CALLS),
        mean_score=float(np.abs(means.mean(axis=0)).max() * np.sqrt(CALLS * n)),
        scores=scores,
        slopes=slopes,
        ties=broken,
        drift=1 - raw.get("gradient", 0.0) * scale,
        rhythm=_rhythm(means),
    )


def _rhythm(means: FloatArray) -> float:
    """Largest autocorrelation of means (calls, k) at lags up to a third of the calls."""
    centred = means - means.mean(axis=0)
    size = float((centred**2).sum())
    if not size > 0:
        return 0.0
    lags = range(1, len(means) // 3 + 1)
    found = [float((centred[lag:] * centred[:-lag]).sum()) for lag in lags]
    return max(
        f / size * len(means) / (len(means) - lag) for f, lag in zip(found, lags, strict=True)
    )


def _regressed(
    y: FloatArray, columns: dict[str, FloatArray]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """t statistics, standardised and raw coefficients of pooled least squares, with a constant."""
    names = list(columns)
    values = [np.asarray(columns[name]).ravel() for name in names]
    sizes = np.array([max(float(np.std(v)), 1e-300) for v in values])
    design = np.stack([(v - v.mean()) / s for v, s in zip(values, sizes, strict=True)], axis=1)
    target = y.ravel() - y.mean()
    gram = design.T @ design
    if np.linalg.cond(gram) > ALIKE:
        # on a Gaussian the gradient is determined by the one before and the noise before
        kept = [n for n in names if not n.startswith("last")]
        if len(kept) < len(names):
            return _regressed(y, {n: columns[n] for n in kept})
    inverse = np.linalg.pinv(gram, rcond=1e-6)
    slope = inverse @ (design.T @ target)
    rest = target - design @ slope
    error = np.sqrt(np.maximum(np.diag(inverse), 1e-300) * float(np.mean(rest**2)))
    scores = {name: float(s / e) for name, s, e in zip(names, slope, error, strict=True)}
    slopes = {name: float(s) for name, s in zip(names, slope, strict=True)}
    raw = {name: float(s / size) for name, s, size in zip(names, slope, sizes, strict=True)}
    return scores, slopes, raw
