"""The statements of one step of a group of copies, from the trace of a system's step.

Elementwise operations are written where they are used; sums over axes split a step into levels,
each a few loops over the entries of a block, and inside those over the LANES copies of a group.
With one copy (LANES = 1) the innermost loop is over the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lvebm_theory.errors import ArgumentError

from ..particles.trace import ordered
from ..particles.write_lanes import spelled
from .levels import roots_by_level
from .trace import ArraySymbol, Shape, SystemTrace

_PLAIN = (0.0, 0.5, 1.0, -1.0, 2.0)  # written as they are


def _stacks(s: ArraySymbol) -> bool:
    """Whether stacked values are read on the way to a node, sums apart."""
    if s.operation in ("sum", "input", "constant"):
        return False
    return s.operation == "stack" or any(
        _stacks(a) for a in s.arguments if isinstance(a, ArraySymbol)
    )


def _index_spaces(s: ArraySymbol) -> list[tuple[Shape, tuple[str, ...]]]:
    """Loops (by their shape) and indices that reach all entries; what is stacked last is unrolled,
    since each of its entries is a formula of its own."""
    index = tuple(f"i{k}" if size != 1 else "0" for k, size in enumerate(s.shape))
    if not s.shape or not _stacks(s):
        return [(s.shape, index)]
    return [(s.shape[:-1], (*index[:-1], str(k))) for k in range(s.shape[-1])]


@dataclass
class _Nest:
    """Loops over one index space."""

    shape: Shape
    lines: list[list[str]] = field(default_factory=list)  # by depth
    names: dict[tuple[int, tuple[str, ...]], str] = field(default_factory=dict)
    after: list[list[str]] = field(default_factory=list)


class StepWriter:
    """Writes one step.

    It reads ``now_k``, ``noise_k`` (from ``shift_k`` on) of block k, ``array_k``, ``scalars``,
    ``constant_k`` and ``constants``, sizes ``n0, n1, ...``, and writes ``next_k``.

    Attributes
    ----------
    preamble, lines : list of str
        Statements before all steps (scratch), and those of one step.
    constants, sizes : mapping of value to number
        In the order of their first use.
    """

    def __init__(self, trace: SystemTrace, lanes: int) -> None:
        self._trace, self._lanes = trace, lanes
        self.constants: dict[float, int] = {}
        self.sizes: dict[int, int] = {}
        self.preamble: list[str] = []
        self.lines: list[str] = []
        self._place: dict[int, str] = {}  # scratch of a node
        self._uniform: dict[int, str] = {}  # what is the same for all copies
        self._later: dict[int, str] = {}  # scratch that this level fills
        self._wides: dict[int, str] = {}  # what is uniform, in double precision
        self._count = 0

    def write(self) -> None:
        """Fill ``preamble`` and ``lines``."""
        order: list[ArraySymbol] = ordered(list(self._trace.after.values()))  # type: ignore[assignment]
        self._write_uniform(order)
        roots = roots_by_level(self._trace.after, order)
        for level in sorted(roots):
            self._write_level(roots[level])

    # names

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _size(self, size: int) -> str:
        if size <= 1:
            return str(size)
        return f"n{self.sizes.setdefault(size, len(self.sizes))}"

    def length(self, shape: Shape) -> str:
        """Number of entries, as text."""
        return " * ".join(self._size(s) for s in shape if s != 1) or "1"

    def _flat(self, shape: Shape, index: Sequence[str]) -> str:
        """Place of an entry in C order."""
        flat = "0"
        for size, i in zip(shape, index, strict=True):
            if size != 1:
                flat = i if flat == "0" else f"({flat}) * {self._size(size)} + {i}"
        return flat

    def _entry(self, array: str, shape: Shape, index: Sequence[str], *, lanes: bool = True) -> str:
        flat = self._flat(shape, index)
        if lanes and self._lanes > 1:
            flat = "b" if flat == "0" else f"({flat}) * LANES + b"
        return f"{array}[u64({flat})]"

    def _write_uniform(self, order: list[ArraySymbol]) -> None:
        """Numbers that are the same for all copies: once per step."""
        for s in order:
            if s.varies or s.shape or s.operation == "constant":
                continue
            if s.operation == "input":
                if s.arguments[0] != "scalar":
                    continue
                k = self._trace.scalars.index(s.arguments[1])
                wide = f"scalars[step - first, {k}]"
            elif s.operation in ("sum", "view"):
                continue
            else:
                values = [self._wide(a) for a in s.arguments]
                if any(v is None for v in values):
                    continue
                library = "math." if s.operation in ("exp", "log", "sin", "cos", "tanh") else ""
                wide = library + spelled(s, [str(v) for v in values])
            name = self._new("w")
            self.lines.append(f"{name} = {wide}")
            self._uniform[id(s)] = self._new("c")
            self._wides[id(s)] = name
            self.lines.append(f"{self._uniform[id(s)]} = real({name})")

    def _wide(self, s: ArraySymbol) -> str | None:
        if s.operation == "constant":
            return self._constant(s.arguments[0], wide=True)
        return self._wides.get(id(s))

    def _constant(self, value: float, *, wide: bool = False) -> str:
        if value in _PLAIN:
            return repr(value) if wide else f"real({value!r})"
        k = self.constants.setdefault(value, len(self.constants))
        return f"constants[{k}]" if wide else f"constant_{k}"

    # expressions

    def _value(self, nest: _Nest, s: ArraySymbol, index: tuple[str, ...]) -> str:
        """The name of a node's entry inside a nest; writes what is needed for it."""
        if s.operation == "constant":
            return self._constant(s.arguments[0])
        if id(s) in self._uniform:
            return self._uniform[id(s)]
        key = (id(s), index)
        if key in nest.names:
            return nest.names[key]
        if id(s) in self._place:
            text = self._entry(self._place[id(s)], s.shape, index)
        elif s.operation == "input":
            text = self._input(s, index)
        elif s.operation == "view":
            source, (reads, shape) = s.arguments
            at = []
            for read in reads:
                if isinstance(read, int):
                    at.append(str(read))
                    continue
                axis, begin, stride = read
                i = index[axis] if shape[axis] != 1 else "0"
                at.append(i if (begin, stride) == (0, 1) else f"({begin} + {stride} * {i})")
            nest.names[key] = self._value(nest, source, tuple(at))
            return nest.names[key]
        elif s.operation == "stack":
            text = self._stacked(nest, s, index)
        else:
            text = spelled(s, [self._operand(nest, a, index) for a in s.arguments])
        name = self._new("t")
        nest.names[key] = name
        depth = len(nest.shape)
        if self._lanes == 1:
            used = "".join(index)
            depth = max((k + 1 for k in range(len(nest.shape)) if f"i{k}" in used), default=0)
        nest.lines[depth].append(f"{name} = {text}")
        return name

    def _operand(self, nest: _Nest, s: ArraySymbol, index: tuple[str, ...]) -> str:
        """The entry of an operand that is broadcast to an index."""
        own = index[len(index) - len(s.shape) :]
        return self._value(
            nest, s, tuple("0" if n == 1 else i for n, i in zip(s.shape, own, strict=True))
        )

    def _stacked(self, nest: _Nest, s: ArraySymbol, index: tuple[str, ...]) -> str:
        *rest, which = index
        if which.isdigit():
            return self._operand(nest, s.arguments[int(which)], tuple(rest))
        *first, text = [self._operand(nest, a, tuple(rest)) for a in s.arguments]
        for k, value in reversed(list(enumerate(first))):
            text = f"select({which} == {k}, {value}, {text})"
        return text

    def _input(self, s: ArraySymbol, index: tuple[str, ...]) -> str:
        kind, name = s.arguments
        if kind == "state":
            return self._entry(f"now_{self.block(name)}", s.shape, index)
        if kind == "noise":
            k = self.block(name)
            flat = self._flat(s.shape, index)
            flat = f"shift_{k} + {flat}"
            return f"noise_{k}[u64({f'({flat}) * LANES + b' if self._lanes > 1 else flat})]"
        if kind == "array":
            return f"real({self._entry(f'array_{name}', s.shape, index, lanes=False)})"
        raise ArgumentError(f"a step reads blocks, noise and numbers, not {kind}")

    def block(self, name: str) -> int:
        """The number of a block."""
        return list(self._trace.blocks).index(name)

    # loops

    def _write_level(self, roots: list[tuple[str, ArraySymbol]]) -> None:
        nests: dict[Shape, _Nest] = {}
        for kind, s in roots:
            source = s.arguments[0] if kind == "sum" else s
            place = self._place_of(kind, s)
            for shape, index in _index_spaces(source):
                if shape not in nests:
                    n = len(shape) + 1
                    nests[shape] = _Nest(
                        shape, [[] for _ in range(n)], after=[[] for _ in range(n)]
                    )
                nest = nests[shape]
                value = self._value(nest, source, index)
                if kind == "sum":
                    self._write_sum(nest, s, place, index, value)
                else:
                    nest.lines[-1].append(f"{self._entry(place, s.shape, index)} = {value}")
        for nest in nests.values():
            self.lines += self._loops(nest)
        self._place |= self._later
        self._later = {}

    def _place_of(self, kind: str, s: ArraySymbol) -> str:
        """Where a root goes: into the next state, or into scratch (zero where sums begin)."""
        if kind.startswith("out "):
            return f"next_{self.block(kind.removeprefix('out '))}"
        place = self._later[id(s)] = self._scratch(s.shape)
        if kind == "sum":
            length = f"{self.length(s.shape)} * LANES"
            self.lines += [f"for k in range({length}):", f"    {place}[u64(k)] = real(0.0)"]
        return place

    def _scratch(self, shape: Shape) -> str:
        name = self._new("s")
        self.preamble.append(f"{name} = room({self.length(shape)} * LANES)")
        return name

    def _write_sum(
        self, nest: _Nest, s: ArraySymbol, place: str, index: tuple[str, ...], value: str
    ) -> None:
        _, axes = s.arguments
        target = self._entry(place, s.shape, tuple(i for k, i in enumerate(index) if k not in axes))
        last = len(nest.shape) - 1
        if self._lanes == 1 and last in axes and nest.shape[last] > 1:
            row = self._scratch((nest.shape[last],))
            nest.lines[-1].append(f"{row}[u64(i{last})] = {value}")
            nest.after[last].append(f"{target} += total({row}, {self._size(nest.shape[last])})")
        else:
            nest.lines[-1].append(f"{target} += {value}")

    def _loops(self, nest: _Nest) -> list[str]:
        lines: list[str] = []
        depth = len(nest.shape)
        pads = []
        pad = ""
        for k in range(depth + 1):
            pads.append(pad)
            if k == depth:
                break
            lines += [pad + line for line in nest.lines[k]]
            size = nest.shape[k]
            lines.append(f"{pad}for i{k} in range({self._size(size)}):")
            pad += "    "
        inner = nest.lines[depth]
        if self._lanes > 1:
            lines.append(f"{pad}for b in range(LANES):")
            pad += "    "
        lines += [pad + line for line in inner]
        for k in reversed(range(depth)):
            lines += [pads[k] + line for line in nest.after[k]]
        return lines
