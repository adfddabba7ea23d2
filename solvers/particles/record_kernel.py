"""Compiled observation of blocks of particles: sums of functions, and counts in cells."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.formula.generated import load

from .elementary_module import elementary_functions
from .language import Tracer
from .trace import Trace
from .write_lanes import LaneWriter

_SUMS = """import math

import numpy as np
from numba import njit

{elementary}
real = np.float64
BLOCK = {block}


@njit(error_model="numpy")
def tree_sum(terms, offset):
    # pairwise: the error grows with log2 of the block; constant distances vectorise
{tree}
    return terms[offset]


@njit(error_model="numpy")
def observe_block(state, base, here, values, squares, sums):
{preamble}
{loop}
    for q in range({functions}):
        for b in range(here, BLOCK):
            values[q * BLOCK + b] = 0.0
        for b in range(BLOCK):
            value = values[np.uint64(q * BLOCK + b)]
            squares[b] = value * value
        sums[q, 0] = tree_sum(values, np.uint64(q * BLOCK))
        sums[q, 1] = tree_sum(squares, np.uint64(0))


@njit(cache=True, nogil=True, error_model="numpy")
def observe(state, rows, count, block_from, block_to, sums):
    values = np.empty({functions} * BLOCK)
    squares = np.empty(BLOCK)
    for block in range(block_from, block_to):
        here = min(BLOCK, count - block * BLOCK)
        observe_block(state, block * rows * BLOCK, here, values, squares, sums[block])
"""

_COMMON = '''import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def neumaier(terms):
    """Column sums, each with a running compensation."""
    n, q = terms.shape
    total = np.zeros(q)
    lost = np.zeros(q)
    for i in range(n):
        for k in range(q):
            term = terms[i, k]
            new = total[k] + term
            if abs(total[k]) >= abs(term):
                lost[k] += (total[k] - new) + term
            else:
                lost[k] += (term - new) + total[k]
            total[k] = new
    return total + lost
'''

_COUNTS = '''import numpy as np
from numba import njit

BLOCK = {block}


@njit(error_model="numpy")
def count_block(state, base, here, axes, lows, scales, cells, places, counts):
    """counts[cell] += 1 for the particles of a block; the last entry counts those outside."""
    outside = counts.size - 1
    places[:] = 0
    for a in range(axes.size):
        row = np.uint64(base + axes[a] * BLOCK)
        low, scale, number = lows[a], scales[a], cells[a]
        for b in range(BLOCK):
            place = (np.float64(state[row + np.uint64(b)]) - low) * scale
            inside = place >= 0.0 and place < number and places[b] >= 0
            # 32 bits: AVX2 rounds to no others
            places[b] = np.int32(places[b] * number + np.int32(place) if inside else -1)
    for b in range(here):
        counts[places[b] if places[b] >= 0 else outside] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def count_cells(state, rows, count, block_from, block_to, axes, lows, scales, cells, counts):
    """The same for blocks of an ensemble, ``rows`` numbers per particle."""
    places = np.empty(BLOCK, dtype=np.int32)
    for k in range(block_from, block_to):
        here = min(BLOCK, count - k * BLOCK)
        count_block(state, k * rows * BLOCK, here, axes, lows, scales, cells, places, counts)
'''


@functools.cache
def _common() -> ModuleType:
    return load(_COMMON)


def neumaier(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Column sums of terms (n, q) with compensation, shape (q,)."""
    return np.asarray(_common().neumaier(terms))


@functools.cache
def cell_counter(block: int) -> ModuleType:
    """A module with ``count_cells``, and ``count_block`` for the loop that advances a block."""
    return load(_COUNTS.format(block=block))


def observer(functions: dict[str, Callable[[Any], Any]], dim: int, block: int) -> ModuleType:
    """A module with ``observe(state, rows, count, block_from, block_to, sums)``.

    It sets sums[block, q, 0..1] to the sums over the block's particles of f_q and f_q^2.
    ``observe_block`` does one block, for the loop that advances it.

    Raises
    ------
    ArgumentError
        If a function leaves the language of steps, so that it cannot be compiled.
    """
    tracer = Tracer(dim)
    x = tracer.vector("x")
    values = {name: tracer.lift(function(x)) for name, function in functions.items()}
    flat = Trace(
        dim=dim,
        step={"x": x},
        init={},
        info=values,
        uses_uniform=False,
        uses_normal=False,
        offset={"x": 0},
        rows=dim,
    )
    lines, names = LaneWriter(flat, {}, 0, True, widen=True).values(list(values.values()))
    stores = [
        f"values[np.uint64({q} * BLOCK + b)] = {names[id(symbol)][0]}"
        for q, symbol in enumerate(values.values())
    ]
    loop = ["for b in range(BLOCK):", *(f"    {s}" for s in [*lines.block, *stores])]
    tree = []
    width = block // 2
    while width:
        tree += [
            f"for b in range({width}):",
            f"    terms[offset + np.uint64(b)] += terms[offset + np.uint64({width} + b)]",
        ]
        width //= 2
    return load(
        _SUMS.format(
            block=block,
            elementary=elementary_functions("float64"),
            functions=len(values),
            preamble="\n".join(f"    {s}" for s in lines.preamble),
            loop="\n".join(f"    {s}" for s in loop),
            tree="\n".join(f"    {s}" for s in tree),
        )
    )
