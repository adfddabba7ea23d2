"""The text of a fused GPU loop, generated from a step's trace and an energy's source.

One program owns a block of particles: it loads their state once, makes all its steps in
registers (noise from Philox inline, nothing stored on the way) and writes the state back. Steps
come in chunks that use up whole Philox calls, so that no random word is computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..noise.backends import Bits, Real, resolution
from ..noise.triton_text import imports
from .inline import scalar_function
from .language import Tracer
from .trace import Trace
from .write_triton import TritonWriter

_MODULE = '''{imports}

@triton.jit
def step({step_arguments}):
{step}


@triton.jit
def derived({derived_arguments}):
{derived}


@triton.jit
def record({x}, here, place):
{record}


@triton.jit
def initialise(state, parameters, constants, stride, count, BLOCK: tl.constexpr):
    """Fill the rows of the state that follow from the position."""
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < count
    row = stride.to(tl.int64)
{load_constants}
{load_parameters}
{load_x}
{initialise}


@triton.jit
def observe(state, sums, stride, count, BLOCK: tl.constexpr):
    """Sums over each block of the recorded functions and of their squares."""
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < count
    row = stride.to(tl.int64)
{load_x}
    record({x}, here, sums + tl.program_id(0).to(tl.int64) * {sums_size})


@triton.jit(do_not_specialize={plain})
def advance(
    state, parameters, constants, ids, info, lost, slots, sums,
    stride, count, first_id, first, last, chunk_from, chunk_to,
    stream_low, stream_high, key_low, key_high,
    BLOCK: tl.constexpr, CONSECUTIVE: tl.constexpr, RAGGED: tl.constexpr,
):
    """Steps first to last - 1 of one block; lost counts its particles that are not finite."""
    program = tl.program_id(0).to(tl.int64)
    lane = program * BLOCK + tl.arange(0, BLOCK)
    here = lane < count
    row = stride.to(tl.int64)
    if CONSECUTIVE:
        particle = (lane + first_id).to(tl.uint32)
    else:
        particle = tl.load(ids + lane, mask=here, other=0).to(tl.uint32)
    stream_0 = stream_low.to(tl.uint32, bitcast=True)
    stream_1 = stream_high.to(tl.uint32, bitcast=True)
    key_0 = key_low.to(tl.uint32, bitcast=True)
    key_1 = key_high.to(tl.uint32, bitcast=True)
{load_constants}
{load_parameters}
{load_state}
{zero_info}
    for chunk in range(chunk_from, chunk_to):
{noise}
{steps}
{store_state}
    # inf - inf and nan - nan are nan
    check = {check}
    tl.store(lost + program, tl.sum(tl.where(here & (check != 0.0), 1, 0)))
{store_info}
'''

#: arguments whose value must not start another compilation
_PLAIN = (
    "stride", "count", "first_id", "first", "last", "chunk_from", "chunk_to",
    "stream_low", "stream_high", "key_low", "key_high",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TritonText:
    """A module's source, and what its caller has to know.

    Attributes
    ----------
    text : str
    rows : int
        Numbers of state per particle.
    chunk : int
        Steps per round of the loop; launches that begin and end elsewhere are ragged.
    info : tuple of str
        Names of the step's info.
    constants : callable (h) -> list of float
        What depends on the step size only, in the order of the kernels' ``constants``.
    functions : int
        Number of recorded functions.
    """

    text: str
    rows: int
    chunk: int
    info: tuple[str, ...]
    constants: Callable[[float], list[float]]
    functions: int


def chunk_length(trace: Trace, lanes: int) -> int:
    """The fewest steps that use up whole Philox calls."""
    normals = lanes // math.gcd(lanes, trace.dim) if trace.uses_normal else 1
    return lanes if trace.uses_uniform else normals


def _indented(lines: list[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines) or "    " * depth + "pass"


def _noise(trace: Trace, bits: Bits, real: Real, chunk: int) -> list[str]:
    """Statements that bind z0, z1, ... (normals) and u0, u1, ... (uniforms) of one chunk."""
    way = resolution(bits, real)
    lines = []
    laws = []
    if trace.uses_normal:
        laws.append(("z", way.normals, chunk * trace.dim, ""))
    if trace.uses_uniform:
        laws.append(("u", way.uniforms, chunk, f" + {2**31}"))
    for name, function, count, offset in laws:
        calls = count // way.lanes
        for k in range(calls):
            made = [f"{name}{k * way.lanes + i}" for i in range(way.lanes)]
            lines += [
                f"index = tl.cast(chunk * {calls} + {k}, tl.uint32){offset}",
                "w0, w1, w2, w3 = philox4x32(index, particle, stream_0, stream_1, key_0, key_1)",
                f"{', '.join(made)} = {function}(w0, w1, w2, w3)",
            ]
            if way.real != real:
                lines += [f"{z} = {z}.to(tl.{real})" for z in made]
    return lines


def _steps(trace: Trace, writer: TritonWriter, chunk: int, recording: bool) -> list[str]:
    """Calls of ``step`` for one chunk."""
    rows = writer.state_names
    infos = [f"info_{k}" for k in range(len(trace.info))]
    lines = []
    for t in range(chunk):
        noise = [f"z{t * trace.dim + j}" for j in range(trace.dim)] if trace.uses_normal else []
        noise += [f"u{t}"] if trace.uses_uniform else []
        new = [f"new_{name}" for name in [*rows, *infos]]
        call = ", ".join([*rows, *noise, *writer.shared_names])
        lines += [
            f"now = chunk * {chunk} + {t}",
            f"{', '.join(new)}{',' if len(new) == 1 else ''} = step({call})",
            "if RAGGED:",
            "    active = (now >= first) & (now < last)",
            *(f"    {a} = tl.where(active, new_{a}, {a})" for a in rows),
            *(f"    {a} += tl.where(active, new_{a}, 0.0)" for a in infos),
            "else:",
            *(f"    {a} = new_{a}" for a in rows),
            *(f"    {a} += new_{a}" for a in infos),
        ]
        if recording:
            lines += [
                "done = now + 1 - first",
                "slot = tl.load(slots + done, mask=(done > 0) & (now < last), other=-1)",
                "if slot >= 0:",
                "    place = (slot * tl.num_programs(0) + program) * SUMS",
                f"    record({', '.join(rows[: trace.dim])}, here, sums + place)",
            ]
    return lines


def kernel_text(
    trace: Trace,
    source: str,
    *,
    real: Real,
    bits: Bits,
    parameters: int,
    own_parameters: bool,
    functions: dict[str, Callable[..., object]] | None = None,
    recording: bool = False,
) -> TritonText:
    """Write the module.

    Parameters
    ----------
    trace : Trace
    source : str
        The energy's triton source (``protocols.Energy.source``).
    real, bits
        Type of the state; bits of the noise.
    parameters : int
        Length of the parameter vector.
    own_parameters : bool
        True if every particle has its own parameters.
    functions : mapping, optional
        What ``observe`` sums up.
    recording : bool
        Whether ``advance`` sums them up on its way.

    Raises
    ------
    ArgumentError
        If a function leaves the language of steps.
    """
    names = ("potential", "gradient", "potential_gradient")
    bodies = {name: scalar_function(source, name) for name in names}
    writer = TritonWriter(trace, bodies, parameters)
    outputs = [*trace.step.values(), *trace.info.values()]
    fields = {name: s for name, s in trace.init.items() if name != "x"}
    observed = _observed(functions or {}, trace.dim)
    x = [f"x_{j}" for j in range(trace.dim)]
    rows = writer.state_names
    noise = [f"z_{j}" for j in range(trace.dim)] if trace.uses_normal else []
    noise += ["u_0"] if trace.uses_uniform else []
    step_lines = writer.function(outputs)
    derived_lines = writer.function(list(fields.values())) if fields else ["return 0"]
    sums = 2 * len(observed[1])
    chunk = chunk_length(trace, resolution(bits, real).lanes)
    place = "{0} * row + lane, mask=here, other=1.0" if own_parameters else "{0}"

    def load(pointer: str) -> str:
        return f"tl.load({pointer} + lane, mask=here, other=0.0)"

    text = _MODULE.format(
        imports=imports(*_imported(bits, real)),
        step_arguments=", ".join([*rows, *noise, *writer.shared_names]),
        step=_indented(step_lines, 1),
        derived_arguments=", ".join([*x, *writer.shared_names]),
        derived=_indented(derived_lines, 1),
        record=_indented(observed[0], 1),
        x=", ".join(x),
        plain=list(_PLAIN),
        sums_size=max(1, sums),
        load_constants=_indented(
            [f"{c} = tl.load(constants + {k})" for k, c in enumerate(writer.constant_names)], 1
        ),
        load_parameters=_indented(
            [f"p_{k} = tl.load(parameters + {place.format(k)})" for k in range(parameters)], 1
        ),
        load_x=_indented([f"{a} = {load(f'state + {j} * row')}" for j, a in enumerate(x)], 1),
        load_state=_indented(
            [f"{a} = {load(f'state + {j} * row')}" for j, a in enumerate(rows)], 1
        ),
        initialise=_indented(
            [
                f"{', '.join(rows[trace.dim :])}{',' if len(rows) == trace.dim + 1 else ''} = "
                f"derived({', '.join([*x, *writer.shared_names])})",
                *(
                    f"tl.store(state + {trace.dim + k} * row + lane, {a}, mask=here)"
                    for k, a in enumerate(rows[trace.dim :])
                ),
            ]
            if fields
            else [],
            1,
        ),
        zero_info=_indented(
            [f"info_{k} = tl.zeros([BLOCK], tl.{real})" for k in range(len(trace.info))], 1
        ),
        noise=_indented(_noise(trace, bits, real, chunk), 2),
        steps=_indented(_steps(trace, writer, chunk, recording), 2).replace("SUMS", str(sums)),
        store_state=_indented(
            [f"tl.store(state + {j} * row + lane, {a}, mask=here)" for j, a in enumerate(rows)], 1
        ),
        check=" + ".join(f"({a} - {a})" for a in x),
        store_info=_indented(
            [
                f"tl.store(info + program * {len(trace.info)} + {k}, "
                f"tl.sum(tl.where(here, info_{k}, 0.0).to(tl.float64)))"
                for k in range(len(trace.info))
            ],
            1,
        ),
    )
    return TritonText(
        text=text,
        rows=trace.rows,
        chunk=chunk,
        info=tuple(trace.info),
        constants=writer.constants,
        functions=len(observed[1]),
    )


def _imported(bits: Bits, real: Real) -> list[str]:
    way, suffix = resolution(bits, real), "64" if real == "float64" else "32"
    names = {name: name for name in ("exp", "log1p", "sin", "cos", "tanh")}
    names |= {"natural_log": "log", "log": "log_positive"}
    return [
        "philox4x32", "exact_sqrt as sqrt", "where", way.normals, way.uniforms,
        *(f"{name}_{suffix} as {known}" for name, known in names.items()),
    ]  # fmt: skip


def _observed(
    functions: dict[str, Callable[..., object]], dim: int
) -> tuple[list[str], list[object]]:
    """Statements that sum up functions of the position, in double precision."""
    tracer = Tracer(dim)
    x = tracer.vector("x")
    values = [tracer.lift(function(x)) for function in functions.values()]
    trace = Trace(
        dim=dim, step={"x": x}, init={}, info={}, uses_uniform=False, uses_normal=False,
        offset={"x": 0}, rows=dim,
    )  # fmt: skip
    writer = TritonWriter(trace, {}, 0, widen=True)
    lines, names = writer.values(values)
    for q, value in enumerate(values):
        # a constant function too has one value per particle
        lines += [
            f"value_{q} = tl.where(here, {names[id(value)][0]} + 0.0 * x_0.to(tl.float64), 0.0)",
            f"tl.store(place + {2 * q}, tl.sum(value_{q}))",
            f"tl.store(place + {2 * q + 1}, tl.sum(value_{q} * value_{q}))",
        ]
    return lines, list(values)
