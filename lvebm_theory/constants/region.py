"""Where the mass of a planar Gibbs law sits: a rotated box found from values of U alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..arrays import FloatArray
from ..errors import ArgumentError
from .frame import Frame, PlanePotential

_WIDEST = 1e7
_REACH = 1e6  # where minima are looked for
_SIDE = 1025
_GRID = 161
_SAVING = 0.75  # a rotated box must be this much smaller to be worth it
_SHEAR_SAVING = 0.4  # cross derivatives make sheared elements dearer


@dataclass(frozen=True, kw_only=True)
class LevelBox:
    """Box in a frame that contains {U <= minimum + level} as far as sampling can tell."""

    frame: Frame
    lower: FloatArray
    upper: FloatArray
    minimum: float
    reached: bool

    @property
    def area(self) -> float:
        """Product of the widths."""
        return float(np.prod(self.upper - self.lower))


def level_box(
    potential: PlanePotential,
    level: float,
    *,
    rotate: bool,
    frames: Sequence[Frame] = (),
    centres: Sequence[FloatArray] = (),
) -> LevelBox:
    """The best of the upright box, one along the principal axes of pi, and those of ``frames``.

    Without ``rotate`` the frames are there to straighten kinks, whatever their area.

    Parameters
    ----------
    potential : callable
        Two arrays of one shape to an array of that shape.
    level : float
    rotate : bool
        False keeps kinks along the axes on element edges.
    frames : sequence of Frame, optional
        Further coordinates to try.
    centres : sequence of arrays (2,), optional
        Where else minima are looked for.

    Raises
    ------
    ArgumentError
        If U is finite nowhere on the search grid, or unbounded below on it.
    """
    minima = _local_minima(potential) + [descend(potential, c) for c in centres]
    minima = sorted((m for m in minima if np.isfinite(m[1])), key=lambda pair: pair[1])

    def within(frame: Frame) -> LevelBox:
        moved = [(frame.inward(z[None])[0], value) for z, value in minima]
        if frame.shift is not None:  # far minima are lost where a shear bends strongly
            moved = sorted(
                moved + _local_minima(frame.potential(potential)), key=lambda pair: pair[1]
            )
        return _box(potential, level, frame, moved)

    upright = within(Frame(axes=np.eye(2)))
    best = upright
    if rotate and upright.reached:
        frame = Frame(axes=_principal_axes(potential, upright))
        tilted = within(frame)
        if tilted.reached and tilted.area < _SAVING * upright.area:
            best = tilted
    for frame in frames:
        sheared = within(frame)
        worth = not rotate and best is upright
        worth = worth or not best.reached or sheared.area < _SHEAR_SAVING * best.area
        if sheared.reached and worth:
            best = sheared
    return best


def _finite(potential: PlanePotential, x: FloatArray, y: FloatArray) -> FloatArray:
    """U with overflow (inf - inf far out) read as +infinity."""
    with np.errstate(all="ignore"):
        u = np.asarray(potential(x, y), dtype=float)
    return np.where(np.isnan(u), np.inf, u)


def descend(potential: PlanePotential, point: FloatArray) -> tuple[FloatArray, float]:
    """A minimum of U near a point, by a simplex that needs no derivatives, and its value."""

    def value(z: FloatArray) -> float:
        return min(float(_finite(potential, z[:1], z[1:])[0]), 1e300)

    scale = np.maximum(1e-2 * np.abs(point), 1e-2)
    simplex = point + np.array([[0.0, 0.0], [scale[0], 0.0], [0.0, scale[1]]])
    found = minimize(
        value,
        point,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-9, "maxfev": 800},
    )
    return np.asarray(found.x), float(found.fun)


def _local_minima(potential: PlanePotential) -> list[tuple[FloatArray, float]]:
    """Polished minima seen from a logarithmic grid, lowest first."""
    positive = np.logspace(-2, np.log10(_REACH), 57)
    axis = np.concatenate([-positive[::-1], [0.0], positive])
    x, y = np.meshgrid(axis, axis, indexing="ij")
    return _minima_on(potential, x, y, keep=8)


def _minima_on(
    potential: PlanePotential, x: FloatArray, y: FloatArray, keep: int
) -> list[tuple[FloatArray, float]]:
    u = _finite(potential, x, y)
    padded = np.pad(u, 1, constant_values=np.inf)
    shape = u.shape
    neighbours = [
        padded[1 + i : 1 + i + shape[0], 1 + j : 1 + j + shape[1]]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    lowest = np.flatnonzero((u <= np.min(neighbours, axis=0)) & np.isfinite(u))
    if lowest.size == 0:
        raise ArgumentError("the potential must be finite somewhere on the plane")
    lowest = lowest[np.argsort(u.ravel()[lowest])][:keep]
    found = [descend(potential, np.array([x.ravel()[i], y.ravel()[i]])) for i in lowest]
    return sorted(found, key=lambda pair: pair[1])


def _box(
    potential: PlanePotential,
    level: float,
    frame: Frame,
    minima: list[tuple[FloatArray, float]],
) -> LevelBox:
    turned = frame.potential(potential)
    for _ in range(4):
        minimum = minima[0][1]
        if not np.isfinite(minimum) or np.abs(minima[0][0]).max() > 3 * _REACH:
            raise ArgumentError("the potential must be bounded below on the plane")
        wells = np.stack([z for z, value in minima if value <= minimum + level])
        lower, upper, reached = _grow(turned, wells, minimum + level)
        if not reached:
            break
        lower, upper = _shrink(turned, lower, upper, minimum + level)
        grid = np.meshgrid(
            *(np.linspace(a, b, _GRID) for a, b in zip(lower, upper, strict=True)), indexing="ij"
        )
        better = _minima_on(turned, grid[0], grid[1], keep=12)
        inside = [z for z in better if np.all((z[0] > lower) & (z[0] < upper))]
        new_wells = len([v for _, v in inside if v <= minimum + level]) > len(wells)
        minima = sorted(minima[:1] + inside, key=lambda pair: pair[1])
        if minima[0][1] >= minimum - 1e-6 * (1 + abs(minimum)) and not new_wells:
            break
    return LevelBox(frame=frame, lower=lower, upper=upper, minimum=minimum, reached=reached)


def _grow(
    potential: PlanePotential, wells: FloatArray, height: float
) -> tuple[FloatArray, FloatArray, bool]:
    pad = 1e-3 * np.maximum(1e-3, np.ptp(wells, axis=0).max())
    lower, upper = wells.min(axis=0) - pad, wells.max(axis=0) + pad
    for _ in range(400):
        width = upper - lower
        if width.max() > _WIDEST:
            return lower, upper, False
        low, high = lower.copy(), upper.copy()
        for axis in (0, 1):
            along = np.linspace(lower[1 - axis], upper[1 - axis], _SIDE)
            for end, side in ((lower, low), (upper, high)):
                fixed = np.full(_SIDE, end[axis])
                x, y = (fixed, along) if axis == 0 else (along, fixed)
                if _finite(potential, x, y).min() <= height:
                    side[axis] += (-0.2 if end is lower else 0.2) * width[axis]
        if np.array_equal(low, lower) and np.array_equal(high, upper):
            return lower, upper, True
        lower, upper = low, high
    return lower, upper, False


def _shrink(
    potential: PlanePotential, lower: FloatArray, upper: FloatArray, height: float
) -> tuple[FloatArray, FloatArray]:
    for _ in range(3):
        axes = [np.linspace(a, b, 2 * _GRID) for a, b in zip(lower, upper, strict=True)]
        x, y = np.meshgrid(*axes, indexing="ij")
        below = _finite(potential, x, y) <= height
        if not below.any():
            break
        ends = []
        for axis in (0, 1):
            hit = np.flatnonzero(below.any(axis=1 - axis))
            ends.append(
                (axes[axis][max(hit[0] - 1, 0)], axes[axis][min(hit[-1] + 1, 2 * _GRID - 1)])
            )
        lower, upper = np.array([e[0] for e in ends]), np.array([e[1] for e in ends])
    return lower, upper


def _principal_axes(potential: PlanePotential, box: LevelBox) -> FloatArray:
    axes = [np.linspace(a, b, 2 * _GRID) for a, b in zip(box.lower, box.upper, strict=True)]
    x, y = np.meshgrid(*axes, indexing="ij")
    density = np.exp(box.minimum - _finite(potential, x, y))
    points = np.stack([x.ravel(), y.ravel()])
    weight = density.ravel() / density.sum()
    centred = points - (points @ weight)[:, None]
    return np.linalg.eigh((centred * weight) @ centred.T)[1]
