"""The module of a system's compiled loop: noise, steps and records around the text of one step.

Copies lie in groups of LANES. A group's blocks, noise and scratch are flat rows of LANES numbers,
entry by entry; a group goes through all its steps before the next is touched. Sizes and constants
are read at run time, so one compilation serves them all: the text depends on which sizes are equal,
and on the order of operations only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from lvebm_theory.formula.generated import load

from ..noise.backends import Bits, Real, filler, numba_text, resolution
from ..particles.elementary_module import elementary_functions
from .trace import SystemTrace
from .write_loops import StepWriter

_ALONG = 64  # Philox calls at once for a single copy

_MODULE = '''import math

import numpy as np
from numba import njit

{head}
LANES = {lanes}
real = np.{real}
u64 = np.uint64


@njit(forceinline=True, error_model="numpy")
def room(count):
    """Scratch that begins with a cache line."""
    raw = np.empty(count + 16, dtype=real)
    skip = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[skip : skip + count]


@njit(error_model="numpy")
def total(values, count):
    """Sum of a row in eight strands, so that it can be made eight numbers at a time."""
    a = b = c = d = e = f = g = h = real(0.0)
    for k in range(count // 8):
        a += values[u64(8 * k)]
        b += values[u64(8 * k + 1)]
        c += values[u64(8 * k + 2)]
        d += values[u64(8 * k + 3)]
        e += values[u64(8 * k + 4)]
        f += values[u64(8 * k + 5)]
        g += values[u64(8 * k + 6)]
        h += values[u64(8 * k + 7)]
    for k in range(count // 8 * 8, count):
        a += values[u64(k)]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@njit(cache=True, nogil=True, error_model="numpy")
def advance({arguments}):
    """Steps first to last - 1 of some groups; a record after every ``every`` steps."""
{preamble}
    for group in range(group_from, group_to):
{load}
        for step in range(first, last):
{step}
{swap}
            if (step + 1) % every == 0:
                slot = (step + 1) // every - first // every - 1
{record}
{store}
'''

_ALONG_TEXT = """
{arithmetic}

@njit(cache=True, nogil=True, error_model="numpy")
def fill_normals(out, rows, ids, at, words, index, stream_low, stream_high, key_low, key_high):
    for begin in range(0, rows // {lanes}, {along}):
        for b in range({along}):
            w0, w1, w2, w3 = philox4x32(
                index + begin + b, ids[at] & MASK, stream_low, stream_high, key_low, key_high
            )
            words[np.uint64(b)] = w0
            words[np.uint64({along} + b)] = w1
            words[np.uint64(2 * {along} + b)] = w2
            words[np.uint64(3 * {along} + b)] = w3
        for b in range({along}):
            {names} = {normals}(
                words[np.uint64(b)], words[np.uint64({along} + b)],
                words[np.uint64(2 * {along} + b)], words[np.uint64(3 * {along} + b)],
            )
{stores}


@njit(forceinline=True, error_model="numpy")
def new_words():
    return np.empty(4 * {along}, dtype=np.int64)
"""


@functools.cache
def filler_along(bits: Bits, real: Real) -> str:
    """Name of a module like ``filler``'s for one copy: neighbours in its loops are neighbours on
    the copy's tape. It fills up to whole sets of ``_ALONG`` Philox calls."""
    way = resolution(bits, real)
    values = [f"z{k}" for k in range(way.lanes)]
    place = f"            out[np.uint64({way.lanes} * (begin + b) + {{0}})] = z{{0}}"
    text = _ALONG_TEXT.format(
        arithmetic=numba_text(way.real),
        lanes=way.lanes,
        along=_ALONG,
        names=", ".join(values),
        normals=way.normals,
        stores="\n".join(place.format(k) for k in range(way.lanes)),
    )
    return load(text).__name__


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopText:
    """A module's source, and what its function takes.

    ``advance(ids, group_from, group_to, first, last, every, scalars, constants, sizes, arrays,
    streams, key_low, key_high, *blocks, *records)``: scalars (steps, n) from step ``first`` on,
    constants and sizes in the order of these fields, arrays flat one after the other.
    """

    text: str
    lanes: int
    constants: tuple[float, ...]
    sizes: tuple[int, ...]


def _noise(trace: SystemTrace, writer: StepWriter, per_call: int, lanes: int) -> list[str]:
    """Statements that draw one step's normals."""
    lines = []
    for name in trace.noisy:
        k, length = writer.block(name), writer.length(trace.blocks[name])
        lines += [
            f"place = step * ({length})",
            f"index = place // {per_call}",
            f"shift_{k} = place - index * {per_call}",
            f"rows = (shift_{k} + {length} + {per_call - 1}) // {per_call} * {per_call}",
            f"fill_normals(noise_{k}, rows, ids, group * LANES, words, index, "
            f"streams[{k}, 0], streams[{k}, 1], key_low, key_high)",
        ]
        more = per_call * (2 if lanes > 1 else _ALONG + 2)
        writer.preamble.append(f"noise_{k} = room(({length} + {more}) * LANES)")
    return lines


def _copied(length: str, target: str, source: str) -> list[str]:
    return [f"for k in range({length} * LANES):", f"    {target} = {source}"]


def loop_text(
    trace: SystemTrace, recorded: Sequence[str], *, real: Real, bits: Bits, lanes: int
) -> LoopText:
    """Write the module.

    Parameters
    ----------
    trace : SystemTrace
    recorded : blocks to record
    real, bits
        Type of the blocks; bits of the noise.
    lanes : int
        Copies per group; 1 for a single copy.
    """
    writer = StepWriter(trace, lanes)
    noise = _noise(trace, writer, resolution(bits, real).lanes, lanes)
    writer.write()
    names = list(trace.blocks)
    lengths = [writer.length(shape) for shape in trace.blocks.values()]
    arrays = ["array_0 = arrays"] if trace.arrays else []
    for k, array in enumerate(trace.arrays[:-1]):
        arrays.append(f"array_{k + 1} = array_{k}[{writer.length(array.shape)} :]")
    head = [f"n{k} = sizes[{k}]" for k in range(len(writer.sizes))]
    head += [f"constant_{k} = real(constants[{k}])" for k in range(len(writer.constants))]
    head += ["words = new_words()", *arrays]
    load_lines, store, swap, record = [], [], [], []
    for k, length in enumerate(lengths):
        head += [f"now_{k} = room({length} * LANES)", f"next_{k} = room({length} * LANES)"]
        load_lines += _copied(length, f"now_{k}[u64(k)]", f"block_{k}[group, k]")
        store += _copied(length, f"block_{k}[group, k]", f"now_{k}[u64(k)]")
        swap.append(f"now_{k}, next_{k} = next_{k}, now_{k}")
    for j, name in enumerate(recorded):
        k = writer.block(name)
        record += _copied(lengths[k], f"record_{j}[slot, group, k]", f"now_{k}[u64(k)]")
    arguments = [
        "ids", "group_from", "group_to", "first", "last", "every", "scalars", "constants",
        "sizes", "arrays", "streams", "key_low", "key_high",
        *(f"block_{k}" for k in range(len(names))),
        *(f"record_{j}" for j in range(len(recorded))),
    ]  # fmt: skip
    source = filler_along(bits, real) if lanes == 1 else filler(bits, real, lanes).__name__
    text = _MODULE.format(
        head=f"from {source} import fill_normals, new_words\n{elementary_functions(real)}",
        lanes=lanes,
        real=real,
        arguments=", ".join(arguments),
        preamble=_indented([*head, *writer.preamble], 1),
        load=_indented(load_lines, 2),
        step=_indented([*noise, *writer.lines], 3),
        swap=_indented(swap, 3),
        record=_indented(record, 4),
        store=_indented(store, 2),
    )
    return LoopText(
        text=text, lanes=lanes, constants=tuple(writer.constants), sizes=tuple(writer.sizes)
    )


def _indented(lines: Sequence[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines) or "    " * depth + "pass"
