"""A box that holds all but a proved, tiny part of the mass of exp(-U).

The cube of the tail bound is bisected; a cell is dropped once U > min U + T is proved on it.
What remains covers the sublevel set {U <= min U + T}; its bounding box is returned once

    mass of the dropped cells + mass outside the cube <= tail_mass * (lower bound of Z),

all three in ball arithmetic.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import sympy
from flint import arb

from ..errors import AssumptionError
from ..protocols import Energy
from .finite import Box, bisect, intervals
from .interval import Interval
from .normalisable import certify_normalisable, positive_definite
from .subject import Potential, potential_of, precisely
from .tail import Tail, radial_tail
from .transform import separated, sheared

#: cells per side of the kept box at which bisection stops, by dimension
RESOLUTION = {1: 512, 2: 48, 3: 16}
#: a box this much wider than the box of 1e-4 of the mass is not worth a uniform grid
HEAVY = 50.0
MOST_CELLS = 3000
MOST_ROUNDS = 200


@precisely
def truncation_box(
    energy: Energy | Potential, tail_mass: float = 1e-16
) -> list[tuple[float, float]] | None:
    """A box outside which pi has mass at most ``tail_mass``, proved.

    Parameters
    ----------
    energy : Energy
        Given by a formula.
    tail_mass : float
        In (0, 1).

    Returns
    -------
    list of d pairs (low, high), or None
        None when the tails are too heavy for a box of sane size (Student-t, a funnel).

    Raises
    ------
    AssumptionError
        When exp(-U) is not known to be integrable, or no bound was proved.
    """
    potential = potential_of(energy)
    verdict = certify_normalisable(potential)
    if not verdict.proved:
        raise AssumptionError("truncation box", [verdict.reason])
    box = _box(potential, tail_mass)
    return None if box is None else list(box)


@functools.lru_cache(maxsize=256)
def _box(potential: Potential, tail_mass: float) -> Box | None:
    form = potential.quadratic_form
    if form is not None and positive_definite(form):
        return _gaussian_box(potential, form, tail_mass)
    parts = separated(potential)
    if len(parts) > 1:
        sides: dict[Any, tuple[float, float]] = {}
        for part in parts:
            inner = _box(part, tail_mass / len(parts))
            if inner is None:
                return None
            sides.update(zip(part.symbols, inner, strict=True))
        return tuple(sides[s] for s in potential.symbols)
    tail = radial_tail(potential)
    if isinstance(tail, Tail):
        return _sublevel_box(potential, tail, tail_mass)
    for moved, shift in _shears(potential):
        tail = radial_tail(moved)
        if isinstance(tail, Tail):
            box = _sublevel_box(moved, tail, tail_mass)
            return None if box is None else _moved_back(potential, box, shift)
    return None


def _shears(potential: Potential) -> list[tuple[Potential, tuple[Any, Any]]]:
    return [(moved, (symbol, shift)) for moved, symbol, shift in sheared(potential)]


def _moved_back(potential: Potential, box: Box, shear: tuple[Any, Any]) -> Box:
    symbol, shift = shear
    (moved,) = potential.on_intervals(shift)(intervals(box))
    j = potential.symbols.index(symbol)
    a, b = box[j]
    return (*box[:j], (a + _below(moved.low), b + _above(moved.high)), *box[j + 1 :])


def _gaussian_box(potential: Potential, form: Any, tail_mass: float) -> Box:
    """Mean +- z sd_i with 2 Phi(-z) <= exp(-z^2/2) = tail_mass/d."""
    origin = dict.fromkeys(potential.symbols, 0)
    slope = sympy.Matrix([sympy.sympify(g).subs(origin) for g in potential.gradient])
    inverse = form.inv()
    mean = -inverse * slope
    z = math.sqrt(-2 * math.log(tail_mass / potential.dim)) * (1 + 1e-12)
    sides = []
    for i in range(potential.dim):
        sd = math.sqrt(float(inverse[i, i])) * (1 + 1e-12)
        centre = float(mean[i])
        sides.append((centre - z * sd, centre + z * sd))
    return tuple(sides)


def _sublevel_box(potential: Potential, tail: Tail, tail_mass: float) -> Box | None:
    wide = _certified(potential, tail, tail_mass)
    if wide is None:
        return None
    core = _certified(potential, tail, max(1e-4, tail_mass))
    if core is None:
        return None
    ratio = max((b - a) / (d - c) for (a, b), (c, d) in zip(wide, core, strict=True))
    return None if ratio > HEAVY else wide


def _certified(potential: Potential, tail: Tail, tail_mass: float) -> Box | None:
    evaluate = potential.on_intervals()

    def value(box: Box) -> Interval:
        return evaluate(intervals(box))[0]

    cube = _cube(tail, tail.radius)
    mass, least = _mass_from_below(value, cube)
    allowed = mass * tail_mass / 2
    threshold = 3.0 - math.log(tail_mass)
    while not tail.beyond(cube[0][1] - tail.centre[0]).mass_bound() < allowed:
        cube = _cube(tail, 2 * (cube[0][1] - tail.centre[0]))
        if cube[0][1] - tail.centre[0] > 1e9 * tail.radius:
            return None
    for _ in range(40):
        box, dropped = _enclosed(value, cube, least + threshold)
        if dropped < allowed:
            return box
        threshold += max(0.5, float((dropped / allowed).log().upper()))
    raise AssumptionError("truncation box", ["the mass outside could not be bounded"])


def _cube(tail: Tail, radius: float) -> Box:
    return tuple((c - radius, c + radius) for c in tail.centre)


def _mass_from_below(value: Callable[[Box], Interval], cube: Box) -> tuple[Any, float]:
    """A lower bound of int exp(-U) over the cube, and an upper bound of min U close to it.

    The cell with the largest upper sum is bisected until the lower sum is at least a twentieth
    of the upper one, or the budget is spent.
    """
    counter = itertools.count()
    heap: list[tuple[float, int, Box, Any]] = []
    lower, upper, least = arb(0), arb(0), math.inf

    def push(box: Box) -> None:
        nonlocal lower, upper, least
        u = value(box)
        middle = value(tuple(((a + b) / 2, (a + b) / 2) for a, b in box))
        least = min(least, _above(middle.high)) if middle.defined else least
        volume = _volume(box)
        high = volume * (-u.low).exp() if u.low > -arb.pos_inf() else None
        low = volume * (-u.high).exp() if u.finite else arb(0)
        log_upper = math.inf if high is None else float(high.log().mid())
        lower, upper = lower + low, upper + (arb(0) if high is None else high)
        heapq.heappush(heap, (-log_upper, next(counter), box, (low, high)))

    push(cube)
    for _ in range(MOST_CELLS):
        key, _, box, (low, high) = heapq.heappop(heap)
        if key > -math.inf and lower > upper / 20:
            break
        lower, upper = lower - low, upper - (arb(0) if high is None else high)
        for piece in bisect(box):
            push(piece)
    if not lower > 0:
        raise AssumptionError("truncation box", ["the normaliser could not be bounded from below"])
    return lower.lower(), least


def _enclosed(value: Callable[[Box], Interval], cube: Box, level: float) -> tuple[Box, Any]:
    """The bounding box of what is left when cells with U > level are dropped, and their mass.

    Only cells that touch the sides of the current bounding box are bisected.
    """
    cells = [cube]
    dropped = arb(0)
    resolution = RESOLUTION.get(len(cube), 8)
    for _ in range(MOST_ROUNDS):
        box = tuple((min(c[j][0] for c in cells), max(c[j][1] for c in cells)) for j in _axes(cube))
        finest = [(b - a) / resolution for a, b in box]
        kept: list[Box] = []
        cut = False
        for cell in cells:
            axes = [
                j
                for j in _axes(cube)
                if cell[j][1] - cell[j][0] > finest[j]
                and (cell[j][0] == box[j][0] or cell[j][1] == box[j][1])
            ]
            if not axes:
                kept.append(cell)
                continue
            cut = True
            for piece in _split(cell, finest):
                low = value(piece).low
                if low > level:
                    dropped = dropped + _volume(piece) * (-low).exp()
                else:
                    kept.append(piece)
        if not kept:
            raise AssumptionError("truncation box", ["the sublevel set came out empty"])
        cells = kept
        if not cut:
            break
    return box, dropped.upper()


def _axes(box: Box) -> range:
    return range(len(box))


def _split(cell: Box, finest: Sequence[float]) -> list[Box]:
    pieces = [cell]
    for j, side in enumerate(cell):
        if side[1] - side[0] > finest[j]:
            middle = (side[0] + side[1]) / 2
            pieces = [
                (*p[:j], half, *p[j + 1 :])
                for p in pieces
                for half in ((side[0], middle), (middle, side[1]))
            ]
    return pieces


def _volume(box: Box) -> Any:
    volume = arb(1)
    for a, b in box:
        volume = volume * (arb(b) - arb(a))
    return volume


def _below(x: Any) -> float:
    return math.nextafter(float(x), -math.inf)


def _above(x: Any) -> float:
    return math.nextafter(float(x), math.inf)
