"""Standard coordinates: x = z + s y with a centre z and a length s of the energy's own.

Searches and tables have a size of their own (cubes of half-width 4 to 2^16, samples up to 10^6);
in standard coordinates that is the size of the energy, wherever it lies and whatever its units.
z and s are chosen in floats and are then exact numbers: nothing that is proved rests on them.
s is the power of two over which U changes by about 1 from z, so that Hess_y = s^2 Hess_x exactly.
z is the rounded mean of pi as a grid of 64 s sees it (from three coordinates on a minimiser), and
the origin where that is within 4 s of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import flint
import numpy as np
import sympy
from flint import arb

from ..arrays import FloatArray
from .subject import Potential

#: the origin is the centre of energies this close to it, in lengths
NEAR = 4.0
#: lengths are left alone while in here
_USUAL = 3
_STEPS = 200


@dataclass(frozen=True)
class Standard:
    """A potential in standard coordinates: ``potential``(y) = U(centre + scale y)."""

    potential: Potential
    centre: tuple[float, ...]
    scale: float


@functools.lru_cache(maxsize=256)
def standard(potential: Potential) -> Standard:
    """Standard coordinates of a potential; its own where they are good enough."""
    nothing = Standard(potential, (0.0,) * potential.dim, 1.0)
    found = _centre_and_length(potential)
    if found is None:
        return nothing
    z, s = found
    scale = 1.0 if abs(math.log2(s)) <= _USUAL else s
    step = s / 16
    centre = tuple(0.0 if max(map(abs, z)) <= NEAR * s else round(c / step) * step for c in z)
    if scale == 1.0 and not any(centre):
        return nothing
    return Standard(placed(potential, centre, scale), centre, scale)


def placed(potential: Potential, centre: Sequence[float], scale: float) -> Potential:
    """U(centre + scale y) as a potential in y."""
    if scale == 1.0 and not any(centre):
        return potential
    symbols = potential.symbols
    exact = [sympy.Rational(*c.as_integer_ratio()) for c in (*centre, scale)]
    table = {s: c + exact[-1] * s for s, c in zip(symbols, exact[:-1], strict=True)}
    return Potential(potential.expression.xreplace(table), symbols)


def _centre_and_length(potential: Potential) -> tuple[FloatArray, float] | None:
    value = potential.on_floats(potential.expression)
    z = _descended(potential, np.zeros(potential.dim))
    if z is None:
        return None
    s = _length(potential, z)
    if s is None or potential.dim > 2:
        return None if s is None else (z, s)
    side = np.linspace(-32.0, 32.0, 4001 if potential.dim == 1 else 161)
    offsets = np.stack([g.ravel() for g in np.meshgrid(*[side] * potential.dim)])
    for _ in range(4):
        points = z[:, None] + s * offsets
        u = np.array(value(list(points))[0], dtype=float)
        u = np.where(np.isfinite(u), u, np.inf)
        if not np.isfinite(u.min()):
            return None
        weights = np.exp(-(u - u.min()))
        mean = (points * weights).sum(axis=1) / weights.sum()
        done = np.abs(mean - z).max() <= 8 * s
        z = mean
        if done:
            break
    return z, s


def _descended(potential: Potential, z: FloatArray) -> FloatArray | None:
    """A minimiser by Newton steps along the eigenvectors, |curvature| for curvature."""
    d = potential.dim
    flat = [e for row in potential.hessian for e in row]
    fields = potential.on_floats(potential.expression, *potential.gradient, *flat)

    def at(x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        values = [float(v) for v in fields(list(x))]
        return values[0], np.array(values[1 : d + 1]), np.array(values[d + 1 :]).reshape(d, d)

    u, g, h = at(z)
    for _ in range(_STEPS):
        if not (math.isfinite(u) and np.isfinite(g).all() and np.isfinite(h).all()):
            return None
        bends, axes = np.linalg.eigh(h)
        size = np.maximum(np.abs(bends), 1e-8 * max(float(np.abs(bends).max()), 1e-300))
        with np.errstate(over="ignore", invalid="ignore"):  # such a step is halved, or given up
            step = -axes @ ((axes.T @ g) / size)
        if not np.abs(step).max() > 1e-9 * (1e-12 + np.abs(z).max()):
            return z
        for _ in range(60):
            moved = at(z + step)
            if moved[0] < u:
                break
            step = step / 2
        else:
            return z
        z, (u, g, h) = z + step, moved
    return z


def _length(potential: Potential, z: FloatArray) -> float | None:
    """The power of two s at which |U(z + s e) - U(z)| over the axes has mean 1."""
    evaluate = potential.on_balls(potential.expression)
    centre = [arb(c) for c in z]

    def change(s: float) -> float:
        total = 0.0
        for k in range(potential.dim):
            for sign in (1, -1):
                point = list(centre)
                point[k] = point[k] + sign * arb(s)
                total += float(abs(evaluate(point)[0] - here))
        return total / (2 * potential.dim)

    with flint.ctx.workprec(300):
        (here,) = evaluate(centre)
        if not here.is_finite():
            return None
        low, high = -80, 80
        if not (change(2.0**low) < 1.0 and not change(2.0**high) < 1.0):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if change(2.0**middle) < 1.0 else (low, middle)
    return float(2.0**high)
