r"""Gaps below the smallest double: an upper bound by the capacity of a barrier.

f = int_a^x e^U on [a, b], constant outside, has int f'^2 e^-U = int_a^b e^U =: K and, with the
masses A = int_{x<a} e^-U and B = int_{x>b} e^-U, variance at least A B K^2 / Z^2, so that

    gap <= K / Z * Z^2 / (A B K^2) = Z / (A B K)

whatever a < b are. Sums over cells bound all four in ball arithmetic, whose exponents know no
smallest number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import arb

from ..arrays import FloatArray
from ..constant import Constant, How
from ..errors import AssumptionError
from .enclosure import LineRange
from .interval import Interval
from .subject import Potential, precisely
from .tail import Tail, radial_tail

#: cells of the mesh that floats look at, and around the barrier and the wells
CELLS = 4096
#: a cell stands for its neighbourhood if U varies by no more than this
VARIATION = 1.0
#: cells this much above the minimum are taken as they are
NEGLIGIBLE = 100.0
MOST_PIECES = 20_000


@precisely
def capacity_bound(potential: Potential, box: tuple[float, float], wells: FloatArray) -> Constant:
    """gap <= Z / (A B K), proved; the lower bound is zero.

    Parameters
    ----------
    potential : Potential
        In one dimension.
    box : (float, float)
        Holds the wells.
    wells : array (n,)
        Places where U may have its minima.

    Raises
    ------
    AssumptionError
        If Z could not be bounded, or there is no barrier.
    """
    x = np.unique(np.concatenate([np.linspace(*box, CELLS + 1), wells]))
    (u,) = potential.on_floats()([x])
    left, right = np.minimum.accumulate(u), np.minimum.accumulate(u[::-1])[::-1]
    barrier = u - np.maximum(left, right)
    top = int(np.argmax(barrier))
    if not 0 < top < len(x) - 1:
        raise AssumptionError("capacity bound", ["U has no barrier on its box"])
    places = [x[int(np.argmin(u[:top]))], x[top], x[top + int(np.argmin(u[top:]))]]
    low, middle, high = (_cell(potential, float(p)) for p in places)
    if not (low[1] <= middle[0] and middle[1] <= high[0]):
        raise AssumptionError("capacity bound", ["the wells and the barrier are not apart"])
    mass_left, mass_right = (_integral(potential, cell, -1) for cell in (low, high))
    bound = _normaliser(potential, float(u.min())) / (
        mass_left * mass_right * _integral(potential, middle, 1)
    )
    return Constant(
        value=0.0,
        lower=0.0,
        upper=math.nextafter(float(bound.upper()), math.inf),
        how=How.CERTIFIED,
        source=(
            f"at most {bound.upper().str(3, radius=False)}: capacity of the barrier of height "
            f"{barrier[top]:.6g} at {x[top]:.6g}, in ball arithmetic; the lower bound is zero"
        ),
    )


def _cell(potential: Potential, place: float) -> tuple[float, float]:
    """An interval around a point on which U varies little."""
    evaluate = LineRange(potential)
    half = 1.0
    while True:
        if _narrow(evaluate(place - half, place + half, _narrow)):
            return place - half, place + half
        half /= 2
        if place - half == place:
            raise AssumptionError("capacity bound", [f"U is not continuous near {place:.6g}"])


def _narrow(value: Interval) -> bool:
    return value.finite and bool(value.high - value.low <= VARIATION)


def _integral(potential: Potential, cell: tuple[float, float], sign: int) -> Any:
    """A lower bound of int e^(sign U) over a cell."""
    value = LineRange(potential)(*cell, _narrow)
    least = value.low if sign > 0 else -value.high
    return ((arb(cell[1]) - arb(cell[0])) * least.exp()).lower()


def _normaliser(potential: Potential, least: float) -> Any:
    """An upper bound of Z, within a few powers of e."""
    tail = radial_tail(potential)
    if not isinstance(tail, Tail):
        raise AssumptionError("capacity bound", [tail])
    total = tail.mass_bound()
    evaluate = LineRange(potential)

    def accepted(value: Interval) -> bool:
        return bool(value.low > least + NEGLIGIBLE) or _narrow(value)

    pending = [(-tail.radius, tail.radius)]
    for _ in range(MOST_PIECES):
        if not pending:
            return total.upper()
        a, b = pending.pop()
        value = evaluate(a, b, accepted)
        if accepted(value):
            total = total + (arb(b) - arb(a)) * (-value.low).exp()
            continue
        middle = (a + b) / 2
        if not a < middle < b:
            break
        pending.extend([(a, middle), (middle, b)])
    raise AssumptionError("capacity bound", ["the normaliser could not be bounded"])
