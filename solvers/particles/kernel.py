"""The text of a compiled particle loop, generated from a step's trace and an energy's source.

Particles lie in blocks: ``state`` is flat, row r of block k starts at (k rows + r) BLOCK. Per
block and a few steps, a buffer that stays in the first-level cache is filled with noise; then
each step is one loop over the particles of the block ("lanes"), which the compiler vectorises.
Two ways to write that loop:

lanes   d small and a straight-line energy: everything inlined into one loop, coordinates as
        plain names;
rows    otherwise: one loop per operation over a coordinate's row, the energy called once per
        particle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..noise.backends import CALLED, INLINED, Bits, Real, filler, resolution
from ..source_text import decorated, with_typed_literals
from .elementary_module import elementary_functions
from .inline import header_of, scalar_function
from .lift import lifted
from .trace import Trace, ordered
from .write_lanes import LaneWriter
from .write_rows import RowWriter

_GROUP = 8  # rows of normals made at once where a step goes by rows; whole Philox calls
_LANE_LIMIT = 24  # coordinates beyond which one loop would only spill registers

_MODULE = '''{energy}


@njit(cache=True, nogil=True, error_model="numpy")
def initialise(state, parameters, h, block_from, block_to):
    """Fill the rows of the state that follow from the position."""
{init_preamble}
    for block in range(block_from, block_to):
        base = block * {state_size}
{init_block}


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    state, parameters, ids, h, first, last, block_from, block_to, info, finite,
    stream_low, stream_high, key_low, key_high{record_arguments},
):
    """Steps first to last - 1 of the blocks; sums of info per lane; finite[block] = 0 or not."""
{preamble}
{record_preamble}
    words = new_words()
    normals = room({normal_rows} * BLOCK)
    uniforms = room({uniform_rows} * BLOCK)
    for block in range(block_from, block_to):
        base = block * {state_size}
        for chunk in range(first // {chunk}, (last + {chunk} - 1) // {chunk}):
            begin = max(0, first - chunk * {chunk})
            end = min({chunk}, last - chunk * {chunk})
{fill}
            for t in range(begin, end):
{step}
{record}
        check = real(0.0)
        for i in range({dim}):
            for b in range(BLOCK):
                # inf - inf and nan - nan are nan: nothing to branch on
                difference = state[np.uint64(base + i * BLOCK + b)]
                check += difference - difference
        finite[block] = 1 if check == real(0.0) else 0
'''


_ROOM = '''

@njit(forceinline=True, error_model="numpy")
def room(count):
    """Scratch that begins with a cache line, so that no vector straddles two."""
    raw = np.empty(count + 16, dtype=real)
    skip = (-raw.ctypes.data % 64) // raw.itemsize
    return raw[skip : skip + count]
'''


@dataclass(frozen=True, kw_only=True)
class KernelText:
    """A module's source and how its arrays are laid out.

    ``block`` particles per block, ``rows`` numbers of state per particle, ``info`` the names of
    the rows of the info sums; ``way`` is "lanes" or "rows".
    """

    text: str
    block: int
    rows: int
    info: tuple[str, ...]
    way: str


def block_size(dim: int) -> int:
    """Particles per block: state, noise and scratch of a block stay in the nearest caches."""
    return 256 if dim <= 2 else 128 if dim <= 8 else 64 if dim <= 24 else 256


def chunk_length(dim: int, lanes: int, uniforms: bool) -> int:
    """Steps per filling of the noise buffer: whole Philox calls, about eight rows."""
    whole = lanes if uniforms else lanes // math.gcd(lanes, dim)
    return whole * max(1, 8 // (whole * dim))


def _fill(trace: Trace, lanes: int, chunk: int) -> list[str]:
    lines = []
    if trace.uses_normal:
        lines += [
            f"row = begin * {trace.dim} // {lanes}",
            f"fill_normals(normals, (end * {trace.dim} + {lanes - 1}) // {lanes} * {lanes} "
            f"- row * {lanes}, ids, block * BLOCK, words,",
            f"             chunk * {chunk * trace.dim // lanes} + row, "
            "stream_low, stream_high, key_low, key_high)",
            f"row = row * {lanes}",
        ]
    return lines + _fill_uniforms(trace, lanes, chunk)


def _fill_uniforms(trace: Trace, lanes: int, chunk: int) -> list[str]:
    if not trace.uses_uniform:
        return []
    return [
        f"uniform_row = begin // {lanes}",
        f"fill_uniforms(uniforms, (end + {lanes - 1}) // {lanes} * {lanes} "
        f"- uniform_row * {lanes}, ids, block * BLOCK, words,",
        f"              {2**31} + chunk * {chunk // lanes} + uniform_row, "
        "stream_low, stream_high, key_low, key_high)",
        f"uniform_row = uniform_row * {lanes}",
    ]


def _filled_by_groups(trace: Trace, lanes: int, block: list[str]) -> list[str] | None:
    """A step by rows whose normals are made where they are used, a few rows at a time.

    What was just made is then still in the first-level cache. None where more than one loop reads
    the normals, or where steps do not begin with a Philox call.
    """
    place = f"normals[np.uint64((t * {trace.dim} + j - row) * BLOCK + b)]"
    readers = [k for k, line in enumerate(block) if "normals[" in line]
    if len(readers) != 1 or trace.dim % lanes or block[readers[0]].count("normals[") != 1:
        return None
    (k,) = readers
    if block[k - 2] != f"for j in range({trace.dim}):" or place not in block[k]:
        return None
    return [
        *block[: k - 2],
        f"for group in range(0, {trace.dim}, {_GROUP}):",
        f"    number = min({_GROUP}, {trace.dim} - group)",
        "    fill_normals(normals, number, ids, block * BLOCK, words,",
        f"                 chunk * {trace.dim // lanes} + group // {lanes}, "
        "stream_low, stream_high, key_low, key_high)",
        "    for j in range(group, group + number):",
        f"    {block[k - 1]}",
        f"    {block[k].replace(place, 'normals[np.uint64((j - group) * BLOCK + b)]')}",
        *block[k + 1 :],
    ]


def _indented(lines: list[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines) or "    " * depth + "pass"


def _energy_text(source: str, real: Real, decorator: str = INLINED) -> str:
    """The energy's own functions and imports; float32 keeps its literals in float32."""
    text = decorated(source, decorator)
    return with_typed_literals(text, "np.float32") if real == "float32" else text


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the loop takes on its way: names of modules of ``record_kernel``.

    ``sums`` is that of ``observer`` for so many ``functions``, ``counts`` that of
    ``cell_counter`` for so many ``histograms``; either may be None.
    """

    sums: str | None = None
    functions: int = 0
    counts: str | None = None
    histograms: int = 0


def _recording(observed: Observed | None, chunk: int) -> dict[str, str]:
    """The parts of the module that record after a step: slots[step - first] says where to."""
    if observed is None:
        return {"record_import": "", "record_arguments": "", "record_preamble": "", "record": ""}
    imports, arguments, preamble = [], ["count"], []
    after = f"chunk * {chunk} + t + 1 - first"
    record = [f"after = {after}", "here = min(BLOCK, count - block * BLOCK)"]
    if observed.sums is not None:
        imports.append(f"from {observed.sums} import observe_block\n")
        arguments += ["slots", "sums"]
        preamble += [
            f"values = np.empty({observed.functions} * BLOCK)",
            "squares = np.empty(BLOCK)",
        ]
        record += [
            "slot = slots[after]",
            "if slot >= 0:",
            "    observe_block(state, base, here, values, squares, sums[slot, block])",
        ]
    if observed.counts is not None:
        imports.append(f"from {observed.counts} import count_block\n")
        preamble.append("places = np.empty(BLOCK, dtype=np.int32)")
    for k in range(observed.histograms):
        cells = f"axes_{k}, lows_{k}, scales_{k}, cells_{k}"
        arguments.append(f"{cells}, slots_{k}, counts_{k}")
        record += [
            f"slot = slots_{k}[after]",
            "if slot >= 0:",
            f"    count_block(state, base, here, {cells}, places, counts_{k}[slot])",
        ]
    return {
        "record_import": "".join(imports),
        "record_arguments": ",\n    " + ", ".join(arguments),
        "record_preamble": _indented(preamble, 1),
        "record": _indented(record, 4),
    }


def functions_needed(trace: Trace) -> list[str]:
    """Which of an energy's functions the step and its initialisation call."""
    names: set[str] = set()
    for outputs in (
        [*trace.step.values(), *trace.info.values()],
        [s for name, s in trace.init.items() if name != "x"],
    ):
        asked: dict[int, set[str]] = {}
        for symbol in ordered(outputs):
            if symbol.operation in ("potential", "gradient"):
                asked.setdefault(id(symbol.arguments[0]), set()).add(symbol.operation)
        names |= {"potential_gradient" if len(s) == 2 else next(iter(s)) for s in asked.values()}
    return sorted(names)  # the text must be the same in every process


def kernel_text(
    trace: Trace,
    source: str,
    *,
    real: Real,
    bits: Bits,
    parameters: int,
    own_parameters: bool,
    observed: Observed | None = None,
) -> KernelText:
    """Write the module.

    Parameters
    ----------
    trace : Trace
    source : str
        The energy's numba source (``protocols.Energy.source``).
    real, bits
        Type of the state; bits of the noise.
    parameters : int
        Length of the parameter vector.
    own_parameters : bool
        True if every particle has its own parameters.
    observed : Observed, optional
        What to record on the way.
    """
    dim = trace.dim
    lanes, block = resolution(bits, real).lanes, block_size(dim)
    chunk = chunk_length(dim, lanes, trace.uses_uniform)
    needed = functions_needed(trace)
    functions = {name: scalar_function(source, name) for name in needed}
    straight = all(functions.values())
    way = "lanes" if straight and dim <= _LANE_LIMIT else "rows"
    writer: LaneWriter | RowWriter
    if way == "lanes":
        writer = LaneWriter(trace, functions, parameters, own_parameters)
        energy = _energy_text(header_of(source), real)
    else:
        blocks = {name: lifted(source, name, own_parameters) for name in needed}
        found = {name: text for name, text in blocks.items() if text is not None}
        writer = RowWriter(trace, parameters, own_parameters, found)
        # called once per block: compiled once for both loops, not inlined into each
        energy = _energy_text(source, real) + "".join(
            f"\n\n{_energy_text(text, real, CALLED)}" for text in found.values()
        )
    recording = _recording(observed, chunk)
    fill_module = filler(bits, real, block).__name__
    head = (
        "import math\n\nimport numpy as np\nfrom numba import njit\n\n"
        f"from {fill_module} import fill_normals, fill_uniforms, new_words\n\n"
        f"{recording.pop('record_import')}\nBLOCK = {block}\n"
        f"{energy}\n\nreal = np.{real}\n{elementary_functions(real)}{_ROOM}"
    )
    step, initial = writer.step(), writer.init()
    fill, normal_rows = _fill(trace, lanes, chunk), chunk * dim if trace.uses_normal else 1
    grouped = _filled_by_groups(trace, lanes, step.block) if chunk == 1 else None
    if grouped is not None:
        step.block[:] = grouped
        fill, normal_rows = _fill_uniforms(trace, lanes, chunk), min(dim, _GROUP)
    text = _MODULE.format(
        energy=head,
        real=real,
        dim=dim,
        chunk=chunk,
        state_size=f"{trace.rows} * BLOCK",
        init_preamble=_indented(initial.preamble, 1),
        init_block=_indented(initial.block, 2),
        preamble=_indented(step.preamble, 1),
        normal_rows=normal_rows,
        uniform_rows=max(1, chunk if trace.uses_uniform else 1),
        fill=_indented(fill, 3),
        step=_indented(step.block, 4),
        **recording,
    )
    return KernelText(text=text, block=block, rows=trace.rows, info=tuple(trace.info), way=way)
