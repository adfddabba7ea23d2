r"""What is measured with equal seeds and with equal starts, once a documented scheme is violated.

Equal seeds and two starts x, y: the noise cancels in R(x, x') - R(y, y'), which shows the drift
alone. Equal starts and independent chains: the drift is one number, so the variance of R is that of
the noise alone. Equal starts and equal seeds: whatever differs was carried from call to call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray

from .kernel import Kernel
from .schemes.scheme import Scheme
from .shapes import tame
from .subject import Place, Subject

CHAINS = 2048
STARTS = 3
CALLS = 6
SEEDS = (61, 62)


@dataclass(frozen=True, kw_only=True)
class CommonFeatures:
    """Of a documented scheme, in units of its noise.

    Parameters
    ----------
    memory : bool
        Equal arguments and seeds gave different results.
    deaf : bool
        Different seeds gave equal results.
    drift : float
        Root mean square of what the drift of a chain is off by, but for a constant.
    rounding : float
        What of it rounding could be.
    of_gradient, of_momentum, ahead : float
        Standardised coefficients of that error on the gradient (of momenta and of the gradient at
        the end of the step, where there are momenta).
    factor : float
        Factor on the gradient that would explain the error; 1 under the law.
    variance, variance_score : float
        Of the noise alone, and how many standard errors it is from 1.
    across : float
        Largest correlation of two noises of one step, in standard errors.
    shared : float
        How much chains of one call vary together; 1 if they are independent.
    mean_score : float
        The mean move against minus step size times gradient, in standard errors.
    """

    memory: bool
    deaf: bool
    drift: float
    rounding: float
    of_gradient: float
    of_momentum: float
    ahead: float
    factor: float
    variance: float
    variance_score: float
    across: float
    shared: float
    mean_score: float


def repeats(kernel: Kernel, place: Place, seed: int) -> tuple[bool, bool]:
    """Whether equal seeds gave different results, and different seeds equal ones."""
    size = kernel.walkers or 1
    rng = np.random.default_rng((seed, 60))
    x, y = (place.target.draw(rng, -(-64 // size) * size) for _ in range(2))
    # another start in between: what is kept of it would be used at the second visit
    found = [
        kernel.advance(z, place.target, place.step_size, np.random.default_rng(s))
        for z, s in ((x, SEEDS[0]), (x, SEEDS[1]), (y, SEEDS[1]), (x, SEEDS[0]))
    ]
    memory = not np.array_equal(found[0], found[3], equal_nan=True)
    deaf = not memory and np.array_equal(found[0], found[1], equal_nan=True)
    return memory, bool(deaf and not np.array_equal(found[0], x))


def of_common(subject: Subject, place: Place, scheme: Scheme) -> CommonFeatures:
    """Reads drift and noise apart at one place."""
    target, h = place.target, place.step_size
    d = target.for_step.dim
    memory, deaf = repeats(subject.kernel, place, subject.seed)
    rng = np.random.default_rng((subject.seed, 63))
    x, y = (subject.draw(place, rng, CHAINS) for _ in range(2))
    (first, end), (second, other) = (_noise(subject, place, scheme, z, SEEDS[0]) for z in (x, y))
    error = (first - second) / np.sqrt(2)
    slope = target.for_step.gradient
    columns = {"gradient": slope(x[:, :d]) - slope(y[:, :d])}
    if x.shape[1] > d:
        columns["momentum"] = x[:, d:] - y[:, d:]
        columns["ahead"] = slope(end[:, :d]) - slope(other[:, :d])
    slopes, raw = _fit(error, columns)
    unit = scheme.noise_size(target, h)
    size = float(np.median(np.abs(x).max(axis=1) + np.abs(end).max(axis=1))) / unit
    noise = _of_noise(subject, place, scheme, rng)
    return CommonFeatures(
        memory=memory,
        deaf=deaf,
        drift=float(np.sqrt(np.mean(error**2))),
        rounding=1e3 * subject.kernel.rounding * (1 + size),
        of_gradient=slopes["gradient"],
        of_momentum=slopes.get("momentum", 0.0),
        ahead=slopes.get("ahead", 0.0),
        factor=1 - np.sqrt(2) * raw["gradient"] * unit / h,
        **noise,
    )


def _noise(
    subject: Subject, place: Place, scheme: Scheme, x: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    after = np.nan_to_num(
        subject.advance(place, x, np.random.default_rng(seed)), posinf=0, neginf=0
    )
    with np.errstate(all="ignore"):
        found = scheme.innovations(place.target, x, after, place.step_size)
    return np.clip(tame(found.normal), -50, 50), after


def _fit(
    error: FloatArray, columns: dict[str, FloatArray]
) -> tuple[dict[str, float], dict[str, float]]:
    """Standardised and raw least-squares coefficients of the error, coordinates pooled."""
    width = next(iter(columns.values())).shape[1]
    # splittings with two noises: each is fitted to the same columns, the worse one is told
    best: tuple[dict[str, float], dict[str, float]] | None = None
    largest = -1.0
    for part in (error[:, i : i + width] for i in range(0, error.shape[1], width)):
        sizes = {k: max(float(np.std(v)), 1e-300) for k, v in columns.items()}
        design = np.stack([(v / sizes[k]).ravel() for k, v in columns.items()], axis=1)
        found, *_ = np.linalg.lstsq(design, part.ravel(), rcond=1e-10)
        slopes = {k: float(c) for k, c in zip(columns, found, strict=True)}
        raw = {k: c / sizes[k] for k, c in slopes.items()}
        if float(np.mean(part**2)) > largest:
            best, largest = (slopes, raw), float(np.mean(part**2))
    assert best is not None  # there is at least one noise
    return best


def _of_noise(
    subject: Subject, place: Place, scheme: Scheme, rng: np.random.Generator
) -> dict[str, float]:
    """The noise alone, from equal starts: its variance, and what it has in common."""
    variances, shared, across, mean_score, count = [], [], 0.0, 0.0, 0
    target, h = place.target, place.step_size
    d = target.for_step.dim
    for k in range(STARTS):
        x = np.repeat(subject.draw(place, rng, subject.kernel.walkers or 1), CHAINS, axis=0)[
            :CHAINS
        ]
        means = []
        for seed in range(CALLS):
            r, after = _noise(subject, place, scheme, x, 100 * k + seed)
            variances.append(float(r.var(axis=0).mean()))
            means.append(r.mean(axis=0))
            count += r.size
        shared.append(len(r) * float(np.var(means, axis=0).mean()) / max(variances[-1], 1e-12))
        if r.shape[1] > 1 and np.all(r.std(axis=0) > 1e-9):
            found = np.corrcoef(r.T) - np.eye(r.shape[1])
            across = max(across, float(np.abs(found).max()) * np.sqrt(len(r)))
        move = (after - x)[:, :d]
        miss = move.mean(axis=0) + h * target.for_step.gradient(x[:1, :d])[0]
        error = move.std(axis=0) / np.sqrt(len(move)) + 1e-300
        mean_score = max(mean_score, float(np.abs(miss / error).max()))
    variance = float(np.mean(variances))
    return {
        "variance": variance,
        "variance_score": (variance - 1) / np.sqrt(2 / count),
        "across": across,
        "shared": float(np.mean(shared)),
        "mean_score": mean_score,
    }
