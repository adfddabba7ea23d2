"""The fused GPU loop against the compiled CPU loop; see ``triton_cases`` for what is asked.

Without a GPU Triton's interpreter runs the same text on the CPU, and the compiler still has to
turn it into machine code that fits into registers.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="the optional extra 'gpu' is not installed")
torch = pytest.importorskip("torch")

CASES = Path(__file__).with_name("triton_cases.py")
ROOT = CASES.parents[2]
NAMES = [
    node.name
    for node in ast.parse(CASES.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return kept | more


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: Any) -> tuple[dict[str, list[str]], str]:
    """Failures by name of the case ([] where all passed), and the output."""
    report = tmp_path_factory.mktemp("triton") / "report.xml"
    interpret = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "pytest", str(CASES), f"--junitxml={report}"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**interpret), capture_output=True, text=True, check=False
    )
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "").split("[")[0]
        failed = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        found.setdefault(name, []).extend([case.get("name", "")] if failed else [])
    return found, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_fused_loop(name: str, outcomes: tuple[dict[str, list[str]], str]) -> None:
    found, output = outcomes
    assert name in found, output[-4000:]
    assert found[name] == [], output[-4000:]


MACHINE_CODE = """
import numpy as np
from lvebm_theory.energies import catalogue
from solvers.noise import Noise
from solvers.particles import ula
from solvers.particles.triton_assembly import assembly
from solvers.particles.triton_engine import TritonEngine

well = catalogue()["double_well"]()
modes = catalogue()["gaussian_mixture"](means=np.arange(16.0).reshape(8, 2), sds=0.5)
for energy, dtype in ((well, "float32"), (well, "float64"), (modes, "float32")):
    engine = TritonEngine(
        energy, ula, noise=Noise(1), step_size=0.01, dtype=dtype, device="cpu"
    )
    made = assembly(engine, 10**6)
    print(made.registers, made.stack, made.instructions)
"""


@pytest.mark.slow
def test_machine_code_keeps_the_state_in_registers() -> None:
    """Compiled for compute capability 9.0, which takes no card."""
    done = subprocess.run(
        [sys.executable, "-c", MACHINE_CODE],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [[float(entry) for entry in line.split()] for line in done.stdout.splitlines()]
    assert len(rows) == 3
    for registers, stack, _ in rows:
        assert registers <= 255
        assert stack == 0
    # a Philox call is 20 wide multiplications and 20 exclusive ors, shared by 4 normals (or 2);
    # with less the noise would have been dropped, with far more it is computed twice
    assert 25 < rows[0][2] < 60
    assert rows[0][2] < rows[1][2] < 150
    assert 200 < rows[2][2] < 500


LAUNCHES = """
import numpy as np
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction
from lvebm_theory.energies import catalogue
from solvers.noise import Noise
from solvers.particles import mala, ula
from solvers.particles.triton_engine import TritonEngine


class NoCard:
    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)


made = []


def compile_only(self, grid):
    def launch(*arguments, **options):
        made.append(self.warmup(*arguments, grid=grid, **options).hash)

    return launch


driver.set_active(NoCard())
JITFunction.__getitem__ = compile_only
functions = {"square": lambda x: x[0] ** 2}


def launches(scheme, ids, seed, b, h, shift):
    well = catalogue()["double_well"](b=b)
    engine = TritonEngine(well, scheme, noise=Noise(seed), step_size=h, device="cpu")
    ensemble = engine.begin(np.zeros((len(ids), 1)), ids)
    engine.advance(ensemble, 4 * shift, 1000 + 4 * shift)
    engine.advance(ensemble, 4 * shift + 1, 16 + 4 * shift)
    watched = engine.watch(ensemble, functions, [3, 5], 9)
    engine.advance(ensemble, 4 * shift, 9 + 4 * shift, watched)
    engine.observe(ensemble, functions)


for scheme in (ula, mala):
    for ids in (np.arange(3000), np.arange(3000)[::-1].copy(), np.arange(3000) + 2**31):
        launches(scheme, ids, 1, 1.0, 0.01, 0)
first = set(made)
for scheme in (ula, mala):
    for ids in (np.arange(3000), np.arange(3000)[::-1].copy(), np.arange(3000) + 2**31):
        launches(scheme, ids, 2**64 - 1, 2.5, 0.02, 7)
print(len(made), len(first), len(set(made) - first))
"""


@pytest.mark.slow
def test_every_launch_binds_and_compiles_once() -> None:
    """As the engine launches its kernels, but for the launch; numbers compile nothing anew."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHES],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    launched, distinct, again = (int(entry) for entry in done.stdout.split())
    assert launched > 60
    assert distinct < launched / 2
    assert again == 0
