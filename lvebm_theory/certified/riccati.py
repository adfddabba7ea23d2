"""Piecewise Taylor solutions of a Riccati equation with a proved residual.

For g > 0 write s = (log g)'. The Chen-Wang quantity of g is

    W = U'' - (g'' - U' g')/g = U'' - s' - s^2 + U' s,

and W = lam where s solves s' = U'' - lam + U' s - s^2. On each panel s is a polynomial p of
degree N made by the Taylor recursion of that equation. The residual W - lam is then a polynomial
with ball coefficients, U entering through its Taylor polynomial and Lagrange's remainder over the
panel, so |W - lam| <= delta on the panel is proved by summing the coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import flint
from flint import arb, arb_poly

from .algebras import DomainError, TaylorSeries
from .evaluation import bind
from .subject import Potential

ORDER = 24
BITS = 128
#: panels per side at which the attempt is given up
MOST_PANELS = 10_000
#: a solution this large has met a zero of g
BLOW_UP = 1e7


@contextmanager
def series_context(length: int, bits: int) -> Any:
    """Flint's precision and series length for the time of a computation."""
    cap, precision = flint.ctx.cap, flint.ctx.prec
    flint.ctx.cap, flint.ctx.prec = length, bits
    try:
        yield
    finally:
        flint.ctx.cap, flint.ctx.prec = cap, precision


class Derivatives:
    """Taylor coefficients of U at points and over balls."""

    def __init__(self, potential: Potential, order: int = ORDER) -> None:
        self.order = order
        self.algebra = TaylorSeries(order + 3)
        self._evaluate = bind(potential.program(potential.expression), self.algebra)

    def at(self, ball: Any) -> list[Any]:
        """U_0, ..., U_(N+2) with U_j = U^(j)/j! over the ball.

        Raises
        ------
        DomainError
            When U is not proved analytic there.
        """
        series = self._evaluate([self.algebra.variable(ball)])[0]
        coefficients = [series[j] for j in range(self.order + 3)]
        if not all(c.is_finite() for c in coefficients):
            raise DomainError("U is not known to be analytic here")
        return coefficients


@dataclass(frozen=True)
class Node:
    """A panel from ``start`` to ``end`` (to the left of it on the right side), and U's
    Taylor coefficients at the start."""

    start: float
    end: float
    coefficients: list[Any]


def solution(u: list[Any], value: Any, rate: Any, order: int) -> list[Any]:
    """Taylor coefficients s_0..s_N of the Riccati solution with s(start) = value.

        (n+1) s_(n+1) = (n+2)(n+1) U_(n+2) - lam [n = 0] + sum_i ((i+1) U_(i+1) - s_i) s_(n-i)

    Midpoints only: this is the ansatz, not the proof.
    """
    slope = [((j + 1) * u[j + 1]).mid() for j in range(order + 2)]
    s = [value]
    mixed = [slope[0] - value]
    for n in range(order):
        total = (n + 1) * slope[n + 1]
        if n == 0:
            total = total - rate
        for i in range(n + 1):
            total += mixed[i] * s[n - i]
        following = (total / (n + 1)).mid()
        s.append(following)
        mixed.append(slope[n + 1] - following)
    return s


def residual_bound(
    u: list[Any], over_panel: list[Any], s: list[Any], rate: Any, length: Any
) -> Any:
    """delta with |U'' - s' - s^2 + U' s - lam| <= delta for |t| <= length."""
    order = len(s) - 1
    remainder = over_panel[order + 2]
    slope = arb_poly([(j + 1) * u[j + 1] for j in range(order + 1)] + [(order + 2) * remainder])
    curvature = arb_poly(
        [(j + 1) * (j + 2) * u[j + 2] for j in range(order)]
        + [(order + 1) * (order + 2) * remainder]
    )
    p = arb_poly(s)
    residual = curvature - p.derivative() + (slope - p) * p - rate
    total = arb(0)
    for j in range(residual.degree(), -1, -1):
        total = total * length + residual[j].abs_upper()
    return total.upper()


def _at_end(s: list[Any], start: float, end: float) -> Any:
    """p(end - start) as a ball."""
    return arb_poly(s)(arb(end) - arb(start))


class Side:
    """One end of the line: the solution from ``outer`` inward to ``inner``.

    Parameters
    ----------
    derivatives : Derivatives
    outer, inner : float
        Integration runs from outer to inner, the stable direction.
    """

    def __init__(self, derivatives: Derivatives, outer: float, inner: float) -> None:
        self.derivatives = derivatives
        self.outer = outer
        self.inner = inner
        self.nodes: list[Node] = []

    def pilot(self, value: Any, rate: float, tolerance: float) -> float | None:
        """Choose the panels for this rate; s(inner), or None on a blow-up. Not a proof."""
        self.nodes = []
        order = self.derivatives.order
        x, s0 = self.outer, arb(value).mid()
        direction = 1.0 if self.inner > self.outer else -1.0
        while x != self.inner:
            u = self.derivatives.at(arb(x))
            s = solution(u, s0, arb(rate), order)
            length = min(_step(u, s, tolerance), abs(self.inner - x))
            while True:
                following = self.inner if length == abs(self.inner - x) else x + direction * length
                if self._residual(x, following, u, s, arb(rate)) < tolerance:
                    break
                length /= 2
                if not length > 1e-9 * (1 + abs(x)):
                    raise DomainError(f"the residual could not be bounded near {x:.6g}")
            self.nodes.append(Node(x, following, u))
            if len(self.nodes) > MOST_PANELS:
                raise DomainError(f"more than {MOST_PANELS} panels would be needed")
            s0 = _at_end(s, x, following).mid()
            if not abs(s0) < BLOW_UP:
                return None
            x = following
        return float(s0)

    def value(self, start: Any, rate: float) -> float | None:
        """s(inner) on the panels of the pilot; None on a blow-up. Not a proof."""
        s0 = arb(start).mid()
        order = self.derivatives.order
        for node in self.nodes:
            s0 = _at_end(
                solution(node.coefficients, s0, arb(rate), order), node.start, node.end
            ).mid()
            if not abs(s0) < BLOW_UP:
                return None
        return float(s0)

    def proof(
        self, start: Any, rate: Any, tolerance: float, rounded: Callable[[Any], Any]
    ) -> tuple[Any, Any]:
        """(s(inner), delta): the value next to ``inner`` and a bound of |W - lam| on the way.

        ``rounded`` makes the value that a panel hands to the next one an exact number on the side
        on which the jump of s is allowed.

        Raises
        ------
        DomainError
            When a residual stays above the tolerance or the solution blows up.
        """
        x, s0 = self.outer, rounded(arb(start))
        order = self.derivatives.order
        direction = 1.0 if self.inner > self.outer else -1.0
        worst = arb(0)
        pending = [(node.start, node.end) for node in reversed(self.nodes)]
        known = {node.start: node.coefficients for node in self.nodes}
        panels = 0
        while pending:
            x, end = pending.pop()
            panels += 1
            if panels > 4 * MOST_PANELS:
                raise DomainError("too many panels would be needed for a proof")
            u = known.get(x) or self.derivatives.at(arb(x))
            s = solution(u, s0, rate, order)
            delta = self._residual(x, end, u, s, rate)
            if not delta < tolerance:
                middle = (x + end) / 2
                if not direction * (middle - x) > 1e-9 * (1 + abs(x)):
                    raise DomainError(f"the residual could not be bounded near {x:.6g}")
                pending.extend([(middle, end), (x, middle)])
                continue
            worst = worst if worst > delta else delta
            s0 = rounded(_at_end(s, x, end))
            if not abs(s0) < BLOW_UP:
                raise DomainError(f"the solution blew up near {end:.6g}")
        return s0, worst

    def _residual(self, x: float, end: float, u: list[Any], s: list[Any], rate: Any) -> Any:
        try:
            over_panel = self.derivatives.at(arb(x).union(arb(end)))
        except DomainError:
            return arb.pos_inf()
        return residual_bound(u, over_panel, s, rate, abs(arb(end) - arb(x)))


def _step(u: list[Any], s: list[Any], tolerance: float) -> float:
    """A length at which the last coefficients of s and of U' s fall below the tolerance."""
    best = math.inf
    order = len(s) - 1
    for j in (order, order - 1):
        size = max(abs(float(s[j])) * (j + 1), abs(float(u[j + 2].mid())) * j * j)
        if size > 0:
            best = min(best, (tolerance / size) ** (1.0 / (j - 1)))
    return 0.7 * best
