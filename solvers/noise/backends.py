"""The same noise on numpy, numba and torch: modules made from one text.

``arithmetic(backend, real)`` is a module with ``philox4x32`` and the functions of
``box_muller.py`` on that back end's values; ``filler(bits, real)`` has the compiled loops that
fill a block of the particle engine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
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


def real_32(i):
    return i.to(torch.float32)
"""

_NUMBA_HEADER = """
import math

import numpy as np
from numba import njit
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

    normals: str
    uniforms: str
    lanes: int
    real: Real


def resolution(bits: Bits, real: Real) -> Resolution:
    """53-bit noise is always computed in float64; 32-bit noise in the asked type."""
    if bits == 53:
        return Resolution(normals="normals_53", uniforms="uniforms_53", lanes=2, real="float64")
    suffix = "32_in_64" if real == "float64" else "32_in_32"
    return Resolution(
        normals=f"normals_{suffix}", uniforms=f"uniforms_{suffix}", lanes=4, real=real
    )


def _shared_text() -> str:
    return body_of(philox) + body_of(box_muller)


def numba_text(real: Real) -> str:
    """Scalar numba source of the whole arithmetic, to stand at the head of a module."""
    functions = decorated(_shared_text(), INLINED)
    if real == "float32":
        functions = with_typed_literals(functions, "np.float32")
    return f"{_NUMBA_HEADER}\n\n{_PHILOX_CONSTANTS}\n{functions}\n"


def _pass(function: str, words: range, rows: range) -> str:
    """A loop over the block: ``function`` of these words makes these rows of ``out``."""
    loads = ", ".join(f"words[np.uint64({k} * BLOCK + b)]" for k in words)
    stores = "\n            ".join(
        f"out[np.uint64(base + {row} * BLOCK + b)] = z{k}" for k, row in enumerate(rows)
    )
    targets = ", ".join(f"z{k}" for k in range(len(rows)))
    return f"""        for b in range(BLOCK):
            {targets} = {function}({loads})
            {stores}"""


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
    and computes float32 at the width of 64-bit integers.
    """
    way = resolution(bits, real)
    pair = way.normals.replace("normals", "normal_pair")
    each = 8 // way.lanes  # words that make two normals
    text = numba_text(way.real) + _FILL.format(
        block=block,
        lanes=way.lanes,
        word="uint32" if way.real == "float32" else "int64",
        normals="\n".join(
            _pass(pair, range(k * each, (k + 1) * each), range(2 * k, 2 * k + 2))
            for k in range(4 // each)
        ),
        uniforms=_pass(way.uniforms, range(4), range(way.lanes)),
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
