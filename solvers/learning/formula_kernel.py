"""The text of one phase's loop over blocks of particles, from a formula and a scheme's step.

Particles lie in coordinate-major arrays and are taken block by block into scratch that stays in
the nearest cache. There a block goes through all its stages of one update (restart, moves,
average) before the next block is touched: within an update particles do not see each other.
Averages leave as one row per block, summed over the block by halving; rows are added in their
order. So neither threads nor the loop around this one change a bit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula import printing

from ..noise.backends import Bits, Real, resolution
from ..particles.inline import ScalarFunction, inlined, scalar_function
from ..particles.kernel import block_size, functions_needed
from ..particles.scheme import Scheme
from ..particles.trace import Trace, trace
from ..particles.write_lanes import LaneWriter
from ..source_text import made_once
from .temperature import tempered

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula

#: what a phase's loop may be asked to do to a block, as numbers of its stages
RESTART, MOVE, AVERAGE = 0, 1, 2

_BLOCKS = """for block in range(block_from, block_to):
    start = block * BLOCK
    here = min(BLOCK, count - start)
    base = 0
    if {fresh}:
        held_to = 0
{gather}
    for stage in phase_stages:
        if stage == {average}:
{slopes}
            for k in range({slope_count}):
                at = k * BLOCK
                for b in range(here, BLOCK):
                    values[u64(at + b)] = 0.0
                width = BLOCK // 2
                while width > 0:
                    for b in range(width):
                        values[u64(at + b)] += values[u64(at + width + b)]
                    width //= 2
                partial[block, k] = values[u64(at)]
        elif stage == {move}:
{renew}
            for begin in range(0, inner, {chunk}):
                steps = min({chunk}, inner - begin)
{fill}
                for t in range(steps):
{step}
        else:
{restart}
{scatter}"""

# all particles take part: they lie side by side; the last block is filled up with its last one
_GATHER_ALL = """for b in range(BLOCK):
    ids[u64(b)] = start + b
for j in range({dim}):
    at, to = j * stride + start, j * BLOCK
    for b in range(here):
        state[u64(to + b)] = positions[u64(at + b)]
    for b in range(here, BLOCK):
        state[u64(to + b)] = positions[u64(at + here - 1)]"""
_GATHER_DATA = """for j in range({fixed}):
    at, to = j * data_stride, j * BLOCK
    for b in range(BLOCK):
        datum = owner[u64(start + min(b, here - 1))]
        fixed[u64(to + b)] = data[u64(at + datum)]"""
_SCATTER_ALL = """for j in range({dim}):
    at, to = j * stride + start, j * BLOCK
    for b in range(here):
        positions[u64(at + b)] = state[u64(to + b)]"""
# ``group`` particles of each datum in the batch
_GATHER_BATCH = """row = start // group
k = start - row * group
for b in range(BLOCK):
    datum = chosen[u64(chosen_from + row)]
    at = datum * group + k
    ids[u64(b)] = at
    for j in range({fixed}):
        fixed[u64(j * BLOCK + b)] = data[u64(j * data_stride + datum)]
    for j in range({dim}):
        state[u64(j * BLOCK + b)] = positions[u64(j * stride + at)]
    if b + 1 < here:
        k += 1
        if k == group:
            k = 0
            row += 1"""
_SCATTER_BATCH = """for j in range({dim}):
    for b in range(here):
        positions[u64(j * stride + ids[u64(b)])] = state[u64(j * BLOCK + b)]"""

#: arguments of a phase's loop, in order
ARGUMENTS = (
    "phase_stages", "positions", "count", "stride", "data", "data_stride", "owner", "chosen",
    "group", "h", "blocks", "block_from", "block_to", "partial", "info",
    "restart_mean", "restart_sd",
    "stream_low", "stream_high", "restart_low", "restart_high", "key_low", "key_high",
    "words", "normals", "uniforms", "state", "fixed", "values", "ids",
)  # fmt: skip
_LOCAL = (
    "BLOCK", "block", "start", "here", "base", "at", "to", "row", "k", "datum", "stage", "begin",
    "steps", "entry", "index", "uniform_row", "t", "chosen_from", "fill_normals", "fill_uniforms",
    "width", "held_from", "held_to",
)  # fmt: skip
_CONSTANT = re.compile(r"\b[cw]\d+\b")


class _PhaseWriter(LaneWriter):
    """Theta is common to all particles, data coordinates belong to each."""

    def __init__(
        self, traced: Trace, functions: dict[str, ScalarFunction | None], thetas: int, fixed: int
    ) -> None:
        super().__init__(traced, functions, thetas + fixed, False)
        self._thetas, self._fixed = thetas, fixed

    def _load(self) -> tuple[list[str], list[str]]:
        # theta moves between calls: the loop around this one loads it
        return [], [
            f"p_{self._thetas + i} = fixed[u64({i} * BLOCK + b)]" for i in range(self._fixed)
        ]

    def renew(self) -> tuple[list[str], list[str]]:
        """What the scheme's init makes of the position, the position too where it changes."""
        outputs = {
            name: symbol
            for name, symbol in self._trace.init.items()
            if not (name == "x" and symbol.operation == "input")
        }
        if not outputs:
            return [], []
        lines, names = self.values(list(outputs.values()))
        for name, symbol in outputs.items():
            lines.block += self._stores(name, names[id(symbol)])
        block = self._in_loop(lines).block
        # constants of the step have the same names and other values
        rename = functools.partial(_CONSTANT.sub, r"r\g<0>")
        return [rename(s) for s in lines.preamble], [rename(s) for s in block]


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseText:
    """Statements of one phase, and the room they need.

    ``constants`` stand before all updates, ``blocks`` in each; ``rows`` of state, noise and so on
    are counted in blocks.
    """

    constants: tuple[str, ...]
    blocks: str
    block: int
    dim: int
    info: tuple[str, ...]
    rows: dict[str, int]

    def tagged(self, tag: str) -> tuple[list[str], list[str]]:
        """Constants and block loop with every name of the phase's own under a tag."""
        names = re.compile(r"\b(" + "|".join([*ARGUMENTS, *_LOCAL]) + r"|r?[cw]\d+)\b")
        rename = functools.partial(names.sub, rf"\g<1>_{tag}")
        return [rename(s) for s in self.constants], rename(self.blocks).splitlines()


def block_for(dim: int, count: int) -> int:
    """Particles per block: as many as fit the caches, or few where there are few to fill them.

    Two sizes only: each is a compilation.
    """
    largest = block_size(dim)
    return min((16, largest), key=lambda b: (-(-count // b) * (b + 16), -b))


def indented(lines: Sequence[str], depth: int) -> str:
    """Lines at a depth of four blanks each; ``pass`` if there are none."""
    return "\n".join("    " * depth + line for line in lines) or "    " * depth + "pass"


def _ahead(dim: int, lanes: int, block: int) -> int:
    """Rows of normals that a block alone draws at once: those of later updates too, so that the
    generator's latency is paid once for several."""
    whole = 32 if block <= 64 else 8
    return -(-max(whole, dim) // lanes) * lanes


def _fill(traced: Trace, lanes: int, ahead: int) -> list[str]:
    lines = ["entry = first_step + begin"]
    address = "stream_low, stream_high, key_low, key_high"
    if traced.uses_normal:
        lines += [
            f"row = entry * {traced.dim}",
            f"if row < held_from or row + steps * {traced.dim} > held_to:",
            f"    index = row // {lanes}",
            f"    held_from = index * {lanes}",
            f"    held_to = (row + steps * {traced.dim} + {lanes - 1}) // {lanes} * {lanes}",
            "    if blocks == 1 and first + 1 < last:",
            f"        held_to = max(held_to, held_from + {ahead})",
            f"    fill_normals(normals, held_to - held_from, ids, 0, words, index, {address})",
            "row = held_from - row",
        ]
    if traced.uses_uniform:
        lines += [
            f"index = entry // {lanes}",
            f"uniform_row = index * {lanes} - entry",
            f"fill_uniforms(uniforms, (steps - uniform_row + {lanes - 1}) // {lanes} * {lanes}, "
            f"ids, 0, words, {2**31} + index, {address})",
        ]
    return lines


def _restart(dim: int, lanes: int) -> list[str]:
    """Positions drawn anew from a normal law; step u + 1 of the start's own stream."""
    return [
        "held_to = 0",
        f"index = (update + 1) * {dim} // {lanes}",
        f"row = (update + 1) * {dim} - index * {lanes}",
        f"fill_normals(normals, (row + {dim + lanes - 1}) // {lanes} * {lanes}, ids, 0, words, "
        "index, restart_low, restart_high, key_low, key_high)",
        f"for j in range({dim}):",
        "    for b in range(BLOCK):",
        "        state[u64(j * BLOCK + b)] = fma(",
        "            restart_sd[j], normals[u64((row + j) * BLOCK + b)], restart_mean[j]",
        "        )",
    ]


def _slopes(joint: Formula, learned: tuple[int, ...], dim: int, fixed: int) -> list[str]:
    """Derivatives of E with respect to the learned entries, for every particle of a block."""
    derivatives = joint.expressions("parameter_gradient")
    lines, results = printing.body(
        joint.program([derivatives[k] for k in learned], "loop"), printing.NUMBA
    )
    ending = [f"g[{k}] = {result}" for k, result in enumerate(results)]
    body = "".join(f"    {line}\n" for line in [*lines, *ending])
    function = straight(f"def slopes(x, p, g):\n{body}", "slopes")
    loop = [f"xs_{i} = fixed[u64({i} * BLOCK + b)]" for i in range(fixed)]
    loop += [f"xs_{fixed + j} = state[u64({j} * BLOCK + b)]" for j in range(dim)]
    loop += inlined(function, x="xs", p="p", g="gs", suffix="s")[0]
    loop += [f"values[u64({k} * BLOCK + b)] = gs_{k}" for k in range(len(learned))]
    return ["for b in range(BLOCK):", *(f"    {line}" for line in loop)]


def straight(source: str, name: str) -> ScalarFunction:
    """A function of a source as straight-line code."""
    function = scalar_function(source, name)
    if function is None:
        raise ArgumentError("the trainer's compiled loops need a straight-line formula")
    return function


@made_once
def phase_text(
    joint: Formula,
    moving: Formula,
    scheme: Scheme,
    learned: tuple[int, ...],
    real: Real,
    bits: Bits,
    block: int,
    batched: bool,
    restarts: bool,
) -> PhaseText:
    """The loop of one phase.

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
    batched : bool
        Whether the particles of some data only take part.
    restarts : bool
        Whether positions may be drawn anew.
    """
    traced = trace(tempered(scheme), moving.dim)
    fixed, thetas = joint.dim - moving.dim, len(joint.parameter_symbols)
    source = moving.source("numba", real)
    functions: dict[str, ScalarFunction | None] = {
        name: straight(source, name) for name in functions_needed(traced)
    }
    writer = _PhaseWriter(traced, functions, thetas, fixed)
    lanes = resolution(bits, real).lanes
    chunk = max(1, 8 // traced.dim)
    ahead = _ahead(traced.dim, lanes, block)
    step, (constants, renew) = writer.step(), writer.renew()
    gather = _GATHER_BATCH if batched else _GATHER_ALL + (f"\n{_GATHER_DATA}" if fixed else "")
    scatter = _SCATTER_BATCH if batched else _SCATTER_ALL
    shape = {"dim": traced.dim, "fixed": fixed}
    return PhaseText(
        constants=(*step.preamble, *constants, "held_from = held_to = 0"),
        blocks=_BLOCKS.format(
            gather=indented(gather.format(**shape).splitlines(), 1),
            scatter=indented(scatter.format(**shape).splitlines(), 1),
            fresh="True" if batched else "blocks > 1",
            chunk=chunk,
            average=AVERAGE,
            move=MOVE,
            slope_count=len(learned),
            slopes=indented(_slopes(joint, learned, traced.dim, fixed), 3),
            renew=indented(renew, 3),
            fill=indented(_fill(traced, lanes, ahead), 4),
            step=indented(step.block, 5),
            restart=indented(_restart(traced.dim, lanes) if restarts else [], 3),
        ),
        block=block,
        dim=traced.dim,
        info=tuple(traced.info),
        rows={
            "normals": max(ahead, chunk * traced.dim) + 2 * lanes,
            "uniforms": chunk + 2 * lanes,
            "state": traced.rows,
            "fixed": max(1, fixed),
            "values": max(1, len(learned)),
        },
    )
