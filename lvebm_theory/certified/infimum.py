"""The infimum over R^d of a function, or of the smaller eigenvalue of a 2 x 2 matrix function.

Inside a cube: best-first branch and bound. A box X around m is bounded below by the mean value
form f(m) + sum_i d_i f(X) (X_i - m_i) and, where that is not enough, by plain interval evaluation
(sharp in sign). A symmetric matrix A is first rotated by the eigenvectors of A(m): with B = Q' A Q
the smaller eigenvalue is non-decreasing in B_11, B_22 and -|B_12|, and near an interior minimum
the slopes of B_11 vanish, so that both forms err by O(width^2).

Outside: for every box of directions and all r >= R at once, growth arithmetic proves A >= m I
from ranges, or from A_11 >= m, A_22 >= m and det(A - m I) >= 0.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from flint import arb

from ..formula.expression import differentiate
from .domain import Domain, Outside
from .finite import Box, bisect, intervals
from .growth import Growth
from .interval import Interval
from .scale import unbounded
from .subject import Potential

RADII = (4, 16, 64, 1024, 2**16)
MOST_BOXES = {1: 8_000, 2: 4_000}
MOST_DIRECTIONS = 80
#: expressions with more operations are not rewritten
MOST_OPERATIONS = 300
#: directions this narrow without any bound: more bisection is not tried
NARROW = 0.02


@dataclass(frozen=True)
class Bracket:
    """lower <= infimum <= upper; infinite where nothing was proved."""

    lower: float
    upper: float


class Field:
    """A scalar (one entry f) or a symmetric 2 x 2 matrix (entries a, b, c) of expressions."""

    def __init__(self, symbols: Sequence[Any], entries: Sequence[Any]) -> None:
        self.entries = tuple(entries)
        self.domain = Domain.of(self.entries, symbols)
        symbols = self.domain.symbols
        self.space = Potential(sympy.Add(*entries), symbols)
        self.dim = len(symbols)
        self.scalar = len(self.entries) == 1
        # the mean value form needs continuity: slopes know nothing of a jump
        self._continuous = not any(e.has(sympy.sign, sympy.Heaviside) for e in self.entries)
        slopes = [differentiate(e, s) for e in self.entries for s in symbols]
        self._natural = self.space.on_intervals(*self.entries)
        self._at = self.space.on_balls(*self.entries)
        self._slopes = self.space.on_balls(*slopes)
        self._floats = self.space.on_floats(*self.entries)

    @functools.cached_property
    def _determinant(self) -> Any:
        a, b, c = self.entries
        determinant = a * c - b * b
        return tidied(determinant)

    def samples(self, points: Sequence[Any]) -> Any:
        """Float values of the (smaller eigenvalue of the) field at arrays of coordinates."""
        values = self._floats(points)
        if self.scalar:
            return np.array(values[0])
        a, b, c = values
        with np.errstate(all="ignore"):
            return (a + c) / 2 - np.hypot((a - c) / 2, b)

    def upper(self, point: Sequence[float]) -> float:
        """An upper bound of the infimum: the value at a point, proved."""
        values = self._at([arb(x) for x in point])
        if self.scalar:
            value = values[0]
        else:
            a, b, c = values
            half = (a - c) / 2
            square = (half * half + b * b).lower()
            value = (a + c) / 2 - (square.sqrt() if square > 0 else arb(0))
        return _up(value.upper()) if value.is_finite() else math.inf

    def lower(self, box: Box, target: float) -> float:
        """A lower bound over the box; the plain form is tried when the centred one is < target."""
        bound = self._centred(box) if self._continuous else -math.inf
        if not bound >= target:
            plain = self._plain(box)
            bound = plain if not bound > plain else bound
        return bound

    def _plain(self, box: Box) -> float:
        values = self._natural(intervals(box))
        if not all(v.defined for v in values):
            return -math.inf
        if self.scalar:
            return _down(values[0].low)
        a, b, c = values
        return _smaller_eigenvalue(a.low, abs(b).high, c.low)

    def _centred(self, box: Box) -> float:
        middle = [(a + b) / 2 for a, b in box]
        balls = [arb(a).union(arb(b)) for a, b in box]
        at = self._at([arb(m) for m in middle])
        slopes = self._slopes(balls)
        shifts = [ball - arb(m) for ball, m in zip(balls, middle, strict=True)]
        if self.scalar:
            (value,) = _mean_value(at, slopes, shifts)
            return _down(value.lower())
        turn = _rotation(at)
        rotated = _rotated(at, turn)
        columns = [slopes[i :: self.dim] for i in range(self.dim)]
        turned = [_rotated(column, turn) for column in columns]
        by_entry = [turned[i][k] for k in range(3) for i in range(self.dim)]
        a, b, c = _mean_value(rotated, by_entry, shifts)
        if not (a.is_finite() and b.is_finite() and c.is_finite()):
            return -math.inf
        return _smaller_eigenvalue(a.lower(), b.abs_upper(), c.lower())

    def inside(self, radius: float, tolerance: float, known: float) -> Bracket:
        """Branch and bound on the cube of this half-width; ``known`` is an upper bound."""
        counter = itertools.count()
        cube = self.domain.cube(radius)
        heap = [(self.lower(cube, known), next(counter), cube)]
        upper = known
        for _ in range(MOST_BOXES.get(self.dim, 4_000)):
            lower, _, box = heap[0]
            if lower >= upper - tolerance:
                break
            heapq.heappop(heap)
            for piece in bisect(box):
                upper = min(upper, self.upper([(a + b) / 2 for a, b in piece]))
                bound = max(lower, self.lower(piece, upper))
                heapq.heappush(heap, (bound, next(counter), piece))
        return Bracket(min(heap[0][0], upper), upper)

    def outside(self, radius: int, target: float, slack: float) -> float:
        """A lower bound outside the cube; the search ends at ``target - slack``.

        The rays with the worst bound are bisected first, the narrowest of equals.
        """
        entries = self.entries
        if target == 0 and not self.scalar:
            entries = (*entries, self._determinant)
        evaluate = self.space.on_rays(arb(radius), *entries)
        level = Interval.between(target, target)
        counter = itertools.count()
        heap: list[tuple[float, int, Outside]] = []
        closed = target

        def push(rays: Outside) -> None:
            values = evaluate(rays.coordinates(arb(radius)))
            if not _above(values, level):
                bound = min(_range_bound(values[: len(self.entries)]), target)
                heapq.heappush(heap, (bound, -next(counter), rays))

        for rays in self.domain.outside():
            push(rays)
        for _ in range(MOST_DIRECTIONS):
            if not heap or heap[0][0] >= target - slack:
                break
            bound, _, rays = heapq.heappop(heap)
            if bound == -math.inf and rays.width < NARROW:
                return bound
            halves = rays.halves()
            if not halves:
                closed = min(closed, bound)
            for half in halves:
                push(half)
        return min(closed, heap[0][0]) if heap else closed

    def grows_without_bound(self) -> bool:
        """Whether a diagonal entry was proved to tend to +infinity along some ray."""
        radius = arb(64)
        evaluate = self.space.on_rays(radius, *self.entries)
        for rays in self.domain.outside():
            for point in itertools.product((-1.0, 0.0, 0.5, 1.0), repeat=self.dim - 1):
                others = iter(point)
                sides = tuple(
                    (0.0, 0.0) if i == rays.axis else ((u := next(others)), u)
                    for i in range(self.dim)
                )
                values = evaluate(replace(rays, sides=sides).coordinates(radius))
                for value in values[:: max(1, len(values) - 1)]:
                    term = value.lower_term() if value.defined else None
                    if term is not None and unbounded(term[1], radius):
                        return True
        return False

    def infimum(self, tolerance: float) -> Bracket:
        """The infimum over R^d, enclosed to a relative ``tolerance`` where that is possible."""
        guess, point = self._sampled()
        if not math.isfinite(guess):
            return Bracket(-math.inf, math.inf if guess > 0 else self.upper(point))
        upper = self.upper(point)
        typical = self._typical()
        scale = max(abs(guess), 0.1 * typical)
        if abs(guess) <= 1e-9 * typical:
            guess = 0.0
        if self.domain.compact:
            return self.inside(0.0, tolerance * scale / 4, upper)
        target = 0.0 if 0 < guess <= tolerance * typical else guess
        beyond, radius = self._beyond(target, tolerance * scale)
        if radius is None:
            return Bracket(-math.inf, upper)
        inside = self.inside(float(radius), tolerance * scale / 4, upper)
        return Bracket(min(inside.lower, beyond), inside.upper)

    def _beyond(self, target: float, slack: float) -> tuple[float, int | None]:
        """The best bound outside a cube, and its half-width; gives up after a few radii."""
        best: tuple[float, int | None] = (-math.inf, None)
        for number, radius in enumerate(RADII):
            bound = self.outside(radius, target, slack / 8)
            if bound > best[0]:
                best = (bound, radius)
            if best[0] >= target - slack or (number >= 2 and best[1] is not None):
                break
        return best

    def _typical(self) -> float:
        grid = [g.ravel() for g in np.meshgrid(*[np.linspace(-1, 1, 5)] * self.dim)]
        values = np.abs(self.samples(grid))
        values = values[np.isfinite(values)]
        return float(np.median(values)) + 1e-12 if len(values) else 1.0

    def _sampled(self) -> tuple[float, list[float]]:
        """Floats: the least value found near and far, and where."""
        best, where = math.inf, [0.0] * self.dim
        count = 4001 if self.dim == 1 else 161
        for radius in (2.0, 8.0, 32.0, 1e3, 1e6):
            before = best
            axes = [np.linspace(low, high, count) for low, high in self.domain.cube(radius)]
            grid = [g.ravel() for g in np.meshgrid(*axes)]
            values = self.samples(grid)
            values = np.where(np.isfinite(values), values, np.inf)
            i = int(np.argmin(values))
            if values[i] < best:
                best, where = float(values[i]), [float(g[i]) for g in grid]
            if radius > 1e5 and best < 10 * before < 0:
                return -math.inf, where  # falls without bound, as far as samples tell
        return self._polished(best, where)

    def _polished(self, best: float, where: list[float]) -> tuple[float, list[float]]:
        width = 0.1 * (1 + max(abs(w) for w in where)) if self.dim > 1 else 0.05
        for _ in range(12):
            axes = [np.linspace(w - width, w + width, 41) for w in where]
            grid = [g.ravel() for g in np.meshgrid(*axes)]
            values = self.samples(grid)
            values = np.where(np.isfinite(values), values, np.inf)
            i = int(np.argmin(values))
            if values[i] < best:
                best, where = float(values[i]), [float(g[i]) for g in grid]
            width /= 8
        return best, where


def tidied(expression: Any) -> Any:
    """The expression over a common denominator, numerator expanded; large ones as they are."""
    if expression.count_ops() > MOST_OPERATIONS:
        return expression
    numerator, denominator = sympy.fraction(sympy.together(expression))
    return sympy.expand(numerator) / denominator


def _range_bound(values: Sequence[Growth]) -> float:
    if not all(v.defined for v in values):
        return -math.inf
    if len(values) == 1:
        return _down(values[0].range().low)
    a, b, c = values
    size = abs(b.range()).high
    if not size < arb.pos_inf():
        return -math.inf
    return _smaller_eigenvalue(a.range().low, size, c.range().low)


def _above(values: Sequence[Growth], level: Interval) -> bool:
    if not all(v.defined for v in values):
        return False
    if len(values) == 1:
        return bool(values[0].range().low >= level.low)
    a, b, c = values[:3]
    if not (a.range().low >= level.low and c.range().low >= level.low):
        return False
    if _range_bound(values[:3]) >= level.low:
        return True
    if len(values) == 4 and values[3].range().low >= 0:
        return True
    shift = a.constant(level)
    determinant = (a - shift) * (c - shift) - b.square()
    return bool(determinant.defined and determinant.range().low >= 0)


def _mean_value(at: Sequence[Any], slopes: Sequence[Any], shifts: Sequence[Any]) -> list[Any]:
    d = len(shifts)
    return [
        value + sum((slopes[k * d + i] * shifts[i] for i in range(d)), arb(0))
        for k, value in enumerate(at)
    ]


def _rotation(at: Sequence[Any]) -> tuple[Any, Any]:
    a, b, c = (float(v.mid()) for v in at)
    angle = arb(0.5 * math.atan2(2 * b, a - c)) if math.isfinite(a + b + c) else arb(0)
    return angle.cos(), angle.sin()


def _rotated(entries: Sequence[Any], turn: tuple[Any, Any]) -> list[Any]:
    a, b, c = entries
    cos, sin = turn
    return [
        a * cos * cos + 2 * b * cos * sin + c * sin * sin,
        (c - a) * cos * sin + b * (cos * cos - sin * sin),
        a * sin * sin - 2 * b * cos * sin + c * cos * cos,
    ]


def _smaller_eigenvalue(a: Any, b: Any, c: Any) -> float:
    """A lower bound of the smaller eigenvalue of [[a, b], [b, c]]; exact numbers."""
    if not (abs(a) < arb.pos_inf() and abs(c) < arb.pos_inf()):
        # +infinity on the diagonal only helps: any large number may stand for it
        big = arb(2) ** 200
        if a == -arb.pos_inf() or c == -arb.pos_inf() or not (a == a and c == c):
            return -math.inf
        a, c = (big if v == arb.pos_inf() else v for v in (a, c))
    if b == 0:
        return _down(a if a < c else c)
    half = (a - c) / 2
    value = (a + c) / 2 - (half * half + b * b).sqrt()
    return _down(value.lower()) if value.is_finite() else -math.inf


def _up(x: Any) -> float:
    return -_down(-x)


def _down(x: Any) -> float:
    value = float(x)
    if math.isnan(value):
        return -math.inf
    return value if arb(value) <= x else math.nextafter(value, -math.inf)
