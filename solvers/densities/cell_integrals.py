"""Integrals of exp(-U) and exp(U) over cells, in logarithms, so that no level of U overflows.

For a segment [l, r] of a line and pi = exp(-U):

    mass     int_l^r exp(-U)
    left     (1/mass) int_l^r exp(-U(x)) int_l^x exp(U(y)) dy dx
    right    (1/mass) int_l^r exp(-U(x)) int_x^r exp(U(y)) dy dx

so left + right = int_l^r exp(U). A constant flux J = -pi u' between neighbouring cells a, b gives
mean_b(u) - mean_a(u) = -J (right_a + left_b), means weighted by pi: the exact conductance between
cell averages.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import SolverError

from .compiled import compiled, inlined
from .threads import in_pieces
from .vector_math import exponential, logarithm

_LEAST_SHARE = 1e-4  # of left or right in their sum; a rule too coarse for a cell can miss it
_KINK = 1e-6  # last Legendre coefficient of U above which a segment is split
_LARGEST_RISE = 6.0  # of U across a segment before it is split
_DEPTH = 14
_COUNTS = 50.0  # units of U from its least (largest) value beyond which exp(-U) (exp(U)) is lost
_ROUNDING = 1e-14  # of U; differences below it say nothing
_MOST_PIECES = 2**19  # of all cells together, at one depth
_LANES = 16
_LEAST_PIECE = 100_000  # points of U worth a thread


@dataclass(frozen=True, kw_only=True)
class LogIntegrals:
    """Logarithms of mass, left and right, arrays of one shape."""

    mass: FloatArray
    left: FloatArray
    right: FloatArray

    def __getitem__(self, part: slice) -> LogIntegrals:
        """Integrals over some of the segments."""
        return LogIntegrals(mass=self.mass[part], left=self.left[part], right=self.right[part])

    def joined(self, other: LogIntegrals) -> LogIntegrals:
        """Integrals over the union of segments, ``other`` adjoining on the right."""
        mass = np.logaddexp(self.mass, other.mass)
        whole_self = np.logaddexp(self.left, self.right)
        whole_other = np.logaddexp(other.left, other.right)
        left = np.logaddexp(
            self.mass + self.left, other.mass + np.logaddexp(whole_self, other.left)
        )
        right = np.logaddexp(
            self.mass + np.logaddexp(self.right, whole_other), other.mass + other.right
        )
        return LogIntegrals(mass=mass, left=left - mass, right=right - mass)


@functools.cache
def gauss(points: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Gauss-Legendre on [0, 1]: abscissae, weights, the integration matrix, the last mode.

    The matrix B has int_0^{x_a} f = sum_b B_ab f(x_b) for polynomials f of degree < points; the
    last mode is the row that reads off the highest Legendre coefficient.
    """
    x, w = np.polynomial.legendre.leggauss(points)
    values = np.polynomial.legendre.legvander(x, points - 1)
    modes = (2 * np.arange(points) + 1)[:, None] / 2 * values.T * w  # coefficients from values
    primitives = np.stack(
        [
            np.polynomial.legendre.legval(
                x, np.polynomial.legendre.legint(np.eye(points)[k], lbnd=-1)
            )
            for k in range(points)
        ],
        axis=1,
    )
    return (x + 1) / 2, w / 2, np.ascontiguousarray(primitives @ modes / 2), modes[-1]


def line_integrals(potential: FloatArray, widths: FloatArray) -> LogIntegrals:
    """Integrals over cells from U at Gauss points.

    Parameters
    ----------
    potential : array (lines, n, m), U at the m Gauss points of n cells along every line
    widths : array (n,)

    Returns
    -------
    LogIntegrals of shape (lines, n)
    """
    abscissae, weights, integrate, _ = gauss(potential.shape[-1])
    mass, left, right = (np.empty(potential.shape[:-1]) for _ in range(3))
    values, log_widths = np.ascontiguousarray(potential), np.log(widths)
    limit = rise_of_rule(potential.shape[-1])

    def work(begin: int, end: int) -> None:
        _integrate_lines(
            values[begin:end],
            log_widths,
            abscissae,
            weights,
            integrate,
            limit,
            mass[begin:end],
            left[begin:end],
            right[begin:end],
        )

    in_pieces(work, values.shape[0], _LEAST_PIECE // max(values[:1].size, 1))
    return LogIntegrals(mass=mass, left=left, right=right)


def rise_of_rule(points: int) -> float:
    """Largest variation of U over its points up to which a Gauss rule serves."""
    return float(0.8 * (points / 2) ** 1.25)


@compiled
def _integrate_lines(
    potential: FloatArray,
    log_width: FloatArray,
    abscissae: FloatArray,
    weights: FloatArray,
    integrate: FloatArray,
    limit: float,
    mass: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    """Gauss rules on groups of lanes; broken lines as well where a cell of a group is steep."""
    lines, cells, points = potential.shape
    room = np.empty((3, points, _LANES))
    u, low, high = room[0], room[1], room[2]
    row, broken = np.empty((7, _LANES)), np.empty((3, _LANES))
    mean, least, most, climb = row[0], row[1], row[2], row[3]
    m, l, whole = row[4], row[5], row[6]
    for line in range(lines):
        for begin in range(0, cells, _LANES):
            count = min(_LANES, cells - begin)
            for k in range(_LANES):
                for a in range(points):
                    u[a, k] = potential[line, begin + min(k, count - 1), a]
            for k in range(_LANES):
                least[k] = u[0, k]
                most[k] = u[0, k]
                mean[k] = u[0, k] / points
                m[k] = 0.0
                l[k] = 0.0
                whole[k] = 0.0
            for a in range(1, points):
                for k in range(_LANES):
                    least[k] = u[a, k] if u[a, k] < least[k] else least[k]
                    most[k] = u[a, k] if u[a, k] > most[k] else most[k]
                    mean[k] += u[a, k] / points
            for a in range(points):
                for k in range(_LANES):
                    low[a, k] = exponential(mean[k] - u[a, k])
                    high[a, k] = 1.0 / low[a, k]
                    m[k] += weights[a] * low[a, k]
                    whole[k] += weights[a] * high[a, k]
            for a in range(points):
                for k in range(_LANES):
                    climb[k] = 0.0
                for b in range(points):
                    for k in range(_LANES):
                        climb[k] += integrate[a, b] * high[b, k]
                for k in range(_LANES):
                    l[k] += weights[a] * low[a, k] * climb[k]
            for k in range(_LANES):
                floor, ceiling = _LEAST_SHARE * whole[k], (1 - _LEAST_SHARE) * whole[k]
                share = l[k] / m[k]
                share = share if share > floor else floor
                l[k] = share if share < ceiling else ceiling
                whole[k] = logarithm(whole[k] - l[k]) + mean[k]
                l[k] = logarithm(l[k]) + mean[k]
                m[k] = logarithm(m[k]) - mean[k]
            steepest = 0.0
            for k in range(_LANES):
                steepest = max(steepest, most[k] - least[k])
            if steepest > limit:
                _broken_lines(u, abscissae, broken[0], broken[1], broken[2])
                for k in range(_LANES):
                    steep = most[k] - least[k] > limit
                    m[k] = broken[0, k] if steep else m[k]
                    l[k] = broken[1, k] if steep else l[k]
                    whole[k] = broken[2, k] if steep else whole[k]
            for k in range(count):
                i = begin + k
                mass[line, i] = m[k] + log_width[i]
                left[line, i] = l[k] + log_width[i]
                right[line, i] = whole[k] + log_width[i]


@compiled
def _broken_lines(
    u: FloatArray, abscissae: FloatArray, mass: FloatArray, left: FloatArray, right: FloatArray
) -> None:
    """Logs over [0, 1] for broken lines through U (points, lanes) at the Gauss points.

    Less accurate than Gauss where U is tame, but positive and of the right size however steep.
    """
    points = u.shape[0]
    for j in range(points - 1):
        begin = 0.0 if j == 0 else abscissae[j]
        end = 1.0 if j == points - 2 else abscissae[j + 1]
        gap = abscissae[j + 1] - abscissae[j]
        log_width = math.log(end - begin)
        for k in range(_LANES):
            slope = (u[j + 1, k] - u[j, k]) / gap
            start = u[j, k] + slope * (begin - abscissae[j])
            rise = slope * (end - begin)
            m = _log_mean(rise) - start + log_width
            l = _log_climb(rise) + start + log_width
            r = _log_climb(-rise) + start + rise + log_width
            if j == 0:
                mass[k], left[k], right[k] = m, l, r
            else:
                whole = _log_add(left[k], right[k])
                total = _log_add(mass[k], m)
                new_left = _log_add(mass[k] + left[k], m + _log_add(whole, l)) - total
                new_right = _log_add(mass[k] + _log_add(right[k], _log_add(l, r)), m + r) - total
                mass[k], left[k], right[k] = total, new_left, new_right


@inlined
def _log_add(a: float, b: float) -> float:
    total: float = (a if a > b else b) + logarithm(1.0 + exponential(-abs(a - b)))
    return total


@inlined
def _log_mean(a: float) -> float:
    """log int_0^1 e^{-a x} dx."""
    size = abs(a)
    safe = size if size > 1e-4 else 1.0
    far = logarithm((1.0 - exponential(-safe)) / safe) + (-a if a < 0.0 else 0.0)
    return far if size > 1e-4 else -a / 2


@inlined
def _log_climb(a: float) -> float:
    """log of the mean, under e^{-a x} on [0, 1], of int_0^x e^{a y} dy: 1/(1 - e^{-a}) - 1/a."""
    near = abs(a) < 0.1
    safe = 1.0 if near else a
    far = 1.0 / (1.0 - exponential(-safe)) - 1.0 / safe
    square = a * a
    series = 0.5 + a * (1.0 / 12.0 - square * (1.0 / 720.0 - square / 30240.0))
    value: float = logarithm(series if near else far)
    return value


def segment_integrals(
    potential: Callable[[FloatArray], FloatArray], edges: FloatArray, points: int = 6
) -> LogIntegrals:
    """Integrals over the segments between edges; segments where U is not smooth or steep are
    bisected, as far as their halves still count in the whole.

    Parameters
    ----------
    potential : U on an array of any shape
    edges : increasing array (n + 1,)

    Returns
    -------
    LogIntegrals of shape (n,)

    Raises
    ------
    SolverError
        U is rough in so many places that its integrals are out of reach.
    """
    return _split(potential, edges[:-1], edges[1:], points, 0, None)


def _straight(
    potential: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> LogIntegrals:
    """For a straight line through U at both ends of steep pieces.

    Ends are shared with the neighbours: lines that miss each other there by a few units of U
    would make a wall, or a hole.
    """
    start, end = potential(low), potential(high)
    rise, log_width = end - start, np.log(high - low)
    size = np.abs(rise)
    large = np.log1p(-1.0 / size)  # the two means of ``_log_climb``, for rises far above one
    small = -np.log(size)
    return LogIntegrals(
        mass=small - np.minimum(start, end) + log_width,
        left=np.where(rise > 0, large, small) + start + log_width,
        right=np.where(rise > 0, small, large) + end + log_width,
    )


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Least and largest U seen in the segment of which a piece is a part."""

    least: FloatArray
    most: FloatArray

    def halved(self, kept: npt.NDArray[np.bool_]) -> _Span:
        return _Span(least=np.tile(self.least[kept], 2), most=np.tile(self.most[kept], 2))


def _split(
    potential: Callable[[FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
    points: int,
    depth: int,
    span: _Span | None,
) -> LogIntegrals:
    x, _, _, last_mode = gauss(points)
    widths = high - low
    values = potential(low[:, None] + widths[:, None] * x)
    lines = line_integrals(values[None], widths)
    whole = LogIntegrals(mass=lines.mass[0], left=lines.left[0], right=lines.right[0])
    if depth == _DEPTH:
        return whole
    least, most = values.min(axis=1), values.max(axis=1)
    if span is None:
        span = _Span(least=least, most=most)
    else:
        span = _Span(least=np.minimum(span.least, least), most=np.maximum(span.most, most))
    rise = most - least
    # a steep piece far from both ends of U in its segment adds little to the integrals
    counts = (least - rise < span.least + _COUNTS) | (most + rise > span.most - _COUNTS)
    # far from the origin x itself is rounded, and moves U along its slope
    moved = np.maximum(np.abs(low), np.abs(high)) * rise / widths
    rounding = _ROUNDING * (np.abs(values).max(axis=1) + moved)
    steep = rise > _LARGEST_RISE + rounding
    rough = (steep | (np.abs(values @ last_mode) > _KINK + rounding)) & counts
    passed = steep & ~counts
    if passed.any():
        straight = _straight(potential, low[passed], high[passed])
        for name in ("mass", "left", "right"):
            getattr(whole, name)[passed] = getattr(straight, name)
    if not rough.any():
        return whole
    count = int(rough.sum())
    if count > max(_MOST_PIECES, low.size) // 2:
        raise SolverError(
            f"the potential is rough in {count} places of one grid: its integrals over cells are "
            "out of reach"
        )
    middle = (low[rough] + high[rough]) / 2
    pieces = _split(
        potential,
        np.concatenate((low[rough], middle)),
        np.concatenate((middle, high[rough])),
        points,
        depth + 1,
        span.halved(rough),
    )
    halves = pieces[:count].joined(pieces[count:])
    for name in ("mass", "left", "right"):
        getattr(whole, name)[rough] = getattr(halves, name)
    return whole
