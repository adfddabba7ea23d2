"""The law of the normals: moments and tails of 10^10 draws of each kind, in standard errors.

The draws are summed where they are made, in the blocks of the particle engine, so that nothing is
stored. Below the three kinds stands a control that has to be caught: the same normals, too wide by
three parts in ten thousand.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from solvers.noise import Noise
from solvers.noise.backends import Bits, Real, filler, resolution

from .particle_rates import PRECISIONS
from .table import Table
from .targets import Target

TITLE = "Normals: moments and tails of 10^10 draws, in standard errors"
TARGETS = (Target(measured="worst", goal="goal", at_most=True),)
#: power, its mean, the variance of z^power
MOMENTS = ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170), (8, 105, 2016000))
EDGES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.5)
WORST = 5.0  # standard errors, of 39: one run in thirty thousand would exceed it
TOO_WIDE = 1.0003
_BLOCK, _ROWS = 256, 8


@functools.cache
def _summing(bits: Bits, real: Real) -> Callable[..., None]:
    """sums += sums of powers of scale z, beyond += counts of |scale z| > edge, over blocks."""
    from numba import njit

    module = filler(bits, real, _BLOCK)
    fill, new_words = module.fill_normals, module.new_words
    lanes = resolution(bits, real).lanes
    first, second, third, fourth, fifth, sixth, seventh = EDGES
    dtype = np.dtype(real)

    @njit(nogil=True, fastmath={"reassoc", "nsz"})  # sums in whatever order is fastest
    def summing(
        low: int, high: int, calls: int, scale: float, address: Any, sums: Any, beyond: Any
    ) -> None:
        words, out = new_words(), np.empty(_ROWS * _BLOCK, dtype=dtype)
        for block in range(low, high):
            ids = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            for call in range(calls):
                index = call * (_ROWS // lanes)
                fill(
                    out, _ROWS, ids, 0, words, index,
                    address[0], address[1], address[2], address[3],
                )  # fmt: skip
                s1 = s2 = s3 = s4 = s6 = s8 = 0.0
                c1 = c2 = c3 = c4 = c5 = c6 = c7 = 0
                for b in range(_ROWS * _BLOCK):
                    z = scale * np.float64(out[b])
                    size, square = abs(z), z * z
                    s1 += z
                    s2 += square
                    s3 += square * z
                    s4 += square * square
                    s6 += square * square * square
                    s8 += (square * square) * (square * square)
                    c1 += size > first
                    c2 += size > second
                    c3 += size > third
                    c4 += size > fourth
                    c5 += size > fifth
                    c6 += size > sixth
                    c7 += size > seventh
                for k, s in enumerate((s1, s2, s3, s4, s6, s8)):
                    sums[k] += s
                for k, c in enumerate((c1, c2, c3, c4, c5, c6, c7)):
                    beyond[k] += c

    return summing  # type: ignore[no-any-return]


def _row(dtype: Real, bits: Bits, draws: int, scale: float) -> dict[str, Any]:
    threads = os.cpu_count() or 1
    blocks = 32 * threads
    calls = -(-draws // (blocks * _BLOCK * _ROWS))
    address = Noise(2026, "law", bits).address
    kernel = _summing(bits, dtype)
    marks = [blocks * k // (4 * threads) for k in range(4 * threads + 1)]

    def piece(k: int) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        sums, beyond = np.zeros(len(MOMENTS)), np.zeros(len(EDGES), dtype=np.int64)
        kernel(marks[k], marks[k + 1], calls, scale, address, sums, beyond)
        return sums, beyond

    with ThreadPoolExecutor(threads) as pool:
        pieces = list(pool.map(piece, range(4 * threads)))
    count = blocks * calls * _BLOCK * _ROWS
    row: dict[str, Any] = {"state": dtype, "noise": f"{bits} bits", "draws": count}
    for total, (power, mean, variance) in zip(
        np.sum([s for s, _ in pieces], axis=0), MOMENTS, strict=True
    ):
        row[f"z^{power}"] = float((total / count - mean) / math.sqrt(variance / count))
    for seen, edge in zip(np.sum([c for _, c in pieces], axis=0), EDGES, strict=True):
        p = math.erfc(edge / math.sqrt(2))
        row[f"beyond {edge:g}"] = float((seen / count - p) / math.sqrt(p * (1 - p) / count))
    row["worst"] = max(abs(v) for k, v in row.items() if k.startswith(("z^", "beyond")))
    return row


def measure(brief: bool) -> Table:
    """One row per kind of normal, and the control."""
    draws = 10**7 if brief else 10**10
    rows = [{"work": "normals", **_row(*kind, draws, 1.0), "goal": WORST} for kind in PRECISIONS]
    rows.append({"work": f"control: {TOO_WIDE} z", **_row("float64", 53, draws, TOO_WIDE)})
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=[f"A row is asked to stay within {WORST:g} standard errors; the control must not."],
    )
