"""A scheme's step as an expression: run once on symbols."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lvebm_theory.errors import ArgumentError

from .language import Symbol, Tracer
from .scheme import Scheme


class TracedEnergy:
    """Stands for the energy while a step is traced."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def potential(self, x: Symbol) -> Symbol:
        """U(x) as a node."""
        return self._tracer.node("potential", (self._vector(x),), "scalar", True)

    def gradient(self, x: Symbol) -> Symbol:
        """grad U(x) as a node."""
        return self._tracer.node("gradient", (self._vector(x),), "vector", True)

    def potential_gradient(self, x: Symbol) -> tuple[Symbol, Symbol]:
        """Both nodes."""
        return self.potential(x), self.gradient(x)

    @staticmethod
    def _vector(x: Any) -> Symbol:
        if not isinstance(x, Symbol) or x.shape != "vector":
            raise ArgumentError("an energy takes a vector of d coordinates per particle")
        return x


class TracedDraw:
    """Stands for one step's noise while a step is traced."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @property
    def normal(self) -> Symbol:
        """The step's d standard normals."""
        return self._tracer.vector("normal")

    @property
    def uniform(self) -> Symbol:
        """The step's uniform."""
        return self._tracer.scalar("uniform")


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A step, its initialisation and the inputs that they read.

    ``rows`` counts the numbers of the state per particle; ``offset[name]`` is the first row of a
    state's field, the position being first.
    """

    dim: int
    step: dict[str, Symbol]
    init: dict[str, Symbol]
    info: dict[str, Symbol]
    uses_uniform: bool
    uses_normal: bool
    offset: dict[str, int] = field(default_factory=dict)
    rows: int = 0


def ordered(outputs: list[Symbol]) -> list[Symbol]:
    """Every node that the outputs need, operands first."""
    seen: set[int] = set()
    order: list[Symbol] = []
    stack: list[tuple[Symbol, bool]] = [(s, False) for s in reversed(outputs)]
    while stack:
        symbol, done = stack.pop()
        if done:
            order.append(symbol)
        elif id(symbol) not in seen:
            seen.add(id(symbol))
            stack.append((symbol, True))
            stack.extend((a, False) for a in reversed(symbol.arguments) if isinstance(a, Symbol))
    return order


def trace(scheme: Scheme, dim: int) -> Trace:
    """Run ``init`` and ``step`` on symbols.

    Raises
    ------
    ArgumentError
        If the step leaves the language, or returns a state of another form than ``init``.
    """
    tracer = Tracer(dim)
    energy, x = TracedEnergy(tracer), tracer.vector("x")
    init = scheme.init(x, energy)
    shapes = {name: tracer.lift(value).shape for name, value in init.items()}
    state: dict[str, Any] = {
        name: tracer.vector(name) if shape == "vector" else tracer.scalar(name)
        for name, shape in shapes.items()
    }
    after, info = scheme.step(
        dict(state), energy, tracer.scalar("h", varies=False), TracedDraw(tracer)
    )
    lifted = {name: tracer.lift(value) for name, value in after.items()}
    if {name: s.shape for name, s in lifted.items()} != shapes or shapes.get("x") != "vector":
        raise ArgumentError(
            f"the step of {scheme.name} needs to return the fields {shapes} that its init "
            f"returns, got { {name: s.shape for name, s in lifted.items()} }"
        )
    names = ["x", *(name for name in shapes if name != "x")]
    offset, rows = {}, 0
    for name in names:
        offset[name] = rows
        rows += dim if shapes[name] == "vector" else 1
    infos = {name: tracer.lift(value) for name, value in info.items()}
    read = {
        s.arguments[0]
        for s in ordered([*lifted.values(), *infos.values()])
        if s.operation == "input"
    }
    return Trace(
        dim=dim,
        step={name: lifted[name] for name in names},
        init={name: tracer.lift(init[name]) for name in names},
        info=infos,
        uses_uniform="uniform" in read,
        uses_normal="normal" in read,
        offset=offset,
        rows=rows,
    )
