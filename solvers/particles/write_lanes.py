"""One loop over the particles of a block, every coordinate a plain name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .fuse import fused
from .inline import ScalarFunction, inlined
from .language import Symbol
from .trace import Trace, ordered

BINARY = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "negative": "(-{0})",
    "less": "({0} < {1})",
    "less_equal": "({0} <= {1})",
    "greater": "({0} > {1})",
    "greater_equal": "({0} >= {1})",
    "minimum": "min({0}, {1})",
    "maximum": "max({0}, {1})",
    "where": "select({0}, {1}, {2})",
    "abs": "abs({0})",
    "sqrt": "math.sqrt({0})",
} | {name: f"{name}({{0}})" for name in ("exp", "log", "sin", "cos", "tanh")}


@dataclass
class Lines:
    """Statements before the loop over blocks, and those of one step of one block."""

    preamble: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)


def constant_names(symbols: list[Symbol], lines: list[str]) -> dict[int, str]:
    """Statements for what does not vary: in double precision, then rounded once."""
    names: dict[int, str] = {}
    wide: dict[int, str] = {}
    for symbol in symbols:
        if symbol.varies:
            continue
        if symbol.operation == "constant":
            wide[id(symbol)] = repr(symbol.arguments[0])
            names[id(symbol)] = f"real({symbol.arguments[0]!r})"
            continue
        if symbol.operation == "input":
            wide[id(symbol)] = str(symbol.arguments[0])
        else:
            wide[id(symbol)] = f"w{len(names)}"
            value = BINARY[symbol.operation].format(*(wide[id(a)] for a in symbol.arguments))
            library = "math." if symbol.operation in ("exp", "log", "sin", "cos", "tanh") else ""
            lines.append(f"{wide[id(symbol)]} = {library}{value}")
        names[id(symbol)] = f"c{len(names)}"
        lines.append(f"{names[id(symbol)]} = real({wide[id(symbol)]})")
    return names


def spelled(symbol: Symbol, arguments: list[str]) -> str:
    """An elementwise operation on names."""
    (first, *_) = symbol.arguments
    if symbol.operation == "log" and isinstance(first, Symbol) and first.arguments == ("uniform",):
        return f"log_positive({arguments[0]})"  # normal and positive, and it vectorises
    return BINARY[symbol.operation].format(*arguments)


class LaneWriter:
    """Writes step and initialisation with the energy inlined."""

    def __init__(
        self,
        trace: Trace,
        functions: Mapping[str, ScalarFunction | None],
        parameters: int,
        own_parameters: bool,
        *,
        widen: bool = False,
    ) -> None:
        self._trace = trace
        self._functions = functions
        self._place = "np.float64({0})" if widen else "{0}"
        self._parameters = parameters
        self._own = own_parameters

    def _load(self) -> tuple[list[str], list[str]]:
        """How parameters become p_0, p_1, ...: once, or per particle."""
        if self._own:
            rows = f"(block * {self._parameters} + {{0}}) * BLOCK + b"
            return [], [
                f"p_{k} = parameters[np.uint64({rows.format(k)})]" for k in range(self._parameters)
            ]
        return [f"p_{k} = parameters[{k}]" for k in range(self._parameters)], []

    def step(self) -> Lines:
        """One step; info is added to its per-lane sums."""
        trace = self._trace
        lines, names = self.values([*trace.step.values(), *trace.info.values()])
        loop = lines.block
        for name, symbol in trace.step.items():
            loop += self._stores(name, names[id(symbol)])
        for k, symbol in enumerate(trace.info.values()):
            place = f"info[np.uint64((block * {len(trace.info)} + {k}) * BLOCK + b)]"
            loop.append(f"{place} += {names[id(symbol)][0]}")
        return self._in_loop(lines)

    def init(self) -> Lines:
        """The rows of the state after the position."""
        trace = self._trace
        derived = {name: s for name, s in trace.init.items() if name != "x"}
        lines, names = self.values(list(derived.values()))
        for name, symbol in derived.items():
            lines.block += self._stores(name, names[id(symbol)])
        return self._in_loop(lines)

    @staticmethod
    def _in_loop(lines: Lines) -> Lines:
        body = lines.block or ["pass"]
        lines.block = ["for b in range(BLOCK):", *(f"    {s}" for s in body)]
        return lines

    def _stores(self, name: str, values: list[str]) -> list[str]:
        row = self._trace.offset[name]
        return [
            f"state[np.uint64(base + {row + j} * BLOCK + b)] = {value}"
            for j, value in enumerate(values)
        ]

    def _inputs(self, name: str, dim: int) -> list[str]:
        if name == "normal":
            return [f"normals[np.uint64((t * {dim} + {j} - row) * BLOCK + b)]" for j in range(dim)]
        if name == "uniform":
            return ["uniforms[np.uint64((t - uniform_row) * BLOCK + b)]"]
        row = self._trace.offset[name]
        count = dim if name == "x" or self._trace.step[name].shape == "vector" else 1
        return [
            self._place.format(f"state[np.uint64(base + {row + j} * BLOCK + b)]")
            for j in range(count)
        ]

    def values(self, outputs: list[Symbol]) -> tuple[Lines, dict[int, list[str]]]:
        """Statements of the loop's body, and the names of each output's coordinates."""
        dim = self._trace.dim
        once, each = self._load()
        lines = Lines(preamble=once, block=each)
        order = ordered(outputs)
        constants = constant_names(order, lines.preamble)
        names: dict[int, list[str]] = {key: [name] for key, name in constants.items()}
        asked: dict[int, set[str]] = {}
        for symbol in order:
            if symbol.operation in ("potential", "gradient"):
                asked.setdefault(id(symbol.arguments[0]), set()).add(symbol.operation)
        for k, symbol in enumerate(order):
            if id(symbol) in names:
                continue
            match symbol.operation:
                case "input":
                    places = self._inputs(str(symbol.arguments[0]), dim)
                case "coordinate":
                    vector, j = symbol.arguments
                    names[id(symbol)] = [names[id(vector)][j]]
                    continue
                case "potential" | "gradient":
                    self._call(symbol, asked, names, lines.block, f"e{k}", order)
                    continue
                case "sum_over_coordinates":
                    terms = names[id(symbol.arguments[0])]
                    places = [" + ".join(terms)]
                case _:
                    count = dim if symbol.shape == "vector" else 1
                    operands = [names[id(a)] for a in symbol.arguments]
                    places = [
                        spelled(symbol, [o[j if len(o) > 1 else 0] for o in operands])
                        for j in range(count)
                    ]
            names[id(symbol)] = [f"n{k}_{j}" for j in range(len(places))]
            # not the energy's own sums: its exponents may be far larger than what they leave
            lines.block += [fused(f"n{k}_{j} = {place}") for j, place in enumerate(places)]
        return lines, names

    def _call(
        self,
        symbol: Symbol,
        asked: dict[int, set[str]],
        names: dict[int, list[str]],
        block: list[str],
        tag: str,
        order: list[Symbol],
    ) -> None:
        """Inline the energy once per point, for everything that is asked there."""
        point = symbol.arguments[0]
        wanted = asked[id(point)]
        which = "potential_gradient" if len(wanted) == 2 else next(iter(wanted))
        function = self._functions[which]
        assert function is not None
        block += [f"x{tag}_{j} = {name}" for j, name in enumerate(names[id(point)])]
        code, result = inlined(function, x=f"x{tag}", p="p", g=f"g{tag}", suffix=tag)
        block += code
        if result is not None:
            block.append(f"u{tag}_0 = {result}")
        for other in order:
            if other.operation in wanted and other.arguments[0] is point:
                names[id(other)] = (
                    [f"u{tag}_0"]
                    if other.operation == "potential"
                    else [f"g{tag}_{j}" for j in range(self._trace.dim)]
                )
