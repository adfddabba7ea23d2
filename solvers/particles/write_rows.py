"""One loop per operation over rows of a block, the energy called once per particle."""

from __future__ import annotations

import re

from .fuse import fused
from .language import Symbol
from .trace import Trace, ordered
from .write_lanes import Lines, constant_names, spelled


class RowWriter:
    """Writes step and initialisation for any energy and dimension."""

    def __init__(
        self, trace: Trace, parameters: int, own_parameters: bool, lifted: dict[str, str]
    ) -> None:
        self._trace = trace
        self._lifted = lifted
        self._parameters = parameters
        self._own = own_parameters

    def step(self) -> Lines:
        """One step; info is added to its per-lane sums."""
        trace = self._trace
        lines, places = self._values([*trace.step.values(), *trace.info.values()])
        for k, symbol in enumerate(trace.info.values()):  # while the old state still stands
            target = f"info[np.uint64((block * {len(trace.info)} + {k}) * BLOCK + b)]"
            lines.block += ["for b in range(BLOCK):", f"    {target} += {places[id(symbol)]}"]
        lines.block += self._outputs(trace.step, places, lines.preamble)
        return lines

    def init(self) -> Lines:
        """The rows of the state after the position."""
        derived = {name: s for name, s in self._trace.init.items() if name != "x"}
        lines, places = self._values(list(derived.values()))
        lines.block += self._outputs(derived, places, lines.preamble)
        return lines

    def _loop(self, shape: str, target: str, value: str) -> list[str]:
        if shape == "vector":
            return [
                f"for j in range({self._trace.dim}):",
                "    for b in range(BLOCK):",
                f"        {fused(f'{target} = {value}')}",
            ]
        return ["for b in range(BLOCK):", f"    {fused(f'{target} = {value}')}"]

    def _outputs(
        self, outputs: dict[str, Symbol], places: dict[int, str], preamble: list[str]
    ) -> list[str]:
        """Overwrite a field only when no other new field still reads it."""
        lines: list[str] = []
        aside = {
            name: symbol
            for name, symbol in outputs.items()
            if any(
                self._trace.offset[name] in self._rows_read(places[id(other)])
                for other in outputs.values()
                if other is not symbol
            )
        }
        for name, symbol in aside.items():
            scratch = f"new_{name}"
            rows = self._trace.dim if symbol.shape == "vector" else 1
            preamble.append(f"{scratch} = room({rows} * BLOCK)")
            lines += self._loop(
                symbol.shape, self._scratch(scratch, symbol.shape), places[id(symbol)]
            )
        for name, symbol in outputs.items():
            value = self._scratch(f"new_{name}", symbol.shape) if name in aside else None
            lines += self._loop(
                symbol.shape, self._field(name, symbol.shape), value or places[id(symbol)]
            )
        return lines

    @staticmethod
    def _rows_read(place: str) -> set[int]:
        """First rows of the fields of the state that an expression reads."""
        return {int(row) for row in re.findall(r"state\[np\.uint64\(base \+ \(?(\d+) ", place)}

    @staticmethod
    def _scratch(name: str, shape: str) -> str:
        return f"{name}[np.uint64(j * BLOCK + b)]" if shape == "vector" else f"{name}[b]"

    def _field(self, name: str, shape: str) -> str:
        row = self._trace.offset[name]
        at = f"({row} + j)" if shape == "vector" else f"{row}"
        return f"state[np.uint64(base + {at} * BLOCK + b)]"

    def _input(self, symbol: Symbol) -> str:
        name = str(symbol.arguments[0])
        if name == "normal":
            return f"normals[np.uint64((t * {self._trace.dim} + j - row) * BLOCK + b)]"
        if name == "uniform":
            return "uniforms[np.uint64((t - uniform_row) * BLOCK + b)]"
        return self._field(name, symbol.shape)

    def _values(self, outputs: list[Symbol]) -> tuple[Lines, dict[int, str]]:
        """An expression in j and b for every node; those that cost are stored in scratch."""
        lines = Lines()
        order = ordered(outputs)
        places = constant_names(order, lines.preamble)
        uses: dict[int, int] = {}
        for symbol in order:
            for a in symbol.arguments:
                if isinstance(a, Symbol):
                    uses[id(a)] = uses.get(id(a), 0) + 1
        asked: dict[int, set[str]] = {}
        for symbol in order:
            if symbol.operation in ("potential", "gradient"):
                asked.setdefault(id(symbol.arguments[0]), set()).add(symbol.operation)
        for k, symbol in enumerate(order):
            if id(symbol) in places:
                continue
            match symbol.operation:
                case "input":
                    places[id(symbol)] = self._input(symbol)
                case "coordinate":
                    vector, j = symbol.arguments
                    places[id(symbol)] = self._at(places[id(vector)], j)
                case "potential" | "gradient":
                    self._call(symbol, asked, places, lines, order, k)
                case "sum_over_coordinates":
                    target = self._new(f"s{k}", "scalar", lines.preamble)
                    lines.block += self._loop("scalar", target, "real(0.0)")
                    term = places[id(symbol.arguments[0])]
                    lines.block += [
                        f"for j in range({self._trace.dim}):",
                        "    for b in range(BLOCK):",
                        f"        {fused(f'{target} += {term}')}",
                    ]
                    places[id(symbol)] = target
                case _:
                    value = spelled(symbol, [places[id(a)] for a in symbol.arguments])
                    if uses.get(id(symbol), 0) > 1:
                        target = self._new(f"s{k}", symbol.shape, lines.preamble)
                        lines.block += self._loop(symbol.shape, target, value)
                        value = target
                    places[id(symbol)] = value
        return lines, places

    @staticmethod
    def _at(place: str, coordinate: int) -> str:
        """The same place with the running coordinate fixed."""
        return (
            place.replace("(j *", f"({coordinate} *")
            .replace(" + j)", f" + {coordinate})")
            .replace(" + j - ", f" + {coordinate} - ")
        )

    def _new(self, name: str, shape: str, preamble: list[str]) -> str:
        rows = self._trace.dim if shape == "vector" else 1
        preamble.append(f"{name} = room({rows} * BLOCK)")
        return self._scratch(name, shape)

    def _call(
        self,
        symbol: Symbol,
        asked: dict[int, set[str]],
        places: dict[int, str],
        lines: Lines,
        order: list[Symbol],
        k: int,
    ) -> None:
        point, dim, n = symbol.arguments[0], self._trace.dim, self._parameters
        wanted = asked[id(point)]
        which = "potential_gradient" if len(wanted) == 2 else next(iter(wanted))
        place = places[id(point)]
        x = f"s{order.index(point)}"
        if which in self._lifted and point.operation == "input":
            row = self._trace.offset[str(point.arguments[0])]
            x = f"state[base + {row} * BLOCK : base + {row + dim} * BLOCK]"
        elif place != self._scratch(x, "vector"):
            x = f"x{k}"
            lines.block += self._loop("vector", self._new(x, "vector", lines.preamble), place)
        u = self._new(f"u{k}", "scalar", lines.preamble)
        g = self._new(f"g{k}", "vector", lines.preamble)
        if which in self._lifted:
            own = f"parameters[block * {n} * BLOCK : (block + 1) * {n} * BLOCK]"
            tiles = ""
            if f"def {which}_tiles(" in self._lifted[which]:
                tiles = f", {which}_tiles_of"
                statement = f"{which}_tiles_of = {which}_tiles(parameters)"
                if statement not in lines.preamble:
                    lines.preamble.append(statement)
            p = own if self._own else "parameters"
            lines.block += [f"{which}_block({x}, {p}, g{k}, u{k}{tiles})"]
        else:
            lines.preamble.append(f"one = np.empty((3, {max(dim, n)}), dtype=real)")
            lines.block += ["for b in range(BLOCK):", f"    for j in range({dim}):"]
            lines.block += [f"        one[0, j] = {self._scratch(x, 'vector')}"]
            if self._own:
                lines.block += [f"    for j in range({n}):"]
                lines.block += [f"        one[2, j] = parameters[(block * {n} + j) * BLOCK + b]"]
            own = f"one[2, :{n}]" if self._own else "parameters"
            match which:
                case "potential":
                    lines.block.append(f"    {u} = potential(one[0], {own})")
                case "gradient":
                    lines.block.append(f"    gradient(one[0], {own}, one[1])")
                case _:
                    lines.block.append(f"    {u} = potential_gradient(one[0], {own}, one[1])")
            if "gradient" in wanted:
                lines.block += [f"    for j in range({dim}):", f"        {g} = one[1, j]"]
        for other in order:
            if other.operation in wanted and other.arguments[0] is point:
                places[id(other)] = u if other.operation == "potential" else g
