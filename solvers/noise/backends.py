"""The same noise on numpy, numba and torch: modules made from one text.

``arithmetic(backend, real)`` is a module with ``philox4x32`` and the functions of
``box_muller.py`` on that back end's values; ``filler(bits, real)`` has the compiled loops that
fill a block of the particle engine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from lvebm_theory.formula.generated import load

from ..source_text import body_of, decorated, with_typed_literals
from . import box_muller, philox

Backend = Literal["numpy", "numba", "torch"]
Real = Literal["float64", "float32"]
Bits = Literal[53, 32]

#: decorators of functions that are called, and of those that must vanish into their caller
CALLED = 'njit(error_model="numpy")'
INLINED = 'njit(forceinline=True, error_model="numpy")'

_PHILOX_CONSTANTS = "\n".join(
    f"{name} = {getattr(philox, name)}"
    for name in ("MASK", "MULTIPLIER_0", "MULTIPLIER_1", "WEYL_0", "WEYL_1")
)

_TORCH_HEADER = """
import torch

sqrt = torch.sqrt
where = torch.where


def fma(a, b, c):
    return a * b + c


def bits_64(x):
    return x.view(torch.int64)


def real_of_bits_64(i):
    return i.view(torch.float64)


def bits_32(x):
    return x.view(torch.int32)


def real_of_bits_32(i):
    return i.view(torch.float32)


def real_64(i):
    return i.to(torch.float64)


def wide_64(i):
    return i.to(torch.float64)


def real_32(i):
    return i.to(torch.float32)


def low_32(i):
    return i.to(torch.int32)


def turned_64(cosine, sine, quarter):
    swap = (quarter & 1) == 1
    c = where(swap, sine, cosine)
    s = where(swap, cosine, sine)
    return where(((quarter + 1) & 2) == 2, -c, c), where((quarter & 2) == 2, -s, s)


turned_32 = turned_64
"""

_NUMBA_HEADER = """
import math

import numpy as np
from numba import njit, types
from llvmlite.ir.instructions import Instruction
from numba.extending import intrinsic

sqrt = math.sqrt


@intrinsic
def fma(context, a, b, c):
    # one rounding, spelled out: what a compiler may contract on its own would depend on the loop
    real = context.unify_types(a, b, c)

    def generate(target, builder, signature, values):
        fused = [
            target.cast(builder, v, t, real) for v, t in zip(values, signature.args, strict=True)
        ]
        return builder.fma(*fused)

    return real(a, b, c), generate


@njit(forceinline=True, error_model="numpy")
def where(condition, a, b):
    return a if condition else b


@intrinsic
def select(context, condition, a, b):
    # of a selection between a new value and the one that is stored already the compiler makes a
    # masked store, which takes tens of cycles on some processors; frozen values it leaves alone
    chosen = context.unify_types(a, b)

    def generate(target, builder, signature, values):
        test = target.cast(builder, values[0], signature.args[0], types.boolean)
        both = zip(values[1:], signature.args[1:], strict=True)
        cast = [target.cast(builder, v, t, chosen) for v, t in both]
        frozen = [Instruction(builder.block, v.type, "freeze", [v]) for v in cast]
        for value in frozen:
            builder._insert(value)
        return builder.select(test, *frozen)

    return chosen(condition, a, b), generate


@njit(forceinline=True, error_model="numpy")
def bits_64(x):
    return np.float64(x).view(np.int64)


@njit(forceinline=True, error_model="numpy")
def real_of_bits_64(i):
    return np.int64(i).view(np.float64)


@njit(forceinline=True, error_model="numpy")
def bits_32(x):
    return np.float32(x).view(np.int32)


@njit(forceinline=True, error_model="numpy")
def real_of_bits_32(i):
    return np.int32(i).view(np.float32)


@njit(forceinline=True, error_model="numpy")
def real_64(i):
    return np.float64(i)


@njit(forceinline=True, error_model="numpy")
def real_32(i):
    return np.float32(i)


@njit(forceinline=True, error_model="numpy")
def low_32(i):
    return np.int32(i)


@njit(forceinline=True, error_model="numpy")
def turned_64(cosine, sine, quarter):
    # swap and signs as bits: a comparison would be made on bytes, and widened again
    c = bits_64(cosine)
    s = bits_64(sine)
    other = (c ^ s) & -(quarter & 1)
    c = (c ^ other) ^ (((quarter + 1) & 2) << 62)
    s = (s ^ other) ^ ((quarter & 2) << 62)
    return real_of_bits_64(c), real_of_bits_64(s)


@njit(forceinline=True, error_model="numpy")
def turned_32(cosine, sine, quarter):
    turns = np.int32(quarter & 3)
    c = bits_32(cosine)
    s = bits_32(sine)
    other = np.int32((c ^ s) & np.int32(-(turns & 1)))
    c = (c ^ other) ^ np.int32((np.int32(turns + 1) & 2) << 30)
    s = (s ^ other) ^ np.int32((turns & 2) << 30)
    return real_of_bits_32(c), real_of_bits_32(s)
"""

# AVX2 converts no 64-bit integers: one by one, through general registers, it would take longer than
# the polynomial that follows; the last bits of 3 2^51 + i hold i
_WIDE_BY_CONVERSION = """

@njit(forceinline=True, error_model="numpy")
def wide_64(i):
    return np.float64(i)
"""
_WIDE_BY_BITS = """

@njit(forceinline=True, error_model="numpy")
def wide_64(i):
    return real_of_bits_64(i + 0x4338000000000000) - 6755399441055744.0
"""

_FILL = """
BLOCK = {block}


@njit(forceinline=True, error_model="numpy")
def new_words():
    # a cache line's boundary: elsewhere every second vector would straddle two lines
    raw = np.empty(4 * BLOCK + 16, dtype=np.{word})
    skip = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[skip : skip + 4 * BLOCK]


@njit(forceinline=True, error_model="numpy")
def fill_words(words, ids, first, index, stream_low, stream_high, key_low, key_high):
    for b in range(BLOCK):
        w0, w1, w2, w3 = philox4x32(
            index, ids[np.uint64(first + b)] & MASK, stream_low, stream_high, key_low, key_high
        )
        words[np.uint64(b)] = np.{word}(w0)
        words[np.uint64(BLOCK + b)] = np.{word}(w1)
        words[np.uint64(2 * BLOCK + b)] = np.{word}(w2)
        words[np.uint64(3 * BLOCK + b)] = np.{word}(w3)


@njit(forceinline=True, error_model="numpy")
def fill_block_normals(
    out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
):
    for i in range(rows // {lanes}):
        fill_words(
            words, ids, first, index + i, stream_low, stream_high, key_low, key_high
        )
        base = i * {lanes} * BLOCK
{normals}


@njit(forceinline=True, error_model="numpy")
def fill_block_uniforms(
    out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
):
    for i in range(rows // {lanes}):
        fill_words(
            words, ids, first, index + i, stream_low, stream_high, key_low, key_high
        )
        base = i * {lanes} * BLOCK
{uniforms}


@njit(cache=True, nogil=True, error_model="numpy")
def fill_normals(
    out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
):
    fill_block_normals(
        out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
    )


@njit(cache=True, nogil=True, error_model="numpy")
def fill_uniforms(
    out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
):
    fill_block_uniforms(
        out, rows, ids, first, words, index, stream_low, stream_high, key_low, key_high
    )


@njit(cache=True, nogil=True, error_model="numpy")
def tape(out, ids, index, law, stream_low, stream_high, key_low, key_high):
    rows, n = out.shape
    buffer = np.empty(rows * BLOCK, dtype=out.dtype)
    words = new_words()
    for first in range(0, n, BLOCK):
        here = min(BLOCK, n - first)
        padded = np.zeros(BLOCK, dtype=np.int64)
        for b in range(here):  # an assignment of slices compiles the text of its error message
            padded[b] = ids[first + b]
        if law == 0:
            fill_normals(
                buffer, rows, padded, 0, words, index, stream_low, stream_high, key_low, key_high
            )
        else:
            fill_uniforms(
                buffer, rows, padded, 0, words, index, stream_low, stream_high, key_low, key_high
            )
        for i in range(rows):
            for b in range(here):
                out[i, first + b] = buffer[i * BLOCK + b]


@njit(cache=True, nogil=True, error_model="numpy")
def integers(out, ids, index, stream_low, stream_high, key_low, key_high):
    for b in range(out.shape[0]):
        w0, w1, w2, w3 = philox4x32(index, ids[b], stream_low, stream_high, key_low, key_high)
        out[b, 0] = w0
        out[b, 1] = w1
        out[b, 2] = w2
        out[b, 3] = w3
"""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How many random bits a normal takes and in which type it is computed.

    ``lanes`` normals (or uniforms) come from one Philox call.
    """

    suffix: str
    lanes: int
    real: Real

    @property
    def normals(self) -> str:
        """Name of the function of four words in ``box_muller``."""
        return f"normals_{self.suffix}"

    @property
    def uniforms(self) -> str:
        """Likewise for uniforms."""
        return f"uniforms_{self.suffix}"


def resolution(bits: Bits, real: Real) -> Resolution:
    """53-bit noise is always computed in float64; 32-bit noise in the asked type."""
    if bits == 53:
        return Resolution(suffix="53", lanes=2, real="float64")
    return Resolution(suffix="32_in_64" if real == "float64" else "32_in_32", lanes=4, real=real)


def _shared_text() -> str:
    return body_of(philox) + body_of(box_muller)


def numba_text(real: Real) -> str:
    """Scalar numba source of the whole arithmetic, to stand at the head of a module."""
    functions = decorated(_shared_text(), INLINED)
    if real == "float32":
        functions = with_typed_literals(functions, "np.float32")
    wide = _WIDE_BY_BITS if sixteen_registers() else _WIDE_BY_CONVERSION
    return f"{_NUMBA_HEADER}{wide}\n\n{_PHILOX_CONSTANTS}\n{functions}\n"


@functools.cache
def sixteen_registers() -> bool:
    """Whether this is a processor with AVX2 or less: 16 vector registers, no 64-bit conversions."""
    from llvmlite import binding

    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # not an x86 processor
        return False
    return bool(features.get("sse2", False)) and not features.get("avx512dq", False)


def _loop(*statements: str) -> str:
    """A loop over the particles of a block, inside that over Philox calls."""
    return "\n".join(["        for b in range(BLOCK):", *(f"            {s}" for s in statements)])


def _words(places: Sequence[int]) -> str:
    return ", ".join(f"words[np.uint64({k} * BLOCK + b)]" for k in places)


def _row(row: int) -> str:
    return f"out[np.uint64(base + {row} * BLOCK + b)]"


def _normal_passes(suffix: str, lanes: int, *, split: bool) -> str:
    """The loops that turn the words of one Philox call into rows of normals."""
    each = 4 // lanes  # words per radius, and per angle
    loops = []
    for pair in range(lanes // 2):
        first = 2 * each * pair
        angle = f"angle_{suffix}({_words(range(first + each, first + 2 * each))})"
        radius = f"radius_{suffix}({_words(range(first, first + each))})"
        c, s = _row(2 * pair), _row(2 * pair + 1)
        if split:
            loops.append(_loop(f"{c}, {s} = {angle}"))
            loops.append(_loop(f"r = {radius}", f"{c} *= r", f"{s} *= r"))
        else:
            loops.append(_loop(f"r = {radius}", f"c, s = {angle}", f"{c} = r * c", f"{s} = r * s"))
    return "\n".join(loops)


@functools.cache
def filler(bits: Bits, real: Real, block: int = 256) -> ModuleType:
    """Compiled loops over a block of particles.

    ``fill_normals(out, rows, ids, first, words, index, *address)`` writes the entries of the
    tapes of the particles ids[first : first + block], from Philox index on, to the flat array out
    of rows x block numbers; ``fill_uniforms`` likewise; ``words = new_words()`` is scratch. A
    block of constant length vectorises without a remainder, so that no particle's arithmetic
    depends on its neighbours. ``tape`` and ``integers`` serve any number of particles.

    Philox words lie in a buffer of the first-level cache between the integer loop and that of
    Box and Muller: one loop for both keeps more values alive than there are vector registers,
    and computes float32 at the width of 64-bit integers. With sixteen registers angle and radius
    too have loops of their own.
    """
    way = resolution(bits, real)
    text = numba_text(way.real) + _FILL.format(
        block=block,
        lanes=way.lanes,
        word="uint32" if way.real == "float32" else "int64",
        # an angle that waits in ``out`` must not be rounded there
        normals=_normal_passes(
            way.suffix, way.lanes, split=way.real == real and sixteen_registers()
        ),
        uniforms=_loop(
            f"{', '.join(_row(k) for k in range(way.lanes))} = {way.uniforms}({_words(range(4))})"
        ),
    )
    return load(text)


@dataclass(frozen=True)
class Arithmetic:
    """Array flavour of the shared text: ``philox4x32`` and the functions of ``box_muller``."""

    philox4x32: Callable[..., Any]
    functions: ModuleType


@functools.cache
def arithmetic(backend: Literal["numpy", "torch"]) -> Arithmetic:
    """The shared text on arrays or tensors."""
    if backend == "numpy":
        return Arithmetic(philox.philox4x32, box_muller)
    module = load(f"{_TORCH_HEADER}\n\n{_PHILOX_CONSTANTS}\n{decorated(_shared_text())}\n")
    return Arithmetic(module.philox4x32, module)
