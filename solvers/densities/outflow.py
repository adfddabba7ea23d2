"""How much of a flow would have left its box: a bound for each wall, from the outermost cells.

Let the walls absorb instead of reflect. The mass that has left by time T is at most

    P(left before a clock of law Gamma(m, s) rings) / P(Gamma(m, s) > T)

and the m exponential stages of the clock are m solves with s + K - L, K the rates from the
outermost cells through the walls. These matrices are M-matrices: nothing is subtracted on a line,
so the bound keeps its relative accuracy far below rounding of one, and no step in time enters.
Densities of the reflecting box differ from those of the open space by at most this mass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from lvebm_theory.arrays import FloatArray

from .compiled import compiled
from .generator import Generator

_STAGES = 4
_RINGS = 3.0  # s T
_RING_LATER = math.exp(-_RINGS) * sum(_RINGS**k / math.factorial(k) for k in range(_STAGES))
_FASTEST = 1e200  # rates beyond it are as good as infinite


@dataclass(frozen=True, kw_only=True, eq=False)
class Outflow:
    """Mass that leaves through each wall within a time, at most.

    Attributes
    ----------
    walls : for each axis k, arrays (lower, upper) over the outermost cells, one entry along k
    """

    walls: tuple[tuple[FloatArray, FloatArray], ...]

    @property
    def total(self) -> float:
        """Through all walls."""
        return float(sum(side.sum() for pair in self.walls for side in pair))


def outflow(generator: Generator, masses: FloatArray, time: float) -> Outflow:
    """Mass that would leave the box of a generator within a time if its walls absorbed, at most.

    Parameters
    ----------
    generator : of any dimension
    masses : array (*grid.shape), the density at time 0
    time : T >= 0
    """
    if time == 0:
        nothing = [np.zeros_like(low) for low, _ in generator.log_walls]
        return Outflow(walls=tuple((a, a) for a in nothing))
    rates = tuple(
        (
            np.minimum(np.exp(low - _outermost(generator.log_gibbs, k, 0)), _FASTEST),
            np.minimum(np.exp(high - _outermost(generator.log_gibbs, k, -1)), _FASTEST),
        )
        for k, (low, high) in enumerate(generator.log_walls)
    )
    killing = np.zeros(generator.grid.shape)
    for k, pair in enumerate(rates):
        for side, rate in zip((0, -1), pair, strict=True):
            _outermost(killing, k, side)[...] += rate
    shift = _RINGS / time
    solver = (
        _Line(generator, killing + shift)
        if generator.grid.dim == 1
        else _Sparse(generator, killing + shift)
    )
    spent, current = np.zeros(generator.grid.shape), masses
    for _ in range(_STAGES):
        stay = solver(current)
        spent += stay
        current = shift * stay
    return Outflow(
        walls=tuple(
            (
                low * _outermost(spent, k, 0) / _RING_LATER,
                high * _outermost(spent, k, -1) / _RING_LATER,
            )
            for k, (low, high) in enumerate(rates)
        )
    )


class _Line:
    """(killing - L)^{-1} on a line, by elimination that uses the zero column sums of L."""

    def __init__(self, generator: Generator, killing: FloatArray) -> None:
        self._up = np.minimum(generator.rates_up[0], _FASTEST)
        self._down = np.minimum(generator.rates_down[0], _FASTEST)
        self._killing = killing

    def __call__(self, masses: FloatArray) -> FloatArray:
        out = np.empty_like(masses)
        _eliminate(self._up, self._down, self._killing, np.ascontiguousarray(masses), out)
        return out


@compiled
def _eliminate(
    up: FloatArray, down: FloatArray, killing: FloatArray, masses: FloatArray, out: FloatArray
) -> None:
    n = masses.size
    pivots = np.empty(n)
    returned, inflow = 0.0, 0.0  # rate of being killed further left; what arrives from there
    for i in range(n):
        rate = up[i] if i < n - 1 else 0.0
        rest = killing[i] + returned
        pivots[i] = rest + rate
        out[i] = masses[i] + inflow
        if i < n - 1:
            returned = down[i] * (rest / pivots[i])
            inflow = rate * (out[i] / pivots[i])
    later = 0.0
    for j in range(n):
        i = n - 1 - j
        out[i] = (out[i] + (down[i] * later if i < n - 1 else 0.0)) / pivots[i]
        later = out[i]


class _Sparse:
    """The same in the plane and in space, by sparse elimination without pivoting."""

    def __init__(self, generator: Generator, killing: FloatArray) -> None:
        shape = generator.grid.shape
        number = np.arange(math.prod(shape)).reshape(shape)
        diagonal = killing.copy()
        rows, columns, values = [], [], []
        for k in range(generator.grid.dim):
            up = np.minimum(generator.rates_up[k], _FASTEST)
            down = np.minimum(generator.rates_down[k], _FASTEST)
            below, above = np.moveaxis(number, k, 0)[:-1], np.moveaxis(number, k, 0)[1:]
            np.moveaxis(diagonal, k, 0)[:-1] += np.moveaxis(up, k, 0)
            np.moveaxis(diagonal, k, 0)[1:] += np.moveaxis(down, k, 0)
            rows += [above.ravel(), below.ravel()]
            columns += [below.ravel(), above.ravel()]
            values += [-np.moveaxis(up, k, 0).ravel(), -np.moveaxis(down, k, 0).ravel()]
        # in units of the exits: columns sum to a share in (0, 1], whatever the rates
        scale = diagonal.ravel()
        rows.append(number.ravel())
        columns.append(number.ravel())
        values.append(scale)
        place = np.concatenate(columns)
        matrix = sparse.csc_array(
            (np.concatenate(values) / scale[place], (np.concatenate(rows), place)),
            shape=(scale.size, scale.size),
        )
        self._scale, self._shape = scale, shape
        self._factors = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def __call__(self, masses: FloatArray) -> FloatArray:
        found = self._factors.solve(masses.ravel()) / self._scale
        return np.asarray(np.maximum(found, 0.0).reshape(self._shape))


def _outermost(array: FloatArray, axis: int, side: int) -> FloatArray:
    """The first (0) or last (-1) layer of cells along an axis, kept as an axis of length one."""
    index = [slice(None)] * array.ndim
    index[axis] = slice(0, 1) if side == 0 else slice(-1, None)
    return array[tuple(index)]
