r"""Coordinates of the plane in which a law is compact: rotations and shears, of unit Jacobian.

    x = Q (p, q + g(p)),   Q orthonormal,   |grad f|^2 = (f_p - g'(p) f_q)^2 + f_q^2.

A shear straightens a curved valley such as 100 (y - x^2)^2 + (1 - x)^2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import LvebmError
from ..protocols import Energy
from .parts import exact_potential

if TYPE_CHECKING:
    from ..certified.subject import Potential

PlanePotential = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """See the module; ``shift`` and ``slope`` are g and g', None without a shear.

    ``shift_range`` encloses g over intervals, given and returned by their ends.
    """

    axes: FloatArray
    shift: Callable[[FloatArray], FloatArray] | None = None
    slope: Callable[[FloatArray], FloatArray] | None = None
    shift_range: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]] | None = None

    def outward(self, p: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Original coordinates of points of the frame."""
        if self.shift is not None:
            q = q + self.shift(p)
        a = self.axes
        return a[0, 0] * p + a[0, 1] * q, a[1, 0] * p + a[1, 1] * q

    def inward(self, x: FloatArray) -> FloatArray:
        """Coordinates (n, 2) in the frame of original points (n, 2)."""
        local = x @ self.axes
        if self.shift is not None:
            local[:, 1] -= self.shift(local[:, 0])
        return np.asarray(local)

    def enclosure(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Boxes of the frame that hold boxes (n, 2), (n, 2) of the original coordinates."""
        middle = ((low + high) / 2) @ self.axes
        reach = ((high - low) / 2) @ np.abs(self.axes)
        reach = reach + 1e-13 * (np.abs(low) + np.abs(high)).sum(axis=1)[:, None]
        lower, upper = middle - reach, middle + reach
        if self.shift_range is not None:
            least, most = self.shift_range(lower[:, 0], upper[:, 0])
            lower[:, 1], upper[:, 1] = lower[:, 1] - most, upper[:, 1] - least
        return lower, upper

    def potential(self, potential: PlanePotential) -> PlanePotential:
        """U in the coordinates of the frame."""
        if self.shift is None and np.array_equal(self.axes, np.eye(2)):
            return potential
        return lambda p, q: potential(*self.outward(p, q))


def shear_frames(energy: Energy) -> list[Frame]:
    """Frames that remove the next-to-leading power of a coordinate in which U is polynomial."""
    from ..certified.transform import sheared

    return _frames(energy, lambda potential: ((s, shift) for _, s, shift in sheared(potential)))


def kink_frames(energy: Energy) -> list[Frame]:
    """Frames in which a kink off the axes, |a y + h(x)|, lies on a coordinate line."""
    from ..certified.transform import straightening

    return _frames(energy, straightening)


def _frames(
    energy: Energy, shears: Callable[[Potential], Iterable[tuple[Any, Any]]]
) -> list[Frame]:
    try:
        potential = exact_potential(energy)
    except LvebmError:
        return []
    if potential is None:
        return []
    import sympy

    frames = []
    for symbol, shift in shears(potential):
        which = potential.symbols.index(symbol)
        other = potential.symbols[1 - which]
        axes = np.eye(2) if which == 1 else np.eye(2)[::-1].copy()
        g, slope = (potential.on_floats(e) for e in (shift, sympy.diff(shift, other)))
        frames.append(
            Frame(
                axes=axes,
                shift=partial(_along, g, which),
                slope=partial(_along, slope, which),
                shift_range=partial(_range_along, potential, shift, which),
            )
        )
    return frames


def _range_along(
    potential: Potential, shift: Any, which: int, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    from ..certified.array_intervals import ARRAY_INTERVALS
    from ..certified.evaluation import bind

    side, zero = (low, high), (np.zeros_like(low), np.zeros_like(low))
    with np.errstate(all="ignore"):
        (found,) = bind(potential.program(shift), ARRAY_INTERVALS)(
            [side, zero] if which == 1 else [zero, side]
        )
    return np.broadcast_to(found[0], low.shape), np.broadcast_to(found[1], low.shape)


def _along(function: Callable[[list[FloatArray]], list[Any]], which: int, p: FloatArray) -> Any:
    """A function of the coordinate that is not number ``which``."""
    zero = np.zeros_like(p)
    return np.asarray(function([p, zero] if which == 1 else [zero, p])[0])
