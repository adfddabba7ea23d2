"""A bounded function of one variable as a table of enclosures: many arguments at once in floats.

On cells of width h = 2^-7 over [-T, T] and on the two rays beyond, balls prove the range of the
function and bounds of its derivatives; at the nodes t_k they prove values. With s = t - t_k

    phi(t)  = phi(t_k) + s phi_1(t_k) + s^2/2 phi_2(t_k) +- s^3/6 max |phi_3|,
    phi_1(t) = phi_1(t_k) + s phi_2(t_k) +- s^2/2 max |phi_3|

for the derivatives phi_1, phi_2, phi_3. A range over [a, b] is that of the cells that meet it.
Only sums and products of floats are left to the user of the table.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb

from ..arrays import FloatArray
from ..formula.expression import differentiate
from .eigenvalue import down
from .interval import INFINITY, WHOLE, Interval
from .subject import Potential

STEP = 2.0**-7
REACH = 20.0


@functools.lru_cache(maxsize=64)
def profile(function: Any, symbol: Any) -> Profile | None:
    """The table of an expression in one symbol; None where it is not proved bounded."""
    potential = Potential(function, (symbol,))
    everywhere = potential.on_intervals(function)([WHOLE])[0]
    return Profile(potential) if everywhere.finite else None


class Profile:
    """See the module."""

    def __init__(self, potential: Potential) -> None:
        function, (symbol,) = potential.expression, potential.symbols
        first = differentiate(function, symbol)
        second = differentiate(first, symbol)
        third = differentiate(second, symbol)
        natural = potential.on_intervals(function)
        nodes = -REACH + STEP * np.arange(int(2 * REACH / STEP) + 1)
        on_balls = potential.on_balls(function, first, second)
        columns = zip(*(on_balls([arb(t)]) for t in nodes[:-1]), strict=True)
        self._nodes = [_split(list(column)) for column in columns]
        on_balls = potential.on_balls(second, third)
        cells = [on_balls([arb(a).union(arb(a + STEP))]) for a in nodes[:-1]]
        self._turn = np.array([_up(c[1].abs_upper()) for c in cells])
        bends = [math.inf, *(_up(c[0].abs_upper()) for c in cells), math.inf]
        self._bend = _Extremes(np.array(bends), np.maximum)
        ends = [Interval(-INFINITY, arb(-REACH)), Interval(arb(REACH), INFINITY)]
        inner = [Interval.between(a, a + STEP) for a in nodes[:-1]]
        ranges = [natural([piece])[0] for piece in (ends[0], *inner, ends[1])]
        self._low = _Extremes(np.array([down(r.low) for r in ranges]), np.minimum)
        self._high = _Extremes(np.array([_up(r.high) for r in ranges]), np.maximum)

    @staticmethod
    def _cell(t: FloatArray) -> npt.NDArray[np.int64]:
        # t / STEP is exact, so that the cell is the right one; 0 and the last are the rays
        inside = np.clip(np.floor((t + 0.0) / STEP), -REACH / STEP - 1, REACH / STEP)
        return inside.astype(np.int64) + int(REACH / STEP) + 1

    def ranges(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Enclosures of phi([low, high])."""
        first, last = self._cell(low), self._cell(high)
        return self._low.over(first, last), self._high.over(first, last)

    def bends(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """Bounds of the second derivative's size over [low, high]; infinite beyond the table."""
        return self._bend.over(self._cell(low), self._cell(high))

    def near(self, t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """(v, e, s, f): |phi(t) - v| <= e, |phi_1(t) - s| <= f; infinite beyond the table."""
        cell = np.clip(self._cell(t) - 1, 0, len(self._turn) - 1)
        step = t - (STEP * cell - REACH)
        (v, v_error), (s, s_error), (b, b_error) = (
            (values[cell], errors[cell]) for values, errors in self._nodes
        )
        turn = self._turn[cell]
        slope = s + b * step
        value = v + s * step + b * step * step / 2
        slope_error = s_error + b_error * step + turn * step * step / 2
        error = v_error + s_error * step + b_error * step * step / 2 + turn * step**3 / 6
        rounding = 1e-15 * (np.abs(v) + np.abs(s) + np.abs(b))
        inside = np.abs(t) < REACH
        return (
            value,
            np.where(inside, error * (1 + 1e-14) + rounding, np.inf),
            slope,
            np.where(inside, slope_error * (1 + 1e-14) + rounding, np.inf),
        )


class _Extremes:
    """Least or largest entries over ranges of indices, from a table over powers of two."""

    def __init__(self, values: FloatArray, choose: np.ufunc) -> None:
        self._choose = choose
        self._levels = [values]
        while 2 ** len(self._levels) <= len(values):
            half = 2 ** (len(self._levels) - 1)
            below = self._levels[-1]
            longer = below.copy()
            longer[:-half] = choose(below[:-half], below[half:])
            self._levels.append(longer)
        self._table = np.stack(self._levels)

    def over(self, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> FloatArray:
        level = np.frexp(last - first + 1.0)[1] - 1
        right = last - (1 << level) + 1
        return np.asarray(self._choose(self._table[level, first], self._table[level, right]))


def _split(balls: list[Any]) -> tuple[FloatArray, FloatArray]:
    middles = np.array([float(b.mid()) for b in balls])
    errors = [_up((b - arb(m)).abs_upper()) for b, m in zip(balls, middles, strict=True)]
    return middles, np.array(errors)


def _up(x: Any) -> float:
    return -down(-x)
