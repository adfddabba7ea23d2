"""Alternating directions for the symmetrised generator of a plane, second order in the step.

With A = A_1 + A_2 (one term per axis), h a step and w = (1 - h A_2 / 2) v,

    u = (1 + h A_1 / 2)^{-1} w,     w' = 2 u - w,
    v = (1 + h A_2 / 2)^{-1} w',    w  = 2 v - w'

is one step of Peaceman and Rachford (J. SIAM 3, 1955): every explicit half is free. Each A_k
annihilates the Gibbs state, so the splitting keeps it; and the error at a fixed time is a series
in even powers of h, because N steps are a symmetric splitting between (1 - h^2 A_2^2 / 4)^{1/2}
and its inverse.

Lines are eliminated ``LANES`` at a time. The state lives in blocks of lanes, once with lines
along the first axis and once along the second; a sweep reads one layout and writes the other,
tile by tile, so that no transposition passes through memory on its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from lvebm_theory.arrays import FloatArray

from .compiled import compiled
from .lanes import LANES, sweep_lines

_FEWEST = 8
_LOOSE = 1e-5  # tolerance above which two runs are cheaper than three


@compiled
def _factor_block(
    up: FloatArray, down: FloatArray, half: float, inverse: FloatArray, ratio: FloatArray
) -> None:
    """Inverse pivots of 1 + half*A on LANES lines, and ratio_i = half*coupling_i*inverse_i.

    Pivot_i = half*up_i + r_i, r_{i+1} = 1 + half*down_{i+1} r_i/pivot_i: zero row sums are used
    exactly, as in ``tridiagonal``.
    """
    rest = np.ones(LANES)
    last = up.shape[0] - 1
    for i in range(last + 1):
        for k in range(LANES):
            inverse[i, k] = 1.0 / (rest[k] + half * up[i, k])
        if i < last:
            for k in range(LANES):
                ratio[i, k] = half * np.sqrt(up[i, k] * down[i + 1, k]) * inverse[i, k]
                rest[k] = 1.0 + half * down[i + 1, k] * rest[k] * inverse[i, k]
    for k in range(LANES):
        ratio[last, k] = 0.0


@compiled
def _factor(
    up: FloatArray, down: FloatArray, half: float, inverse: FloatArray, ratio: FloatArray
) -> None:
    for b in range(up.shape[0]):
        _factor_block(up[b], down[b], half, inverse[b], ratio[b])


@compiled
def _sweep_block(
    inverse: FloatArray,
    ratio: FloatArray,
    new: float,
    old: float,
    source: FloatArray,
    first: int,
    target: FloatArray,
) -> None:
    forward = np.empty_like(source)
    sweep_lines(inverse, ratio, source, forward, target, first, new, old)


@compiled
def _sweep(
    inverse: FloatArray,
    ratio: FloatArray,
    new: float,
    old: float,
    source: FloatArray,
    target: FloatArray,
) -> None:
    for b in range(source.shape[0]):
        _sweep_block(inverse[b], ratio[b], new, old, source[b], b * LANES, target)


@compiled
def _steps(
    count: int,
    inverse_1: FloatArray,
    ratio_1: FloatArray,
    inverse_2: FloatArray,
    ratio_2: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """``count`` steps of ``first``, all but the last sweep, which is left to the caller."""
    for step in range(count):
        for b in range(first.shape[0]):
            _sweep_block(inverse_1[b], ratio_1[b], 2.0, 1.0, first[b], b * LANES, second)
        if step + 1 < count:
            for b in range(second.shape[0]):
                _sweep_block(inverse_2[b], ratio_2[b], 2.0, 1.0, second[b], b * LANES, first)


@compiled
def _explicit(
    up: FloatArray, down: FloatArray, half: float, v: FloatArray, out: FloatArray
) -> None:
    """out = (1 - half*A) v along the last axis of plain arrays."""
    rows, n = v.shape
    for r in range(rows):
        for j in range(n):
            total = (1.0 - half * (up[r, j] + down[r, j])) * v[r, j]
            if j > 0:
                total += half * np.sqrt(up[r, j - 1] * down[r, j]) * v[r, j - 1]
            if j + 1 < n:
                total += half * np.sqrt(up[r, j] * down[r, j + 1]) * v[r, j + 1]
            out[r, j] = total


@dataclass(frozen=True, kw_only=True)
class Extrapolated:
    """A value, the estimated size of its error, and the number of steps that it took.

    ``value`` is None where the error was not reached with the steps that were allowed.
    """

    value: FloatArray | None
    error: float
    steps: int


class AlternatingDirections:
    """Steps of v' = -A v on a plane, and their extrapolation to step zero.

    Parameters
    ----------
    rates_up, rates_down : for each of two axes an array with one entry less along it
        Jump rates to the upper and to the lower neighbour.
    """

    def __init__(
        self, rates_up: tuple[FloatArray, ...], rates_down: tuple[FloatArray, ...]
    ) -> None:
        self._shape = (rates_up[1].shape[0], rates_up[0].shape[1])
        up = [np.pad(a, _beyond(k, after=True)) for k, a in enumerate(rates_up)]
        down = [np.pad(a, _beyond(k, after=False)) for k, a in enumerate(rates_down)]
        self._rates = (
            (_blocked(up[0]), _blocked(down[0])),
            (_blocked(up[1].T), _blocked(down[1].T)),
        )
        self._along = (np.ascontiguousarray(up[1]), np.ascontiguousarray(down[1]))
        self._workspaces = [_Workspace(self._rates)]

    def steps(self, vector: FloatArray, step: float, count: int) -> FloatArray:
        """v after ``count`` >= 1 steps of length ``step``."""
        return self._steps_in(self._workspaces[0], vector, step, count)

    def _steps_in(
        self, workspace: _Workspace, vector: FloatArray, step: float, count: int
    ) -> FloatArray:
        factors, state = workspace.factors, workspace.first
        if step != workspace.factored:
            for rates, pair in zip(self._rates, factors, strict=True):
                _factor(*rates, step / 2, *pair)
            workspace.factored = step
        explicit = np.empty(self._shape)
        _explicit(*self._along, step / 2, np.ascontiguousarray(vector), explicit)
        _to_blocks(explicit, state)
        _steps(count, *factors[0], *factors[1], state, workspace.second)
        _sweep(*factors[1], 1.0, 0.0, workspace.second, state)
        rows = state.transpose(1, 0, 2).reshape(state.shape[1], -1)
        return np.ascontiguousarray(rows[: self._shape[0], : self._shape[1]])

    def _runs(self, vector: FloatArray, time: float, counts: Sequence[int]) -> list[FloatArray]:
        """Runs with given numbers of steps; the longest beside all the others, if threads allow.

        Whole runs wait for each other once, where threads inside a sweep would wait after every
        line: that costs nothing on idle processors and everything on busy ones.
        """

        def several(workspace: _Workspace, mine: Sequence[int]) -> list[FloatArray]:
            return [self._steps_in(workspace, vector, time / n, n) for n in mine]

        if len(counts) == 1 or numba.get_num_threads() == 1:
            return several(self._workspaces[0], counts)
        if len(self._workspaces) == 1:
            self._workspaces.append(_Workspace(self._rates))
        with ThreadPoolExecutor(1) as pool:
            others = pool.submit(several, self._workspaces[1], counts[:-1])
            longest = several(self._workspaces[0], counts[-1:])
            return others.result() + longest

    def extrapolated(
        self,
        vector: FloatArray,
        time: float,
        tolerance: float,
        distance: Callable[[FloatArray, FloatArray], float],
        *,
        least: float,
        most: float,
    ) -> Extrapolated:
        """exp(-time A) vector: Romberg's scheme over runs with n, 2n, 4n, ... steps.

        The value is of sixth or of fourth order in the step, whichever has the smaller estimate:
        twice the error of fourth order by the change to sixth, or the error of second order by
        the change to fourth.

        Parameters
        ----------
        tolerance : asked of the error, measured by ``distance``
        least : number of steps of the first run, at least
        most : number of steps of all runs together, at most
        """
        count = max(_FEWEST, math.ceil(least), _first_count(tolerance))
        counts = [count, 2 * count] if tolerance > _LOOSE else [count, 2 * count, 4 * count]
        taken, error = 0, math.inf
        column: list[FloatArray] = []
        while taken + sum(counts) <= most:
            taken += sum(counts)
            for run in self._runs(vector, time, counts):
                column = _next_column(column, run)
            errors = [(1 + j) * distance(column[j + 1], column[j]) for j in range(len(column) - 1)]
            error = min(errors)
            if not error > tolerance:
                value = column[errors.index(error) + 1]
                return Extrapolated(value=value, error=error, steps=taken)
            counts = [2 * counts[-1]]
        return Extrapolated(value=None, error=error, steps=taken)


def _next_column(column: Sequence[FloatArray], run: FloatArray) -> list[FloatArray]:
    """Values of order two, four, six that the newest run completes."""
    newest = [run]
    for order, coarse in enumerate(column[:2]):
        newest.append(newest[order] + (newest[order] - coarse) / (4.0 ** (order + 1) - 1))
    return newest


class _Workspace:
    """Storage of one run: factors for its step, and the state in both layouts."""

    def __init__(self, rates: tuple[tuple[FloatArray, FloatArray], ...]) -> None:
        self.factors = [(np.empty_like(up), np.empty_like(up)) for up, _ in rates]
        self.factored = 0.0
        self.first, self.second = (np.zeros_like(up) for up, _ in rates)


def _first_count(tolerance: float) -> int:
    """Steps after which the extrapolation of two runs, or of three, may just be good enough."""
    root = math.sqrt(1.0 / tolerance)
    return math.ceil(max(0.26 * root if tolerance > _LOOSE else 0.0, 0.5 * math.sqrt(root)))


def _beyond(axis: int, *, after: bool) -> list[tuple[int, int]]:
    return [((0, 1) if after else (1, 0)) if k == axis else (0, 0) for k in range(2)]


@compiled
def _to_blocks(array: FloatArray, out: FloatArray) -> None:
    n, m = array.shape
    for b in range(out.shape[0]):
        first = b * LANES
        for i in range(n):
            for k in range(min(LANES, m - first)):
                out[b, i, k] = array[i, first + k]


def _blocked(array: FloatArray) -> FloatArray:
    """(n, m) -> (m / LANES, n, LANES), both padded with zeros to multiples of LANES."""
    n, m = (-(-size // LANES) * LANES for size in array.shape)
    out = np.zeros((m // LANES, n, LANES))
    _to_blocks(np.ascontiguousarray(array), out)
    return out
