"""Estimates of Hessian bounds and dissipativity from samples: a guess, labelled as one."""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from ..constant import Constant, How
from ..errors import LvebmError
from ..protocols import Energy
from .interval import level_interval
from .line_spectrum import potential_on_line
from .plane_spectrum import potential_on_plane
from .region import level_box

_LEVEL = 40.0
_FADING = 0.01


def sample_points(energy: Energy) -> FloatArray:
    """Points (n, d) that cover {U <= min U + 40}; around the origin for d > 2."""
    if energy.dim == 1:
        interval = level_interval(potential_on_line(energy), _LEVEL)
        return np.linspace(interval.lower, interval.upper, 20001)[:, None]
    if energy.dim == 2:
        box = level_box(potential_on_plane(energy), _LEVEL, rotate=False)
        axes = [np.linspace(a, b, 301) for a, b in zip(box.lower, box.upper, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(0)
    scales = np.repeat([0.1, 1.0, 10.0], 3000)
    return np.asarray(rng.standard_normal((9000, energy.dim)) * scales[:, None])


def seems_convex(energy: Energy) -> bool:
    """Whether no sample of the Hessian has a negative eigenvalue."""
    points = sample_points(energy)[::7]
    with np.errstate(all="ignore"):
        return bool(np.linalg.eigvalsh(_finite(energy.hessian(points))).min() >= -1e-9)


def sampled_hessian_bounds(energy: Energy) -> tuple[Constant, Constant]:
    """(convexity, smoothness) as extreme eigenvalues over samples, ESTIMATED.

    Without a second derivative everywhere (``smooth`` False) grad U may jump: smoothness is then
    infinite, and convexity minus infinity unless the differences of U stay convex.
    """
    points = sample_points(energy)
    with np.errstate(all="ignore"):
        eigenvalues = np.linalg.eigvalsh(_finite(energy.hessian(points)))
    low, high = float(eigenvalues[:, 0].min()), float(np.abs(eigenvalues).max())
    source = "extreme Hessian eigenvalue over samples where U - min U <= 40"
    upper_convexity = low
    if not energy.smooth:
        high = np.inf
        source += "; U has kinks"
        if _has_concave_kink(energy, points):
            low = upper_convexity = -np.inf
    return (
        Constant(value=low, lower=-np.inf, upper=upper_convexity, how=How.ESTIMATED, source=source),
        Constant(value=high, lower=high, upper=np.inf, how=How.ESTIMATED, source=source),
    )


def _finite(hessian: FloatArray) -> FloatArray:
    return np.asarray(hessian[np.isfinite(hessian).all(axis=(1, 2))])


def _has_concave_kink(energy: Energy, points: FloatArray) -> bool:
    """Second differences that grow without bound downwards as the step shrinks."""
    worst = []
    for step in (1e-2, 1e-3):
        scale = step * float(np.ptp(points, axis=0).max())
        least = np.inf
        for axis in range(energy.dim):
            shift = np.zeros(energy.dim)
            shift[axis] = scale
            # half-open offsets, so that a kink on the grid is straddled either way
            base = points[:: max(1, len(points) // 20000)] + 0.37 * shift
            values = [energy.potential(base + k * shift) for k in (-1, 0, 1)]
            second = values[0] - 2 * values[1] + values[2]
            # where U is linear there is nothing but rounding
            second[np.abs(second) < 1e-13 * np.abs(values).max(axis=0)] = 0.0
            least = min(least, float(np.nanmin(second)) / scale**2)
        worst.append(least)
    return worst[1] < 3 * worst[0] and worst[1] < 0


def sampled_dissipativity(energy: Energy) -> tuple[Constant, float]:
    """(a, c) with <grad U, x> >= a |x|^2 - c on samples, ESTIMATED.

    a is half the least <grad U, x> / |x|^2 over the outer shell of the samples, and over shells
    up to a million times as wide: where that ratio falls towards 0, U grows too slowly.
    """
    points = sample_points(energy)
    wide = points[:: max(1, len(points) // 2000)]
    points = np.concatenate([points, *(wide * 10.0**k for k in range(1, 7))])
    with np.errstate(all="ignore"):
        inner = (energy.gradient(points) * points).sum(axis=1)
    square = (points**2).sum(axis=1)
    good = np.isfinite(inner)
    inner, square = inner[good], square[good]
    near = square <= (wide**2).sum(axis=1).max()
    far = square >= 0.5 * square[near].max()
    rate = max(0.0, float((inner[far] / square[far]).min()) / 2)
    if rate < _FADING * float((inner[far & near] / square[far & near]).min()):
        rate = 0.0
    offset = max(0.0, float((rate * square - inner).max()))
    constant = Constant(
        value=rate,
        lower=0.0,
        upper=np.inf,
        how=How.ESTIMATED,
        source=(
            f"samples of <grad U, x>; offset c = {offset:.9g}, about the origin"
            if rate
            else "none: on samples <grad U, x> / |x|^2 falls towards 0 far out"
        ),
    )
    return constant, offset


def unknown_gap(energy: Energy, reason: str | LvebmError) -> Constant:
    """A gap of which nothing is known but its sign."""
    return Constant(
        value=0.0, lower=0.0, upper=np.inf, how=How.ESTIMATED, source=f"not computed: {reason}"
    )
