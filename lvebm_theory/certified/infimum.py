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

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from flint import arb, arb_mat
from scipy.optimize import minimize

from ..formula.expression import differentiate
from .combination import Combination, scalar
from .domain import Domain, Outside
from .eigenvalue import down, least_eigenvalue_above, least_eigenvalue_below
from .finite import Box, bisect
from .growth import Growth, ray
from .interval import INFINITY, WHOLE, Interval
from .scale import unbounded
from .subject import Potential

RADII = (4, 16, 64, 1024, 2**16)
MOST_BOXES = 8_000
#: operations of all box evaluations together
MOST_WORK = 1_500_000
MOST_DIRECTIONS = 80
#: growth arithmetic is dear: programs with more operations do without
MOST_GROWTH = 600
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
        inserted = {
            f.symbol: sympy.Add(f.offset, *(a * s for a, s in zip(f.slope, symbols, strict=True)))
            for f in self.combination.forms
        }
        explicit = [c.xreplace(inserted) for c in self.combination.coefficients]
        self.domain = Domain.of(explicit, symbols)
        self.dim = len(self.domain.symbols)
        self.size = self.combination.size
        coefficients = self.combination.coefficients
        self._map = _FormMap(self.combination, symbols, self.domain.symbols)
        self._space = Potential(sympy.Add(*coefficients), self._map.symbols)
        self._natural = self._space.on_intervals(*coefficients)
        self._at = self._space.on_balls(*coefficients)
        self._floats = self._space.on_floats(*coefficients)
        # the mean value form needs continuity: slopes know nothing of a jump
        self._continuous = not any(e.has(sympy.sign, sympy.Heaviside) for e in coefficients)
        self._places = [
            (j, i)
            for j, c in enumerate(coefficients)
            for i, s in enumerate(self._map.symbols)
            if c.has(s)
        ]
        slopes = [differentiate(coefficients[j], self._map.symbols[i]) for j, i in self._places]
        self._slopes = self._space.on_balls(*slopes) if slopes else lambda _: []
        self._matrices = _Matrices(self.combination)
        self.work = len(self._space.program(*coefficients, *slopes).instructions) + 10

    def samples(self, points: Sequence[Any]) -> Any:
        """Float values at arrays of coordinates."""
        with np.errstate(all="ignore"):
            forms = self._map.floats(points)
            values = self._floats(forms) if forms else self._floats([np.zeros(np.shape(points[0]))])
            return self._matrices.floats(np.array(values))

    def upper(self, point: Sequence[float]) -> float:
        """An upper bound of the infimum: the value at a point, proved."""
        return self._matrices.value_above(self._at(self._map.at([arb(x) for x in point])))

    def lower(self, box: Box, target: float) -> float:
        """A lower bound over the box; ranges are tried when the centred form is < target."""
        bound = self._centred(box) if self._continuous else -math.inf
        if not bound >= target:
            plain = self._matrices.from_ranges(self._natural(self._map.ranges(box)))
            bound = plain if not bound > plain else bound
        return bound

    def everywhere(self) -> float:
        """The bound from ranges over the whole space at once."""
        return self._matrices.from_ranges(self._natural([WHOLE] * len(self._map.symbols)))

    def _centred(self, box: Box) -> float:
        middle = [arb((a + b) / 2) for a, b in box]
        radii = [_larger(b - m, m - a) for (a, b), m in zip(box, middle, strict=True)]
        at = self._at(self._map.at(middle))
        slopes = self._slopes([r.ball for r in self._map.ranges(box)])
        if not all(v.is_finite() for v in (*at, *slopes)):
            return -math.inf
        changes = [[arb(0)] * self.dim for _ in at]
        for (j, i), slope in zip(self._places, slopes, strict=True):
            for k in range(self.dim):
                changes[j][k] += slope * self._map.slope[i, k] * radii[k]
        return self._matrices.from_changes(at, changes)

    def inside(self, radius: float, tolerance: float, known: float) -> Bracket:
        """Branch and bound on the cube of this half-width; ``known`` is an upper bound."""
        counter = itertools.count()
        cube = self.domain.cube(radius)
        heap = [(self.lower(cube, known), next(counter), cube)]
        upper = known
        for _ in range(max(100, min(MOST_BOXES, MOST_WORK // self.work))):
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
        grown = self._grown(radius, target)

        def bound(rays: Outside) -> float:
            plain = self._matrices.from_ranges(self._natural(self._map.far_ranges(rays, far)))
            if plain >= target or grown is None:
                return plain
            values = grown(self._map.on_rays(rays, far))
            count = len(self.combination.coefficients)
            if not all(v.defined for v in values[:count]):
                return plain
            ranged = self._matrices.from_ranges([v.range() for v in values[:count]])
            if ranged >= target or _above(values[count:], level):
                return target
            return max(plain, ranged)

        return bound

    def _grown(self, radius: int, target: float) -> Callable[..., Any] | None:
        if self.work > MOST_GROWTH:
            return None
        expressions = list(self.combination.coefficients)
        if self.size == 2:
            a, b, c = (self.combination.entry(*e) for e in ((0, 0), (0, 1), (1, 1)))
            expressions += [a, b, c]
            if target == 0:
                expressions.append(tidied(a * c - b * b))
        return self._space.on_rays(arb(radius), *expressions)

    def falls_without_bound(self) -> bool:
        """Whether a diagonal entry was proved to tend to -infinity along some ray."""
        if self.domain.compact or not self._still_falling():
            return False
        radius = arb(64)
        diagonal = [-self.combination.entry(i, i) for i in range(self.size)]
        evaluate = self._space.on_rays(radius, *diagonal)
        grid = (-1.0, 0.0, 0.5, 1.0) if self.dim <= 3 else (0.0,)
        for rays in self.domain.outside():
            for point in itertools.product(grid, repeat=self.dim - 1):
                others = iter(point)
                sides = tuple(
                    (0.0, 0.0) if i == rays.axis else ((u := next(others)), u)
                    for i in range(self.dim)
                )
                for value in evaluate(self._map.on_rays(replace(rays, sides=sides), radius)):
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


class _FormMap:
    """The affine forms of a combination over points, boxes and rays of the domain."""

    def __init__(
        self, combination: Combination, symbols: Sequence[Any], active: Sequence[Any]
    ) -> None:
        keep = [symbols.index(s) for s in active]
        forms = combination.forms
        self.symbols = tuple(f.symbol for f in forms)
        rows = [[_ball(f.slope[k]) for k in keep] for f in forms]
        self.slope = arb_mat(len(forms), len(keep), [v for row in rows for v in row])
        self._rises = _clipped(rows, len(keep), 1)
        self._falls = _clipped(rows, len(keep), -1)
        self._offsets = [_ball(f.offset) for f in forms]
        self._float_slope = np.array([[float(v) for v in row] for row in rows])
        self._float_offset = np.array([float(v) for v in self._offsets])

    def floats(self, points: Sequence[Any]) -> list[Any]:
        """Float values at arrays of coordinates."""
        if not self.symbols:
            return []
        return list(self._float_slope @ np.array(points) + self._float_offset[:, None])

    def at(self, point: Sequence[Any]) -> list[Any]:
        """Values at a point of balls."""
        return [v + b for v, b in zip(_times(self.slope, point), self._offsets, strict=True)]

    def ranges(self, box: Box) -> list[Interval]:
        """Sharp ranges over a box."""
        return self._between([arb(a) for a, _ in box], [arb(b) for _, b in box], self._offsets)

    def _between(self, low: list[Any], high: list[Any], offsets: list[Any]) -> list[Interval]:
        least = _sum(_times(self._rises, low), _times(self._falls, high))
        most = _sum(_times(self._rises, high), _times(self._falls, low))
        return [
            Interval((a + o).lower(), (b + o).upper())
            for a, b, o in zip(least, most, offsets, strict=True)
        ]

    def far_ranges(self, rays: Outside, radius: Any) -> list[Interval]:
        """Ranges of the forms over all r >= radius."""
        far = Interval(radius, INFINITY)
        return [d * far + c for d, c in self._along(rays)]

    def on_rays(self, rays: Outside, radius: Any) -> list[Growth]:
        """The forms for all r >= radius at once."""
        return [ray(d, radius, c) for d, c in self._along(rays)]

    def _along(self, rays: Outside) -> list[tuple[Interval, Interval]]:
        """(d, c) of each form d r + c on these rays."""
        ends = [
            (float(rays.sign), float(rays.sign)) if i == rays.axis else side
            for i, side in enumerate(rays.sides)
        ]
        straight = [(0.0, 0.0) if p else e for p, e in zip(rays.periodic, ends, strict=True)]
        around = [e if p else (0.0, 0.0) for p, e in zip(rays.periodic, ends, strict=True)]
        nothing = [arb(0)] * len(self.symbols)
        directions = self._between(
            [arb(a) for a, _ in straight], [arb(b) for _, b in straight], nothing
        )
        centres = self._between(
            [arb(a) for a, _ in around], [arb(b) for _, b in around], self._offsets
        )
        return list(zip(directions, centres, strict=True))


class _Matrices:
    """The constant matrices of a combination, as columns of their upper triangles."""

    def __init__(self, combination: Combination) -> None:
        self.size = combination.size
        self.signs = [t.sign for t in combination.terms]
        self._places = [(i, j) for i in range(self.size) for j in range(i, self.size)]
        rows = [[_ball(t.matrix[i][j]) for t in combination.terms] for i, j in self._places]
        bounds = [[_ball(t.bound[i][j]) for t in combination.terms] for i, j in self._places]
        count = len(combination.terms)
        self._columns = arb_mat(len(rows), count, [v for row in rows for v in row])
        self._bounds = arb_mat(len(rows), count, [v for row in bounds for v in row])
        self._float_columns = np.array([[float(v) for v in row] for row in rows])

    def floats(self, values: Any) -> Any:
        """Least eigenvalues for coefficient values (j, n), in floats."""
        entries = self._float_columns @ np.where(np.isfinite(values), values, np.nan)
        if self.size == 1:
            return entries[0]
        if self.size == 2:
            a, b, c = entries
            return (a + c) / 2 - np.hypot((a - c) / 2, b)
        matrices = np.empty((entries.shape[1], self.size, self.size))
        for (i, j), entry in zip(self._places, entries, strict=True):
            matrices[:, i, j] = matrices[:, j, i] = entry
        good = np.isfinite(entries).all(axis=0)
        least = np.full(entries.shape[1], np.nan)
        least[good] = np.linalg.eigvalsh(matrices[good])[:, 0]
        return least

    def value_above(self, values: Sequence[Any]) -> float:
        """An upper bound of the least eigenvalue; infinity where it is not finite."""
        return least_eigenvalue_above(_times(self._columns, values), self.size)

    def from_ranges(self, ranges: Sequence[Interval]) -> float:
        """A lower bound of the least eigenvalue when every c_j has a range of its own."""
        chosen, radii = [], []
        for sign, c in zip(self.signs, ranges, strict=True):
            if not c.defined:
                return -math.inf
            radius = arb(0)
            if c.thin or sign > 0:
                value = c.low
            elif sign < 0:
                value = c.high
            else:
                value = ((c.low + c.high) / 2).mid()
                radius = _larger((c.high - value).upper(), (value - c.low).upper())
            if not (value.is_finite() and radius.is_finite()):
                return -math.inf
            chosen.append(value)
            radii.append(radius)
        return self._least(_times(self._columns, chosen), radii)

    def _least(self, entries: list[Any], radii: list[Any]) -> float:
        if any(r != 0 for r in radii):
            entries = [a - b for a, b in zip(entries, _times(self._bounds, radii), strict=True)]
        return least_eigenvalue_below(entries, self.size)

    def from_changes(self, at: Sequence[Any], changes: Sequence[Sequence[Any]]) -> float:
        """A lower bound for c_j = at_j + sum_k t_k changes_jk, |t_k| <= 1, changes being balls."""
        centre = _times(self._columns, at)
        spare = [sum((v.rad() for v in row), arb(0)) for row in changes]
        width = len(changes[0])
        turns = [_times(self._columns, [row[k].mid() for row in changes]) for k in range(width)]
        if width > 4:
            # too many vertices: Frobenius norms of the changes
            loss = sum((_frobenius(t, self._places) for t in turns), arb(0))
            return down((arb(self._least(centre, spare)) - loss).lower())
        least = math.inf
        for signs in itertools.product((1, -1), repeat=width):
            corner = centre
            for sign, turn in zip(signs, turns, strict=True):
                corner = [a + sign * t for a, t in zip(corner, turn, strict=True)]
            least = min(least, self._least(corner, spare))
        return least


def tidied(expression: Any) -> Any:
    """The expression over a common denominator, numerator expanded; large ones as they are."""
    if expression.count_ops() > MOST_OPERATIONS:
        return expression
    numerator, denominator = sympy.fraction(sympy.together(expression))
    return sympy.expand(numerator) / denominator


def _above(values: Sequence[Growth], level: Interval) -> bool:
    """Whether [[a, b], [b, c]] >= level was proved from the determinant."""
    if len(values) < 3 or not all(v.defined for v in values):
        return False
    a, b, c = values[:3]
    if not (a.range().low >= level.low and c.range().low >= level.low):
        return False
    if len(values) == 4 and values[3].range().low >= 0:
        return True
    shift = a.constant(level)
    determinant = (a - shift) * (c - shift) - b.square()
    return bool(determinant.defined and determinant.range().low >= 0)


def _ball(number: Any) -> Any:
    if number.is_Rational:
        return arb(int(number.p)) / int(number.q)
    (value,) = Potential(number, ()).on_balls(number)([])
    return value


def _clipped(rows: Sequence[Sequence[Any]], width: int, sign: int) -> Any:
    """The entries of this sign, zeros elsewhere."""
    values = [v if (v > 0) == (sign > 0) and v != 0 else arb(0) for row in rows for v in row]
    return arb_mat(len(rows), width, values)


def _times(matrix: Any, vector: Sequence[Any]) -> list[Any]:
    if matrix.nrows() == 0:
        return []
    product: list[Any] = (matrix * arb_mat(len(vector), 1, list(vector))).entries()
    return product


def _sum(left: list[Any], right: list[Any]) -> list[Any]:
    return [a + b for a, b in zip(left, right, strict=True)]


def _frobenius(entries: Sequence[Any], places: Sequence[tuple[int, int]]) -> Any:
    pairs = zip(entries, places, strict=True)
    return sum(((1 if i == j else 2) * v * v for v, (i, j) in pairs), arb(0)).sqrt().upper()


def _larger(a: Any, b: Any) -> Any:
    return a if a > b else b
