r"""Convexity of a planar function outside a rectangle: boxes inside a square, growth beyond it.

Beyond the square growth arithmetic bounds the least eigenvalue of the Hessian, of the whole
matrix, or of a scalar below it where U is a quadratic plus exponentials of quadratics q:

    Hess c e^q = c e^q (Hess q + grad q grad q')  >=   c e^q lambda_min(Hess q)              (c > 0)
                                                  >= -|c| e^q (|Hess q| + |grad q|^2)        (c < 0)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy
from flint import arb

from ..arrays import BoolArray, FloatArray
from .array_intervals import ARRAY_INTERVALS, Intervals, array_hull, array_meet
from .combination import hessian_combination, terms_of
from .domain import Domain
from .drift import halved
from .evaluation import bind
from .infimum import RADII, Field
from .jets import JetAlgebra
from .subject import Potential

Jets = Callable[[FloatArray, FloatArray], list[Intervals]]

MOST_BOXES = 40_000
MOST_DIRECTIONS = 400
_NARROWEST = 2.0**-16


class Convexity:
    """Where a potential in the plane is convex, proved."""

    def __init__(self, potential: Potential) -> None:
        self.jets = array_jets(potential)
        beyond = _minorant(potential)
        self._potential, self._least = potential, beyond
        self._scalar = None if beyond is None else bind(potential.program(beyond), ARRAY_INTERVALS)

    def on_boxes(self, low: FloatArray, high: FloatArray) -> BoolArray:
        """Boxes (n, 2), (n, 2) on which Hess U >= 0."""
        return self.of_jets(self.jets(low, high), low, high)

    def of_jets(self, found: Sequence[Intervals], low: FloatArray, high: FloatArray) -> BoolArray:
        """The same where the jets over the boxes are known."""
        xx, xy, yy = found[3:]
        with np.errstate(all="ignore"):
            product = xx[0] * yy[0] * (1 - 1e-14)
            mixed = np.maximum(np.abs(xy[0]), np.abs(xy[1])) ** 2 * (1 + 1e-14)
            convex = (xx[0] >= 0) & (yy[0] >= 0) & (product >= mixed)
            if self._scalar is not None:
                (least,) = self._scalar([(low[:, i], high[:, i]) for i in (0, 1)])
                convex |= least[0] >= 0
        return np.asarray(convex)

    def outside(self, low: FloatArray, high: FloatArray) -> bool:
        """Whether Hess U >= 0 was proved on the plane without the open rectangle (low, high)."""
        needed = float(np.abs([low, high]).max())
        for radius in RADII:
            if radius >= needed and self._beyond(radius):
                return self._between(low, high, float(radius))
        return False

    @functools.cached_property
    def _field(self) -> Field:
        return Field(self._potential.symbols, hessian_combination(self._potential))

    def _beyond(self, radius: int) -> bool:
        if self._least is None:
            return self._field.outside(radius, 0.0, 0.0) >= 0
        far = arb(radius)
        evaluate = self._potential.on_rays(far, self._least)
        pending = Domain(self._potential.symbols, (None, None)).outside()
        for _ in range(MOST_DIRECTIONS):
            if not pending:
                return True
            rays = pending.pop()
            (least,) = evaluate(rays.coordinates(far))
            if not (least.defined and least.range().low >= 0):
                halves = rays.halves()
                pending.extend(halves)
                if not halves:
                    return False
        return False

    def _between(self, low: FloatArray, high: FloatArray, radius: float) -> bool:
        cuts = [np.unique([-radius, *pair, radius]) for pair in zip(low, high, strict=True)]
        ends = (np.meshgrid(*(c[side] for c in cuts)) for side in (np.s_[:-1], np.s_[1:]))
        least, most = (np.stack([g.ravel() for g in pair], axis=1) for pair in ends)
        kept = ~np.all((least >= low) & (most <= high), axis=1)
        least, most = least[kept], most[kept]
        seen = 0
        while len(least):
            seen += len(least)
            if seen > MOST_BOXES or (most - least).max() < _NARROWEST * radius:
                return False
            left = ~self.on_boxes(least, most)
            least, most = halved(least[left], most[left])
        return True


def array_jets(potential: Potential) -> Jets:
    """U, U_x, U_y, U_xx, U_xy, U_yy over boxes (n, 2), (n, 2)."""
    jets = JetAlgebra(ARRAY_INTERVALS, hull=array_hull, meet=array_meet)
    evaluate = bind(potential.program(potential.expression), jets)

    def over(low: FloatArray, high: FloatArray) -> list[Intervals]:
        shape = low[:, 0].shape
        with np.errstate(all="ignore"):
            (found,) = evaluate(jets.coordinates(*((low[:, i], high[:, i]) for i in (0, 1))))
        return [(np.broadcast_to(a, shape), np.broadcast_to(b, shape)) for a, b in found]

    return over


def _minorant(potential: Potential) -> Any:
    """A scalar below the least eigenvalue of the Hessian; None where U is of another form."""
    symbols, rest, total = potential.symbols, sympy.S.Zero, sympy.S.Zero
    for number, term in terms_of(potential.expression):
        if term.is_polynomial(*symbols):
            rest += number * term
            continue
        if not (isinstance(term, sympy.exp) and term.args[0].is_polynomial(*symbols)):
            return None
        q = sympy.Poly(term.args[0], *symbols)
        if q.total_degree() > 2:
            return None
        least, most = _ends(q)
        if number > 0:
            total += number * least * term
        else:
            slope = sum(q.diff(s).as_expr() ** 2 for s in symbols)
            total += number * (sympy.Max(abs(least), abs(most)) + sympy.expand(slope)) * term
    if total == 0 or sympy.Poly(rest, *symbols).total_degree() > 2:
        return None
    return total + _ends(sympy.Poly(rest, *symbols))[0]


def _ends(q: Any) -> tuple[Any, Any]:
    """Rational numbers around the eigenvalues of the constant Hessian of a quadratic."""
    (a, b), (_, c) = (
        [q.diff(s).diff(t).eval(dict.fromkeys(q.gens, 0)) for t in q.gens] for s in q.gens
    )
    middle = (a + c) / 2
    spread = sympy.sqrt(((a - c) / 2) ** 2 + b**2)
    size = sympy.Rational(sympy.ceiling(spread * 2**20), 2**20)
    return middle - size, middle + size
