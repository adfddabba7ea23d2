"""The few words in which a scheme's step and a test function are written.

A step is an ordinary function of coordinates, normals and the energy, in arithmetic and the
functions below. On arrays (d, n) of numpy or torch it runs as it stands; on symbols it is traced
once, and the fast loops are generated from the trace. A new or altered scheme is therefore one
function, and both back ends follow.

Vectors have d coordinates (array axis 0), scalars have one value per particle. ``+ - * /`` act
coordinate by coordinate, scalars spread over vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lvebm_theory.errors import ArgumentError

_UNARY = ("sqrt", "exp", "log", "sin", "cos", "tanh", "abs")
_COMPARISONS = ("less", "less_equal", "greater", "greater_equal")


class Symbol:
    """A node of a traced expression; equal expressions are one object.

    Attributes
    ----------
    operation : str
    arguments : tuple
        Symbols, and constants of the operation (a coordinate's number, a name).
    shape : {"scalar", "vector"}
    varies : bool
        False for what depends on the step size and constants only.
    """

    __array_priority__ = 1000.0
    __slots__ = ("arguments", "operation", "shape", "tracer", "varies")

    def __init__(
        self, tracer: Tracer, operation: str, arguments: tuple[Any, ...], shape: str, varies: bool
    ) -> None:
        self.tracer = tracer
        self.operation = operation
        self.arguments = arguments
        self.shape = shape
        self.varies = varies

    def __add__(self, other: Any) -> Symbol:
        return self.tracer.apply("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.tracer.apply("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.tracer.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.tracer.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.tracer.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self.tracer.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.tracer.apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.tracer.apply("divide", other, self)

    def __neg__(self) -> Symbol:
        return self.tracer.apply("negative", self)

    def __abs__(self) -> Symbol:
        return self.tracer.apply("abs", self)

    def __lt__(self, other: Any) -> Symbol:
        return self.tracer.apply("less", self, other)

    def __le__(self, other: Any) -> Symbol:
        return self.tracer.apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Symbol:
        return self.tracer.apply("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return self.tracer.apply("greater_equal", self, other)

    def __pow__(self, power: int) -> Symbol:
        if not isinstance(power, int) or power < 1:
            raise ArgumentError(f"powers in a step are whole numbers from 1 on, got {power!r}")
        half = self ** (power // 2) if power > 1 else self
        if power == 1:
            return self
        return half * half if power % 2 == 0 else half * half * self

    def __getitem__(self, coordinate: int) -> Symbol:
        if self.shape != "vector" or not isinstance(coordinate, int | np.integer):
            raise ArgumentError("only one whole-number coordinate of a vector can be taken")
        if not 0 <= coordinate < self.tracer.dim:
            raise IndexError(coordinate)
        return self.tracer.node("coordinate", (self, int(coordinate)), "scalar", self.varies)

    def __len__(self) -> int:
        if self.shape != "vector":
            raise TypeError("a scalar has no length")
        return self.tracer.dim

    def __bool__(self) -> bool:
        raise ArgumentError("a step cannot branch on a particle's value; use where(...)")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = {"absolute": "abs"}.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or options:
            return NotImplemented
        return self.tracer.apply(name, *inputs)


class Tracer:
    """Builds expressions in dimension ``dim``; a new one for every trace."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._nodes: dict[tuple[Any, ...], Symbol] = {}

    def node(self, operation: str, arguments: tuple[Any, ...], shape: str, varies: bool) -> Symbol:
        """The one node of this operation and these arguments."""
        key = (operation, *(id(a) if isinstance(a, Symbol) else a for a in arguments))
        if key not in self._nodes:
            self._nodes[key] = Symbol(self, operation, arguments, shape, varies)
        return self._nodes[key]

    def vector(self, name: str) -> Symbol:
        """An input with d coordinates per particle."""
        return self.node("input", (name,), "vector", True)

    def scalar(self, name: str, *, varies: bool = True) -> Symbol:
        """An input with one value per particle, or one for all."""
        return self.node("input", (name,), "scalar", varies)

    def lift(self, value: Any) -> Symbol:
        """A number as a symbol."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, int | float | np.integer | np.floating):
            return self.node("constant", (float(value),), "scalar", False)
        raise ArgumentError(f"a step computes with particles and numbers, not {type(value)}")

    def apply(self, name: str, *values: Any) -> Symbol:
        """An elementwise operation, or the sum over coordinates."""
        symbols = tuple(self.lift(v) for v in values)
        known = ("add", "subtract", "multiply", "divide", "negative", "minimum", "maximum")
        if name not in (*known, *_UNARY, *_COMPARISONS, "where", "sum_over_coordinates"):
            raise ArgumentError(f"a step does not know the function {name!r}")
        shape = self.shape_of(name, symbols)
        return self.node(name, symbols, shape, any(s.varies for s in symbols))

    def stack(self, values: Sequence[Any]) -> Symbol:
        """Values along a new axis: blocks have axes, a particle's coordinates do not."""
        raise ArgumentError("a particle's step has coordinates and scalars, and stacks neither")

    def shape_of(self, name: str, symbols: tuple[Symbol, ...]) -> Any:
        """The shape of an operation's value."""
        if name == "sum_over_coordinates" or not any(s.shape == "vector" for s in symbols):
            return "scalar"
        return "vector"


def _call(name: str, *values: Any) -> Any:
    for value in values:
        if isinstance(value, Symbol):
            return value.tracer.apply(name, *values)
    if all(isinstance(v, int | float | np.floating) for v in values):
        plain = {"minimum": min, "maximum": max}.get(name)
        return plain(*values) if plain else getattr(math, name)(*values)
    if all(isinstance(v, int | float | np.ndarray | np.generic) for v in values):
        return getattr(np, name)(*values)
    import torch

    like = next(v for v in values if isinstance(v, torch.Tensor))
    tensors = [v if isinstance(v, torch.Tensor) else torch.as_tensor(v).to(like) for v in values]
    return getattr(torch, name)(*tensors)


def sqrt(a: Any) -> Any:
    """Square root."""
    return _call("sqrt", a)


def exp(a: Any) -> Any:
    """Exponential."""
    return _call("exp", a)


def log(a: Any) -> Any:
    """Natural logarithm."""
    return _call("log", a)


def sin(a: Any) -> Any:
    """Sine."""
    return _call("sin", a)


def cos(a: Any) -> Any:
    """Cosine."""
    return _call("cos", a)


def tanh(a: Any) -> Any:
    """Hyperbolic tangent."""
    return _call("tanh", a)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two."""
    return _call("minimum", a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two."""
    return _call("maximum", a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; a scalar condition decides for a whole vector."""
    for value in (condition, a, b):
        if isinstance(value, Symbol):
            return value.tracer.apply("where", condition, a, b)
    if isinstance(condition, np.ndarray | np.generic):
        return np.where(condition, a, b)
    import torch

    return torch.where(condition, a, b)


def constant(values: Any, like: Any) -> Any:
    """Fixed numbers as a value of the kind that ``like`` is: array, tensor or symbol."""
    if isinstance(like, Symbol):
        return like.tracer.lift(values)
    if isinstance(like, np.ndarray | np.generic):
        return np.asarray(values, dtype=like.dtype)
    import torch

    return torch.as_tensor(values).to(like)


def stack(values: Sequence[Any]) -> Any:
    """Values side by side along a new last axis; for blocks (``solvers/systems``)."""
    for value in values:
        if isinstance(value, Symbol):
            return value.tracer.stack(values)
    if all(isinstance(v, int | float | np.ndarray | np.generic) for v in values):
        return np.stack(np.broadcast_arrays(*values), -1)
    import torch

    like = next(v for v in values if isinstance(v, torch.Tensor))
    tensors = [v if isinstance(v, torch.Tensor) else torch.as_tensor(v).to(like) for v in values]
    return torch.stack(torch.broadcast_tensors(*tensors), -1)  # type: ignore[no-untyped-call]


def dot(a: Any, b: Any) -> Any:
    """Sum over coordinates of a b, one value per particle."""
    product = a * b
    if isinstance(product, Symbol):
        return product.tracer.apply("sum_over_coordinates", product)
    total = product[0]
    for j in range(1, len(product)):
        total = total + product[j]
    return total


def squared_norm(a: Any) -> Any:
    """|a|^2, one value per particle."""
    return dot(a, a)
