"""Shares of a sum c_j M_j and how each is bounded over sets; all matrices as upper triangles.

``Single`` evaluates every coefficient by its own program in balls; ``Shared`` serves many
coefficients phi(f_j) with one phi by a table in floats. Both bound their part from below in the
order of symmetric matrices, by ranges or by changes around the middle of a box; see ``infimum``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import sympy
from flint import arb, arb_mat

from ..arrays import FloatArray
from ..formula.expression import differentiate
from .combination import Combination, Form, Weighed
from .domain import Outside
from .finite import Box
from .forms import ROUNDING, FloatForms, FormMap, ball, times
from .interval import WHOLE, Interval
from .profile import Profile, profile
from .subject import Potential

Entries = list[Any]
#: fewer coefficients of one shape are not worth a table
FEWEST_SHARED = 12
_ARGUMENT = sympy.Symbol("argument", real=True)


class Share(Protocol):
    """Part of the sum.

    Attributes
    ----------
    work : int
        Cost of one box, in operations of balls.
    resolution : float
        Relative accuracy beyond which more boxes do not help.
    """

    work: int
    resolution: float

    def floats(self, points: Sequence[Any]) -> FloatArray:
        """Entries (e, n) at coordinates (k, n), estimates."""

    def at(self, point: Sequence[float]) -> Entries:
        """The entries at a point, in balls."""

    def over_box(self, box: Box) -> Entries | None:
        """A matrix below the share on the whole box, from ranges; None without one."""

    def over_rays(self, rays: Outside, radius: int) -> Entries | None:
        """The same for all r >= radius."""

    def everywhere(self) -> Entries | None:
        """The same on the whole space."""

    def changes(self, box: Box) -> tuple[Entries, list[Entries], Entries] | None:
        """(A, [T_k], E), the share being >= A + sum_k t_k T_k - E at m + t radius, |t_k| <= 1."""


def shares(combination: Combination, columns: Sequence[int]) -> list[Share]:
    """A combination split into shares; ``columns`` index the coordinates that matter."""
    forms = {f.symbol: f for f in combination.forms}
    alike: dict[Any, list[tuple[int, Form]]] = {}
    for j, c in enumerate(combination.coefficients):
        symbols = c.free_symbols
        if len(symbols) == 1:
            (symbol,) = symbols
            alike.setdefault(c.xreplace({symbol: _ARGUMENT}), []).append((j, forms[symbol]))
    found: list[Share] = []
    taken: set[int] = set()
    for function, members in alike.items():
        table = profile(function, _ARGUMENT) if len(members) >= FEWEST_SHARED else None
        if table is not None:
            terms = [combination.terms[j] for j, _ in members]
            found.append(Shared(function, table, [f for _, f in members], terms, columns))
            taken.update(j for j, _ in members)
    left = [j for j in range(len(combination.coefficients)) if j not in taken]
    if left:
        coefficients = [combination.coefficients[j] for j in left]
        used = set().union(*(c.free_symbols for c in coefficients))
        kept = [f for f in combination.forms if f.symbol in used]
        found.append(Single(coefficients, kept, [combination.terms[j] for j in left], columns))
    return found


class Single:
    """Coefficients that have a program each."""

    resolution = 0.0

    def __init__(
        self,
        coefficients: Sequence[Any],
        forms: Sequence[Form],
        terms: Sequence[Weighed],
        columns: Sequence[int],
    ) -> None:
        self._map = FormMap(forms, columns)
        self._width = len(columns)
        self._float_forms = FloatForms(forms, columns) if forms else None
        space = Potential(sympy.Add(*coefficients), self._map.symbols)
        self._natural = space.on_intervals(*coefficients)
        self._at = space.on_balls(*coefficients)
        self._floats = space.on_floats(*coefficients)
        # the mean value form needs continuity: slopes know nothing of a jump
        self._continuous = not any(e.has(sympy.sign, sympy.Heaviside) for e in coefficients)
        names = list(enumerate(self._map.symbols))
        self._places = [(j, i) for j, c in enumerate(coefficients) for i, s in names if c.has(s)]
        slopes = [differentiate(coefficients[j], self._map.symbols[i]) for j, i in self._places]
        self._slopes = space.on_balls(*slopes) if slopes else lambda _: []
        self.work = len(space.program(*coefficients, *slopes).instructions) + 10
        self._signs = [t.sign for t in terms]
        self._columns, self._bounds = _upper_triangles(terms)
        self._float_columns = _as_floats(self._columns)

    def floats(self, points: Sequence[Any]) -> FloatArray:
        """See Share."""
        count = len(points[0])
        forms = list(self._float_forms.values(points)) if self._float_forms else [np.zeros(count)]
        with np.errstate(all="ignore"):
            values = np.array([np.broadcast_to(v, count) for v in self._floats(forms)])
            return np.asarray(self._float_columns @ values)

    def at(self, point: Sequence[float]) -> Entries:
        """See Share."""
        return times(self._columns, self._at(self._map.at([arb(x) for x in point])))

    def over_box(self, box: Box) -> Entries | None:
        """See Share."""
        return self._from_ranges(self._map.ranges(box))

    def over_rays(self, rays: Outside, radius: int) -> Entries | None:
        """See Share."""
        return self.with_ranges(self.far_ranges(rays, radius))

    def far_ranges(self, rays: Outside, radius: int) -> list[Interval]:
        """Ranges of the coefficients for all r >= radius."""
        return self._natural(self._map.far_ranges(rays, radius))

    def everywhere(self) -> Entries | None:
        """See Share."""
        return self._from_ranges([WHOLE] * len(self._map.symbols))

    def _from_ranges(self, forms: Sequence[Interval]) -> Entries | None:
        return self.with_ranges(self._natural(forms))

    def with_ranges(self, ranges: Sequence[Interval]) -> Entries | None:
        """A matrix below the share when every c_j has a range of its own."""
        chosen, radii = [], []
        for sign, c in zip(self._signs, ranges, strict=True):
            if not c.defined:
                return None
            radius = arb(0)
            if c.thin or sign > 0:
                value = c.low
            elif sign < 0:
                value = c.high
            else:
                value = ((c.low + c.high) / 2).mid()
                radius = _larger((c.high - value).upper(), (value - c.low).upper())
            if not (value.is_finite() and radius.is_finite()):
                return None
            chosen.append(value)
            radii.append(radius)
        return _less(times(self._columns, chosen), self._spare(radii))

    def _spare(self, radii: Sequence[Any]) -> Entries:
        return times(self._bounds, radii)

    def changes(self, box: Box) -> tuple[Entries, list[Entries], Entries] | None:
        """See Share."""
        if not self._continuous:
            return None
        middle = [arb((a + b) / 2) for a, b in box]
        radii = [_larger(b - m, m - a).upper() for (a, b), m in zip(box, middle, strict=True)]
        at = self._at(self._map.at(middle))
        slopes = self._slopes([r.ball for r in self._map.ranges(box)])
        if not all(v.is_finite() for v in (*at, *slopes)):
            return None
        moved = [[arb(0)] * self._width for _ in at]
        for (j, i), slope in zip(self._places, slopes, strict=True):
            for k in range(self._width):
                moved[j][k] += slope * self._map.slope[i, k] * radii[k]
        spare = [sum((v.rad() for v in row), arb(0)) for row in moved]
        turns = [times(self._columns, [row[k].mid() for row in moved]) for k in range(self._width)]
        return times(self._columns, at), turns, self._spare(spare)


class Shared:
    """Many coefficients phi(f_j) with one phi."""

    resolution = 1e-5

    def __init__(
        self,
        function: Any,
        table: Profile,
        forms: Sequence[Form],
        terms: Sequence[Weighed],
        columns: Sequence[int],
    ) -> None:
        self._table = table
        self._forms = FloatForms(forms, columns)
        self._map = FormMap(forms, columns)
        space = Potential(function, (_ARGUMENT,))
        self._at, self._floats = space.on_balls(function), space.on_floats(function)
        self._signs = np.array([t.sign for t in terms])
        self._columns, bounds = _upper_triangles(terms)
        self._float_columns, self._float_bounds = _as_floats(self._columns), _as_floats(bounds)
        self.work = 40 + len(terms) // 4

    def floats(self, points: Sequence[Any]) -> FloatArray:
        """See Share."""
        with np.errstate(all="ignore"):
            return np.asarray(self._float_columns @ self._floats([self._forms.values(points)])[0])

    def at(self, point: Sequence[float]) -> Entries:
        """See Share."""
        forms = self._map.at([arb(x) for x in point])
        return times(self._columns, [self._at([f])[0] for f in forms])

    def over_box(self, box: Box) -> Entries | None:
        """See Share."""
        return self._from_ranges(*self._forms.ranges(box))

    def over_rays(self, rays: Outside, radius: int) -> Entries | None:
        """See Share."""
        return self._from_ranges(*self._forms.far_ranges(rays, radius))

    def everywhere(self) -> Entries | None:
        """See Share."""
        far = np.full(len(self._signs), np.inf)
        return self._from_ranges(-far, far)

    def _from_ranges(self, low: FloatArray, high: FloatArray) -> Entries | None:
        least, most = self._table.ranges(low, high)
        middle = (least + most) / 2
        chosen = np.where(self._signs > 0, least, np.where(self._signs < 0, most, middle))
        radius = np.where(self._signs == 0, (most - least) / 2 * (1 + 1e-15), 0.0)
        return _less(self._sum(self._float_columns, chosen), self._sum(self._float_bounds, radius))

    def _sum(self, columns: FloatArray, values: FloatArray) -> Entries:
        """columns @ values, enclosed."""
        size = np.abs(columns) @ np.abs(values)
        error = (len(values) + 4) * ROUNDING * size
        return [arb(t, e) for t, e in zip(columns @ values, error, strict=True)]

    def changes(self, box: Box) -> tuple[Entries, list[Entries], Entries] | None:
        """See Share."""
        middle = [((a + b) / 2, (a + b) / 2) for a, b in box]
        radii = np.array([max(b - m, m - a) for (a, b), (m, _) in zip(box, middle, strict=True)])
        radii = np.nextafter(radii, np.inf)
        low, high = self._forms.ranges(tuple(middle))
        centre = (low + high) / 2
        at, error, slope, slope_error = self._table.near(centre)
        bend = self._table.bends(*self._forms.ranges(box))
        reach = np.abs(self._forms.slope) @ radii * (1 + 1e-14)
        if not (np.isfinite(error).all() and np.isfinite(bend).all()):
            return None
        # f(m) is known up to high - low only, and slopes of forms up to rounding
        shift = (high - low) + 1e-14 * reach
        error = error + slope_error * reach + bend * reach**2 / 2
        error = error + (np.abs(slope) + slope_error + bend * reach) * shift
        turns = [
            self._sum(self._float_columns, slope * self._forms.slope[:, k] * radii[k])
            for k in range(len(radii))
        ]
        spare = self._sum(self._float_bounds, error * (1 + 1e-14))
        return self._sum(self._float_columns, at), turns, spare


def _upper_triangles(terms: Sequence[Weighed]) -> tuple[Any, Any]:
    size = len(terms[0].matrix)
    places = [(i, j) for i in range(size) for j in range(i, size)]
    columns = [ball(t.matrix[i][j]) for i, j in places for t in terms]
    bounds = [ball(t.bound[i][j]) for i, j in places for t in terms]
    shape = (len(places), len(terms))
    return arb_mat(*shape, columns), arb_mat(*shape, bounds)


def _as_floats(matrix: Any) -> FloatArray:
    rows, columns = matrix.nrows(), matrix.ncols()
    return np.array([float(v.mid()) for v in matrix.entries()]).reshape(rows, columns)


def _less(entries: Entries, spare: Entries) -> Entries:
    return [a - b for a, b in zip(entries, spare, strict=True)]


def _larger(a: Any, b: Any) -> Any:
    return a if a > b else b
