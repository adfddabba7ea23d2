"""Where the mass of a one-dimensional Gibbs law sits, found from values of U alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from ..arrays import FloatArray
from ..errors import ArgumentError

Potential = Callable[[FloatArray], FloatArray]

_REACH = 1e12
_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class LevelInterval:
    """[lower, upper] contains {U <= minimum + level} as far as sampling can tell.

    ``reached`` is False when U stays below the level out to the edge of the search: tails
    too heavy for any box.
    """

    lower: float
    upper: float
    minimum: float
    argmin: float
    level: float
    reached: bool


def level_interval(potential: Potential, level: float) -> LevelInterval:
    """The interval outside which U > min U + level.

    Parameters
    ----------
    potential : callable
        Arrays (n,) to arrays (n,).
    level : float

    Raises
    ------
    ArgumentError
        If U is finite nowhere on the search grid, or unbounded below on it.
    """
    argmin, minimum = _minimum_on(potential, _symmetric_grid(0.0))
    for _ in range(_ROUNDS):
        lower, upper, reached = _outermost_crossings(potential, argmin, minimum + level)
        if not np.isfinite(minimum):
            break
        inside = np.linspace(lower, upper, 8001)
        if not reached:
            inside = np.union1d(inside, _symmetric_grid(argmin))
        better, value = _minimum_on(potential, inside)
        if value >= minimum - 1e-9 * (1.0 + abs(minimum)):
            break
        argmin, minimum = better, value
        if abs(argmin) > 0.5 * _REACH:
            break
    if not np.isfinite(minimum) or abs(argmin) > 0.5 * _REACH:
        raise ArgumentError("the potential must be bounded below and finite somewhere on the line")
    return LevelInterval(
        lower=lower, upper=upper, minimum=minimum, argmin=argmin, level=level, reached=reached
    )


def _symmetric_grid(centre: float) -> FloatArray:
    steps = np.logspace(-8, np.log10(_REACH), 3000) * max(1.0, 1e-6 * abs(centre))
    return np.concatenate([centre - steps[::-1], [centre], centre + steps])


def _values(potential: Potential, x: FloatArray) -> FloatArray:
    """U with overflow (inf - inf far out) read as +infinity."""
    with np.errstate(all="ignore"):
        u = np.asarray(potential(x), dtype=float)
    return np.where(np.isnan(u), np.inf, u)


def _minimum_on(potential: Potential, x: FloatArray) -> tuple[float, float]:
    """Best local minimum seen from a grid, polished between its neighbours."""
    u = _values(potential, x)
    candidates = np.flatnonzero(
        (u <= np.concatenate([[np.inf], u[:-1]])) & (u <= np.concatenate([u[1:], [np.inf]]))
    )
    candidates = candidates[np.argsort(u[candidates])][:12]
    best = int(np.argmin(u))
    argmin, minimum = float(x[best]), float(u[best])
    for i in map(int, candidates):
        if not np.isfinite(u[i]):
            continue
        bracket = (float(x[max(i - 1, 0)]), float(x[min(i + 1, len(x) - 1)]))
        found = minimize_scalar(
            lambda s: float(_values(potential, np.array([s]))[0]),
            bounds=bracket,
            method="bounded",
            options={"xatol": 1e-10 * (bracket[1] - bracket[0])},
        )
        if found.fun < minimum:
            argmin, minimum = float(found.x), float(found.fun)
    return argmin, minimum


def _outermost_crossings(
    potential: Potential, centre: float, height: float
) -> tuple[float, float, bool]:
    grid = _symmetric_grid(centre)
    below = np.flatnonzero(_values(potential, grid) <= height)
    if below.size == 0:
        return float(grid[0]), float(grid[-1]), False
    first, last = int(below[0]), int(below[-1])
    if first == 0 or last == len(grid) - 1:
        return float(grid[0]), float(grid[-1]), False
    ends = []
    for outside, inside in ((first - 1, first), (last + 1, last)):
        far, near = float(grid[outside]), float(grid[inside])
        for _ in range(20):
            middle = (far + near) / 2
            if _values(potential, np.array([middle]))[0] <= height:
                near = middle
            else:
                far = middle
        ends.append(far)
    return ends[0], ends[1], True
