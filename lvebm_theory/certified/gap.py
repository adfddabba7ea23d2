"""The spectral gap in one dimension between two proved numbers.

Setting: L f = f'' - U' f', pi proportional to exp(-U), lam the largest number with
Var_pi f <= E f'^2 / lam. With D f = f' one has -L = D* D, and D D* = A, A v = -v'' + U' v' + U'' v;
the two share their spectrum off 0, and A has no kernel, so lam is the bottom of the spectrum of A
in L^2(exp(-U)).

Below (Chen-Wang 1997, here with kinks). Let g > 0 be piecewise C^2 with s = (log g)' that may only
jump downwards, and W = U'' - (g'' - U' g')/g = U'' - s' - s^2 + U' s >= c between the kinks. For
v = g h with compact support, integration by parts gives
    int (v'^2 + U'' v^2) e^-U
        = int g^2 h'^2 e^-U + int W v^2 e^-U + sum over kinks (s(x-) - s(x+)) v^2 e^-U,
so <v, A v> >= c |v|^2. With v = f', f smooth of compact support: |L f|^2 >= c <f, -L f>, and such f
are a core of the self-adjoint L (U smooth), so lam >= c.

Above. Let g >= 0 have compact support, s may only jump upwards, W <= c where g > 0. Then
<g, A g> = int W g^2 e^-U - sum (upward jumps) g^2 e^-U <= c |g|^2, hence lam <= c.

Both g come from the Riccati equation s' = U'' - c + U' s - s^2 (``riccati``), integrated inward
from both ends, the stable direction, to a meeting point where the one allowed jump sits. Beyond
the ends: below, s = 0, s = U'/2 or s = U'/2 + 1/(2 (x - m)), m the meeting point, for which
W = U'', W = U''/2 + U'^2/4 or 1/(4 (x - m)^2) more, proved >= c on the whole half-line
(``half_line``); above, g = |R - x| falls to zero, W = U'' - |U'|/|R - x|.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy
from flint import arb
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq

from ..constant import Constant, How
from ..errors import AssumptionError
from ..protocols import Energy
from .algebras import DomainError
from .half_line import at_least_between, at_least_beyond
from .interval import Interval
from .riccati import BITS, BLOW_UP, ORDER, Derivatives, Side, series_context
from .subject import Potential, exact_number, potential_of
from .tail import Directions
from .truncation import truncation_box

SOURCE = (
    "ball arithmetic: Chen-Wang lower bound and variational upper bound, with g from a Riccati "
    "equation whose residual is proved"
)


#: floating-point estimates of smaller gaps are noise
LEAST_GAP = 1e-10
#: how far beyond the truncation box the ends may be moved, in its own lengths
STRETCHES = (1.0, 1.25, 1.6, 2.0, 3.0, 4.5, 7.0)


#: the box itself is enlarged by these factors, in turn, where the two bounds do not close
BOX_STRETCHES = (1.0, 2.0, 4.0)
#: W beyond the ends is asked to exceed the estimated gap by these factors, in turn
MARGINS = (1.02, 1.0005, 1 - 1e-5)


class _Unproved(Exception):
    """This attempt did not go through; another end point may."""


def certified_gap_1d(energy: Energy | Potential, relative_width: float = 1e-6) -> Constant:
    """The spectral gap lam of pi ~ exp(-U) on the line, lower <= lam <= upper proved.

    Parameters
    ----------
    energy : Energy
        One-dimensional, given by a formula that is analytic (no kinks).
    relative_width : float
        Wanted (upper - lower)/lam.

    Returns
    -------
    Constant, CERTIFIED

    Raises
    ------
    AssumptionError
        With the reason when the gap could not be enclosed: heavy tails, a kink, no gap.
    """
    potential = potential_of(energy)
    if potential.dim != 1:
        raise AssumptionError("certified gap", [f"one dimension is needed, got {potential.dim}"])
    if not (energy.smooth or potential.smooth):
        raise AssumptionError("certified gap", ["U is not known to be smooth"])
    box = truncation_box(potential, 1e-20)
    if box is None:
        raise AssumptionError("certified gap", ["the tails are too heavy for a truncation box"])
    try:
        with series_context(2 * ORDER, BITS):
            try:
                return _on_growing_boxes(potential, box[0], relative_width)
            except _Unproved as discrete:
                return _essential(potential, box[0], relative_width, str(discrete))
    except (DomainError, _Unproved) as error:
        raise AssumptionError("certified gap", [str(error)]) from error


def _on_growing_boxes(potential: Potential, box: tuple[float, float], width: float) -> Constant:
    """Close to an essential spectrum the eigenfunction reaches far: move the ends out."""
    for stretch in BOX_STRETCHES:
        low, high = (stretch * end for end in _centred(box))
        middle = (box[0] + box[1]) / 2
        try:
            return _enclosed(potential, (middle + low, middle + high), width)
        except _Unproved:
            if stretch == BOX_STRETCHES[-1]:
                raise
    raise AssertionError("unreachable")


def _centred(box: tuple[float, float]) -> tuple[float, float]:
    half = (box[1] - box[0]) / 2
    return -half, half


def _enclosed(potential: Potential, box: tuple[float, float], width: float) -> Constant:
    estimate, meeting = _finite_volume_estimate(potential, box)
    if not estimate > LEAST_GAP:
        raise _Unproved(f"the gap seems to be below {LEAST_GAP:g}, out of reach of the estimate")
    derivatives = Derivatives(potential)
    for margin in MARGINS:
        covered = estimate * margin
        try:
            starts, ends = _tails_below(potential, box, covered, meeting)
            break
        except _Unproved:
            if margin == MARGINS[-1]:
                raise
    sides = (Side(derivatives, ends[0], meeting), Side(derivatives, ends[1], meeting))
    value = _refined(sides, starts, estimate, width / 64)
    rate = value * (1 - width / 4)
    if rate > covered:
        raise _Unproved(f"beyond the ends W could only be proved to stay above {covered:.6g}")
    lower = _proof_below(sides, starts, rate, value * width / 8)
    upper = _proof_above(potential, derivatives, box, meeting, value, width)
    return Constant(
        value=min(max(value, lower), upper),
        lower=lower,
        upper=upper,
        how=How.CERTIFIED,
        source=SOURCE,
    )


def _essential(
    potential: Potential, box: tuple[float, float], width: float, reason: str
) -> Constant:
    """The gap where it is the bottom of the essential spectrum (exponential tails).

    With V = U'^2/4 + U''/2 -> c at one end, functions supported far out have Rayleigh quotients
    close to c, so lam <= sup_[R, inf) V for every R; Chen-Wang from below as usual.
    """
    (slope,), ((curvature,),) = potential.gradient, potential.hessian
    expression = curvature / 2 + slope**2 / 4
    radius = arb(2) ** 40
    upper, floor = math.inf, math.inf
    for sign in (-1, 1):
        (value,) = potential.on_rays(radius, expression)(
            Directions(axis=0, sign=sign, others=()).coordinates(radius, (0.0,))
        )
        span = value.range()
        if span.defined:
            upper, floor = min(upper, float(span.high)), min(floor, float(span.low))
    if not (math.isfinite(upper) and upper > 0 and floor > upper * (1 - width / 4)):
        raise _Unproved(reason)
    upper = math.nextafter(upper, math.inf)
    rate = upper * (1 - width / 2)
    _, meeting = _finite_volume_estimate(potential, box)
    starts, ends = _tails_below(potential, box, rate, meeting)
    derivatives = Derivatives(potential)
    sides = (Side(derivatives, ends[0], meeting), Side(derivatives, ends[1], meeting))
    for side, start in zip(sides, starts, strict=True):
        if side.pilot(start, rate, rate * width / 64) is None:
            raise _Unproved(reason)
    lower = _proof_below(sides, starts, rate, rate * width / 4)
    return Constant(value=upper, lower=lower, upper=upper, how=How.CERTIFIED, source=SOURCE)


def _tails_below(
    potential: Potential, box: tuple[float, float], rate: float, meeting: float
) -> tuple[tuple[Any, Any], tuple[float, float]]:
    """(s at the left and right end), (ends): a supersolution beyond each end is proved."""
    (slope,), ((curvature,),) = potential.gradient, potential.hessian
    distance = potential.symbols[0] - exact_number(meeting)
    half = curvature / 2 + slope**2 / 4
    candidates = [
        (curvature, sympy.S.Zero),
        (half, slope / 2),
        (half + 1 / (4 * distance**2), slope / 2 + 1 / (2 * distance)),
    ]
    values, ends = [], []
    for sign, end in zip((-1, 1), box, strict=True):
        for stretch in STRETCHES:
            place = meeting + (end - meeting) * stretch
            found = next(
                (
                    s
                    for w, s in candidates
                    if at_least_beyond(potential, w, rate, sign=sign, start=place)
                ),
                None,
            )
            if found is not None:
                (value,) = potential.on_intervals(found)([Interval.between(place, place)])
                values.append(value.low if sign < 0 else value.high)
                ends.append(place)
                break
        else:
            raise _Unproved(
                "neither U'' nor U''/2 + U'^2/4 + 1/(4 x^2) could be proved to stay above the gap "
                f"for x towards {'+' if sign > 0 else '-'}infinity"
            )
    return (values[0], values[1]), (ends[0], ends[1])


def _refined(
    sides: tuple[Side, Side], starts: tuple[Any, Any], estimate: float, tolerance: float
) -> float:
    """The rate at which the two solutions meet: the gap in (high-precision) floats."""
    for rate in (estimate, 0.95 * estimate, 0.8 * estimate):
        if all(
            side.pilot(start, rate, tolerance * estimate) is not None
            for side, start in zip(sides, starts, strict=True)
        ):
            break
    else:
        raise _Unproved("the Riccati equation blew up at the estimated gap")

    def mismatch(rate: float) -> float:
        values = [side.value(start, rate) for side, start in zip(sides, starts, strict=True)]
        if values[0] is None or values[1] is None:
            return -BLOW_UP
        return values[0] - values[1]

    spread = 0.01
    while mismatch(estimate * (1 - spread)) < 0 or mismatch(estimate * (1 + spread)) > 0:
        spread *= 3
        if spread > 0.9:
            raise _Unproved("the gap could not be bracketed")
    bracket = (estimate * (1 - spread), estimate * (1 + spread))
    return float(brentq(mismatch, *bracket, xtol=1e-14 * estimate, rtol=1e-13))


def _proof_below(
    sides: tuple[Side, Side], starts: tuple[Any, Any], rate: float, tolerance: float
) -> float:
    left, d_left = sides[0].proof(starts[0], arb(rate), tolerance, lambda ball: ball.lower())
    right, d_right = sides[1].proof(starts[1], arb(rate), tolerance, lambda ball: ball.upper())
    if not left >= right:
        raise _Unproved(f"the supersolution does not close at the rate {rate:.9g}")
    bound = (arb(rate) - d_left).min(arb(rate) - d_right)
    return math.nextafter(float(bound.lower()), -math.inf)


def _proof_above(
    potential: Potential,
    derivatives: Derivatives,
    box: tuple[float, float],
    meeting: float,
    value: float,
    width: float,
) -> float:
    rate, tolerance = value * (1 + width / 4), value * width / 8
    starts, sides = [], []
    for sign, end in zip((-1, 1), box, strict=True):
        place, reach = _linear_end(potential, rate, sign, end, meeting)
        starts.append(arb(-sign) / arb(reach))
        sides.append(Side(derivatives, place, meeting))
        if sides[-1].pilot(starts[-1], rate, tolerance / 8) is None:
            raise _Unproved("the Riccati equation of the upper bound blew up")
    left, d_left = sides[0].proof(starts[0], arb(rate), tolerance, lambda ball: ball.upper())
    right, d_right = sides[1].proof(starts[1], arb(rate), tolerance, lambda ball: ball.lower())
    if not left <= right:
        raise _Unproved(f"the subsolution does not close at the rate {rate:.9g}")
    bound = (arb(rate) + d_left).max(arb(rate) + d_right)
    return math.nextafter(float(bound.upper()), math.inf)


def _linear_end(
    potential: Potential, rate: float, sign: int, end: float, meeting: float
) -> tuple[float, float]:
    """(place, reach): g = |R - x| from ``place`` to R = place + sign reach is a subsolution there.

    Needs sign U' >= 0 and sign U' >= (U'' - rate) reach in between.
    """
    (slope,), ((curvature,),) = potential.gradient, potential.hessian
    outward = sign * slope
    for shrink in (1.0, 0.97, 0.93, 0.88, 0.82):
        last = meeting + (end - meeting) * shrink
        for halvings in range(2, 12):
            place = last - (last - meeting) * 0.5**halvings
            reach = abs(last - place)
            slip = 1e-12 * reach  # R = place + sign reach differs from ``last`` by rounding
            low, high = min(place, last) - slip, max(place, last) + slip
            steep = outward - (curvature - exact_number(rate)) * exact_number(reach)
            if at_least_between(potential, outward, 0.0, low, high) and at_least_between(
                potential, steep, 0.0, low, high
            ):
                return place, reach
    raise _Unproved("no end piece for the upper bound was found")


def _finite_volume_estimate(
    potential: Potential, box: tuple[float, float], cells: int = 1200
) -> tuple[float, float]:
    """Floats: the gap to a few digits, and where phi_1'^2 exp(-U) is largest."""
    edges = np.linspace(*box, cells + 1)
    x = (edges[1:] + edges[:-1]) / 2
    u = potential.on_floats()([x])[0]
    h = x[1] - x[0]
    half = np.clip(np.diff(u) / 2, -300, 300)
    diagonal = np.zeros(cells)
    diagonal[:-1] += np.exp(-half)
    diagonal[1:] += np.exp(half)
    values, vectors = eigh_tridiagonal(
        diagonal / h**2, -np.ones(cells - 1) / h**2, select="i", select_range=(1, 1)
    )
    # phi' exp(-U/2) between neighbours, phi = v exp(U/2), without forming phi
    v = vectors[:, 0]
    strength = (v[1:] * np.exp(half / 2) - v[:-1] * np.exp(-half / 2)) ** 2
    strength[np.maximum(u[1:], u[:-1]) > u.min() + 46] = 0.0  # there v is rounding noise
    i = int(np.argmax(strength))
    return float(values[0]), float(edges[i + 1])
