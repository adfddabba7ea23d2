"""A system's step as an expression of arrays: run once on symbols.

The words are those of ``particles/language``; what a block adds is a shape. Shapes are those of
one copy, so that a step which keeps to its rule (leading axes broadcast) reads the same on
symbols, on numpy and on torch: axes are counted from the end, indices begin with ``...``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..particles.language import Symbol, Tracer
from ..particles.trace import ordered
from .layout import State
from .system import PerStep, System

Shape = tuple[int, ...]


class ArraySymbol(Symbol):
    """A node with a shape; elementwise operations are those of ``Symbol``."""

    __slots__ = ()
    shape: Any  # a tuple of whole numbers
    tracer: ArrayTracer

    @property
    def ndim(self) -> int:
        """Axes of one copy."""
        return len(self.shape)

    def sum(self, axis: int | tuple[int, ...]) -> ArraySymbol:
        """Sum over axes counted from the end."""
        return self.tracer.sum_over(self, axis)

    def mean(self, axis: int | tuple[int, ...]) -> ArraySymbol:
        """Mean over axes counted from the end."""
        total = self.tracer.sum_over(self, axis)
        return total / (_size(self.shape) // _size(total.shape))  # type: ignore[return-value]

    def __getitem__(self, key: Any) -> ArraySymbol:
        return self.tracer.view(self, key if isinstance(key, tuple) else (key,))

    def __len__(self) -> int:
        raise TypeError("a block has leading axes: take the length of one from its shape's end")


class ArrayTracer(Tracer):
    """Builds expressions of arrays.

    Attributes
    ----------
    arrays : list of array
        Fixed numbers that the step reads: its own and those of its arguments.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self.arrays: list[npt.NDArray[np.float64]] = []
        self._known: dict[bytes, ArraySymbol] = {}

    def node(
        self, operation: str, arguments: tuple[Any, ...], shape: Any, varies: bool
    ) -> ArraySymbol:
        """The one node of this operation and these arguments."""
        key = (operation, *(id(a) if isinstance(a, Symbol) else a for a in arguments))
        if key not in self._nodes:
            self._nodes[key] = ArraySymbol(self, operation, arguments, shape, varies)
        return self._nodes[key]  # type: ignore[return-value]

    def lift(self, value: Any) -> ArraySymbol:
        """A number or an array of fixed numbers as a symbol."""
        if isinstance(value, ArraySymbol):
            return value
        if isinstance(value, int | float | np.integer | np.floating):
            return self.node("constant", (float(value),), (), False)
        if isinstance(value, np.ndarray):
            numbers = np.ascontiguousarray(value, dtype=np.float64)
            key = numbers.tobytes() + repr(numbers.shape).encode()
            if key not in self._known:
                self._known[key] = self.node(
                    "input", ("array", len(self.arrays)), numbers.shape, False
                )
                self.arrays.append(numbers)
            return self._known[key]
        raise ArgumentError(f"a step computes with blocks and numbers, not {type(value)}")

    def shape_of(self, name: str, symbols: tuple[Symbol, ...]) -> Shape:
        """The shape to which the operands broadcast."""
        shapes: list[Any] = [s.shape for s in symbols]
        if name == "sum_over_coordinates":
            raise ArgumentError("blocks have no coordinate axis: name the axis, (a * b).sum(axis)")
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError as error:
            raise ArgumentError(
                f"{name} in a step got shapes that do not broadcast: {shapes}"
            ) from error

    def stack(self, values: Sequence[Any]) -> ArraySymbol:
        """Values side by side along a new last axis."""
        symbols = tuple(self.lift(v) for v in values)
        shape = (*self.shape_of("stack", symbols), len(symbols))
        return self.node("stack", symbols, shape, any(s.varies for s in symbols))

    def sum_over(self, symbol: ArraySymbol, axis: int | tuple[int, ...]) -> ArraySymbol:
        """Sum over axes counted from the end."""
        given = axis if isinstance(axis, tuple) else (axis,)
        n = symbol.ndim
        if not given or not all(-n <= a < 0 for a in given) or len(set(given)) < len(given):
            raise ArgumentError(
                f"a step counts its axes from the end, -1 to -{n} here, got {axis}: before them "
                "stand the copies"
            )
        axes = tuple(sorted(n + a for a in given))
        shape = tuple(size for a, size in enumerate(symbol.shape) if a not in axes)
        return self.node("sum", (symbol, axes), shape, symbol.varies)

    def view(self, symbol: ArraySymbol, key: tuple[Any, ...]) -> ArraySymbol:
        """``symbol[..., key]`` for whole numbers, slices and None.

        The node's second argument says, for each axis of ``symbol``, which entry is read: a number,
        or (axis of the view, first, step).
        """
        if not key or key[0] is not Ellipsis or any(k is Ellipsis for k in key[1:]):
            raise ArgumentError("an index in a step begins with ..., for the copies stand there")
        rest, n = key[1:], symbol.ndim
        taken = sum(k is not None for k in rest)
        if taken > n:
            raise ArgumentError(f"an index of {taken} axes is too long for a block of {n}")
        reads: list[Any] = [(a, 0, 1) for a in range(n - taken)]
        shape = list(symbol.shape[: n - taken])
        for k in rest:
            if k is None:
                shape.append(1)
                continue
            size = symbol.shape[len(reads)]
            if isinstance(k, slice):
                begin, end, step = k.indices(size)
                if step < 1:
                    raise ArgumentError(f"slices in a step go forward, got the step {step}")
                reads.append((len(shape), begin, step))
                shape.append(len(range(begin, end, step)))
            elif isinstance(k, int | np.integer) and -size <= k < size:
                reads.append(int(k) % size)
            else:
                raise ArgumentError(f"whole numbers within {size}, slices and None index, got {k}")
        return self.node(
            "view", (symbol, (tuple(reads), tuple(shape))), tuple(shape), symbol.varies
        )


def _size(shape: Shape) -> int:
    return int(np.prod(shape))


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemTrace:
    """One step of a system, and what it reads.

    Attributes
    ----------
    blocks : mapping of name to shape
    after : mapping of name to symbol
        The next state, in the blocks' order.
    noisy : tuple of str
        Blocks whose normals are read.
    scalars : tuple of str
        Arguments that are numbers, which may differ from step to step.
    arrays : tuple of arrays
        Fixed arrays, in the order of their inputs.
    """

    blocks: dict[str, Shape]
    after: dict[str, ArraySymbol]
    noisy: tuple[str, ...]
    scalars: tuple[str, ...]
    arrays: tuple[npt.NDArray[np.float64], ...]


def is_scalar(argument: Any) -> bool:
    """Whether an argument is a number of the step's (not a count, which shapes the step)."""
    return isinstance(argument, PerStep | float | np.floating)


def trace_system(system: System, start: State, arguments: Mapping[str, Any]) -> SystemTrace:
    """Run a step on symbols.

    Numbers (float) and ``PerStep`` become inputs; whole numbers, texts and functions are part of
    the step's form.

    Raises
    ------
    ArgumentError
        Where the step leaves the language, or returns other blocks or shapes.
    """
    tracer = ArrayTracer()
    blocks = {name: tuple(np.shape(value)) for name, value in start.items()}
    system.noise_shapes(start)
    state = {n: tracer.node("input", ("state", n), shape, True) for n, shape in blocks.items()}
    noise = {n: tracer.node("input", ("noise", n), blocks[n], True) for n in system.noisy}
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        if is_scalar(value):
            given[name] = tracer.node("input", ("scalar", name), (), False)
        else:
            given[name] = tracer.lift(value) if isinstance(value, np.ndarray) else value
    found = {n: tracer.lift(value) for n, value in system.step(state, noise, **given).items()}
    if {n: s.shape for n, s in found.items()} != blocks:
        raise ArgumentError(
            f"the step of {system.name} needs to return the blocks {blocks}, "
            f"got { {n: s.shape for n, s in found.items()} }"
        )
    after = {n: found[n] for n in blocks}
    read = [s.arguments for s in ordered(list(after.values())) if s.operation == "input"]
    return SystemTrace(
        blocks=blocks,
        after=after,
        noisy=tuple(n for n in system.noisy if ("noise", n) in read),
        scalars=tuple(n for n in given if ("scalar", n) in read),
        arrays=tuple(tracer.arrays),
    )
