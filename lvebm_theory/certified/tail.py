"""Growth of U outside a cube, proved direction by direction.

With x = c + r u and max_i |u_i| = 1 the potential is a function of r in [R, infinity) for every
direction u. The directions are covered by boxes on the 2d faces of the unit cube; on each box
growth arithmetic bounds U from below for all its u and all r >= R at once:

    U(c + r u) >= A (r/R)^k                (k > 0: stretched exponential or lighter tails)
    U(c + r u) >= C log r,  C > d          (algebraic tails, still integrable)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flint import arb

from ..errors import AssumptionError
from ..protocols import Energy
from .growth import LOG, Growth, ray
from .interval import Interval
from .subject import Potential, potential_of, precisely

RADII = (4, 16, 64, 2**10, 2**16, 2**24, 2**40)
#: directions are bisected at most this often, and there are at most so many boxes of them
DEPTH = 11
MOST_BOXES = 600


@dataclass(frozen=True, kw_only=True)
class Directions:
    """A box of directions: u_axis = sign, the other u_j in intervals."""

    axis: int
    sign: int
    others: tuple[tuple[float, float], ...]

    @property
    def area(self) -> float:
        """(d-1)-dimensional measure of the box."""
        return math.prod(b - a for a, b in self.others)

    def coordinates(self, radius: Any, centre: Sequence[float]) -> list[Growth]:
        """c + r u for all u in the box and r >= radius."""
        others = iter(self.others)
        return [
            ray(
                Interval.between(self.sign, self.sign)
                if i == self.axis
                else Interval.between(*next(others)),
                radius,
                Interval.between(c, c),
            )
            for i, c in enumerate(centre)
        ]

    def halves(self) -> list[Directions]:
        """The box cut across its longest side."""
        widths = [b - a for a, b in self.others]
        j = widths.index(max(widths))
        a, b = self.others[j]
        return [
            Directions(
                axis=self.axis,
                sign=self.sign,
                others=(*self.others[:j], part, *self.others[j + 1 :]),
            )
            for part in ((a, (a + b) / 2), ((a + b) / 2, b))
        ]

    def describe(self, symbols: Sequence[Any]) -> str:
        """For the reader."""
        others = iter(self.others)
        parts = []
        for i, symbol in enumerate(symbols):
            if i == self.axis:
                parts.append(f"{symbol} = {'+' if self.sign > 0 else '-'}r")
            else:
                a, b = next(others)
                parts.append(
                    f"{symbol} in [{a:.4g}, {b:.4g}] r" if a < b else f"{symbol} = {a:g} r"
                )
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """U >= amplitude (r/R)^exponent, or >= amplitude log r when ``exponent`` is None."""

    directions: Directions
    amplitude: Any
    exponent: Any


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Lower bounds of U on the rays outside a cube, over all directions.

    Parameters
    ----------
    radius : float
        R, half the side of the cube around ``centre``.
    leaves : tuple of Leaf
    """

    dim: int
    radius: float
    centre: tuple[float, ...]
    leaves: tuple[Leaf, ...]

    @property
    def algebraic(self) -> bool:
        """True when only C log r was proved in some direction."""
        return any(leaf.exponent is None for leaf in self.leaves)

    @property
    def statement(self) -> str:
        """The weakest of the bounds, for the reader."""
        if self.algebraic:
            c = min(float(leaf.amplitude) for leaf in self.leaves if leaf.exponent is None)
            return f"U >= {c:.6g} log r for r >= {self.radius:g}"
        k = min(float(leaf.exponent) for leaf in self.leaves)
        a = min(float(leaf.amplitude) for leaf in self.leaves)
        return f"U >= {a:.6g} (r/{self.radius:g})^{k:.6g} for r >= {self.radius:g}"

    def beyond(self, radius: float) -> Tail:
        """The same bounds outside a larger cube."""
        if radius <= self.radius:
            return self
        growth = arb(radius) / arb(self.radius)
        leaves = tuple(
            leaf
            if leaf.exponent is None
            else replace(leaf, amplitude=(leaf.amplitude * growth**leaf.exponent).lower())
            for leaf in self.leaves
        )
        return replace(self, radius=radius, leaves=leaves)

    def mass_bound(self) -> Any:
        """An upper bound (a ball, perhaps infinite) of int exp(-U) outside the cube.

        On a box of directions of area S, int_R^inf S r^(d-1) exp(-A (r/R)^k) dr =
        S R^d A^(-d/k) Gamma(d/k, A)/k, and int S r^(d-1-C) dr = S R^(d-C)/(C-d).
        """
        total = arb(0)
        radius, d = arb(self.radius), self.dim
        for leaf in self.leaves:
            area = arb(leaf.directions.area)
            a, k = leaf.amplitude, leaf.exponent
            if k is None:
                total = total + area * radius ** (d - a) / (a - d)
                continue
            s = d / k
            # Gamma(s, A) <= A^(s-1) e^(-A) A/(A - s + 1) for A > s - 1, here at most doubled
            if a > 2 * s:
                bound = 2 * (-a).exp() / (k * a)
            else:
                bound = s.gamma() * a ** (-s) / k
            total = total + area * radius**d * bound
        return total.upper()


def faces(dim: int) -> Iterator[Directions]:
    """The 2d faces of the unit cube."""
    for axis, sign in itertools.product(range(dim), (1, -1)):
        yield Directions(axis=axis, sign=sign, others=((-1.0, 1.0),) * (dim - 1))


def integrable_bound(growth: Growth, dim: int) -> tuple[Any, Any] | None:
    """(A, k) or (C, None) for a lower bound that makes exp(-U) r^(d-1) integrable, else None."""
    term = growth.lower_term() if growth.defined else None
    if term is None:
        return None
    c, scale = term
    radius = growth.radius
    k = scale.growth_exponent(radius)
    if k > 0:
        return (c * scale.range(radius).low).lower(), k
    logarithms = scale.over(LOG).range(radius).low
    slope = (c * logarithms).lower()
    return (slope, None) if slope > dim else None


def radial_tail(
    potential: Potential, *, centre: Sequence[float] | None = None, least_radius: float = 0.0
) -> Tail | str:
    """A tail bound from rays through ``centre``; a sentence saying where it failed otherwise."""
    middle = tuple(centre) if centre is not None else (0.0,) * potential.dim
    failure = ""
    for radius in RADII:
        if radius < least_radius:
            continue
        hopeless = _failing_direction(potential, radius, middle)
        if hopeless is not None:
            failure = f"U was not seen to grow fast enough along {hopeless}"
            continue
        outcome = _cover(potential, radius, middle)
        if not isinstance(outcome, Directions):
            return Tail(
                dim=potential.dim, radius=float(radius), centre=middle, leaves=tuple(outcome)
            )
        failure = (
            "growth of U could not be proved near the direction "
            f"{outcome.describe(potential.symbols)}"
        )
        if potential.dim > 1 and radius >= 2**10:
            break
    return failure


def _failing_direction(potential: Potential, radius: int, centre: tuple[float, ...]) -> str | None:
    evaluate = potential.on_rays(arb(radius))
    for face in faces(potential.dim):
        for point in itertools.product((-1.0, -0.5, 0.0, 0.5, 1.0), repeat=potential.dim - 1):
            thin = Directions(axis=face.axis, sign=face.sign, others=tuple((p, p) for p in point))
            if integrable_bound(evaluate(thin.coordinates(arb(radius), centre))[0], potential.dim):
                continue
            return thin.describe(potential.symbols)
    return None


def _cover(potential: Potential, radius: int, centre: tuple[float, ...]) -> list[Leaf] | Directions:
    evaluate = potential.on_rays(arb(radius))
    leaves: list[Leaf] = []
    pending = [(face, 0) for face in faces(potential.dim)]
    while pending:
        box, depth = pending.pop()
        bound = integrable_bound(evaluate(box.coordinates(arb(radius), centre))[0], potential.dim)
        if bound is not None:
            leaves.append(Leaf(directions=box, amplitude=bound[0], exponent=bound[1]))
        elif not box.others or depth >= DEPTH * len(box.others) or len(leaves) > MOST_BOXES:
            return box
        else:
            pending.extend((half, depth + 1) for half in box.halves())
    return leaves


@precisely
def certify_tail(energy: Energy | Potential) -> Tail:
    """Lower bounds of U outside a cube that make exp(-U) integrable there.

    Raises
    ------
    AssumptionError
        When no such bound was proved, with the direction in which it failed.
    """
    outcome = radial_tail(potential_of(energy))
    if isinstance(outcome, str):
        raise AssumptionError("tail bound", [outcome])
    return outcome


__all__ = ["Directions", "Leaf", "Tail", "certify_tail", "faces", "radial_tail"]
