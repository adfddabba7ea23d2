"""Where a network's parameters lie in the compiled loops, and the modules of these loops."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.formula.generated import load
from lvebm_theory.neural_network import Network

from ..noise.backends import CALLED, INLINED, Bits, Real, filler, resolution
from ..particles.elementary_module import elementary_functions
from ..source_text import body_of, decorated, made_once, with_typed_literals

Array = npt.NDArray[Any]
BLOCK = 64
_ENTRY = 'njit(cache=True, nogil=True, error_model="numpy")'


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


@dataclass(frozen=True)
class Layout:
    """Padded places of theta in ``weights``, and of its gradient in the sums of the loops.

    Attributes
    ----------
    shape : array (L, 6)
        See ``neural_loops``.
    readout, last : int
        First entries of v, and of its gradient.
    weights, sums : int
        Lengths of the two flat arrays.
    """

    network: Network
    shape: npt.NDArray[np.int64]
    readout: int
    last: int
    weights: int
    sums: int

    @staticmethod
    def of(network: Network) -> Layout:
        """The layout of this network."""
        from .tile_product import LANES, ROWS

        rows, place, gradient = [], 0, 0
        inputs = _up(network.inputs, ROWS)
        for depth, width in enumerate(network.widths):
            outputs = _up(width, ROWS)
            # rows of W_1' are read from any first coordinate on, a whole tile of them
            length = inputs + ROWS if depth == 0 else inputs
            bias = place + outputs * length
            rows.append((inputs, outputs, place, length, bias, gradient))
            place, gradient = bias + outputs, gradient + (inputs + 1) * _up(outputs, LANES)
            inputs = outputs
        return Layout(
            network, np.array(rows, dtype=np.int64), place, gradient, place + inputs,
            gradient + inputs,
        )  # fmt: skip

    def packed(self, theta: FloatArray, dtype: np.dtype[Any], out: Array | None = None) -> Array:
        """theta (n_theta,) as the loops' ``weights``; padding stays zero in ``out``."""
        flat = np.zeros(self.weights, dtype=dtype) if out is None else out
        layers = self.network.layers(theta)
        for row, weight, bias in zip(self.shape, layers.weights, layers.biases, strict=True):
            _, outputs, first, length, place, _ = (int(v) for v in row)
            matrix = flat[first : first + outputs * length].reshape(outputs, length)
            matrix[: weight.shape[0], : weight.shape[1]] = weight
            flat[place : place + len(bias)] = bias
        flat[self.readout : self.readout + len(layers.readout)] = layers.readout
        return flat

    def unpacked(self, sums: FloatArray) -> FloatArray:
        """The loops' sums as an array (n_theta,)."""
        from .tile_product import LANES

        parts: list[FloatArray] = []
        before = self.network.inputs
        for row, width in zip(self.shape, self.network.widths, strict=True):
            inputs, outputs, first = int(row[0]), int(row[1]), int(row[5])
            wide = _up(outputs, LANES)
            matrix = sums[first : first + inputs * wide].reshape(inputs, wide)
            bias = first + inputs * wide
            parts += [matrix[:before, :width].T, sums[bias : bias + width]]
            before = width
        return self.network.joined([*parts, sums[self.last : self.last + before]])


@made_once
def loops(activation: str, real: Real, bits: Bits, block: int = BLOCK) -> ModuleType:
    """The compiled module of ``neural_loops`` for this activation and type; entry: ``work``."""
    from . import neural_loops, tile_product

    scalar, rest = body_of(neural_loops).split("def room(", 1)
    helpers, entry = rest.split("def work(", 1)
    text = "\n\n\n".join(
        [
            decorated(scalar, INLINED),
            decorated("def room(" + helpers, CALLED),
            decorated("def work(" + entry, _ENTRY),
        ]
    )
    if real == "float32":
        text = with_typed_literals(text, "np.float32")
    tiles = hashlib.sha256(inspect.getsource(tile_product).encode()).hexdigest()[:16]
    lanes = resolution(bits, real).lanes
    header = f"""# tiles {tiles}, vectors of {tile_product.vector_bytes()} bytes
import numpy as np
from numba import njit
from numpy import {real} as real

from {filler(bits, real, block).__name__} import fill_normals, new_words, where
{elementary_functions(real)}
from {tile_product.__name__} import LANES, ROWS, tile_product

BLOCK, TAPE_LANES, LEAST = {block}, {lanes}, real({-25 if real == "float32" else -300})
"""
    return load(f"{header}\n\n{text}\n".replace(f"phi_{activation}(", "phi("))
