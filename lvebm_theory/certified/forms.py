"""Affine forms f_i = <a_i, x> + b_i over points, boxes and rays, with sharp ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb, arb_mat

from ..arrays import FloatArray
from .combination import Form
from .domain import Outside
from .finite import Box
from .growth import Growth, ray
from .interval import INFINITY, Interval
from .subject import Potential

ROUNDING = 2.0**-52


class FormMap:
    """Forms in balls.

    Parameters
    ----------
    forms : sequence of Form
    columns : indices of the coordinates that matter, in order
    """

    def __init__(self, forms: Sequence[Form], columns: Sequence[int]) -> None:
        rows = [[ball(f.slope[k]) for k in columns] for f in forms]
        self.symbols = tuple(f.symbol for f in forms)
        self.slope = _matrix(rows, len(columns))
        self._rises = _matrix([[_part(v, 1) for v in row] for row in rows], len(columns))
        self._falls = _matrix([[_part(v, -1) for v in row] for row in rows], len(columns))
        self._offsets = [ball(f.offset) for f in forms]

    def at(self, point: Sequence[Any]) -> list[Any]:
        """Values at a point of balls."""
        return [v + b for v, b in zip(times(self.slope, point), self._offsets, strict=True)]

    def ranges(self, box: Box) -> list[Interval]:
        """Sharp ranges over a box."""
        return self._between(box, self._offsets)

    def _between(self, box: Box, offsets: Sequence[Any]) -> list[Interval]:
        low, high = [arb(a) for a, _ in box], [arb(b) for _, b in box]
        least = zip(times(self._rises, low), times(self._falls, high), offsets, strict=True)
        most = zip(times(self._rises, high), times(self._falls, low), offsets, strict=True)
        return [
            Interval((a + b + o).lower(), (c + d + o).upper())
            for (a, b, o), (c, d, _) in zip(least, most, strict=True)
        ]

    def far_ranges(self, rays: Outside, radius: Any) -> list[Interval]:
        """Ranges over all r >= radius."""
        far = Interval(arb(radius), INFINITY)
        return [d * far + c for d, c in self._along(rays)]

    def on_rays(self, rays: Outside, radius: Any) -> list[Growth]:
        """The forms for all r >= radius at once."""
        return [ray(d, radius, c) for d, c in self._along(rays)]

    def _along(self, rays: Outside) -> list[tuple[Interval, Interval]]:
        """(d, c) of each form d r + c on these rays."""
        straight, around = directions_and_centres(rays)
        nothing = [arb(0)] * len(self.symbols)
        return list(
            zip(self._between(straight, nothing), self._between(around, self._offsets), strict=True)
        )


class FloatForms:
    """Many forms at once in floats, rounded outwards."""

    def __init__(self, forms: Sequence[Form], columns: Sequence[int]) -> None:
        self.slope = np.array([[float(ball(f.slope[k]).mid()) for k in columns] for f in forms])
        self._offset = np.array([float(ball(f.offset).mid()) for f in forms])
        # products, sums and the conversion of the numbers themselves
        self._unit = (len(columns) + 4) * ROUNDING

    def values(self, points: Sequence[Any]) -> FloatArray:
        """Plain values (m, n) at coordinates (k, n)."""
        return np.asarray(self.slope @ np.asarray(points) + self._offset[:, None])

    def ranges(self, box: Box) -> tuple[FloatArray, FloatArray]:
        """(least, largest) values over a box."""
        return self._between(box, self._offset)

    def _between(self, box: Box, offset: FloatArray) -> tuple[FloatArray, FloatArray]:
        low, high = np.array(box).T
        middle, half = (low + high) / 2, (high - low) / 2
        size = np.abs(self.slope)
        centre, reach = self.slope @ middle + offset, size @ half
        slack = self._unit * (size @ (np.abs(middle) + half) + np.abs(offset)) + 1e-300
        return centre - reach - 2 * slack, centre + reach + 2 * slack

    def far_ranges(self, rays: Outside, radius: float) -> tuple[FloatArray, FloatArray]:
        """(least, largest) values over all r >= radius."""
        straight, around = directions_and_centres(rays)
        least, most = self._between(straight, np.zeros(len(self._offset)))
        low, high = self._between(around, self._offset)
        least = np.where(least >= 0, least * radius * (1 - ROUNDING), -np.inf)
        most = np.where(most <= 0, most * radius * (1 - ROUNDING), np.inf)
        slack = ROUNDING * (np.abs(low) + np.abs(high))
        return (
            np.nextafter(least + low - slack, -np.inf),
            np.nextafter(most + high + slack, np.inf),
        )


def directions_and_centres(rays: Outside) -> tuple[Box, Box]:
    """Boxes of u and c with coordinates c + u r."""
    sign = (float(rays.sign), float(rays.sign))
    ends = [sign if i == rays.axis else side for i, side in enumerate(rays.sides)]
    still = (0.0, 0.0)
    pairs = list(zip(rays.periodic, ends, strict=True))
    return tuple(still if p else e for p, e in pairs), tuple(e if p else still for p, e in pairs)


def ball(number: Any) -> Any:
    """The ball of an exact SymPy number."""
    if number.is_Rational:
        return arb(int(number.p)) / int(number.q)
    (value,) = Potential(number, ()).on_balls(number)([])
    return value


def times(matrix: Any, vector: Sequence[Any]) -> list[Any]:
    """A ball matrix times a vector."""
    if matrix.nrows() == 0:
        return []
    product: list[Any] = (matrix * arb_mat(len(vector), 1, list(vector))).entries()
    return product


def _matrix(rows: Sequence[Sequence[Any]], width: int) -> Any:
    return arb_mat(len(rows), width, [v for row in rows for v in row])


def _part(value: Any, sign: int) -> Any:
    return value if sign * value > 0 else arb(0)
