"""The infimum over R^d of the least eigenvalue of a symmetric matrix function, or of a function.

The matrix is a combination H = sum_j c_j M_j (``combination``). Two lower bounds over a set X:

    ranges    every M_j of one sign takes the end of c_j(X) that hurts, the others
              mid(c_j) M_j - rad(c_j) B_j with -B_j <= M_j <= B_j; sharp where one end is attained,
              on unbounded sets too;
    centred   c_j(x) = c_j(m) + s_j (x - m) + e_j, s_j and |e_j| from slopes over X: the smallest
              eigenvalue of a matrix affine in x is concave, so that its least value over a box is
              at a vertex. Errs by O(width^2), whatever the multiplicity of the eigenvalue.

Inside a cube: best-first branch and bound. Outside: for every box of directions and all r >= R at
once, ranges of the forms, then growth arithmetic (in the plane also A_11 >= m, A_22 >= m and
det(A - m I) >= 0). Work is bounded: what was proved when the boxes are spent is returned.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from flint import arb
from scipy.optimize import minimize

from .combination import Combination, scalar
from .domain import Domain, Outside
from .eigenvalue import (
    down,
    least_eigenvalue_above,
    least_eigenvalue_below,
    least_eigenvalues,
    norm_above,
)
from .finite import Box, bisect
from .forms import FormMap
from .growth import Growth
from .interval import INFINITY, Interval
from .scale import unbounded
from .shares import Single, shares
from .subject import Potential

RADII = (4, 16, 64, 1024, 2**16)
MOST_BOXES = 8_000
#: above this dimension the vertices of a box are too many
MOST_CORNERED = 4
#: operations of all box evaluations together
MOST_WORK = 500_000
MOST_DIRECTIONS = 80
#: operations of growth arithmetic, which are a thousand times as dear, in one search
MOST_GROWTH = 6_000
#: expressions with more operations are not rewritten
MOST_OPERATIONS = 300
#: directions this narrow without any bound: more bisection is not tried
NARROW = 0.02
_SAMPLES = 3e7


@dataclass(frozen=True)
class Bracket:
    """lower <= infimum <= upper; infinite where nothing was proved."""

    lower: float
    upper: float

    def over(self, number: float) -> Bracket:
        """Both ends divided by a power of two."""
        return Bracket(self.lower / number, self.upper / number)


class Field:
    """The least eigenvalue of a combination over R^d.

    Parameters
    ----------
    symbols : sequence of coordinates
    what : Combination, or an expression in the coordinates
    """

    def __init__(self, symbols: Sequence[Any], what: Any) -> None:
        given = what if isinstance(what, Combination) else scalar(what, symbols)
        symbols, self.combination = given.reduced(symbols)
        self.domain = self._domain(symbols)
        self.dim = len(self.domain.symbols)
        self.size = self.combination.size
        self._columns = [symbols.index(s) for s in self.domain.symbols]
        self._shares = shares(self.combination, self._columns)
        self.work = sum(share.work for share in self._shares) + 10
        self._growth_left = MOST_GROWTH

    def _domain(self, symbols: tuple[Any, ...]) -> Domain:
        coefficients = self.combination.coefficients
        if not self.combination.forms or any(c.has(sympy.sin, sympy.cos) for c in coefficients):
            return Domain.of(self.combination.explicit(symbols), symbols)
        slopes = [f.slope for f in self.combination.forms]
        active = tuple(s for k, s in enumerate(symbols) if any(a[k] != 0 for a in slopes))
        return Domain(active, (None,) * len(active))

    def samples(self, points: Sequence[Any]) -> Any:
        """Float values at arrays of coordinates; NaN where undefined."""
        entries = np.sum([share.floats(points) for share in self._shares], axis=0)
        return least_eigenvalues(entries, self.size)

    def upper(self, point: Sequence[float]) -> float:
        """An upper bound of the infimum: the value at a point, proved."""
        parts = [share.at(point) for share in self._shares]
        return least_eigenvalue_above(_total(parts), self.size)

    def lower(self, box: Box, target: float) -> float:
        """A lower bound over the box; ranges are tried when the centred one is < target."""
        bound = self._centred(box)
        if not bound >= target:
            bound = max(bound, self._below([share.over_box(box) for share in self._shares]))
        return bound

    def everywhere(self) -> float:
        """The bound from ranges over the whole space at once."""
        return self._everywhere

    @functools.cached_property
    def _everywhere(self) -> float:
        return self._below([share.everywhere() for share in self._shares])

    def _below(self, parts: list[list[Any] | None]) -> float:
        known = [p for p in parts if p is not None]
        if len(known) < len(parts):
            return -math.inf
        return least_eigenvalue_below(_total(known), self.size)

    def _centred(self, box: Box) -> float:
        parts = []
        for share in self._shares:
            part = share.changes(box)
            if part is None:
                return -math.inf
            parts.append(part)
        spare = _total([p[2] for p in parts])
        centre = [a - b for a, b in zip(_total([p[0] for p in parts]), spare, strict=True)]
        turns = [_total([p[1][k] for p in parts]) for k in range(self.dim)]
        if self.dim > MOST_CORNERED:
            loss = sum((norm_above(t, self.size) for t in turns), arb(0))
            bound = arb(least_eigenvalue_below(centre, self.size)) - loss
            return down(bound.lower()) if bound.is_finite() else -math.inf
        least = math.inf
        for signs in itertools.product((1, -1), repeat=self.dim):
            corner = centre
            for sign, turn in zip(signs, turns, strict=True):
                corner = [a + sign * t for a, t in zip(corner, turn, strict=True)]
            least = min(least, least_eigenvalue_below(corner, self.size))
        return least

    def inside(self, radius: float, tolerance: float, known: float) -> Bracket:
        """Branch and bound on the cube of this half-width; ``known`` is an upper bound."""
        counter = itertools.count()
        cube = self.domain.cube(radius)
        heap = [(self.lower(cube, known), next(counter), cube)]
        upper, closed = known, math.inf
        for _ in range(max(100, min(MOST_BOXES, MOST_WORK // self.work))):
            if not heap or min(heap[0][0], closed) >= upper - tolerance:
                break
            lower, _, box = heapq.heappop(heap)
            for piece in bisect(box):
                bound = max(lower, self.lower(piece, upper))
                if bound >= upper - tolerance:
                    closed = min(closed, bound)
                    continue
                middle = [(a + b) / 2 for a, b in piece]
                if self.samples([np.array([m]) for m in middle])[0] < upper:
                    upper = min(upper, self.upper(middle))
                heapq.heappush(heap, (bound, next(counter), piece))
        least = heap[0][0] if heap else math.inf
        return Bracket(min(least, closed, upper), upper)

    def outside(self, radius: int, target: float, slack: float) -> float:
        """A lower bound outside the cube; the search ends at ``target - slack``.

        The rays with the worst bound are bisected first, the narrowest of equals.
        """
        bound_on = self._on_rays(radius, target)
        counter = itertools.count()
        heap: list[tuple[float, int, Outside]] = []
        closed = target

        def push(rays: Outside) -> None:
            bound = min(bound_on(rays), target)
            if bound < target:
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

    def _on_rays(self, radius: int, target: float) -> Callable[[Outside], float]:
        """Lower bounds for all r >= radius on boxes of directions; ``target`` where it is met."""
        far, level = arb(radius), Interval.between(target, target)
        grown, majorised = self._grown(radius, target), self._majorised(radius)

        def bound(rays: Outside) -> float:
            plain = self._below([share.over_rays(rays, radius) for share in self._shares])
            if plain < target and majorised is not None:
                plain = max(plain, majorised(rays))
            if plain >= target or grown is None or self._growth_left < 0:
                return plain
            self._growth_left -= self.work
            values = grown(self._growing.on_rays(rays, far))
            if not all(v.defined for v in values):
                return plain
            if _above(values, level):
                return target
            return max(plain, _from_growth(values, self.size))

        return bound

    def _majorised(self, radius: int) -> Callable[[Outside], float] | None:
        """Bounds from majorants of coefficients that decay, ranges for the others."""
        (share, *others), known = self._shares, self.combination.majorants
        if others or not isinstance(share, Single) or not any(known):
            return None
        expressions = [e for m in known if m is not None for e in m.alternatives]
        evaluate, far = self._in_forms.on_rays(arb(radius), *expressions), arb(radius)

        def bound(rays: Outside) -> float:
            sizes = iter([abs(v.range()).high for v in evaluate(self._growing.on_rays(rays, far))])
            ranges = share.far_ranges(rays, radius)
            for j, m in enumerate(known):
                if m is None:
                    continue
                size = arb.pos_inf()
                for _ in m.alternatives:
                    other = next(sizes)
                    size = other if other < size else size
                own = Interval(arb(0) if m.sign > 0 else -size, arb(0) if m.sign < 0 else size)
                ranges[j] = own.intersection(ranges[j]) if ranges[j].defined else own
            return self._below([share.with_ranges(ranges)])

        return bound

    @functools.cached_property
    def _growing(self) -> FormMap:
        return FormMap(self.combination.forms, self._columns)

    def _grown(self, radius: int, target: float) -> Callable[..., Any] | None:
        """The entries in growth arithmetic, in the plane with the determinant."""
        if math.isfinite(self.everywhere()):
            return None  # ranges are enough where they are bounded
        places = [(i, j) for i in range(self.size) for j in range(i, self.size)]
        entries = [self.combination.entry(i, j) for i, j in places]
        if self.size == 2 and target == 0:
            entries.append(tidied(entries[0] * entries[2] - entries[1] ** 2))
        return self._in_forms.on_rays(arb(radius), *entries)

    @functools.cached_property
    def _in_forms(self) -> Potential:
        coefficients = self.combination.coefficients
        return Potential(sympy.Add(*coefficients), self._growing.symbols)

    def falls_without_bound(self) -> bool:
        """Whether a diagonal entry was proved to tend to -infinity along some ray."""
        if math.isfinite(self.everywhere()) or self.domain.compact or not self._still_falling():
            return False
        self._growth_left, radius = MOST_GROWTH // 4, arb(64)
        diagonal = [-self.combination.entry(i, i) for i in range(self.size)]
        evaluate = self._in_forms.on_rays(radius, *diagonal)
        grid = (-1.0, 0.0, 0.5, 1.0) if self.dim <= 3 else (0.0,)
        for rays in self.domain.outside():
            for point in itertools.product(grid, repeat=self.dim - 1):
                others = iter(point)
                sides = tuple(
                    (0.0, 0.0) if i == rays.axis else ((u := next(others)), u)
                    for i in range(self.dim)
                )
                self._growth_left -= self.work
                if self._growth_left < 0:
                    return False
                for value in evaluate(self._growing.on_rays(replace(rays, sides=sides), radius)):
                    term = value.lower_term() if value.defined else None
                    if term is not None and unbounded(term[1], radius):
                        return True
        return False

    def _still_falling(self) -> bool:
        """Floats: whether lower values are found ever farther out, or none at all."""
        least = []
        for radius in (1e2, 1e4):
            values = self.samples(self._spread(radius, 2000))
            if not np.isfinite(values).all():
                return True
            least.append(float(values.min()))
        return least[1] < least[0] - 1e-6 * abs(least[0])

    def infimum(self, tolerance: float) -> Bracket:
        """The infimum over R^d, enclosed to a relative ``tolerance`` where that is possible."""
        tolerance = max(tolerance, *(share.resolution for share in self._shares))
        self._growth_left = MOST_GROWTH
        guess, point = self._sampled()
        if not math.isfinite(guess):
            return Bracket(-math.inf, math.inf if guess > 0 else self.upper(point))
        upper = self.upper(point)
        typical = self._typical()
        scale = max(abs(guess), 0.1 * typical)
        everywhere = self.everywhere()
        if everywhere >= upper - 1e-14 * scale or (
            everywhere >= upper - tolerance * scale and guess != 0
        ):
            return Bracket(min(everywhere, upper), upper)
        if abs(guess) <= 1e-9 * typical:
            guess = 0.0
        if self.domain.compact:
            found = self.inside(0.0, tolerance * scale / 4, upper)
            return Bracket(max(found.lower, everywhere), found.upper)
        target = 0.0 if 0 < guess <= tolerance * typical else guess
        beyond, radius = self._beyond(target, tolerance * scale)
        if radius is None:
            return Bracket(everywhere, upper)
        inside = self.inside(float(radius), tolerance * scale / 4, upper)
        return Bracket(max(min(inside.lower, beyond), everywhere), inside.upper)

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
        values = np.abs(self.samples(self._spread(1.0, 25)))
        values = values[np.isfinite(values)]
        return float(np.median(values)) + 1e-12 if len(values) else 1.0

    def _spread(self, radius: float, count: int) -> list[Any]:
        """Points of the cube of this half-width: a grid, or at random from three dimensions on."""
        if self.dim <= 2:
            side = max(5, round(count ** (1 / self.dim)) // 2 * 2 + 1)
            axes = [np.linspace(low, high, side) for low, high in self.domain.cube(radius)]
            return [g.ravel() for g in np.meshgrid(*axes)]
        draws = np.random.default_rng(0).uniform(-1, 1, (self.dim, max(count, 1000)))
        sides = np.array([high for _, high in self.domain.cube(radius)])
        return list(np.concatenate([np.zeros((self.dim, 1)), draws], axis=1) * sides[:, None])

    def _sampled(self) -> tuple[float, list[float]]:
        """Floats: the least value found near and far, and where."""
        best, where = math.inf, [0.0] * self.dim
        count = int(min(4001 if self.dim == 1 else 26_000, max(1000, _SAMPLES / self.work / 10)))
        starts: list[tuple[float, float, list[float]]] = []
        for radius in (2.0, 8.0, 32.0, 1e3, 1e6):
            before = best
            points = self._spread(radius, count)
            values = self.samples(points)
            values = np.where(np.isfinite(values), values, np.inf)
            i = int(np.argmin(values))
            place = [float(g[i]) for g in points]
            starts.append((float(values[i]), radius / count ** (1 / self.dim), place))
            if values[i] < best:
                best, where = float(values[i]), place
            if radius > 1e5 and best < 10 * before < 0:
                return -math.inf, where  # falls without bound, as far as samples tell
        for value, width, place in sorted(starts)[:3]:
            if math.isfinite(value):
                found, at = self._polished(place, max(width, 0.02))
                if found < best:
                    best, where = found, at
        return best, where

    def _polished(self, place: list[float], width: float) -> tuple[float, list[float]]:
        def value(x: Any) -> float:
            found = float(self.samples([np.array([c]) for c in x])[0])
            return found if math.isfinite(found) else math.inf

        centre = np.array(place)
        corners = np.vstack([centre, centre + width * np.eye(self.dim)])
        options = {"initial_simplex": corners, "xatol": 1e-9, "fatol": 1e-15, "maxfev": 250}
        found = minimize(value, centre, method="Nelder-Mead", options=options)
        return float(found.fun), [float(c) for c in found.x]


def _total(parts: Sequence[Sequence[Any]]) -> list[Any]:
    if len(parts) == 1:
        return list(parts[0])
    return [sum(entries[1:], entries[0]) for entries in zip(*parts, strict=True)]


def tidied(expression: Any) -> Any:
    """The expression over a common denominator, numerator expanded; large ones as they are."""
    if expression.count_ops() > MOST_OPERATIONS:
        return expression
    numerator, denominator = sympy.fraction(sympy.together(expression))
    return sympy.expand(numerator) / denominator


def _from_growth(values: Sequence[Growth], size: int) -> float:
    """A lower bound of the least eigenvalue from the ranges of the entries."""
    entries = []
    places = [(i, j) for i in range(size) for j in range(i, size)]
    for (i, j), value in zip(places, values, strict=False):
        entry = value.range()
        if i == j:
            # any large number may stand for infinity on the diagonal
            entries.append(entry.low if entry.low < INFINITY else arb(2) ** 200)
        else:
            size_of = abs(entry).high
            entries.append(arb(0, size_of) if size_of < INFINITY else arb.nan())
    return least_eigenvalue_below(entries, size)


def _above(values: Sequence[Growth], level: Interval) -> bool:
    """Whether [[a, b], [b, c]] >= level was proved from the determinant."""
    if len(values) < 3 or len(values) > 4:
        return False
    a, b, c = values[:3]
    if not (a.range().low >= level.low and c.range().low >= level.low):
        return False
    if len(values) == 4 and values[3].range().low >= 0:
        return True
    shift = a.constant(level)
    determinant = (a - shift) * (c - shift) - b.square()
    return bool(determinant.defined and determinant.range().low >= 0)
