"""A register-tiled product of small matrices, as one instruction sequence for compiled loops.

    C[r, :] = bias[r] + sum_k A[r, k] B[k, :]      ROWS rows r, LANES columns at a time

What stands in the way of a compiler that is given the three loops is where sums are kept: here
ROWS x 2 vectors of them stay in registers while k runs, each step being two loads of B, ROWS
broadcasts of A and 2 ROWS fused multiply-adds. Sums run in the order of k, one rounding each,
whatever the width of a vector: results are the same bits on every processor with fused
multiply-adds.

``tile_product`` has the arguments (A, its first entry, stride of r, stride of k, B, first, stride
of k, C, first, stride of r, bias, first, number of k), strides and places counted in entries of
flat arrays. Nothing is checked: the caller owns the bounds.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 4
VECTORS = 2


@functools.cache
def vector_bytes() -> int:
    """Bytes of this processor's vectors; 32 where nothing is known."""
    try:
        return 64 if llvm.get_host_cpu_features().get("avx512f") else 32
    except RuntimeError:
        return 32


#: columns per tile, the same for float32 and float64 and every processor up to 64-byte vectors
LANES = 32


def _generator(signature: Any, real: Any, width: int) -> Any:
    vector = ir.VectorType(real, width)
    word, index = ir.IntType(64), ir.IntType(32)
    groups = LANES // (VECTORS * width)
    suffix = "f32" if isinstance(real, ir.FloatType) else "f64"

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        a, a_first, a_row, a_k, b, b_first, b_k, c, c_first, c_row, bias, bias_first, count = (
            arguments
        )

        def pointer(place: int, array: Any) -> Any:
            return context.make_array(signature.args[place])(context, builder, array).data

        a, b, c, bias = pointer(0, a), pointer(4, b), pointer(7, c), pointer(10, bias)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}{suffix}"
        )
        nothing = ir.Constant(vector, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(index, width), [0] * width)

        def number(value: int) -> Any:
            return ir.Constant(word, value)

        def broadcast(base: Any, place: Any) -> Any:
            scalar = builder.load(builder.gep(base, [place]))
            first = builder.insert_element(nothing, scalar, ir.Constant(index, 0))
            return builder.shuffle_vector(first, nothing, everywhere)

        def vector_at(base: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(base, [place]), vector.as_pointer())

        a_rows = [builder.add(a_first, builder.mul(a_row, number(r))) for r in range(ROWS)]
        starts = [broadcast(bias, builder.add(bias_first, number(r))) for r in range(ROWS)]
        for group in range(groups):
            offset = [number((group * VECTORS + v) * width) for v in range(VECTORS)]
            sums = [[cgutils.alloca_once(builder, vector) for _ in offset] for _ in range(ROWS)]
            for r, v in ((r, v) for r in range(ROWS) for v in range(VECTORS)):
                builder.store(starts[r], sums[r][v])
            with cgutils.for_range(builder, count, intp=word) as loop:
                at = builder.add(b_first, builder.mul(loop.index, b_k))
                columns = [
                    builder.load(vector_at(b, builder.add(at, shift)), align=4) for shift in offset
                ]
                along = builder.mul(loop.index, a_k)
                for r in range(ROWS):
                    factor = broadcast(a, builder.add(a_rows[r], along))
                    for v in range(VECTORS):
                        term = builder.load(sums[r][v])
                        builder.store(builder.call(fma, [factor, columns[v], term]), sums[r][v])
            for r in range(ROWS):
                row = builder.add(c_first, builder.mul(c_row, number(r)))
                for v in range(VECTORS):
                    place = vector_at(c, builder.add(row, offset[v]))
                    builder.store(builder.load(sums[r][v]), place, align=4)
        return context.get_dummy_value()

    return generate


@intrinsic  # type: ignore[untyped-decorator]
def tile_product(
    context: Any, a: Any, a_first: Any, a_row: Any, a_k: Any, b: Any, b_first: Any, b_k: Any,
    c: Any, c_first: Any, c_row: Any, bias: Any, bias_first: Any, count: Any,
) -> Any:  # fmt: skip
    """One tile of C = bias + A B in registers; see the module."""
    size = a.dtype.bitwidth // 8
    real = ir.FloatType() if size == 4 else ir.DoubleType()
    whole = types.int64
    signature = types.void(
        a, whole, whole, whole, b, whole, whole, c, whole, whole, bias, whole, whole
    )
    return signature, _generator(signature, real, vector_bytes() // size)
