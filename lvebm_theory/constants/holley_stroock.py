r"""Holley-Stroock on the line, with the best comparison energy of a given curvature.

For m > 0 let V = U - m x^2/2 and W its convex envelope. Then U_0 = m x^2/2 + W has U_0'' >= m in
the sense of distributions, so e^{-U_0} satisfies LSI(m), and U - U_0 = V - W gives

    rho >= m exp(-osc(V - W)),        osc = sup - inf

(Holley and Stroock 1987). No comparison energy of curvature at least m does better: any U_0 of
that curvature with U - U_0 in [a, b] has U_0 - m x^2/2 + a convex and below V, hence below W, and
so V - W <= b - a. What is left is one parameter, m.

The proof. The envelope follows V except on finitely many intervals [r_i, s_i], where it is the
secant. Given any such intervals, W defined by "V outside, secants inside" is convex if V'' >= 0
outside and the slope only jumps upwards, V'(r_i) <= secant slope <= V'(s_i). These inequalities,
and the range of V - secant on each interval, are established in ball arithmetic; nothing rests
on the floating-point search that suggested the intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from ..arrays import FloatArray
from ..constant import How
from ..errors import LvebmError
from .parts import exact_potential
from .tails import curvature_far_out

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate


_CELLS = 4000
_COARSER = 5  # the search over m needs fewer points than the split itself
# the intervals are widened and m is lowered by these, so that strict inequalities have room
_ROOM = 1e-6
_PIECES = 20000
# what a piece around an extremum may add to the oscillation
_SLACK = 1e-8


@dataclass(frozen=True, kw_only=True)
class Split:
    """U_0 of curvature at least ``curvature``: V outside the intervals, secants inside."""

    curvature: float
    oscillation: float
    intervals: tuple[tuple[float, float], ...]

    @property
    def bound(self) -> float:
        """m exp(-osc)."""
        return self.curvature * math.exp(-self.oscillation)


def holley_stroock(constants: EnergyConstants) -> Candidate | None:
    """The optimised bound in one dimension, proved if the formula allows."""
    from .log_sobolev import Candidate

    if constants.energy.dim != 1:
        return None
    split = best_split(constants)
    if split is None:
        return None
    how, proved = How.ESTIMATED, None
    if constants.certify:
        potential = _potential(constants)
        proved = None if potential is None else certified_oscillation(potential, split)
    if proved is not None:
        how = How.CERTIFIED
        split = Split(
            curvature=split.curvature * (1 - _ROOM),
            oscillation=proved,
            intervals=split.intervals,
        )
    elif _tails_proved(constants, split):
        how = How.COMPUTED
    # the last digits of exp and of a product may round up
    return Candidate(
        name="holley-stroock",
        lower=split.bound * (1 - 1e-14),
        how=how,
        source=(
            f"Holley-Stroock with a comparison energy of curvature {split.curvature:.6g} and "
            f"oscillation {split.oscillation:.6g}"
        ),
    )


def _tails_proved(constants: EnergyConstants, split: Split) -> bool:
    """U'' >= m beyond the box, where the search took U_0 for U, and no unseen part inside."""
    proof = constants.line_proof
    return proof is not None and (
        proof.resolved and proof.at_least_outside(proof.curvature, split.curvature * (1 - _ROOM))
    )


def _potential(constants: EnergyConstants) -> Potential | None:
    try:
        potential = exact_potential(constants.energy)
    except LvebmError:
        return None
    return potential if potential is not None and potential.smooth else None


def best_split(constants: EnergyConstants) -> Split | None:
    """The split that maximises m exp(-osc), by floating-point search; None without convex tails."""
    energy = constants.energy
    ((lower, upper),) = constants.spectrum.domain
    far = curvature_far_out(energy, lower, upper)
    if not far > 0:
        return None
    x = _points(lower, upper, constants.spectrum.elements.points[:, 0])
    u = energy.on_coordinates("potential", [x])
    few = slice(None, None, _COARSER)

    def loss(log_curvature: float, points: slice = slice(None)) -> float:
        return _oscillation(x[points], u[points], math.exp(log_curvature)) - log_curvature

    # U'' in the mass sets the scale; far out it may be anything above
    variance = constants.spectrum.elements.masses @ (constants.spectrum.elements.points**2)[:, 0]
    top = min(math.log(far), math.log(1e4 / max(float(variance), 1e-300)))
    grid = np.linspace(top - 14, top, 57)
    best = int(np.argmin([loss(g, few) for g in grid]))
    bracket = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-5})
    curvature = math.exp(float(found.x))
    oscillation = _oscillation(x, u, curvature)
    rough = _oscillation(x[::2], u[::2], curvature)
    return Split(
        curvature=curvature,
        # the error falls like the square of the spacing; more where there is a kink
        oscillation=oscillation + 2 * abs(oscillation - rough),
        intervals=hull_intervals(x, u - curvature * x**2 / 2),
    )


def _points(lower: float, upper: float, nodes: FloatArray) -> FloatArray:
    """The nodes of the mesh, since narrow modes lie between the points of any even grid, and an
    even grid between them. No two nearly coincide: their slope would be rounding."""
    even, step = np.linspace(lower, upper, _CELLS + 1, retstep=True)
    nodes = np.unique(nodes)
    nodes = nodes[np.diff(nodes, prepend=-np.inf) > 1e-6 * step]
    after = np.searchsorted(nodes, even).clip(1, len(nodes) - 1)
    near = np.minimum(np.abs(even - nodes[after - 1]), np.abs(even - nodes[after]))
    return np.sort(np.concatenate([even[near > step / 2], nodes]))


def _hull(x: FloatArray, v: FloatArray) -> npt.NDArray[np.intp]:
    """Indices of the vertices of the lower convex hull of the graph."""
    stack: list[int] = []
    for i in range(len(x)):
        while len(stack) >= 2:
            a, b = stack[-2], stack[-1]
            if (v[b] - v[a]) * (x[i] - x[a]) < (v[i] - v[a]) * (x[b] - x[a]):
                break
            stack.pop()
        stack.append(i)
    return np.array(stack)


def _oscillation(x: FloatArray, u: FloatArray, curvature: float) -> float:
    return hull_gap(x, u - curvature * x**2 / 2)


def hull_gap(x: FloatArray, v: FloatArray) -> float:
    """max of v minus its lower convex hull."""
    corners = _hull(x, v)
    return float((v - np.interp(x, x[corners], v[corners])).max())


def hull_intervals(x: FloatArray, v: FloatArray) -> tuple[tuple[float, float], ...]:
    """Where the hull leaves the graph: gaps between corners of more than one grid step."""
    corners = _hull(x, v)
    last = len(x) - 1
    gaps: list[tuple[float, float]] = []
    for a, b in pairwise(corners):
        if b - a > 1:
            low = float(x[a - 1] if a > 0 else 2 * x[0] - x[1])
            high = float(x[b + 1] if b < last else 2 * x[-1] - x[-2])
            if gaps and low <= gaps[-1][1]:
                gaps[-1] = (gaps[-1][0], high)
            else:
                gaps.append((low, high))
    return tuple(gaps)


def certified_oscillation(potential: Potential, split: Split) -> float | None:
    """An upper bound of osc(U - U_0), U_0 of curvature m (1 - 1e-6), or None if a step fails."""
    from flint import arb

    from ..certified.half_line import at_least_between, at_least_beyond
    from ..certified.subject import exact_number, precisely

    @precisely
    def prove() -> float | None:
        x = potential.symbols[0]
        m = exact_number(split.curvature * (1 - _ROOM))
        (slope,), ((curvature,),) = potential.gradient, potential.hessian
        if not split.intervals:
            everywhere = all(
                at_least_beyond(potential, curvature, float(m), sign=s, start=0.0) for s in (-1, 1)
            )
            return 0.0 if everywhere else None
        ends = split.intervals
        threshold = float(m)
        if not (
            at_least_beyond(potential, curvature, threshold, sign=-1, start=ends[0][0])
            and at_least_beyond(potential, curvature, threshold, sign=1, start=ends[-1][1])
            and all(
                at_least_between(potential, curvature, threshold, a[1], b[0])
                for a, b in pairwise(ends)
            )
        ):
            return None
        v = potential.expression - m * x**2 / 2
        values, slopes = potential.on_balls(v), potential.on_balls(slope - m * x)
        high, low = arb(0), arb(0)
        for r, s in ends:
            left, right = values([arb(r)])[0], values([arb(s)])[0]
            secant = (right - left) / (arb(s) - arb(r))
            if not (slopes([arb(r)])[0] <= secant and secant <= slopes([arb(s)])[0]):
                return None
            bounds = _range(potential, v, (r, s), left, secant)
            if bounds is None:
                return None
            low, high = low.min(bounds[0]), high.max(bounds[1])
        return math.nextafter(float((high - low).upper()), math.inf)

    return prove()


def _range(
    potential: Potential, v: Any, ends: tuple[float, float], left: Any, secant: Any
) -> tuple[Any, Any] | None:
    """Enclosure of V - secant on [r, s]: monotone pieces, and tiny ones around extrema."""
    from flint import arb

    from ..formula.expression import differentiate

    value = potential.on_balls(v)
    slope = potential.on_balls(differentiate(v, potential.symbols[0]))
    r, s = ends

    def above_secant(place: float) -> Any:
        return value([arb(place)])[0] - left - secant * (arb(place) - arb(r))

    pending = [(r, s)]
    low, high = arb(0), arb(0)
    for _ in range(_PIECES):
        if not pending:
            return low, high
        a, b = pending.pop()
        rate = slope([arb(a).union(arb(b))])[0] - secant
        if rate > 0 or rate < 0:  # monotone: the ends tell
            seen = [above_secant(a), above_secant(b)]
        else:
            middle = arb((a + b) / 2)
            spread = rate * (arb(a).union(arb(b)) - middle)
            seen = [above_secant((a + b) / 2) + spread]
            if not (spread.is_finite() and float(spread.abs_upper()) <= _SLACK):
                seen = []
        if seen and all(ball.is_finite() for ball in seen):
            for ball in seen:
                low, high = low.min(ball.lower()), high.max(ball.upper())
            continue
        if b - a < 1e-12 * (1 + abs(a)):
            return None
        cut = (a + b) / 2
        pending.extend([(a, cut), (cut, b)])
    return None
