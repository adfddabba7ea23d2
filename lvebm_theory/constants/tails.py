r"""Essential spectrum of one-dimensional generators, from the Schroedinger potential at infinity.

-L is unitarily equivalent to -d^2/dx^2 + V on L^2(dx) with V = U'^2/4 - U''/2. If V tends to
limits V(+-inf), the essential spectrum is [min of the limits, inf) (Weyl); it is empty if V
tends to infinity on both sides. Exponential tails of slope s have the limit s^2/4, heavier
tails have the limit 0 and so no gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from ..protocols import Energy
from .interval import LevelInterval

_LADDER = 1.3 ** np.arange(62)  # seven decades beyond the box
_SAMPLES = 64


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Bottom of the essential spectrum as sampled.

    ``bottom`` is infinite for a discrete spectrum; ``settled`` is False when V stays bounded
    without a limit (oscillating tails), ``bottom`` being then the least value seen far out.
    """

    bottom: float
    settled: bool


def schroedinger_potential(energy: Energy, x: FloatArray) -> FloatArray:
    """V = U'^2/4 - U''/2 at x (n,), infinite where it overflows."""
    with np.errstate(all="ignore"):
        slope = energy.on_coordinates("gradient", [x])[0]
        curvature = energy.on_coordinates("hessian", [x])[0, 0]
        v = slope**2 / 4 - curvature / 2
    return np.where(np.isnan(v), np.inf, v)


def essential_threshold(energy: Energy, interval: LevelInterval) -> Threshold:
    """The smaller of the two tails' limits of V."""
    reaches = (interval.lower - interval.argmin, interval.upper - interval.argmin)
    ends = [_one_tail(energy, interval.argmin, reach) for reach in reaches]
    return min(ends, key=lambda tail: (tail.bottom, tail.settled))


def plane_threshold(energy: Energy, reach: float) -> float:
    """Bottom of the essential spectrum in the plane if V tends to a limit in all directions.

    Infinity if V grows in some direction or settles in none: a valley whose floor stays low
    may or may not carry essential spectrum, which values of V on rays cannot tell.
    """
    angles = 2 * np.pi * (np.arange(64) + 0.37) / 64
    rays = np.stack([np.cos(angles), np.sin(angles)])
    radii = reach * 1.3 ** np.arange(0, 42, 6)
    points = list(rays[:, :, None] * radii)
    with np.errstate(all="ignore"):
        gradient = energy.on_coordinates("gradient", points)
        v = (gradient**2).sum(axis=0) / 4 - energy.on_coordinates("laplacian", points) / 2
    if not np.isfinite(v).all():
        return np.inf
    size = np.abs(np.diff(v, axis=1))
    scale = np.abs(v[:, -1]) + np.abs(v[:, 0])
    # in two dimensions V = c + b/r + ...: the limit is approached at least that fast
    settling = (size[:, 1:] <= 0.9 * size[:, :-1] + 1e-12 * scale[:, None]).all(axis=1)
    if not settling.all():
        return np.inf
    limit = float(v[:, -1].min())
    return limit if limit > 1e-3 * float(np.abs(v[:, 0]).max()) else 0.0


def curvature_far_out(energy: Energy, lower: float, upper: float) -> float:
    """The least sampled U'' outside [lower, upper]."""
    steps = (upper - lower) * np.logspace(-6, 5, 300)
    x = np.concatenate([lower - steps, [lower, upper], upper + steps])
    with np.errstate(all="ignore"):
        curvature = energy.on_coordinates("hessian", [x])[0, 0]
    finite = curvature[~np.isnan(curvature)]
    return float(finite.min()) if finite.size else float("nan")


def slower_than_quadratic(energy: Energy) -> bool:
    """Whether U / r^2 tends to zero in a tail, as far as samples over many decades can tell.

    In the plane two neighbouring directions of 64 have to agree.
    """
    radii = np.logspace(2, 9, 8)
    count = 2 if energy.dim == 1 else 64
    angles = 2 * np.pi * (np.arange(count) + (0.0 if energy.dim == 1 else 0.37)) / count
    rays = np.stack([np.cos(angles), np.sin(angles)])[: energy.dim]
    with np.errstate(all="ignore"):
        u = energy.on_coordinates("potential", list(rays[:, :, None] * radii))
        ratio = u / radii**2
        # U ~ r^(2 - e) loses a fixed factor per rung; U ~ r^2 / 2 + r settles
        shrink = np.log(ratio[:, :-1] / ratio[:, 1:])
    slow = np.isfinite(shrink).all(axis=1) & (shrink > 1e-3).all(axis=1)
    slow &= shrink[:, -1] > 0.5 * shrink[:, 0]
    return bool(slow.any() if energy.dim == 1 else (slow & np.roll(slow, 1)).any())


def _one_tail(energy: Energy, centre: float, reach: float) -> Threshold:
    jitter = np.linspace(1.0, 1.25, _SAMPLES)
    x = centre + reach * _LADDER[:, None] * jitter
    v = schroedinger_potential(energy, x.ravel()).reshape(x.shape)
    # growth overflows sooner or later, and so may a formula with tame values (log cosh)
    finite = np.isfinite(v).all(axis=1)
    usable = len(v) if finite.all() else int(np.argmin(finite))
    if usable < 4:
        return Threshold(bottom=np.inf, settled=True)
    rungs = np.unique(np.linspace(0, usable - 1, 7).astype(int))
    decades = np.diff(np.log10(_LADDER[rungs]))
    low, middle = v[rungs].min(axis=1), np.median(v[rungs], axis=1)
    spread = float(np.ptp(v[rungs[-1]]))
    scale = float(np.abs(middle[-1]) + np.abs(middle[0]))
    steps = np.diff(middle)
    size = np.abs(steps)
    if size[-1] <= 1e-9 * scale and spread <= 1e-9 * scale:
        return Threshold(bottom=_or_zero(float(middle[-1]), scale), settled=True)
    steady = spread <= 0.5 * scale
    if steady and np.all(size[1:] < 0.9 * size[:-1] + 1e-12 * scale):
        # powers of 1/x: the differences fall by a fixed factor per rung (Aitken)
        ratio = size[-1] / max(float(size[-2]), 1e-300)
        limit = float(middle[-1] + steps[-1] * ratio / (1 - ratio))
        return Threshold(bottom=_or_zero(limit, scale), settled=True)
    rates = 1.02**decades
    growth = middle[-2] >= rates[-2] * middle[-3] and middle[-3] > 0
    if growth and low[-1] >= rates[-1] * middle[-2]:
        return Threshold(bottom=np.inf, settled=True)
    return Threshold(bottom=max(0.0, float(low[-2:].min())), settled=False)


def _or_zero(limit: float, scale: float) -> float:
    return 0.0 if limit < 1e-6 * scale else limit
