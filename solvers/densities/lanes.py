"""The two inner loops of the grid engine, written as vector instructions.

Numba keeps arrays of lanes in memory; here they stay in registers: sixteen tridiagonal lines are
eliminated at once, their tiles transposed by shuffles, and rows are combined with sums held back.
LLVM lowers the vectors to whatever the processor has, with the same bits everywhere: every
operation is elementwise and fused multiply-adds are asked for by name.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_WIDTH = 8
_HALVES = LANES // _WIDTH
_INTEGER = ir.IntType(64)
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, _WIDTH)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose of an 8 x 8 tile held in eight vectors: three exchanges of off-diagonal blocks."""
    for shift in (1, 2, 4):
        low = [c if not c & shift else c - shift + _WIDTH for c in range(_WIDTH)]
        high = [c + shift if not c & shift else c + _WIDTH for c in range(_WIDTH)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), m) for m in (low, high)]
        following = list(rows)
        for i in range(_WIDTH):
            if not i & shift:
                pair = (rows[i], rows[i + shift])
                following[i] = builder.shuffle_vector(*pair, masks[0])
                following[i + shift] = builder.shuffle_vector(*pair, masks[1])
        rows = following
    return rows


class _Lines:
    """Addresses of the rows of (n, LANES) arrays, in halves of eight lanes."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def _address(self, base: Any, row: Any, half: int, offset: int = 0) -> Any:
        place = self.builder.mul(row, _INTEGER(LANES))
        place = self.builder.add(place, _INTEGER(half * _WIDTH + offset))
        pointer = self.builder.gep(base, [place])
        return self.builder.bitcast(pointer, _VECTOR.as_pointer())

    def load(self, base: Any, row: Any, half: int) -> Any:
        return self.builder.load(self._address(base, row, half), align=8)

    def store(self, value: Any, base: Any, row: Any, half: int, offset: int = 0) -> None:
        self.builder.store(value, self._address(base, row, half, offset), align=8)


@intrinsic  # type: ignore[untyped-decorator]
def sweep_lines(
    typing: Any,
    inverse: Any,
    ratio: Any,
    source: Any,
    forward: Any,
    target: Any,
    first: Any,
    new: Any,
    old: Any,
) -> Any:
    """target <- new*x - old*source for (1 + half*A) x = source, on LANES lines.

    inverse, ratio, source, forward (n, LANES), n a multiple of 8; target (n / LANES, m, LANES),
    whose tile b receives the transpose of rows b*LANES... at its rows ``first`` onwards.
    """
    signature = types.void(inverse, ratio, source, forward, target, first, new, old)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:5], arguments[:5], strict=True)
        ]
        inverse, ratio, source, forward, target = (a.data for a in arrays)
        shape = cgutils.unpack_tuple(builder, arrays[2].shape)
        wide = cgutils.unpack_tuple(builder, arrays[4].shape)[1]
        start = arguments[5]
        new, old = (_splat(builder, value) for value in arguments[6:])
        lines = _Lines(builder)
        zero = ir.Constant(_VECTOR, [0.0] * _WIDTH)
        state = [cgutils.alloca_once_value(builder, zero) for _ in range(_HALVES)]
        groups = builder.sdiv(shape[0], _INTEGER(_WIDTH))
        held = [cgutils.alloca_once_value(builder, zero) for _ in range(_HALVES)]
        with cgutils.for_range(builder, groups) as loop:
            for l in range(_WIDTH):
                row = builder.add(builder.mul(loop.index, _INTEGER(_WIDTH)), _INTEGER(l))
                for half in range(_HALVES):
                    value = _fused(
                        builder,
                        builder.load(held[half]),
                        builder.load(state[half]),
                        lines.load(source, row, half),
                    )
                    lines.store(value, forward, row, half)
                    builder.store(value, state[half])
                    builder.store(lines.load(ratio, row, half), held[half])
        for half in range(_HALVES):
            builder.store(zero, state[half])
        with cgutils.for_range(builder, groups) as loop:
            group = builder.sub(builder.sub(groups, _INTEGER(1)), loop.index)
            tile: list[list[Any]] = [[None] * _WIDTH for _ in range(_HALVES)]
            for l in reversed(range(_WIDTH)):
                row = builder.add(builder.mul(group, _INTEGER(_WIDTH)), _INTEGER(l))
                for half in range(_HALVES):
                    carried = builder.fmul(
                        lines.load(inverse, row, half), lines.load(forward, row, half)
                    )
                    x = _fused(
                        builder, lines.load(ratio, row, half), builder.load(state[half]), carried
                    )
                    builder.store(x, state[half])
                    kept = builder.fmul(old, lines.load(source, row, half))
                    tile[half][l] = _fused(builder, new, x, builder.fneg(kept))
            block = builder.sdiv(group, _INTEGER(LANES // _WIDTH))
            offset = builder.srem(group, _INTEGER(LANES // _WIDTH))
            base = builder.gep(target, [builder.mul(offset, _INTEGER(_WIDTH))])
            top = builder.add(builder.mul(block, wide), start)
            for half in range(_HALVES):
                for k, column in enumerate(_transposed(builder, tile[half])):
                    row = builder.add(top, _INTEGER(half * _WIDTH + k))
                    lines.store(column, base, row, 0)
        return context.get_dummy_value()

    return signature, generate


TILE = 4 * _WIDTH


@intrinsic  # type: ignore[untyped-decorator]
def combine_tile(
    typing: Any, weights: Any, rows: Any, out: Any, first: Any, second: Any, begin: Any
) -> Any:
    """out[j, begin:begin+TILE] = sum_k weights[j, k] rows[k, begin:begin+TILE], j first, second.

    weights (T, k), rows (k, n), out (T, n); the sums stay in registers.
    """
    signature = types.void(weights, rows, out, first, second, begin)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, rows, out = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
        )
        targets, begin = arguments[3:5], arguments[5]
        count, width = cgutils.unpack_tuple(builder, rows.shape)

        def pieces(base: Any, row: Any) -> list[Any]:
            start = builder.add(builder.mul(row, width), begin)
            return [
                builder.bitcast(
                    builder.gep(base, [builder.add(start, _INTEGER(piece * _WIDTH))]),
                    _VECTOR.as_pointer(),
                )
                for piece in range(TILE // _WIDTH)
            ]

        zero = ir.Constant(_VECTOR, [0.0] * _WIDTH)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(4)] for _ in targets]
        with cgutils.for_range(builder, count) as loop:
            loaded = [builder.load(p, align=8) for p in pieces(rows.data, loop.index)]
            for target, held in zip(targets, sums, strict=True):
                place = builder.add(builder.mul(target, count), loop.index)
                weight = _splat(builder, builder.load(builder.gep(weights.data, [place])))
                for total, piece in zip(held, loaded, strict=True):
                    builder.store(_fused(builder, weight, piece, builder.load(total)), total)
        for target, held in zip(targets, sums, strict=True):
            for total, pointer in zip(held, pieces(out.data, target), strict=True):
                builder.store(builder.load(total), pointer, align=8)
        return context.get_dummy_value()

    return signature, generate


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a*b + c, rounded once."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    name = f"llvm.fma.v{_WIDTH}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def _splat(builder: Any, value: Any) -> Any:
    vector = ir.Constant(_VECTOR, ir.Undefined)
    for k in range(_WIDTH):
        vector = builder.insert_element(vector, value, ir.IntType(32)(k))
    return vector
