"""Named blocks of a state as one vector, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

State = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """Which entries of a vector belong to which block.

    Parameters
    ----------
    shapes : tuple of (name, shape)
        In the order in which the blocks follow each other, each in C order.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, state: State) -> Layout:
        """The layout of a state of arrays."""
        return cls(tuple((name, tuple(np.shape(value))) for name, value in state.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks, in their order."""
        return tuple(name for name, _ in self.shapes)

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(int(np.prod(shape)) for _, shape in self.shapes)

    def pack(self, state: State) -> FloatArray:
        """Vectors (..., size) of states whose leading axes (...) are common to all blocks."""
        self._check(state)
        parts = []
        for name, shape in self.shapes:
            value = np.asarray(state[name], dtype=np.float64)
            lead = value.ndim - len(shape)
            if lead < 0 or value.shape[lead:] != shape:
                raise ArgumentError(
                    f"block {name!r} needs the shape (..., {', '.join(map(str, shape))}), "
                    f"got {value.shape}"
                )
            parts.append(value.reshape((*value.shape[:lead], -1)))
        lead_shape = np.broadcast_shapes(*(part.shape[:-1] for part in parts)) if parts else ()
        whole = [np.broadcast_to(part, (*lead_shape, part.shape[-1])) for part in parts]
        return np.concatenate([np.zeros((*lead_shape, 0)), *whole], axis=-1)

    def unpack(self, vector: npt.ArrayLike) -> dict[str, FloatArray]:
        """States of vectors (..., size)."""
        values = np.asarray(vector, dtype=np.float64)
        return {
            name: values[..., self.at(name)].reshape((*values.shape[:-1], *shape))
            for name, shape in self.shapes
        }

    def at(self, name: str) -> slice:
        """The entries of a block.

        Raises
        ------
        ArgumentError
            When there is no such block.
        """
        begin = 0
        for known, shape in self.shapes:
            end = begin + int(np.prod(shape))
            if known == name:
                return slice(begin, end)
            begin = end
        raise ArgumentError(f"a block of {', '.join(self.names)} is needed, got {name!r}")

    def _check(self, state: State) -> None:
        if set(state) != set(self.names):
            raise ArgumentError(
                f"the blocks {', '.join(self.names)} are needed, got {', '.join(state) or 'none'}"
            )
