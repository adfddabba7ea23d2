"""The text of one phase's compiled loop, generated from an energy's formula and a scheme's step.

Particles lie in coordinate-major arrays and are taken block by block into scratch that stays in
the nearest cache. There a block goes through all its stages of one update (moving, averaging)
before the next block is touched: within an update particles do not see each other. Averages leave
as one row per block, summed over the block by halving; rows are added in their order. So neither
threads nor the loop around this one change a bit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula import printing
from lvebm_theory.formula.generated import load

from ..noise.backends import INLINED, Bits, Real, filler, resolution
from ..particles.elementary_module import elementary_functions
from ..particles.inline import ScalarFunction, header_of, inlined, scalar_function
from ..particles.kernel import block_size, functions_needed
from ..particles.language import Symbol
from ..particles.scheme import Draw, EnergyInStep, Info, Scheme, State
from ..particles.trace import Trace, trace
from ..particles.write_lanes import LaneWriter, Lines
from ..source_text import decorated, with_typed_literals

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula

_MODULE = '''{head}
BLOCK = {block}
{elementary}

@njit(forceinline=True, error_model="numpy")
def room(count):
    # begins with a cache line, so that no vector straddles two
    raw = np.empty(count + 16, dtype=real)
    skip = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[skip : skip + count]


@njit(cache=True, nogil=True, error_model="numpy")
def scratch():
    """Buffers of one block."""
    return (
        new_words(),
        room({normal_rows} * BLOCK),
        room({uniform_rows} * BLOCK),
        room({rows} * BLOCK),
        room({fixed_rows} * BLOCK),
        np.empty({value_rows} * BLOCK),
        np.empty(BLOCK, dtype=np.int64),
        np.empty(BLOCK, dtype=np.int64),
    )


@njit(forceinline=True, error_model="numpy")
def folded(values, at, here):
    """Sum of a block's row by halving, its first ``here`` numbers counted."""
    for b in range(here, BLOCK):
        values[np.uint64(at + b)] = 0.0
{halving}
    return values[np.uint64(at)]


@njit(forceinline=True, error_model="numpy")
def number_block(start, count, chosen, group, ids, owners):
    """Which particles are in a block, and the datum of each; the last block repeats the last."""
    if chosen.shape[0] == 0:
        for b in range(BLOCK):
            ids[b] = min(start + b, count - 1)
        if {fixed} > 0:
            datum = start // group
            k = start - datum * group
            for b in range(BLOCK):
                owners[b] = min(datum, (count - 1) // group)
                k += 1
                if k == group:
                    k = 0
                    datum += 1
    else:
        row = start // group
        k = start - row * group
        for b in range(BLOCK):
            if start + b < count:
                owners[b] = chosen[row]
                ids[b] = chosen[row] * group + k
                k += 1
                if k == group:
                    k = 0
                    row += 1
            else:
                owners[b] = owners[b - 1]
                ids[b] = ids[b - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def work_within(
    buffers, stages, positions, data, theta, inverse_temperature, h, first_step, inner,
    count, chosen, group, block_from, block_to, partial, info,
    stream_low, stream_high, key_low, key_high,
):
    """All stages of one update for blocks of particles; positions change in place.

    stages: 0 move, 1 average; info[block] sums over steps, per lane. partial[block] receives the block's sums of d_theta E.
    """
    words, normals, uniforms, state, fixed, values, ids, owners = buffers
{preamble}
    for block_number in range(block_from, block_to):
        start = block_number * BLOCK
        here = min(BLOCK, count - start)
        number_block(start, count, chosen, group, ids, owners)
        for j in range({dim}):
            for b in range(BLOCK):
                state[np.uint64(j * BLOCK + b)] = positions[j, ids[b]]
        for j in range({fixed}):
            for b in range(BLOCK):
                fixed[np.uint64(j * BLOCK + b)] = data[j, owners[b]]
        base, block = 0, block_number
        for stage in stages:
            if stage == 0:
{restart}
                for begin in range(0, inner, {chunk}):
                    steps = min({chunk}, inner - begin)
{fill}
                    for t in range(steps):
{step}
            else:
{slopes}
                for k in range({slope_count}):
                    partial[block_number, k] = folded(values, k * BLOCK, here)
        for j in range({dim}):
            for b in range(here):
                positions[j, ids[b]] = state[np.uint64(j * BLOCK + b)]


@njit(cache=True, nogil=True, error_model="numpy")
def work(
    stages, positions, data, theta, inverse_temperature, h, first_step, inner,
    count, chosen, group, block_from, block_to, partial, info,
    stream_low, stream_high, key_low, key_high,
):
    """``work_within`` with buffers of its own."""
    work_within(
        scratch(), stages, positions, data, theta, inverse_temperature, h, first_step, inner,
        count, chosen, group, block_from, block_to, partial, info,
        stream_low, stream_high, key_low, key_high,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def observe(positions, data, theta, count, group, block_from, block_to, partial):
    """Per block: sums of E, of the coordinates, and of their products (upper triangle)."""
    words, normals, uniforms, state, fixed, values, ids, owners = scratch()
    chosen = np.empty(0, dtype=np.int64)
{parameters}
    for block in range(block_from, block_to):
        start = block * BLOCK
        here = min(BLOCK, count - start)
        number_block(start, count, chosen, group, ids, owners)
        for j in range({dim}):
            for b in range(BLOCK):
                state[np.uint64(j * BLOCK + b)] = positions[j, ids[b]]
        for j in range({fixed}):
            for b in range(BLOCK):
                fixed[np.uint64(j * BLOCK + b)] = data[j, owners[b]]
{potential}
        partial[block, 0] = folded(values, 0, here)
        k = 1
        for i in range({dim}):
            for b in range(BLOCK):
                values[b] = np.float64(state[np.uint64(i * BLOCK + b)])
            partial[block, k] = folded(values, 0, here)
            k += 1
        for i in range({dim}):
            for j in range(i, {dim}):
                for b in range(BLOCK):
                    values[b] = np.float64(state[np.uint64(i * BLOCK + b)]) * state[np.uint64(j * BLOCK + b)]
                partial[block, k] = folded(values, 0, here)
                k += 1
'''


_CONSTANT = re.compile(r"\b[cw]\d+\b")


class _Tempered:
    """E/T, for a step that is to sample exp(-E/T)."""

    def __init__(self, energy: EnergyInStep, cold: Any) -> None:
        self._energy, self._cold = energy, cold

    def potential(self, x: Any) -> Any:
        return self._cold * self._energy.potential(x)

    def gradient(self, x: Any) -> Any:
        return self._cold * self._energy.gradient(x)

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        potential, gradient = self._energy.potential_gradient(x)
        return self._cold * potential, self._cold * gradient


@functools.lru_cache(maxsize=64)
def tempered(scheme: Scheme, inverse_temperature: float | None = None) -> Scheme:
    """The scheme for E/T; called with step size T h it discretises dX = -grad E dt + sqrt(2T) dW.

    ``None`` leaves 1/T a name of the generated loop, so that one compilation serves every T.
    """

    def cold(value: Any) -> Any:
        if inverse_temperature is not None:
            return inverse_temperature
        assert isinstance(value, Symbol)
        return value.tracer.scalar("inverse_temperature", varies=False)

    def init(x: Any, energy: EnergyInStep) -> State:
        return scheme.init(x, _Tempered(energy, cold(x)))

    def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
        return scheme.step(state, _Tempered(energy, cold(h)), h, draw)

    return Scheme(
        name=scheme.name,
        step=step,
        init=init,
        weak_order=scheme.weak_order,
        strong_order=scheme.strong_order,
        exact_in_law=scheme.exact_in_law,
        reference=scheme.reference,
    )


class _PhaseWriter(LaneWriter):
    """Theta is common to all particles, data coordinates belong to each."""

    def __init__(
        self, traced: Trace, functions: dict[str, ScalarFunction | None], thetas: int, fixed: int
    ) -> None:
        super().__init__(traced, functions, thetas + fixed, False)
        self._thetas, self._fixed = thetas, fixed

    def _load(self) -> tuple[list[str], list[str]]:
        return (
            [f"p_{k} = theta[{k}]" for k in range(self._thetas)],
            [
                f"p_{self._thetas + i} = fixed[np.uint64({i} * BLOCK + b)]"
                for i in range(self._fixed)
            ],
        )

    def restart(self) -> Lines:
        """What the scheme's init makes of the position, the position too where it changes."""
        outputs = {
            name: symbol
            for name, symbol in self._trace.init.items()
            if not (name == "x" and symbol.operation == "input")
        }
        if not outputs:
            return Lines()
        lines, names = self.values(list(outputs.values()))
        for name, symbol in outputs.items():
            lines.block += self._stores(name, names[id(symbol)])
        # constants of the step have the same names and other values
        own = [
            [_CONSTANT.sub(r"r\g<0>", s) for s in part] for part in (lines.preamble, lines.block)
        ]
        return self._in_loop(Lines(preamble=own[0], block=own[1]))


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase's module and layout: ``block`` particles at a time, ``info`` names of diagnostics."""

    module: ModuleType
    block: int
    info: tuple[str, ...]


def block_for(dim: int, count: int) -> int:
    """Particles per block: as many as fit the caches, few where there are few to fill them."""
    largest = block_size(dim)
    return min((8, 32, largest), key=lambda b: (-(-count // b) * (b + 16), -b))


def _indented(lines: Sequence[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines) or "    " * depth + "pass"


def _halving(block: int) -> list[str]:
    lines, width = [], block // 2
    while width > 0:
        lines += [
            f"for b in range({width}):",
            f"    values[np.uint64(at + b)] += values[np.uint64(at + {width} + b)]",
        ]
        width //= 2
    return lines


def _fill(traced: Trace, lanes: int) -> list[str]:
    lines = ["entry = first_step + begin"]
    address = "stream_low, stream_high, key_low, key_high"
    if traced.uses_normal:
        lines += [
            f"index = entry * {traced.dim} // {lanes}",
            f"row = index * {lanes} - entry * {traced.dim}",
            f"fill_normals(normals, (steps * {traced.dim} - row + {lanes - 1}) "
            f"// {lanes} * {lanes}, ids, 0, words, index, {address})",
        ]
    if traced.uses_uniform:
        lines += [
            f"index = entry // {lanes}",
            f"uniform_row = index * {lanes} - entry",
            f"fill_uniforms(uniforms, (steps - uniform_row + {lanes - 1}) // {lanes} * {lanes}, "
            f"ids, 0, words, {2**31} + index, {address})",
        ]
    return lines


def _function_text(name: str, formula: Formula, expressions: list[Any], value: bool) -> str:
    """A scalar function of the joint coordinates: ``name(x, p, g)`` or ``name(x, p)``."""
    lines, results = printing.body(formula.program(expressions, "loop"), printing.NUMBA)
    if value:
        ending = [f"return {results[0]}"]
    else:
        ending = [f"g[{k}] = {result}" for k, result in enumerate(results)] or ["pass"]
    body = "".join(f"    {line}\n" for line in [*lines, *ending])
    return f"def {name}(x, p, g):\n{body}"


def _joint_lines(
    name: str, text: str, dim: int, fixed: int, thetas: int, results: int
) -> tuple[list[str], list[str]]:
    """A function of (x, z) for every particle of a block; results go to rows of ``values``."""
    function = scalar_function(text, name)
    if function is None:
        raise ArgumentError("the trainer's compiled loops need a straight-line formula")
    body = [f"xs_{i} = fixed[np.uint64({i} * BLOCK + b)]" for i in range(fixed)]
    body += [f"xs_{fixed + j} = state[np.uint64({j} * BLOCK + b)]" for j in range(dim)]
    code, result = inlined(function, x="xs", p="p", g="gs", suffix="s")
    body += code
    if result is not None:
        body.append(f"values[b] = {result}")
    else:
        body += [f"values[np.uint64({k} * BLOCK + b)] = gs_{k}" for k in range(results)]
    loads = [f"p_{k} = theta[{k}]" for k in range(thetas)]
    return loads, ["for b in range(BLOCK):", *(f"    {line}" for line in body or ["pass"])]


@functools.lru_cache(maxsize=256)
def phase(
    joint: Formula,
    moving: Formula,
    scheme: Scheme,
    learned: tuple[int, ...],
    real: Real,
    bits: Bits,
    block: int,
) -> Phase:
    """The compiled loop of one phase.

    Parameters
    ----------
    joint : Formula
        E on coordinates (x, z) with parameters theta.
    moving : Formula
        The same energy as the phase's particles see it: the joint formula itself, or the
        conditional one on z with parameters (theta, x).
    scheme : Scheme
    learned : tuple of int
        Entries of theta whose derivative is averaged.
    real, bits
        Type of particles; bits of the noise.
    block : int
        Particles per block.
    """
    traced = trace(tempered(scheme), moving.dim)
    fixed, thetas = joint.dim - moving.dim, len(joint.parameter_symbols)
    source = moving.source("numba", real)
    functions = {name: scalar_function(source, name) for name in functions_needed(traced)}
    if not all(functions.values()):
        raise ArgumentError("the trainer's compiled loops need a straight-line formula")
    writer = _PhaseWriter(traced, functions, thetas, fixed)
    lanes = resolution(bits, real).lanes
    chunk = max(1, 8 // traced.dim)
    derivatives = joint.expressions("parameter_gradient")
    step, restart = writer.step(), writer.restart()
    slope_loads, slopes = _joint_lines(
        "slopes",
        _function_text("slopes", joint, [derivatives[k] for k in learned], False),
        traced.dim, fixed, thetas, len(learned),
    )  # fmt: skip
    loads, potential = _joint_lines(
        "potential",
        _function_text("potential", joint, [joint.expression], True),
        traced.dim, fixed, thetas, 1,
    )  # fmt: skip
    head = decorated(header_of(source), INLINED)
    if real == "float32":
        head = with_typed_literals(head, "np.float32")
    names = f"from {filler(bits, real, block).__name__} import fill_normals, fill_uniforms"
    preamble = list(dict.fromkeys([*step.preamble, *restart.preamble, *slope_loads]))
    text = _MODULE.format(
        head=f"import math\n\nimport numpy as np\nfrom numba import njit\n\n{names}, new_words\n\n"
        f"{head}\n\nreal = np.{real}",
        elementary=elementary_functions(real),
        block=block,
        halving=_indented(_halving(block), 1),
        dim=traced.dim,
        fixed=fixed,
        fixed_rows=max(1, fixed),
        rows=traced.rows,
        chunk=chunk,
        normal_rows=chunk * traced.dim + 2 * lanes,
        uniform_rows=chunk + 2 * lanes,
        value_rows=max(1, len(learned)),
        slope_count=len(learned),
        preamble=_indented(preamble, 1),
        restart=_indented(restart.block, 4),
        fill=_indented(_fill(traced, lanes), 5),
        step=_indented(step.block, 6),
        slopes=_indented(slopes, 4),
        parameters=_indented(loads, 1),
        potential=_indented(potential, 2),
    )
    return Phase(module=load(text), block=block, info=tuple(traced.info))
