"""Compiled loops over the particles of a neural energy: Langevin steps and parameter gradients.

Particles lie in blocks of ``BLOCK`` lanes: ``state`` is flat, coordinate r of block k starts at
(k d + r) BLOCK. A block makes all its Langevin steps before the next begins: position, noise and
activations stay in the nearest caches, and only the weights are shared. The network's matrix
products are tiles of ``tile_product``; the elementwise loops between them vectorise over lanes.

``weights`` is flat, padded by zeros, in the layout of ``neural_layout.Layout``; row l of ``shape``
is (inputs, outputs, first entry of W_l, length of its rows, first entry of b_l, first entry of
the layer's gradient). A padded neuron has no outgoing weight, so what it computes is never seen.

The functions below the body line are copied into a generated module per activation and type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..elementary import exp_below_32 as exp_below
from ..elementary import log1p_32 as log1p
from ..elementary import tanh_32 as tanh
from ..noise.primitives import fma, where
from .tile_product import LANES, ROWS, tile_product

# what the generated module has in their place
BLOCK, TAPE_LANES, LEAST, real = 64, 4, np.float32(-25), np.float32
new_words: Any = None
fill_normals: Any = None
phi: Any = None

# body: the functions below are copied into the generated modules


def tail(a: Any) -> Any:
    """e^-|a|, no less than e^-25 in float32 and e^-300 in float64.

    Slopes of saturated neurons multiply from layer to layer; smaller ones would change no sum,
    and soon be subnormal numbers, on which processors are slow.
    """
    size = where(a > 0.0, -a, a)
    return exp_below(where(size < LEAST, LEAST, size))


def phi_silu(a: Any) -> Any:
    """(phi, phi') of a s(a), s the logistic function."""
    t = tail(a)
    s = where(a > 0.0, 1.0, t) / (1.0 + t)
    h = a * s
    return h, s + (h - h * s)


def phi_tanh(a: Any) -> Any:
    """(phi, phi') of tanh a."""
    h = tanh(a)
    return h, 1.0 - h * h


def phi_softplus(a: Any) -> Any:
    """(phi, phi') of log(1 + e^a)."""
    t = tail(a)
    return where(a > 0.0, a, 0.0) + log1p(t), where(a > 0.0, 1.0, t) / (1.0 + t)


def room(count: Any) -> Any:
    """Zeros that begin with a cache line, so that no vector straddles two."""
    raw = np.zeros(count + 16, dtype=real)
    skip = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[skip : skip + count]


def tile(
    a: Any, a_first: Any, a_row: Any, a_k: Any, b: Any, b_first: Any, b_k: Any,
    c: Any, c_first: Any, c_row: Any, bias: Any, bias_first: Any, count: Any,
) -> None:  # fmt: skip
    """``tile_product`` as a function, so that it is compiled once."""
    tile_product(
        a, a_first, a_row, a_k, b, b_first, b_k, c, c_first, c_row, bias, bias_first, count
    )


def affine(weights: Any, shape: Any, layer: Any, before: Any, after: Any) -> None:
    """after = b_l + W_l before."""
    inputs, outputs, first, length, bias = (
        shape[layer, 0], shape[layer, 1], shape[layer, 2], shape[layer, 3], shape[layer, 4],
    )  # fmt: skip
    for i in range(0, outputs, ROWS):
        for b in range(0, BLOCK, LANES):
            tile(
                weights, first + i * length, length, 1, before, b, BLOCK,
                after, i * BLOCK + b, BLOCK, weights, bias + i, inputs,
            )  # fmt: skip


def pulled_back(
    weights: Any, shape: Any, layer: Any, column: Any, rows: Any, g: Any, u: Any, nothing: Any
) -> None:
    """u = rows ``column`` to column + rows of W_l' g; rows is a multiple of ROWS."""
    outputs, first, length = shape[layer, 1], shape[layer, 2], shape[layer, 3]
    for i in range(0, rows, ROWS):
        for b in range(0, BLOCK, LANES):
            tile(
                weights, first + column + i, 1, length, g, b, BLOCK,
                u, i * BLOCK + b, BLOCK, nothing, 0, outputs,
            )  # fmt: skip


def activate(before: Any, after: Any, slopes: Any, count: Any) -> None:
    """phi and phi' of ``count`` entries."""
    for b in range(count):
        value, slope = phi(before[np.uint64(b)])
        after[np.uint64(b)] = value
        slopes[np.uint64(b)] = slope


def forwards(weights: Any, shape: Any, position: Any, values: Any, slopes: Any, top: Any) -> None:
    """h_l and phi'(a_l) of every layer."""
    before = position
    for layer in range(shape.shape[0]):
        affine(weights, shape, layer, before, top)
        activate(top, values[layer], slopes[layer], shape[layer, 1] * BLOCK)
        before = values[layer]


def times_rows(g: Any, weights: Any, first: Any, rows: Any) -> None:
    """Row i of g times weights[first + i]."""
    for i in range(rows):
        factor = weights[first + i]
        for b in range(BLOCK):
            g[np.uint64(i * BLOCK + b)] *= factor


def times(u: Any, slopes: Any, count: Any) -> None:
    """u times slopes, entry by entry."""
    for b in range(count):
        u[np.uint64(b)] *= slopes[np.uint64(b)]


def move_block(
    weights: Any, shape: Any, readout: Any, position: Any, values: Any, slopes: Any, top: Any,
    nothing: Any, start: Any, moving: Any, padded: Any, h: Any, kick: Any,
    stiffness: Any, centre: Any, normals: Any, row: Any, steps: Any,
) -> None:  # fmt: skip
    """Langevin steps of coordinates start to start + moving; the others stay clamped."""
    last = shape.shape[0] - 1
    for t in range(steps):
        forwards(weights, shape, position, values, slopes, top)
        g = slopes[last]
        times_rows(g, weights, readout, shape[last, 1])
        for layer in range(last, 0, -1):
            u = values[layer - 1]
            pulled_back(weights, shape, layer, 0, shape[layer, 0], g, u, nothing)
            times(u, slopes[layer - 1], shape[layer, 0] * BLOCK)
            g = u
        pulled_back(weights, shape, 0, start, padded, g, top, nothing)
        for r in range(moving):
            c, d = centre[start + r], stiffness[start + r]
            place, noise = (start + r) * BLOCK, (row + t * moving + r) * BLOCK
            for b in range(BLOCK):
                x = position[np.uint64(place + b)]
                force = fma(d, x - c, top[np.uint64(r * BLOCK + b)])
                position[np.uint64(place + b)] = fma(
                    kick, normals[np.uint64(noise + b)], fma(-h, force, x)
                )


def row_sum(a: Any, row: Any) -> Any:
    """The sum of a row of BLOCK entries, by eight sums side by side that one vector can hold."""
    s0, s1, s2, s3 = real(0), real(0), real(0), real(0)
    s4, s5, s6, s7 = real(0), real(0), real(0), real(0)
    for b in range(row * BLOCK, row * BLOCK + BLOCK, 8):
        s0 += a[np.uint64(b)]
        s1 += a[np.uint64(b + 1)]
        s2 += a[np.uint64(b + 2)]
        s3 += a[np.uint64(b + 3)]
        s4 += a[np.uint64(b + 4)]
        s5 += a[np.uint64(b + 5)]
        s6 += a[np.uint64(b + 6)]
        s7 += a[np.uint64(b + 7)]
    return np.float64(((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)))


def average_block(
    weights: Any, shape: Any, readout: Any, position: Any, values: Any, slopes: Any, top: Any,
    turned: Any, product: Any, nothing: Any, present: Any, gradient: Any, last: Any,
) -> None:  # fmt: skip
    """Adds the sum of grad_theta E over the lanes that are present to ``gradient``, in float64."""
    depth = shape.shape[0]
    forwards(weights, shape, position, values, slopes, top)
    g = slopes[depth - 1]
    times_rows(g, weights, readout, shape[depth - 1, 1])
    top_values = values[depth - 1]
    for i in range(shape[depth - 1, 1]):
        for b in range(BLOCK):
            g[np.uint64(i * BLOCK + b)] *= present[np.uint64(b)]
            top_values[np.uint64(i * BLOCK + b)] *= present[np.uint64(b)]
        gradient[last + i] += row_sum(top_values, i)
    for layer in range(depth - 1, -1, -1):
        inputs, outputs, first = shape[layer, 0], shape[layer, 1], shape[layer, 5]
        wide = (outputs + LANES - 1) // LANES * LANES
        before = position if layer == 0 else values[layer - 1]
        for i in range(outputs):
            for b in range(BLOCK):
                turned[np.uint64(b * wide + i)] = g[np.uint64(i * BLOCK + b)]
            gradient[first + inputs * wide + i] += row_sum(g, i)
        for i in range(0, inputs, ROWS):
            for j in range(0, wide, LANES):
                tile(
                    before, i * BLOCK, BLOCK, 1, turned, j, wide,
                    product, i * wide + j, wide, nothing, 0, BLOCK,
                )  # fmt: skip
        for k in range(inputs * wide):
            gradient[first + k] += product[np.uint64(k)]
        if layer > 0:
            pulled_back(weights, shape, layer, 0, inputs, g, product, nothing)
            g = slopes[layer - 1]
            times(g, product, inputs * BLOCK)


def work(
    state: Any, ids: Any, count: Any, dim: Any, block_from: Any, block_to: Any,
    weights: Any, shape: Any, readout: Any, stiffness: Any, centre: Any,
    start: Any, moving: Any, h: Any, kick: Any, first: Any, steps: Any, chunk: Any,
    averaging: Any, gradient: Any, last: Any,
    stream_low: Any, stream_high: Any, key_low: Any, key_high: Any,
) -> None:  # fmt: skip
    """Blocks block_from to block_to - 1: Langevin steps first to first + steps - 1 in place.

    ``averaging`` is 0 for no gradient, 1 for the gradient where particles stand, 2 for where
    they arrive. ``count`` particles are real, lanes beyond are copies.
    """
    depth = shape.shape[0]
    widest = 0
    for layer in range(depth):
        widest = max(widest, shape[layer, 1], shape[layer, 0])
    wide = (widest + LANES - 1) // LANES * LANES
    padded = (moving + ROWS - 1) // ROWS * ROWS
    position, top = room(shape[0, 0] * BLOCK), room(max(widest, padded) * BLOCK)
    values = room(depth * widest * BLOCK).reshape(depth, widest * BLOCK)
    slopes = room(depth * widest * BLOCK).reshape(depth, widest * BLOCK)
    nothing, present = room(ROWS), room(BLOCK)
    turned, product = nothing, nothing
    if averaging > 0:
        turned, product = room(wide * BLOCK), room(max(widest * wide, widest * BLOCK))
    normals = room((chunk * moving + 2 * TAPE_LANES) * BLOCK)
    words = new_words()
    for block in range(block_from, block_to):
        base = block * dim * BLOCK
        for b in range(dim * BLOCK):
            position[np.uint64(b)] = state[np.uint64(base + b)]
        for b in range(BLOCK):
            present[np.uint64(b)] = 1.0 if block * BLOCK + b < count else 0.0
        if averaging == 1:
            average_block(
                weights, shape, readout, position, values, slopes, top,
                turned, product, nothing, present, gradient, last,
            )  # fmt: skip
        for begin in range(first, first + steps, chunk):
            end = min(begin + chunk, first + steps)
            index = begin * moving // TAPE_LANES
            rows = (end * moving + TAPE_LANES - 1) // TAPE_LANES - index
            fill_normals(
                normals, rows * TAPE_LANES, ids, block * BLOCK, words, index,
                stream_low, stream_high, key_low, key_high,
            )  # fmt: skip
            move_block(
                weights, shape, readout, position, values, slopes, top, nothing,
                start, moving, padded, h, kick, stiffness, centre,
                normals, begin * moving - index * TAPE_LANES, end - begin,
            )  # fmt: skip
        if averaging == 2:
            average_block(
                weights, shape, readout, position, values, slopes, top,
                turned, product, nothing, present, gradient, last,
            )  # fmt: skip
        if steps > 0:
            for b in range(dim * BLOCK):
                state[np.uint64(base + b)] = position[np.uint64(b)]
