"""Rigorous integrals against exp(-U) on the line: normalisers and moments as second witnesses.

On a panel of half-width h around m the integrand is its Taylor polynomial of degree N plus
Lagrange's remainder, so

    int = sum_(j even, <= N) 2 F_j h^(j+1)/(j+1) + E,   |E| <= 2 |F_(N+1)(X)| h^(N+2)/(N+2);

where it is not analytic (a kink) the panel is bounded by its range. Panels are bisected, the one
with the widest enclosure first. Outside, |f| exp(-U) <= exp(-(U - log(1 + f^2)/2)), whose mass is
bounded by the tail bound of that potential.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

import sympy
from flint import arb

from ..constant import Constant, How
from ..errors import AssumptionError
from ..protocols import Energy
from .algebras import DomainError, TaylorSeries
from .evaluation import bind
from .interval import Interval
from .normalisable import certify_normalisable
from .riccati import series_context
from .subject import Potential, potential_of
from .tail import Tail, radial_tail

ORDER = 28
BITS = 110
MOST_PANELS = 4000
SOURCE = "Taylor models in ball arithmetic with a proved tail"

Integrand = Callable[[Any], Any]


def certified_integral(
    energy: Energy | Potential, f: Integrand | None = None, *, relative_width: float = 1e-10
) -> Constant:
    """int f(x) exp(-U(x)) dx over the line, enclosed; f = 1 gives the normaliser.

    Parameters
    ----------
    energy : Energy
        One-dimensional, given by a formula.
    f : callable or None
        Takes the coordinate as a SymPy symbol and returns an expression, ``lambda x: x**2``.
    relative_width : float
        Wanted width of the enclosure relative to int |f| exp(-U), roughly.

    Returns
    -------
    Constant, CERTIFIED

    Raises
    ------
    AssumptionError
        When the integral was not proved finite, or the enclosure stays wide.
    """
    potential = _line(energy)
    with series_context(ORDER + 2, BITS):
        ball = _enclosure(potential, f, relative_width)
    return _constant(ball)


def certified_expectation(
    energy: Energy | Potential, f: Integrand, *, relative_width: float = 1e-10
) -> Constant:
    """E_pi f for pi = exp(-U)/Z, enclosed; arguments as in ``certified_integral``."""
    potential = _line(energy)
    with series_context(ORDER + 2, BITS):
        ball = _enclosure(potential, f, relative_width) / _enclosure(
            potential, None, relative_width
        )
    return _constant(ball)


def _line(energy: Energy | Potential) -> Potential:
    potential = potential_of(energy)
    if potential.dim != 1:
        raise AssumptionError("certified integral", [f"one dimension needed, got {potential.dim}"])
    verdict = certify_normalisable(potential)
    if not verdict.proved:
        raise AssumptionError("certified integral", [verdict.reason])
    return potential


def _constant(ball: Any) -> Constant:
    lower = math.nextafter(float(ball.lower()), -math.inf)
    upper = math.nextafter(float(ball.upper()), math.inf)
    value = min(max(float(ball.mid()), lower), upper)
    return Constant(value=value, lower=lower, upper=upper, how=How.CERTIFIED, source=SOURCE)


def _enclosure(potential: Potential, f: Integrand | None, relative_width: float) -> Any:
    (x,) = potential.symbols
    factor = sympy.S.One if f is None else sympy.sympify(f(x))
    heavier = potential
    if factor.free_symbols:
        weight = sympy.log(1 + sympy.expand(factor**2)) / 2
        heavier = Potential(potential.expression - weight, potential.symbols)
    tail = radial_tail(heavier)
    if not isinstance(tail, Tail):
        raise AssumptionError("certified integral", [f"the tail of f exp(-U): {tail}"])
    outer = abs(arb(float(factor))).upper() if not factor.free_symbols else arb(1)
    panels = _Panels(potential, factor)
    radius = tail.radius
    total, size = panels.integrate(-radius, radius, relative_width)
    while True:
        outside = (outer * tail.beyond(radius).mass_bound()).upper()
        if outside < size * relative_width / 4:
            return total + arb(0, outside)
        if radius > 1e6 * tail.radius:
            raise AssumptionError("certified integral", ["the tails are too heavy"])
        for low, high in ((-2 * radius, -radius), (radius, 2 * radius)):
            part, more = panels.integrate(low, high, relative_width, size)
            total, size = total + part, size + more
        radius = 2 * radius


class _Panels:
    """Adaptive integration of factor * exp(-U)."""

    def __init__(self, potential: Potential, factor: Any) -> None:
        integrand = factor * sympy.exp(-potential.expression)
        self._series_at = bind(potential.program(integrand), TaylorSeries(ORDER + 2))
        self._range = potential.on_intervals(integrand)
        self._variable = TaylorSeries(ORDER + 2).variable

    def integrate(
        self, low: float, high: float, relative_width: float, known_size: Any = None
    ) -> tuple[Any, Any]:
        """(enclosure of the integral, rough size of int |f| exp(-U)) over [low, high]."""
        counter = itertools.count()
        heap: list[tuple[float, int, float, float, Any]] = []

        def push(a: float, b: float) -> None:
            value = self._panel(a, b)
            width = float(value.rad().log().mid()) if value.rad() > 0 else -math.inf
            heapq.heappush(
                heap, (-width if value.is_finite() else -math.inf, next(counter), a, b, value)
            )

        for k in range(8):
            push(low + (high - low) * k / 8, low + (high - low) * (k + 1) / 8)
        for _ in range(MOST_PANELS):
            key, _, a, b, _ = heap[0]
            if key > -math.inf:
                size = sum((abs(entry[4]).mid() for entry in heap), known_size or arb(0))
                error = arb(-key).exp() * len(heap)
                if error < size * relative_width / 4 or key == math.inf:
                    break
            heapq.heappop(heap)
            push(a, (a + b) / 2)
            push((a + b) / 2, b)
        total = sum((entry[4] for entry in heap), arb(0))
        if not total.is_finite():
            raise AssumptionError("certified integral", ["an enclosure stayed infinite"])
        return total, sum((abs(entry[4]).mid() for entry in heap), arb(0))

    def _panel(self, a: float, b: float) -> Any:
        middle, whole = arb((a + b) / 2), arb(a).union(arb(b))
        half = (arb(b) - arb(a)) / 2
        shift = (arb(a) + arb(b)) / 2 - middle  # zero unless (a + b)/2 was rounded
        try:
            near = self._series_at([self._variable(middle)])[0]
            over = self._series_at([self._variable(whole)])[0]
        except DomainError:
            return self._plain(a, b)
        if not shift.is_zero():
            return self._plain(a, b)
        total = arb(0)
        for j in range(0, ORDER + 1, 2):
            total = total + 2 * near[j] * half ** (j + 1) / (j + 1)
        bound = 2 * abs(over[ORDER + 1]).upper() * half ** (ORDER + 2) / (ORDER + 2)
        value = total + arb(0, bound.upper())
        plain = self._plain(a, b)
        return value if value.is_finite() and value.rad() < plain.rad() else plain

    def _plain(self, a: float, b: float) -> Any:
        span = self._range([Interval.between(a, b)])[0]
        return span.ball * (arb(b) - arb(a)) if span.finite else arb.pos_inf()
