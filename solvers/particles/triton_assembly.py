"""What Triton's compiler makes of a fused loop, for a card that need not be there.

The loop stores nothing on its way, so its speed is bounded by how many instructions a card can
issue: four warps of 32 threads per processor and clock. Counting the instructions of the loop in
the machine code gives the bound. Calls out of the loop, and units that take several clocks per
instruction, are not counted: the true bound is lower.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from .triton_engine import OPTIONS, TritonEngine

_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.*?);")
_BACKWARD = re.compile(r"\bBRA\b.*?(0x[0-9a-f]+)")
_TYPES = {"float64": "*fp64", "float32": "*fp32"}


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """Machine code of ``advance``.

    Attributes
    ----------
    registers : int
        Per thread.
    stack : int
        Bytes per thread that did not find room in registers.
    instructions : float
        Issued per particle and step.
    """

    registers: int
    stack: int
    instructions: float


def _tool(name: str) -> Path:
    import triton

    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    if not path.exists():
        raise ArgumentError(f"this triton comes without {name}")
    return path


def _compiled(engine: TritonEngine, block: int, capability: int) -> bytes:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    real = _TYPES[engine.dtype]
    signature = dict.fromkeys(("state", "parameters", "constants"), real)
    signature |= {"ids": "*i64", "info": "*fp64", "lost": "*i32", "slots": "*i64", "sums": "*fp64"}
    flags: dict[str, Any] = {"BLOCK": block, "CONSECUTIVE": True, "RAGGED": False}
    for name in engine.kernel.arg_names:
        signature.setdefault(name, "constexpr" if name in flags else "i32")
    source = ASTSource(fn=engine.kernel, signature=signature, constexprs=flags)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=OPTIONS)
    return bytes(made.asm["cubin"])


def assembly(engine: TritonEngine, count: int, capability: int = 90) -> Assembly:
    """Compile the loop as for ``count`` particles on a card of this compute capability.

    Parameters
    ----------
    engine : TritonEngine
    count : int
    capability : int
        Ten times the version: 80, 90, ...

    Raises
    ------
    ArgumentError
        Where triton brings no disassembler.
    """
    tool, block = _tool("cuobjdump"), engine.block(count)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(_compiled(engine, block, capability))
        file.flush()

        def shown(option: str) -> str:
            command = [str(tool), option, file.name]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        usage, code = shown("-res-usage"), shown("-sass")
    per_thread = block / (32 * OPTIONS["num_warps"]) * engine.text.chunk
    registers, stack = (int(found) for found in re.findall(r"(?:REG|STACK):(\d+)", usage)[:2])
    return Assembly(registers=registers, stack=stack, instructions=_longest_loop(code) / per_thread)


def _longest_loop(code: str) -> int:
    """Instructions between the target of a backward branch and the branch, the largest number."""
    places, longest = [], 0
    for match in _INSTRUCTION.finditer(code):
        places.append(int(match[1], 16))
        branch = _BACKWARD.search(match[2])
        if branch is not None:
            target = int(branch[1], 16)
            longest = max(longest, sum(target <= place for place in places))
    return longest
