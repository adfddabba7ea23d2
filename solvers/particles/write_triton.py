"""A traced step as straight-line Triton code, every coordinate a plain name.

The same trace as for the compiled CPU loops, in another spelling. What depends on the step size
only is evaluated by the caller in double precision and handed over as ``constants``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from . import language
from .inline import ScalarFunction, inlined
from .language import Symbol
from .trace import Trace, ordered

_SPELLING = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "negative": "(-{0})",
    "less": "({0} < {1})",
    "less_equal": "({0} <= {1})",
    "greater": "({0} > {1})",
    "greater_equal": "({0} >= {1})",
    "minimum": "where({1} < {0}, {1}, {0})",
    "maximum": "where({1} > {0}, {1}, {0})",
    "where": "where({0}, {1}, {2})",
    "abs": "tl.abs({0})",
} | {name: f"{name}({{0}})" for name in ("sqrt", "exp", "log", "sin", "cos", "tanh")}

_PLAIN: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "where": lambda c, a, b: a if c else b,
    "abs": abs,
} | {
    name: getattr(language, name)
    for name in ("sqrt", "exp", "log", "sin", "cos", "tanh", "minimum", "maximum")
}


def value_of(symbol: Symbol, h: float) -> float:
    """A symbol that depends on the step size only, in double precision."""
    if symbol.operation == "constant":
        return float(symbol.arguments[0])
    if symbol.operation == "input":
        return h
    return float(_PLAIN[symbol.operation](*(value_of(a, h) for a in symbol.arguments)))


class TritonWriter:
    """Writes functions of the state, the noise, the parameters and the constants.

    Parameters
    ----------
    trace : Trace
    functions : mapping of name to ScalarFunction or None
        The energy's, in Triton's words.
    parameters : int
        Length of the energy's parameter vector.
    widen : bool
        Read the position in double precision.
    """

    def __init__(
        self,
        trace: Trace,
        functions: Mapping[str, ScalarFunction | None],
        parameters: int,
        *,
        widen: bool = False,
    ) -> None:
        self._trace = trace
        self._functions = functions
        self._widen = widen
        varying = ordered([*trace.step.values(), *trace.info.values(), *trace.init.values()])
        read = {id(a): a for s in varying if s.varies for a in s.arguments if _fixed(a)}
        read |= {id(s): s for s in (*trace.step.values(), *trace.info.values()) if _fixed(s)}
        self._fixed = [s for s in read.values() if s.operation != "constant"]
        self.constant_names = [f"c_{k}" for k in range(len(self._fixed))]
        self.shared_names = [*(f"p_{k}" for k in range(parameters)), *self.constant_names]
        self.state_names: list[str] = []
        for name in trace.offset:
            count = trace.dim if name == "x" or trace.step[name].shape == "vector" else 1
            self.state_names += [f"{name}_{j}" for j in range(count)]

    def constants(self, h: float) -> list[float]:
        """Values of ``constant_names`` at a step size."""
        return [value_of(s, h) for s in self._fixed]

    def function(self, outputs: list[Symbol]) -> list[str]:
        """A body that returns every coordinate of every output."""
        lines, names = self.values(outputs)
        results = [name for symbol in outputs for name in names[id(symbol)]]
        return [*lines, f"return {', '.join(results)}{',' if len(results) == 1 else ''}"]

    def _inputs(self, name: str) -> list[str]:
        dim = self._trace.dim
        if name == "normal":
            return [f"z_{j}" for j in range(dim)]
        if name == "uniform":
            return ["u_0"]
        count = dim if name == "x" or self._trace.step[name].shape == "vector" else 1
        wide = ".to(tl.float64)" if self._widen else ""
        return [f"{name}_{j}{wide}" for j in range(count)]

    def values(self, outputs: list[Symbol]) -> tuple[list[str], dict[int, list[str]]]:
        """Statements, and the names of each output's coordinates."""
        order = ordered(outputs)
        lines: list[str] = []
        names = {id(s): [name] for s, name in zip(self._fixed, self.constant_names, strict=True)}
        asked: dict[int, set[str]] = {}
        for symbol in order:
            if symbol.operation in ("potential", "gradient"):
                asked.setdefault(id(symbol.arguments[0]), set()).add(symbol.operation)
        for k, symbol in enumerate(order):
            if id(symbol) in names:
                continue
            if not symbol.varies:
                if symbol.operation == "constant" or not self._fixed:
                    names[id(symbol)] = [f"({value_of(symbol, math.nan)!r})"]
                continue
            match symbol.operation:
                case "input":
                    places = self._inputs(str(symbol.arguments[0]))
                case "coordinate":
                    vector, j = symbol.arguments
                    names[id(symbol)] = [names[id(vector)][j]]
                    continue
                case "potential" | "gradient":
                    self._call(symbol, asked, names, lines, f"e{k}", order)
                    continue
                case "sum_over_coordinates":
                    places = [" + ".join(names[id(symbol.arguments[0])])]
                case _:
                    operands = [names[id(a)] for a in symbol.arguments]
                    places = [
                        _spelled(symbol, [o[j if len(o) > 1 else 0] for o in operands])
                        for j in range(self._trace.dim if symbol.shape == "vector" else 1)
                    ]
            names[id(symbol)] = [f"n{k}_{j}" for j in range(len(places))]
            lines += [f"n{k}_{j} = {place}" for j, place in enumerate(places)]
        return lines, names

    def _call(
        self,
        symbol: Symbol,
        asked: dict[int, set[str]],
        names: dict[int, list[str]],
        lines: list[str],
        tag: str,
        order: list[Symbol],
    ) -> None:
        """Inline the energy once per point, for everything that is asked there."""
        point = symbol.arguments[0]
        wanted = asked[id(point)]
        function = self._functions["potential_gradient" if len(wanted) == 2 else next(iter(wanted))]
        assert function is not None
        lines += [f"x{tag}_{j} = {name}" for j, name in enumerate(names[id(point)])]
        code, result = inlined(function, x=f"x{tag}", p="p", g=f"g{tag}", suffix=tag)
        lines += code
        if result is not None:
            lines.append(f"u{tag}_0 = {result}")
        for other in order:
            if other.operation in wanted and other.arguments[0] is point:
                names[id(other)] = (
                    [f"u{tag}_0"]
                    if other.operation == "potential"
                    else [f"g{tag}_{j}" for j in range(self._trace.dim)]
                )


def _fixed(a: Any) -> bool:
    return isinstance(a, Symbol) and not a.varies


def _spelled(symbol: Symbol, arguments: list[str]) -> str:
    (first, *_) = symbol.arguments
    if symbol.operation == "log" and isinstance(first, Symbol) and first.arguments == ("uniform",):
        return f"log_positive({arguments[0]})"  # a uniform is normal and positive
    return _SPELLING[symbol.operation].format(*arguments)
